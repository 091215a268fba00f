"""What the tests of layers share: each layer alone, random deep networks, and the comparison of gradients.

A gradient is compared in a few elements of each tensor and along a random direction of each, with the oracle's complex
steps. The tolerance is what the arithmetic deserves: the oracle's slopes are computed again with every parameter and
input moved by a rounding error of the type, and the change, or the rounding of the network's largest gradient, is the
unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from compare import Array
from reference_layers import Network, Pass, complex_step, oracle_of, slope_along

UNITS = 32  # how many units of rounding a result may differ by
WIDTHS, ROWS = (1, 3, 17, 64, 130), (1, 2, 15, 16, 17, 33, 64, 100, 257)

ALONE: dict[str, list[Callable[[int], list[Any]]]] = {
    "dense": [lambda k: [bp.Dense(k, activation="tanh", l1=0.02, l2=0.1)], lambda k: [bp.Dense(5, bias=False)]],
    "activation": [lambda k: ["gelu"], lambda k: ["softmax"], lambda k: [bp.Dense(k), "tanh", "sigmoid"]],
    "dropout": [lambda k: [bp.Dropout(0.3)]],
    "alpha_dropout": [lambda k: [bp.AlphaDropout(0.3)]],
    "gaussian_noise": [lambda k: [bp.GaussianNoise(0.3)]],
    "batch_norm": [lambda k: [bp.BatchNorm()], lambda k: [bp.BatchNorm(momentum=0.5, epsilon=0.1, trainable=False)]],
    "layer_norm": [lambda k: [bp.LayerNorm()], lambda k: [bp.LayerNorm(epsilon=0.1)]],
    "rms_norm": [lambda k: [bp.RMSNorm()]],
    "residual": [
        lambda k: [bp.Residual([bp.Dense(k, activation="tanh")])],
        lambda k: [bp.Residual([bp.Dense(7, activation="tanh"), bp.Dense(4)], activation="sigmoid")],
        lambda k: [bp.Residual([bp.Residual([bp.Dense(k)], projection=True), "tanh"], activation="softmax")],
    ],
    "normalize": [lambda k: [bp.Normalize()]],
    "embedding": [lambda k: [bp.Embedding({0: 4}, size=3)]],
}
# Blocks that do nothing, or only later; codes alone; what comes in is what goes out.
ODD: list[list[Any]] = [
    [bp.Dropout(0.5), bp.GaussianNoise(0.1)],
    ["linear"],
    [bp.Residual([bp.Dropout(0.5)])],
    [bp.Residual([bp.Dropout(0.5)], projection=True, activation="tanh")],
    [bp.Normalize(), bp.Residual(["linear"]), bp.Residual([bp.Residual([bp.GaussianNoise(0.1)]), "relu"])],
    [bp.Residual(["tanh", bp.Residual(["tanh", bp.Residual(["tanh"])])]), bp.Dense(2, activation="softmax")],
    [bp.Dense(4, bias=False), bp.Residual([bp.Dense(4, bias=False)], projection=True), "linear", "tanh"],
    [bp.Embedding({column: 3 for column in range(5)}, size=2)],
    [bp.Embedding({2: 1}, size=1), bp.Residual([bp.BatchNorm()])],
]


def make(layers: list[Any], inputs: int, dtype: str, rng: np.random.Generator) -> bp.Network:
    """Return a network whose every tensor and statistic matters: none is left at zeros and ones."""
    network = bp.Network(layers, input_size=inputs, dtype=dtype, seed=int(rng.integers(1 << 30)))
    for layer in network.walk():
        for name, view in layer.tensors.items():
            if name == "bias":
                view[...] = 0.3 * rng.standard_normal(view.shape)
            elif name.startswith("table") or view.ndim == 1:
                view[...] = (view.ndim == 1) + 0.3 * rng.standard_normal(view.shape)
        for name, view in layer.statistics.items():
            positive = name in ("scale", "running_variance")
            view[...] = rng.uniform(0.5, 2, view.shape) if positive else 0.3 * rng.standard_normal(view.shape)
            if layer.specification.name == "normalize":
                view[list(network.codes)] = positive  # codes stay as they are
    return network


def inputs_of(network: bp.Network, rng: np.random.Generator, rows: int) -> Array:
    """Return inputs, codes where the network takes codes."""
    x = rng.standard_normal((rows, network.input_size))
    for column, codes in network.codes.items():
        x[:, column] = rng.integers(0, codes, rows)
    return x.astype(network.dtype)


def random_layers(rng: np.random.Generator, inputs: int, depth: int = 0) -> list[Any]:
    """Return layers of every kind, in any order, blocks in blocks among them."""
    layers: list[Any] = []
    if depth == 0 and rng.random() < 0.4:
        layers.append(bp.Normalize())
    if depth == 0 and rng.random() < 0.4:
        columns = rng.permutation(inputs)[: int(rng.integers(1, inputs + 1))]
        layers.append(bp.Embedding({int(column): int(rng.integers(1, 9)) for column in columns}))
    return layers + [random_layer(rng, depth) for _ in range(int(rng.integers(1, 4 if depth else 6)))]


def random_layer(rng: np.random.Generator, depth: int) -> Any:
    """Return a layer that may stand anywhere; blocks no deeper than three."""
    width = int(rng.choice([1, 3, 17, 17, 33, 64]))
    activation = str(rng.choice(["linear", "tanh", "sigmoid", "gelu", "relu", "softmax"]))
    penalties = {"l1": 0.01, "l2": 0.1} if rng.random() < 0.3 else {}
    kinds: dict[str, Callable[[], Any]] = {
        "dense": lambda: bp.Dense(width, activation=activation, bias=bool(rng.random() < 0.7), **penalties),
        "activation": lambda: str(rng.choice(["tanh", "gelu", "softmax"])),
        "dropout": lambda: bp.Dropout(0.3),
        "alpha_dropout": lambda: bp.AlphaDropout(0.2),
        "gaussian_noise": lambda: bp.GaussianNoise(0.2),
        "batch_norm": lambda: bp.BatchNorm(epsilon=0.01, trainable=bool(rng.random() < 0.8)),
        "layer_norm": lambda: bp.LayerNorm(epsilon=0.01, trainable=bool(rng.random() < 0.8)),
        "rms_norm": lambda: bp.RMSNorm(epsilon=0.01),
        "residual": lambda: bp.Residual(
            random_layers(rng, width, depth + 1),
            activation=str(rng.choice(["linear", "tanh", "gelu"])),
            projection=True if rng.random() < 0.3 else None,
            trainable=bool(rng.random() < 0.85),
        ),
    }
    weights = np.array([3, 1, 1, 1, 1, 2, 2, 1, 3 if depth < 2 else 0], float)
    return kinds[str(rng.choice(list(kinds), p=weights / weights.sum()))]()


def far_from_kinks(oracle: Network, x: Array, run: Pass, dtype: str) -> bool:
    """Say whether no sum is so near to zero that rounding decides on which side of relu's corner it falls."""
    oracle.forward(x, run)
    eps = float(np.finfo(dtype).eps)
    return all(np.abs(z).min() > 256 * eps * np.abs(z).max() for z in run.sums)


