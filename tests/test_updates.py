"""What is done to gradients and weights beside the optimizer: clipping, accumulation, penalties, limits of norms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bpnative as bp
from compare import Array, assert_close, assert_same_bits
from reference_cases import in_both_types, normal

SGD = bp.SGD(learning_rate=0.5)


def network_of(dtype: str, **dense: Any) -> bp.Network:
    """Return a network with a residual block, a norm and an embedding, so that every kind of range is clipped."""
    layers = [
        bp.Embedding({2: 7}, size=4),
        bp.Dense(33, activation="tanh", **dense),
        bp.LayerNorm(),
        bp.Residual([bp.Dense(33, activation="tanh")]),
        bp.Dense(2, **dense),
    ]
    return bp.Network(layers, input_size=5, dtype=dtype, seed=1)


def data(dtype: str, rows: int = 77) -> tuple[Array, Array]:
    """Return inputs, codes in column 2, and targets."""
    rng = np.random.default_rng(240)
    x = normal(rng, (rows, 5), dtype)
    x[:, 2] = rng.integers(0, 7, rows)
    return x, normal(rng, (rows, 2), dtype)


def step_of(trainer: bp.Trainer, x: Array, y: Array) -> Array:
    """Return the gradient that a step of SGD moved the weights by."""
    before = trainer.network.parameters.astype(np.float64)
    trainer.step(x, y)
    return (before - trainer.network.parameters) / SGD.learning_rate


@in_both_types
@pytest.mark.parametrize("share", [0.01, 0.5, 0.999, 1.001, 10.0])
def test_clipping_by_global_norm(share: float, dtype: str) -> None:
    """The whole gradient is shortened, not each tensor; a short one is left as it is, bit by bit."""
    x, y = data(dtype)
    eps = float(np.finfo(dtype).eps)
    free = bp.Trainer(network_of(dtype), loss="mse", optimizer=SGD)
    gradient = free.gradients(x, y)[1].astype(np.float64)
    norm = float(np.linalg.norm(gradient))
    clipped = bp.Trainer(network_of(dtype), loss="mse", optimizer=SGD, clip_norm=share * norm)
    got = step_of(clipped, x, y)
    free.step(x, y)
    if share > 1:
        assert_same_bits(clipped.network.parameters, free.network.parameters, "a short gradient")
    else:
        scale = np.abs(gradient).max() + np.abs(free.network.parameters).max()
        np.testing.assert_allclose(got, gradient * share * norm / (norm + 1e-6), rtol=0, atol=16 * eps * scale)
        np.testing.assert_allclose(np.linalg.norm(clipped.network.gradients), share * norm, rtol=1e-5)


@in_both_types
@pytest.mark.parametrize("most", [1e-4, 0.01, 1e300])
def test_clipping_by_value(most: float, dtype: str) -> None:
    x, y = data(dtype)
    clipped = bp.Trainer(network_of(dtype), loss="mse", optimizer=SGD, clip_value=most)
    gradient = clipped.gradients(x, y)[1].astype(np.float64)
    assert most > 1 or 0 < (np.abs(gradient) > most).sum() < gradient.size
    before = clipped.network.parameters.astype(np.float64)
    got = step_of(clipped, x, y)
    scale = np.abs(before).max() + np.abs(gradient).max()
    wanted = np.clip(gradient, -most, most)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=8 * float(np.finfo(dtype).eps) * scale)


@in_both_types
def test_both_clips(dtype: str) -> None:
    """By norm first, then by value."""
    x, y = data(dtype)
    plain = bp.Trainer(network_of(dtype), loss="mse", optimizer=SGD)
    gradient = plain.gradients(x, y)[1].astype(np.float64)
    norm = float(np.linalg.norm(gradient))
    both = bp.Trainer(network_of(dtype), loss="mse", optimizer=SGD, clip_norm=norm / 2, clip_value=0.01)
    both.step(x, y)
    wanted = np.clip(gradient * (norm / 2) / (norm + 1e-6), -0.01, 0.01)
    np.testing.assert_allclose(both.network.gradients, wanted, rtol=0, atol=32 * float(np.finfo(dtype).eps) * 0.1)


@in_both_types
@pytest.mark.parametrize("clip", [{"clip_norm": 1.0}, {"clip_value": 1.0}, {}])
def test_a_nan_is_not_clipped_away(clip: dict[str, float], dtype: str) -> None:
    x, y = data(dtype)
    y[3, 1] = np.nan
    trainer = bp.Trainer(network_of(dtype), loss="mse", optimizer=SGD, **clip)
    assert np.isnan(trainer.step(x, y))
    assert np.isnan(trainer.network.parameters).any()


@in_both_types
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("batch", "accumulate"), [(7, 11), (16, 3), (16, 5), (33, 2), (77, 1), (100, 4), (1, 10)])
def test_accumulation_is_the_large_batch(batch: int, accumulate: int, weighted: bool, dtype: str) -> None:
    """Weights and losses as of batches so much larger, the short ones at the end of an epoch too."""
    x, y = data(dtype)
    weight = np.random.default_rng(241).random(77).astype(dtype) if weighted else None
    settings: dict[str, Any] = {"l1": 0.01, "l2": 0.02}
    large = bp.Trainer(network_of(dtype, **settings), loss="mse", optimizer=bp.SGD(0.1, momentum=0.9))
    small = bp.Trainer(
        network_of(dtype, **settings), loss="mse", optimizer=bp.SGD(0.1, momentum=0.9), accumulate=accumulate
    )
    runs = [
        trainer.fit(x, y, epochs=3, batch_size=size, shuffle=False, sample_weight=weight, progress=False)
        for trainer, size in ((large, batch * accumulate), (small, batch))
    ]
    assert large.step_count == small.step_count == 3 * -(-77 // (batch * accumulate))
    eps = float(np.finfo(dtype).eps)
    size = float(np.abs(large.network.parameters).max())
    np.testing.assert_allclose(small.network.parameters, large.network.parameters, rtol=0, atol=256 * eps * size)
    np.testing.assert_allclose(runs[1]["loss"], runs[0]["loss"], rtol=64 * eps)


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.3), (0.2, 0.0), (0.1, 0.2)])
def test_penalties_are_in_the_loss_and_in_the_gradient(l1: float, l2: float) -> None:
    """The gradient by differences of the loss that is reported; and the loss is the data's plus the penalties."""
    x, y = data("float64")
    trainer = bp.Trainer(network_of("float64", l1=l1, l2=l2), loss="mse", optimizer=bp.SGD(learning_rate=0.0))
    network = trainer.network
    plain = bp.Trainer(network_of("float64"), loss="mse")
    loss, gradient = trainer.gradients(x, y)
    weights = [network.layers[at].weight for at in (1, 4)]
    penalty = sum(l1 * np.abs(w).sum() + l2 / 2 * (w**2).sum() for w in weights)
    assert loss == pytest.approx(plain.gradients(x, y)[0] + penalty, rel=1e-13)
    assert trainer.evaluate(x, y)["loss"] == pytest.approx(loss, rel=1e-13)
    assert trainer.step(x, y) == pytest.approx(loss, rel=1e-13)
    places = np.random.default_rng(242).permutation(gradient.size)[:60]
    for at in places:
        losses = []
        for move in (1e-5, -1e-5):
            network.parameters[at] += move
            losses.append(trainer.evaluate(x, y)["loss"])
            network.parameters[at] -= move
        assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(gradient[at], rel=1e-6, abs=1e-8)


