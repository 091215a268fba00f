"""Gradients of random networks against the oracle: depth, widths, activations, losses, batches, weights, frozen layers.

The tolerance is what the arithmetic deserves: the oracle's gradients are computed again with every parameter and input
moved by a rounding error of the type, and the largest change of a tensor, or the rounding of its size, is the unit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from compare import Array, assert_close, assert_same_bits
from reference import ACTIVATIONS, LOSSES, Network
from reference_cases import in_both_types, normal, oracle_of, random_network, targets

every_activation = pytest.mark.parametrize("activation", native.activation_names())
every_loss = pytest.mark.parametrize("loss", native.loss_names())
UNITS = 16  # how many units of rounding a result may differ by


def units_of(network: Network) -> int:
    """Return how many units a network's results may differ by: behind log_softmax e^y errs by |y| units, not by one."""
    return 2 * UNITS if any(layer.activation == "log_softmax" for layer in network.layers) else UNITS


def rounding(
    network: Network, x: Array, compute: Callable[[Network, Array], list[Array]], dtype: str
) -> tuple[list[Array], list[float]]:
    """Return the oracle's results, and for each how much rounding errors of the type move it."""
    rng, eps = np.random.default_rng(50), float(np.finfo(dtype).eps)
    results = compute(network, x)
    moved = [eps * float(np.abs(result).max(initial=0.0)) for result in results]
    for _ in range(4):
        parameters = network.parameters * (1 + eps * rng.uniform(-1, 1, network.parameters.size))
        near = compute(network.with_parameters(parameters), x * (1 + eps * rng.uniform(-1, 1, x.shape)))
        for at, (other, result) in enumerate(zip(near, results, strict=True)):
            moved[at] = max(moved[at], float(np.abs(other - result).max(initial=0.0)))
    return results, [unit / eps for unit in moved]


def by_tensor(network: Network, gradients: Array) -> list[Array]:
    """Cut flat gradients into those of each weight and bias."""
    return np.split(gradients, np.cumsum([tensor.size for _, tensor in network.tensors()])[:-1])


def far_from_kinks(network: Network, x: Array, dtype: str) -> bool:
    """Say whether no sum is so near to a corner, relu's at zero, that rounding decides on which side of it it falls."""
    sums = network.forward(x)[0]
    eps = float(np.finfo(dtype).eps)
    return all(
        np.abs(z - corner).min() > 64 * eps * max(np.abs(z).max(), abs(corner))
        for layer, z in zip(network.layers, sums, strict=True)
        for corner in ACTIVATIONS[layer.activation].corners
    )


def moderate(network: Network, x: Array) -> bool:
    """Say whether every value is of a common size: e^e^x is infinite soon, and so is its rounding."""
    with np.errstate(all="ignore"):
        return all(np.isfinite(y).all() and np.abs(y).max() < 1e3 for y in network.forward(x)[1])