def assert_near(got: Array, wanted: Array, moved: Array, scale: float, what: str) -> None:
    """Check got against the oracle: rounding of the type may move it as it moves the oracle."""
    eps = float(np.finfo(got.dtype).eps)
    exact = got.astype(np.float64)
    assert exact.shape == wanted.shape, f"{what}: expected shape {wanted.shape}, got {exact.shape}"
    allowed = UNITS * (np.abs(moved - wanted).max(initial=0.0) + eps * scale) + float(np.finfo(got.dtype).tiny)
    error = np.abs(exact - wanted).max(initial=0.0)
    assert error <= allowed, f"{what}: off by {error:.3g}, allowed {allowed:.3g}, size {np.abs(wanted).max():.3g}"


def nearby(oracle: Network, x: Array, dtype: str, columns_of_codes: tuple[int, ...]) -> tuple[Network, Array]:
    """Return the oracle and inputs moved by a rounding error of the type."""
    rng, eps = np.random.default_rng(50), float(np.finfo(dtype).eps)
    parameters = oracle.parameters * (1 + eps * rng.choice([-1, 1], oracle.parameters.size))
    moved = x * (1 + eps * rng.choice([-1, 1], x.shape))
    moved[:, columns_of_codes] = x[:, columns_of_codes]
    near = oracle.with_parameters(parameters)
    for layer in near.leaves():
        layer.statistics = {
            name: value * (1 + eps * rng.choice([-1, 1], value.shape)) for name, value in layer.statistics.items()
        }
    return near, moved