@in_both_types
def test_penalties_of_zero_weights_and_of_frozen_layers(dtype: str) -> None:
    """At 0 the gradient of l1 is 0; what is frozen has no penalty, in no loss that is reported."""
    x, y = data(dtype)
    network = bp.Network([bp.Dense(2, l1=0.5, weight_initializer="zeros")], input_size=5, dtype=dtype)
    plain = bp.Network([bp.Dense(2, weight_initializer="zeros")], input_size=5, dtype=dtype)
    results = [bp.Trainer(each, loss="mse").gradients(x, y) for each in (network, plain)]
    assert_same_bits(results[0][1], results[1][1], "gradients")
    frozen = network_of(dtype, l2=0.5)
    frozen.layers[1].trainable = False
    trainer = bp.Trainer(frozen, loss="mse", optimizer=bp.SGD(learning_rate=0.0))
    loss = trainer.gradients(x, y)[0]
    last = frozen.layers[4].weight.astype(np.float64)
    data_loss = bp.Trainer(network_of(dtype), loss="mse").gradients(x, y)[0]
    eps = 64 * float(np.finfo(dtype).eps)
    assert loss == pytest.approx(data_loss + 0.25 * (last**2).sum(), rel=eps)
    assert trainer.step(x, y) == pytest.approx(loss, rel=eps)
    assert trainer.evaluate(x, y)["loss"] == pytest.approx(loss, rel=eps)