def cases(seed: int, activation: str, dtype: str, count: int, loss: str) -> list[tuple[bp.Network, Network, Array]]:
    """Return random networks that use the activation, their oracles, and inputs."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        depth, at = int(rng.integers(1, 6)), len(found)
        sizes = [int(size) for size in rng.integers(1, 71, depth + 1)]
        sizes[-1] = max(sizes[-1], 2)  # cross-entropy needs two classes
        mixed = [str(rng.choice(native.activation_names())) for _ in range(depth)]
        activations = [activation] * depth if at % 2 else mixed
        activations[int(rng.integers(depth))] = activation
        refused = bp.losses.get(loss).refused
        activations[-1] = "linear" if activations[-1] == refused else activations[-1]
        network = random_network(rng, sizes, activations, dtype)
        oracle, x = oracle_of(network), normal(rng, (int(rng.integers(1, 71)), sizes[0]), dtype)
        x64 = x.astype(np.float64)
        if moderate(oracle, x64) and far_from_kinks(oracle, x64, dtype):
            found.append((network, oracle, x))
    return found


@in_both_types
@every_loss
@every_activation
def test_loss_and_gradients(activation: str, loss: str, dtype: str) -> None:
    rng = np.random.default_rng(51)
    for network, oracle, x in cases(52, activation, dtype, 6, loss):
        trainer = bp.Trainer(network, loss=loss, optimizer=bp.SGD(learning_rate=0.0))
        for kind, target in targets(loss, rng, len(x), network.output_size, dtype).items():
            weight = rng.random(len(x)).astype(dtype) if rng.random() < 0.5 else None
            goal = target if target.ndim == 1 else target.astype(np.float64)
            weight64 = None if weight is None else weight.astype(np.float64)

            def compute(net: Network, x: Array, goal: Array = goal, weight: Array | None = weight64) -> list[Array]:
                mean, gradients, _ = net.loss_gradients(x, goal, loss, weight)
                return [np.reshape(mean, 1), *by_tensor(net, gradients)]

            wanted, units = rounding(oracle, x.astype(np.float64), compute, dtype)
            got_loss, gradients = trainer.gradients(x, target, weight)
            assert_same_bits(np.ravel(gradients), network.gradients, "gradients returned and network.gradients")
            got = [np.reshape(got_loss, 1).astype(dtype), *by_tensor(oracle, np.ravel(gradients))]
            for at, (ours, theirs, unit) in enumerate(zip(got, wanted, units, strict=True)):
                what = f"{'loss' if at == 0 else f'gradient of tensor {at}'} of {network!r}, {len(x)} rows, {kind}"
                assert_close(ours, theirs.ravel(), unit, units_of(oracle), what)


@in_both_types
@every_activation
def test_a_loss_of_ones_own(activation: str, dtype: str) -> None:
    """Forward, then backward with any gradient of the outputs; the gradient of the inputs comes back."""
    rng = np.random.default_rng(53)
    for network, oracle, x in cases(54, activation, dtype, 6, "mse"):
        dy = normal(rng, (len(x), network.output_size), dtype)
        dy64 = dy.astype(np.float64)

        def compute(net: Network, x: Array, dy: Array = dy64) -> list[Array]:
            sums, values = net.forward(x)
            dx, gradients = net.backward(sums, values, dy=dy)
            return [values[-1], dx, *by_tensor(net, gradients)]

        wanted, units = rounding(oracle, x.astype(np.float64), compute, dtype)
        y = network.forward(x, training=True)
        dx = network.backward(dy)
        got = [y, dx, *by_tensor(oracle, network.gradients)]
        assert_same_bits(y, network.predict(x), "forward and predict")
        for ours, theirs, unit, what in zip(got, wanted, units, ["y", "dx", *"g" * len(got)], strict=False):
            assert_close(ours, theirs, unit, units_of(oracle), f"{what} of {network!r}, {len(x)} rows")


def test_gradient_of_inputs_is_the_derivative() -> None:
    """What a user would check: nudge an input in float64 and see the loss of one's own change accordingly."""
    rng = np.random.default_rng(55)
    network = random_network(rng, (5, 17, 9, 3), ("tanh", "sigmoid", "linear"), "float64")
    x, dy = normal(rng, (4, 5)), normal(rng, (4, 3))
    network.forward(x, training=True)
    dx = network.backward(dy)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        slope = ((network.predict(up) - network.predict(down)) * dy).sum() / 2e-5
        assert slope == pytest.approx(dx[place], rel=1e-7, abs=1e-8)


@in_both_types
def test_frozen_layers(dtype: str) -> None:
    """A frozen layer keeps its bits while the others get the gradients they had."""
    rng = np.random.default_rng(56)
    for frozen in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2)):
        network = random_network(rng, (9, 33, 17, 3), ("relu", "tanh", "linear"), dtype)
        x, y = normal(rng, (40, 9), dtype), rng.integers(0, 3, 40)
        trainer = bp.Trainer(network, loss="cross_entropy", optimizer=bp.Adam(learning_rate=0.01))
        whole = np.ravel(trainer.gradients(x, y)[1]).copy()
        for index in frozen:
            network.layers[index].trainable = False
        before = network.parameters.copy()
        trainer.gradients(x, y)
        moves = oracle_of(network).trainable
        assert_same_bits(network.gradients[moves], whole[moves], f"gradients beside frozen {frozen}")
        for _ in range(3):
            trainer.step(x, y)
        assert_same_bits(network.parameters[~moves], before[~moves], f"parameters of frozen {frozen}")
        assert (network.parameters[moves] != before[moves]).mean() > 0.5
        for index in frozen:
            network.layers[index].trainable = True
        trainer.step(x, y)
        assert (network.parameters[~moves] != before[~moves]).any(), "a thawed layer learns again"