def assert_gradients(
    network: bp.Network,
    x: Array,
    function: Callable[[Network, Array], Array],
    got: tuple[Array, Array | None],
    dy: Array | float,
    what: str,
) -> None:
    """Check the flat gradients, and those of the inputs where given, against slopes of function(oracle, x).

    ``dy``: the gradient of the outputs, or the size of its elements: many of them, added up, round as they do.
    """
    got, got_x = got
    oracle, dtype = oracle_of(network), network.dtype.name
    x64 = x.astype(np.float64)
    near, near_x = nearby(oracle, x64, dtype, tuple(network.codes))
    rng = np.random.default_rng(51)
    largest = [np.abs(part).max(initial=0.0) for part in (got, got_x) if part is not None]
    scale = float(max(*largest, np.abs(dy).max() * np.sqrt(len(x))))
    at, flat = 0, np.ravel(got)
    for name, tensor, learns in oracle.tensors():
        ours, start = flat[at : at + tensor.size], at
        at += tensor.size
        if not learns:
            assert not ours.any(), f"{what}: a frozen layer has no gradient, {name} has"
            continue
        places = start + rng.permutation(tensor.size)[:4]
        direction = np.zeros(flat.size)
        direction[start : start + tensor.size] = rng.choice([-1.0, 1.0], tensor.size)
        results = []
        for net, inputs in ((oracle, x64), (near, near_x)):
            by_place = lambda p, net=net, inputs=inputs: function(net.with_parameters(p), inputs)  # noqa: E731
            results.append(
                (complex_step(by_place, net.parameters, places), slope_along(by_place, net.parameters, direction))
            )
        assert_near(flat[places], results[0][0], results[1][0], scale, f"{what}, {name} at {places - start}")
        along = np.array([np.dot(ours.astype(np.float64), direction[start:at])], got.dtype)
        sizes = scale * np.sqrt(tensor.size)
        assert_near(along, np.array([results[0][1]]), np.array([results[1][1]]), sizes, f"{what}, {name} as a whole")
    if got_x is not None:
        places = rng.permutation(x.size)[:6]
        places = places[~np.isin(places % x.shape[1], list(network.codes))]
        pair = [
            complex_step(lambda flat, net=net: function(net, flat.reshape(x.shape)), inputs.ravel(), places)
            for net, inputs in ((oracle, x64), (near, near_x))
        ]
        assert_near(got_x.ravel()[places], pair[0], pair[1], scale, f"{what}, dx at {places}")
        assert not got_x[:, list(network.codes)].any(), f"{what}: codes have no gradient"


def assert_outputs(network: bp.Network, x: Array, run: Pass, got: Array, what: str) -> None:
    """Check outputs against the oracle's forward pass."""
    oracle, x64 = oracle_of(network), x.astype(np.float64)
    near, near_x = nearby(oracle, x64, network.dtype.name, tuple(network.codes))
    wanted = oracle.forward(x64, run)
    assert_near(got, wanted, near.forward(near_x, run), float(np.abs(wanted).max()), what)


def check_network(network: bp.Network, x: Array, rng: np.random.Generator, what: str) -> None:
    """Predict, forward and backward, and a trainer's gradients, against the oracle."""
    assert_outputs(network, x, Pass(False), network.predict(x), f"{what}: predict")
    run = Pass(True, network._native.noise_seed, network._native.forwards + 1)
    dy = rng.standard_normal((len(x), network.output_size)).astype(network.dtype)
    before = network.statistics.copy()
    y = network.forward(x, training=True)
    network.statistics[...] = before  # what the oracle starts from
    dx = network.backward(dy)
    assert_outputs(network, x, run, y, f"{what}: forward")

    def own_loss(net: Network, inputs: Array) -> Array:
        return np.asarray((net.forward(inputs, run) * dy.astype(np.float64)).sum())

    assert_gradients(network, x, own_loss, (network.gradients, dx), dy, f"{what}: backward")

    target = rng.standard_normal((len(x), network.output_size)).astype(network.dtype)
    weight = rng.random(len(x)).astype(network.dtype)
    loss, gradients = bp.Trainer(network, loss="mse").gradients(x, target, weight)
    run = Pass(True, network._native.noise_seed, 1)

    def mse(net: Network, inputs: Array) -> Array:
        return net.loss(inputs, target.astype(np.float64), "mse", run, weight.astype(np.float64))

    oracle = oracle_of(network)
    near, near_x = nearby(oracle, x.astype(np.float64), network.dtype.name, tuple(network.codes))
    wanted, moved = mse(oracle, x.astype(np.float64)), mse(near, near_x)
    assert_near(np.array([loss], network.dtype), np.array([wanted]), np.array([moved]), abs(float(wanted)), what)
    dy = 2 * (y - target) / y.size
    assert_gradients(network, x, mse, (gradients, None), dy, f"{what}: gradients of a trainer")


def assert_refused_without_form(
    what: str, convert: Callable[[bp.Network], object], forms: dict[str, Any], monkeypatch: Any
) -> None:
    """Where the form of a layer is missing, whichever it is, `what` refuses it by name and says what to do."""
    for kind in bp.layers.LAYERS:
        net = bp.Network(ALONE[kind][0](4), 4, seed=0)
        with monkeypatch.context() as patch:
            patch.delitem(forms, kind)
            with pytest.raises(ValueError, match=rf"{what} knows no form of layer 0, .*net\.save"):
                convert(net)
