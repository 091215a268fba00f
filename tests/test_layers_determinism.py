"""The same bits with everything switched on: over threads, lengths of native calls, and after a resumed run."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import around
from compare import Array, assert_same_bits
from reference_cases import in_both_types, normal

THREADS = (1, 2, 3, 7)


class Fixed:
    """A pace that is not measured: so many steps a call."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def measured(self, steps: int, seconds: float) -> None:
        """Stay as it is."""


def everything(dtype: str) -> bp.Network:
    """Return a network of every kind of layer, with penalties and limits."""
    block = [bp.BatchNorm(), "gelu", bp.Dropout(0.1), bp.Dense(96, l1=1e-4), bp.AlphaDropout(0.05)]
    layers: list[Any] = [
        bp.Normalize(),
        bp.Embedding({0: 5, 3: 200}, size={0: 3, 3: 9}),
        bp.GaussianNoise(0.05),
        bp.Dense(96, activation="tanh", l2=1e-3, max_norm=1.5),
        bp.Residual(block, activation="gelu"),
        bp.Residual([bp.LayerNorm(), bp.Dense(130, activation="relu", max_norm=2.0), bp.Residual(["tanh"])]),
        bp.BatchNorm(),
        bp.RMSNorm(),
        bp.Dense(64, trainable=False),
        bp.BatchNorm(trainable=False),
        bp.Dense(3, l1=1e-3, l2=1e-3),
    ]
    return bp.Network(layers, input_size=8, dtype=dtype, seed=4)


def data(dtype: str) -> tuple[Array, Array]:
    """Return inputs with codes, and labels."""
    rng = np.random.default_rng(230)
    x = normal(rng, (501, 8), dtype)
    x[:, 0], x[:, 3] = rng.integers(0, 5, 501), rng.integers(0, 200, 501)
    return x, rng.integers(0, 3, 501)


def train(dtype: str, pace: Any = None, **settings: Any) -> tuple[bp.Trainer, list[Array]]:
    """Train; return the trainer, and weights, statistics, outputs and losses."""
    x, y = data(dtype)
    trainer = bp.Trainer(everything(dtype), loss="cross_entropy", metrics=["accuracy"], **settings)
    if pace is not None:
        trainer._pace = pace
    history = trainer.fit(x, y, epochs=3, batch_size=48, progress=False)
    network = trainer.network
    scores = [np.array(history[name]) for name in ("loss", "accuracy")]
    return trainer, [network.parameters.copy(), network.statistics.copy(), network.predict(x), *scores]


def assert_all_equal(got: list[Array], wanted: list[Array], what: str) -> None:
    """Check weights, statistics, outputs and losses, bit by bit."""
    for ours, theirs, part in zip(got, wanted, ("weights", "statistics", "outputs", "losses", "scores"), strict=True):
        assert_same_bits(ours, theirs, f"{part} {what}")


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "clipped by norm": {"clip_norm": 0.05},
    "clipped by value": {"clip_value": 0.001},
    "accumulated": {"accumulate": 3},
    "all": {"clip_norm": 0.5, "clip_value": 0.01, "accumulate": 4, "optimizer": bp.SGD(0.05, momentum=0.9)},
}
every_setting = pytest.mark.parametrize("settings", SETTINGS)


@in_both_types
@every_setting
def test_threads(settings: str, dtype: str) -> None:
    bp.set_num_threads(1)
    wanted = train(dtype, **SETTINGS[settings])[1]
    assert np.isfinite(wanted[0]).all()
    assert len({array.tobytes() for array in (wanted[0], everything(dtype).parameters)}) == 2
    for threads in THREADS[1:]:
        bp.set_num_threads(threads)
        assert_all_equal(train(dtype, **SETTINGS[settings])[1], wanted, f"with {threads} threads")


@in_both_types
@every_setting
def test_lengths_of_native_calls(settings: str, dtype: str) -> None:
    """How many steps a call makes is a matter of time alone."""
    wanted = train(dtype, **SETTINGS[settings])[1]
    for steps in (1, 2, 5, 1000):
        assert_all_equal(train(dtype, Fixed(steps), **SETTINGS[settings])[1], wanted, f"with {steps} steps a call")


def test_paces_differ() -> None:
    """The pace that the test above puts in is what the loop asks."""
    calls = []
    trainer = bp.Trainer(bp.mlp([3, 2]), loss="mse")
    trainer._pace = Fixed(2)
    native = trainer._native

    class Counting:
        """A trainer that counts its calls."""

        step_count = property(lambda self: native.step_count)

        def train(self, losses: Array, *rest: Any) -> None:
            """Note how many steps are wanted."""
            calls.append(len(losses))
            native.train(losses, *rest)

    trainer._native = Counting()
    trainer.fit(np.ones((50, 3)), np.ones((50, 2)), batch_size=10, progress=False)
    assert calls == [2, 2, 1]
    assert isinstance(bp.Trainer(bp.mlp([3, 2]), loss="mse")._pace, around.Pace)


@in_both_types
@every_setting
def test_a_resumed_run(settings: str, dtype: str) -> None:
    trainer = train(dtype, **SETTINGS[settings])[0]
    resumed = pickle.loads(pickle.dumps(trainer))
    x, y = data(dtype)
    for each in (trainer, resumed):
        each.fit(x, y, epochs=2, batch_size=48, progress=False)
    assert_same_bits(resumed.network.parameters, trainer.network.parameters, "weights")
    assert_same_bits(resumed.network.statistics, trainer.network.statistics, "statistics")


@in_both_types
def test_forward_and_backward_with_any_number_of_threads(dtype: str) -> None:
    x, _ = data(dtype)
    results = []
    for threads in THREADS:
        bp.set_num_threads(threads)
        network = everything(dtype)
        y = network.forward(x)
        results.append((y, network.backward(np.ones_like(y)), network.gradients.copy(), network.statistics.copy()))
    for other in results[1:]:
        for got, wanted, what in zip(other, results[0], ("y", "dx", "gradients", "statistics"), strict=True):
            assert_same_bits(got, wanted, what)


@in_both_types
def test_a_row_predicts_the_same_bits_alone_as_in_any_batch(dtype: str) -> None:
    trainer = train(dtype)[0]
    x, _ = data(dtype)
    whole = trainer.network.predict(x)
    for rows in (slice(0, 1), slice(7, 9), slice(10, 27), slice(1, 301)):
        assert_same_bits(trainer.network.predict(x[rows]), whole[rows], str(rows))