@in_both_types
@pytest.mark.parametrize("settings", [{}, {"clip_norm": 1.0}, {"clip_value": 0.5}, {"accumulate": 2}])
def test_max_norm_holds_after_each_step(settings: dict[str, Any], dtype: str) -> None:
    """For each row of each weight; a row that is short enough is left alone, a frozen layer keeps its bits."""
    x, y = data(dtype)
    layers = [
        bp.Dense(130, activation="tanh", max_norm=0.2),
        bp.Dense(33, activation="tanh", max_norm=0.6, trainable=False),
        bp.Residual([bp.Dense(33, max_norm=0.3)]),
        bp.Dense(2),
    ]
    network = bp.Network(layers, input_size=5, dtype=dtype, seed=2)
    trainer = bp.Trainer(network, loss="mse", optimizer=bp.SGD(learning_rate=0.05), **settings)
    frozen = network.layers[1].weight.copy()
    assert (np.linalg.norm(frozen, axis=1) > 0.6).all(), "longer than training would let it be"
    limit = 1 + 8 * float(np.finfo(dtype).eps)
    for _ in range(5):
        trainer.fit(x, y, epochs=1, batch_size=16, progress=False)
        for weight, longest in ((network.layers[0].weight, 0.2), (network.layers[2].layers[0].weight, 0.3)):
            norms = np.linalg.norm(weight.astype(np.float64), axis=1)
            assert norms.max() <= longest * limit
            assert norms.max() > 0.9 * longest
        assert_same_bits(network.layers[1].weight, frozen, "a frozen layer")
    free = bp.Network([bp.Dense(2, max_norm=1e3)], input_size=5, dtype=dtype, seed=2)
    plain = bp.Network([bp.Dense(2)], input_size=5, dtype=dtype, seed=2)
    for each in (free, plain):
        bp.Trainer(each, loss="mse", optimizer=SGD).step(x, y)
    assert_same_bits(free.parameters, plain.parameters, "short rows")


@in_both_types
def test_a_small_network_by_hand(dtype: str) -> None:
    """W = (3, 4), x = (1, 1), t = 0, mse: y = 7, dw = 14 + l1 + l2 w; then the row is cut to length 2."""
    dense = bp.Dense(1, bias=False, weight_initializer=[[3.0, 4.0]], l1=0.5, l2=0.25, max_norm=2.0)
    network = bp.Network([dense], input_size=2, dtype=dtype)
    trainer = bp.Trainer(network, loss="mse", optimizer=bp.SGD(learning_rate=0.1))
    loss, gradient = trainer.gradients([[1.0, 1.0]], [0.0])
    assert loss == 49 + 0.5 * 7 + 0.125 * 25
    assert gradient.tolist() == [14 + 0.5 + 0.75, 14 + 0.5 + 1.0]
    trainer.step([[1.0, 1.0]], [0.0])
    moved = np.array([3 - 1.525, 4 - 1.55])
    assert_close(network.parameters, moved * 2 / np.linalg.norm(moved), 2.0, 4)
