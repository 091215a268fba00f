"""Slots that several layers read, in every position, and frozen layers; statistics; extremes.

Extremes are one sample, all-zero batches, constant columns, fifty blocks, and networks without parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from compare import Array, assert_same_bits
from layer_cases import ALONE, check_network, inputs_of, make
from reference_cases import DTYPES, in_both_types, normal
from reference_layers import Pass, complex_step, oracle_of

Tanh = lambda units: bp.Dense(units, activation="tanh")  # noqa: E731
Block = bp.Residual
POSITIONS: dict[str, Callable[[], list[Any]]] = {
    "first": lambda: [Block([Tanh(6)], activation="gelu"), Tanh(3)],
    "last": lambda: [Tanh(6), Block([Tanh(9), Tanh(6)], activation="softmax")],
    "first and last, projected": lambda: [Block([Tanh(9)]), Block([Tanh(3)], activation="tanh")],
    "twice in a row": lambda: [Tanh(6), Block([Tanh(6)]), Block([Tanh(6)], activation="gelu"), Tanh(2)],
    "a projection of the same width": lambda: [Tanh(6), Block([Tanh(6)], projection=True), "tanh"],
    "nested, first in a block": lambda: [Tanh(6), Block([Block([Tanh(6)], activation="tanh"), Tanh(6)]), Tanh(2)],
    "nested, last in a block": lambda: [Tanh(6), Block([Tanh(6), Block([Tanh(6)])], activation="gelu")],
    "nested alone, three deep": lambda: [Tanh(6), Block([Block([Block([Tanh(6)])])])],
    "nested, all projected": lambda: [Block([Block([Tanh(4)]), Block([Tanh(3)])]), Tanh(2)],
    "only an activation": lambda: [Tanh(6), Block(["gelu"]), Block(["softmax"])],
    "behind softmax": lambda: [bp.Dense(6, activation="softmax"), Block([Tanh(6)]), Tanh(2)],
    "behind gelu": lambda: [bp.Dense(6, activation="gelu"), Block([bp.Dense(6, activation="gelu")]), Tanh(2)],
    "noise inside": lambda: [Tanh(6), Block([bp.Dropout(0.3), Tanh(6), bp.GaussianNoise(0.1)]), Tanh(2)],
    "noise alone inside": lambda: [Tanh(6), Block([bp.Dropout(0.3)]), Block([bp.AlphaDropout(0.2)], "tanh")],
    "noise around": lambda: [bp.Dropout(0.2), Block([Tanh(6)]), bp.Dropout(0.2)],
    "batch norm inside": lambda: [Tanh(6), Block([bp.BatchNorm(), "tanh", bp.Dense(6), bp.BatchNorm()], "gelu")],
    "batch norm everywhere": lambda: [bp.BatchNorm(), Block([bp.BatchNorm()]), bp.BatchNorm(), bp.BatchNorm()],
    "batch norm behind a block": lambda: [Block([Tanh(9)]), bp.BatchNorm(), Block([Tanh(9), bp.BatchNorm()])],
    "layer norms": lambda: [bp.LayerNorm(), Block([bp.LayerNorm(), Tanh(6)]), bp.RMSNorm(), Block([bp.RMSNorm()])],
    "behind codes": lambda: [bp.Normalize(), bp.Embedding({1: 3, 4: 7}), Block([bp.Dropout(0.1), Tanh(9)]), Tanh(2)],
}
every_position = pytest.mark.parametrize("name", POSITIONS)


@in_both_types
@every_position
def test_positions(name: str, dtype: str) -> None:
    rng = np.random.default_rng(210)
    for rows in (1, 5, 150):
        network = make(POSITIONS[name](), 6, dtype, rng)
        check_network(network, inputs_of(network, rng, rows), rng, f"{name}, {rows} rows")


@in_both_types
@every_position
def test_frozen_layers(name: str, dtype: str) -> None:
    """Each layer frozen alone, and all but one: the others' gradients keep their bits.

    A frozen batch norm makes others of them, by its running statistics: those are compared with the oracle's.
    """
    rng = np.random.default_rng(211)
    count = len([layer for layer in make(POSITIONS[name](), 6, dtype, rng).walk() if not layer.layers])
    for frozen in [[at] for at in range(count)] + [[at for at in range(count) if at != one] for one in range(count)]:
        network = make(POSITIONS[name](), 6, dtype, rng)
        leaves = [layer for layer in network.walk() if not layer.layers]
        x = inputs_of(network, rng, 40)
        y = normal(rng, (40, network.output_size), dtype)
        trainer = bp.Trainer(network, loss="mse", optimizer="sgd")
        whole = trainer.gradients(x, y)[1]
        for at in frozen:
            leaves[at].trainable = False
        moves = np.concatenate([np.full(leaf.parameter_count, leaf.trainable) for leaf in leaves])
        kinds = {leaves[at].specification.name for at in frozen}
        if "batch_norm" in kinds:
            check_network(network, x, rng, f"{name}, frozen {frozen}")
        else:
            gradients = trainer.gradients(x, y)[1]
            assert_same_bits(gradients[moves], whole[moves], f"{name}, beside frozen {frozen}")
            assert not gradients[~moves].any()
        before, statistics = network.parameters.copy(), network.statistics.copy()
        trainer.step(x, y)
        assert_same_bits(network.parameters[~moves], before[~moves], f"{name}, frozen {frozen}")
        for leaf in leaves:
            if leaf.specification.name == "batch_norm":
                start = leaf.statistics["running_mean"].ctypes.data - network.statistics.ctypes.data
                first = start // network.statistics.itemsize
                own = slice(first, first + 2 * leaf.input_size)
                assert np.array_equal(network.statistics[own], statistics[own]) == (not leaf.trainable)


@in_both_types
@pytest.mark.parametrize("name", ALONE)
def test_all_zero_batches_and_constant_columns(name: str, dtype: str) -> None:
    """Finite, and what the oracle says; a column of equal numbers has no spread, however large they are."""
    rng = np.random.default_rng(212)
    for layers in ALONE[name]:
        for rows in (1, 17, 100):
            network = make([*layers(9), bp.Dense(3, activation="tanh")], 9, dtype, rng)
            x = np.zeros((rows, 9), dtype)
            check_network(network, x, rng, f"{network!r}, zeros, {rows} rows")
            x[:, 2] = 0.1
            x[:, 4] = normal(rng, rows, dtype)
            check_network(network, x, rng, f"{network!r}, constant columns, {rows} rows")


@in_both_types
@pytest.mark.parametrize("value", [0.1, 12345.678, -1e6 / 3, 3e9])
def test_what_is_constant_has_no_spread(value: float, dtype: str) -> None:
    rng = np.random.default_rng(213)
    for rows, width in ((2, 3), (33, 17), (77, 130), (129, 1000)):
        x = np.full((rows, width), value, dtype)
        for layer in (bp.BatchNorm(), bp.LayerNorm()):
            network = make([layer], width, dtype, rng)
            bias = np.broadcast_to(network.layers[0].bias, x.shape)
            y = network.forward(x)
            assert_same_bits(y, np.ascontiguousarray(bias), f"{layer!r} of {value}, {rows} x {width}")
            assert np.isfinite(network.backward(np.ones_like(x))).all()


@in_both_types
def test_one_sample_has_no_variance(dtype: str) -> None:
    """Batch norm gives its bias and no gradient, and the running variance stays: a last batch of one does no harm."""
    rng = np.random.default_rng(214)
    network = make([bp.BatchNorm()], 20, dtype, rng)
    layer, x = network.layers[0], normal(rng, (1, 20), dtype)
    mean, variance = layer.statistics["running_mean"].copy(), layer.statistics["running_variance"].copy()
    assert_same_bits(network.forward(x)[0], layer.bias, "y")
    assert not network.backward(normal(rng, (1, 20), dtype)).any()
    assert not layer.weight_gradient.any()
    assert_same_bits(layer.statistics["running_variance"], variance, "running variance")
    np.testing.assert_allclose(layer.statistics["running_mean"], 0.9 * mean + 0.1 * x[0], rtol=1e-5, atol=1e-7)


@in_both_types
def test_running_statistics(dtype: str) -> None:
    """They move in training alone, by the rule; gradients and evaluation leave them."""
    rng = np.random.default_rng(215)
    network = make([bp.Dense(7), bp.BatchNorm(momentum=0.25), bp.Dense(2)], 5, dtype, rng)
    trainer = bp.Trainer(network, loss="mse", optimizer=bp.SGD(learning_rate=0.0))
    mean, variance = (network.layers[1].statistics[name] for name in ("running_mean", "running_variance"))
    wanted_mean, wanted_variance = mean.astype(float), variance.astype(float)
    for step in range(8):
        x, y = normal(rng, (31, 5), dtype), normal(rng, (31, 2), dtype)
        before = network.statistics.copy()
        trainer.gradients(x, y)
        trainer.evaluate(x, y)
        network.predict(x)
        network.forward(x, training=False)
        assert_same_bits(network.statistics, before, "statistics after what is no training")
        if step % 2:
            network.forward(x)
        else:
            trainer.step(x, y)
        z = x.astype(float) @ network.layers[0].weight.astype(float).T + network.layers[0].bias
        wanted_mean += 0.25 * (z.mean(axis=0) - wanted_mean)
        wanted_variance += 0.25 * (z.var(axis=0, ddof=1) - wanted_variance)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(mean, wanted_mean, rtol=32 * eps, atol=32 * eps)
    np.testing.assert_allclose(variance, wanted_variance, rtol=32 * eps)


@in_both_types
def test_fifty_blocks(dtype: str) -> None:
    """Start finite, give the oracle's gradients, and train."""
    rng = np.random.default_rng(216)
    block = Block([bp.LayerNorm(), bp.Dense(16, activation="gelu"), bp.Dense(16, weight_initializer="zeros")])
    network = bp.Network([bp.Dense(16), *[block] * 50, bp.Dense(1)], input_size=4, dtype=dtype, seed=1)
    x = normal(rng, (64, 4), dtype)
    y = np.sin(x[:, :1] * 2)
    dy, run = normal(rng, (64, 1), dtype), Pass(True)
    network.forward(x)
    dx, oracle = network.backward(dy), oracle_of(network)
    along, along_x = rng.standard_normal(oracle.parameters.size), rng.standard_normal(x.shape)

    def loss(step: Array) -> Array:
        moved = oracle.with_parameters(oracle.parameters + step[0] * along)
        return np.asarray((moved.forward(x.astype(float) + step[0] * along_x, run) * dy.astype(float)).sum())

    got = np.dot(network.gradients.astype(float), along) + np.sum(dx.astype(float) * along_x)
    size = np.linalg.norm(network.gradients) + np.linalg.norm(dx)
    assert got == pytest.approx(complex_step(loss, np.zeros(1))[0], abs=64 * float(np.finfo(dtype).eps * size))
    trainer = bp.Trainer(network, loss="mse", optimizer=bp.Adam(learning_rate=1e-3))
    first = trainer.evaluate(x, y)["loss"]
    trainer.fit(x, y, epochs=60, batch_size=32, progress=False)
    assert trainer.evaluate(x, y)["loss"] < 0.1 * first


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "layers", [[bp.Dropout(0.5)], ["relu"], [bp.Normalize()], [Block(["tanh", bp.Dropout(0.2)])], [bp.Dropout(0.5)] * 3]
)
def test_networks_without_parameters(layers: list[Any], dtype: str) -> None:
    """They predict, for one row as for many; a trainer reports their loss and trains nothing."""
    rng = np.random.default_rng(217)
    network = bp.Network(layers, input_size=6, dtype=dtype, seed=0)
    for rows in (1, 8, 33):
        check_network(network, normal(rng, (rows, 6), dtype), rng, f"{network!r}, {rows} rows")
    x, y = normal(rng, (40, 6), dtype), normal(rng, (40, 6), dtype)
    trainer = bp.Trainer(network, loss="mse", clip_norm=1.0, accumulate=2)
    history = trainer.fit(x, y, epochs=2, batch_size=16, progress=False)
    assert np.isfinite(history["loss"]).all()
    assert trainer.gradients(x, y)[1].shape == (0,)
    assert trainer.step_count == 2 * 2