@in_both_types
def test_writing_to_a_view_counts_at_once(dtype: str) -> None:
    """Whatever native code derives from the weights (transposed, packed) is stale when a user writes to a view."""
    rng = np.random.default_rng(57)
    for sizes in ((3, 5, 2), (64, 128, 10), (130, 70, 1)):
        network = random_network(rng, sizes, ("tanh", "linear"), dtype)
        for rows in (1, 2, 40):
            x = normal(rng, (rows, sizes[0]), dtype)
            network.predict(x)
            network.layers[0].weight[...] = 0.1 * normal(rng, (sizes[1], sizes[0]), dtype)
            network.layers[1].bias += 1
            network.parameters *= 1.5
            oracle = oracle_of(network)
            wanted, units = rounding(oracle, x.astype(np.float64), lambda net, x: [net.predict(x)], dtype)
            assert_close(network.predict(x), wanted[0], units[0], UNITS, f"{sizes}, {rows} rows")


SETTINGS = [
    *(bp.activations.LeakyReLU(negative_slope=slope) for slope in (0.0, 0.01, 0.3, 1.5)),
    *(bp.activations.ELU(alpha=alpha) for alpha in (0.0, 0.3, 2.5)),
    *(bp.activations.CELU(alpha=alpha) for alpha in (0.3, 2.5)),
    *(bp.activations.Softplus(beta=beta) for beta in (0.3, 2.5)),
]


@in_both_types
@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_settings_of_activations(setting: bp.activations.Activation, dtype: str) -> None:
    rng = np.random.default_rng(58)
    network = random_network(rng, (7, 33, 18, 2), (setting, setting, setting), dtype)
    x, dy = normal(rng, (21, 7), dtype), normal(rng, (21, 2), dtype)
    oracle = oracle_of(network)
    assert far_from_kinks(oracle, x.astype(np.float64), dtype)
    sums, values = oracle.forward(x.astype(np.float64))
    network.forward(x, training=True)
    dx = network.backward(dy)
    wanted_dx, wanted = oracle.backward(sums, values, dy=dy.astype(np.float64))
    assert_close(dx, wanted_dx, 8 * np.abs(wanted_dx).max(), UNITS, "dx")
    assert_close(network.gradients, wanted, 8 * np.abs(wanted).max(), UNITS, "gradients")


@pytest.mark.parametrize("loss", [name for name in native.loss_names() if LOSSES[name].takes_logits_of])
def test_what_is_fused_equals_what_is_not(loss: str) -> None:
    """A last softmax or sigmoid with its loss has the loss and gradients of the logits, and activated outputs."""
    fused = LOSSES[loss].takes_logits_of
    assert fused is not None
    rng = np.random.default_rng(59)
    activated = bp.mlp([6, 20, 4], "tanh", output_activation=fused, dtype="float64", seed=0)
    logits = bp.mlp([6, 20, 4], "tanh", dtype="float64", seed=1)
    logits.parameters = activated.parameters
    x, target = normal(rng, (30, 6)), list(targets(loss, rng, 30, 4, "float64").values())[-1]
    results = [bp.Trainer(network, loss=loss).gradients(x, target) for network in (activated, logits)]
    assert results[0][0] == results[1][0]
    assert_same_bits(np.ravel(results[0][1]), np.ravel(results[1][1]), "gradients")
    outputs = activated.predict(x)
    assert np.all((outputs > 0) & (outputs < 1))