@in_both_types
def test_few_rows_past_dropout(dtype: str) -> None:
    """Noise stands in nobody's way outside of training: a row alone gives the same bits as in a batch."""
    rng = np.random.default_rng(218)
    for layers in (
        [bp.Dropout(0.5), Tanh(33), bp.Dropout(0.5), bp.Dropout(0.5), bp.Dense(3), bp.Dropout(0.1)],
        [Tanh(33), bp.GaussianNoise(0.5), bp.Dense(3)],
        [bp.Dropout(0.5), bp.AlphaDropout(0.1)],
    ):
        network = make(layers, 20, dtype, rng)
        x = normal(rng, (50, 20), dtype)
        whole = network.predict(x)
        for rows in (1, 2, 7, 8, 9):
            assert_same_bits(network.predict(x[:rows]), whole[:rows], f"{network!r}, {rows} rows")


def test_a_slot_that_nobody_reads_is_refused() -> None:
    layers = [("dense", {"units": 3}, [0]), ("dense", {"units": 3}, [0])]
    with pytest.raises(ValueError, match="slot 1 is read by no layer"):
        native.Network("float32", 2, layers)
    with pytest.raises(ValueError, match="not made yet"):
        native.Network("float32", 2, [("dense", {"units": 3}, [1])])
    with pytest.raises(ValueError, match="two slots of one width"):
        native.Network("float32", 2, [("dense", {"units": 3}, [0]), ("add", {}, [1, 0])])
