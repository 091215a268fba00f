"""Runs of training against the oracle: batches, epochs, tails, weights, optimizers, learning rates; losses reported."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from compare import Array, assert_close, relative_distance
from optimizer_cases import OPTIMIZERS as CASES
from optimizer_cases import oracle_settings, with_rate
from reference import Network, Training
from reference_cases import DTYPES, in_both_types, normal, oracle_of, random_network, targets

every_loss = pytest.mark.parametrize("loss", native.loss_names())
# Rates at which each moves the weights well in forty steps; RMSprop, Adagrad and the signs need theirs small.
RATES = {"sgd": 0.03, "lion": 0.002, "rprop": 0.002, "rmsprop": 0.002, "adadelta": 1.0, "adagrad": 0.02}
OPTIMIZERS = {repr(kind): with_rate(kind, RATES.get(kind.name, 0.005)) for kind in CASES}
# Distance of the weights after a run, in epsilons: rounding errors of forty steps, carried along.
FAR = 8
ROWS, BATCH, EPOCHS = 107, 16, 6


def problem(loss: str, dtype: str) -> tuple[bp.Network, Array, Array, Array]:
    """Return a network, x, a target and weights of samples."""
    rng = np.random.default_rng(100)
    network = random_network(rng, (9, 37, 18, 4), ("tanh", "sigmoid", "linear"), dtype)
    target = next(iter(targets(loss, rng, ROWS, 4, dtype).values()))
    return network, normal(rng, (ROWS, 9), dtype), target, rng.random(ROWS).astype(dtype)


def follow(
    oracle: Network, loss: str, optimizer: str, data: tuple[Array, Array, Array | None], dtype: str
) -> tuple[Array, list[float]]:
    """Return the oracle's weights and losses by epoch, of batches in the order of the data."""
    specification = OPTIMIZERS[optimizer]
    rate = specification.learning_rates(0, 1).item()
    training = Training(oracle, loss, specification.name, rate, oracle_settings(specification))
    x, y, weight = (part if part is None or part.dtype.kind == "i" else part.astype(np.float64) for part in data)
    epochs = []
    for _ in range(EPOCHS):
        total = 0.0
        for at in range(0, ROWS, BATCH):
            rows = slice(at, at + BATCH)
            total += float(training.step(x[rows], y[rows], None if weight is None else weight[rows])) * len(x[rows])
        epochs.append(total / ROWS)
    return training.network.parameters, epochs


@in_both_types
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@every_loss
def test_a_fit_follows_the_oracle(loss: str, optimizer: str, weighted: bool, dtype: str) -> None:
    """Six epochs of seven batches, the last one of an epoch smaller."""
    network, x, y, weight = problem(loss, dtype)
    oracle, eps = oracle_of(network), float(np.finfo(dtype).eps)
    given = weight if weighted else None
    wanted, losses = follow(oracle, loss, optimizer, (x, y, given), dtype)
    trainer = bp.Trainer(network, loss=loss, optimizer=OPTIMIZERS[optimizer])
    history = trainer.fit(x, y, epochs=EPOCHS, batch_size=BATCH, sample_weight=given, shuffle=False, progress=False)
    assert trainer.step_count == EPOCHS * 7
    assert relative_distance(wanted, oracle.parameters) > 1e-2, "training must have moved them"
    assert relative_distance(network.parameters, wanted) < FAR * eps
    np.testing.assert_allclose(history["loss"], losses, rtol=FAR * eps)


def test_every_optimizer_is_followed() -> None:
    assert {kind.name for kind in OPTIMIZERS.values()} == set(native.optimizer_names())


@in_both_types
@every_loss
def test_evaluate_is_the_mean_over_all_rows(loss: str, dtype: str) -> None:
    """In blocks of bounded memory, so for many rows as for few; with weights, and with a forward pass alone."""
    rng = np.random.default_rng(101)
    network = random_network(rng, (3, 6, 2), ("tanh", "linear"), dtype)
    oracle = oracle_of(network)
    for rows in (1, 2, 17, 1000, 40_001):
        x = normal(rng, (rows, 3), dtype)
        weight = rng.random(rows).astype(dtype)
        for kind, target in targets(loss, rng, rows, 2, dtype).items():
            goal = target if target.ndim == 1 else target.astype(np.float64)
            trainer = bp.Trainer(network, loss=loss)
            before = network.parameters.copy()
            for given in (None, weight):
                wanted = oracle.loss(x.astype(np.float64), goal, loss, None if given is None else given.astype(float))
                got = trainer.evaluate(x, target, sample_weight=given)["loss"]
                assert_close(np.array([got]).astype(dtype), np.array([wanted]), 4.0, 16, f"{kind}, {rows} rows")
            np.testing.assert_array_equal(network.parameters, before)
            assert trainer.step_count == 0


@in_both_types
def test_an_epoch_takes_each_sample_once_in_a_new_order(dtype: str) -> None:
    """With a learning rate of 0 the order cannot matter to the mean, and does to the losses of single batches."""
    network, x, y, weight = problem("mse", dtype)
    trainer = bp.Trainer(network, loss="mse", optimizer=bp.SGD(learning_rate=0.0), seed=1)
    history = trainer.fit(x, y, epochs=3, batch_size=10, sample_weight=weight, progress=False)
    wanted = trainer.evaluate(x, y, sample_weight=weight)["loss"]
    np.testing.assert_allclose(history["loss"], wanted, rtol=64 * float(np.finfo(dtype).eps))

    def first_losses(shuffle: bool) -> list[float]:
        ends = []
        net = problem("mse", dtype)[0]
        run = bp.Trainer(net, loss="mse", optimizer=bp.SGD(learning_rate=0.1), seed=1)
        for _ in range(2):
            run.fit(x, y, epochs=1, batch_size=10, shuffle=shuffle, progress=False)
            ends.append(float(net.parameters.sum()))
        return ends

    assert first_losses(True) != first_losses(False)


def test_a_learning_rate_by_step() -> None:
    """A callable is asked for every step, counted from 0 over the life of the trainer."""
    network, x, y, _ = problem("mse", "float64")
    training = Training(oracle_of(network), "mse", "sgd", 0.0)
    asked: list[int] = []

    def rate(step: int) -> float:
        asked.append(step)
        return 0.1 / (1 + step)

    trainer = bp.Trainer(network, loss="mse", optimizer=bp.SGD(learning_rate=rate))
    trainer.fit(x, y, epochs=1, batch_size=BATCH, shuffle=False, progress=False)
    trainer.step(x, y)
    for step in range(8):
        rows = slice(step * BATCH, (step + 1) * BATCH) if step < 7 else slice(None)
        training.learning_rate = 0.1 / (1 + step)
        training.step(x[rows], y[rows])
    assert asked == list(range(8))
    assert relative_distance(network.parameters, training.network.parameters) < 1e-13


@pytest.mark.parametrize("dtype", DTYPES)
def test_online_learning(dtype: str) -> None:
    """One sample a step, two hundred steps, as control and reinforcement learning do it."""
    rng = np.random.default_rng(102)
    network = random_network(rng, (7, 24, 24, 2), ("tanh", "tanh", "linear"), dtype)
    training = Training(oracle_of(network), "mse", "adam", 0.003)
    trainer = bp.Trainer(network, loss="mse", optimizer=bp.Adam(learning_rate=0.003))
    eps = float(np.finfo(dtype).eps)
    for _ in range(200):
        x, y = normal(rng, (1, 7), dtype), normal(rng, (1, 2), dtype)
        assert trainer.step(x, y) == pytest.approx(
            float(training.step(x.astype(float), y.astype(float))), rel=200 * eps
        )
    assert relative_distance(network.parameters, training.network.parameters) < 4 * FAR * eps


def test_state_can_be_carried_over() -> None:
    """Weights, state and step count are all that a run is made of: another trainer goes on from them."""
    network, x, y, _ = problem("cross_entropy", "float32")
    for optimizer in (bp.Adam(learning_rate=0.01), bp.SGD(learning_rate=0.01, momentum=0.9)):
        first = bp.Trainer(network, loss="cross_entropy", optimizer=optimizer)
        for _ in range(5):
            first.step(x, y)
        other = bp.Network([layer.specification for layer in network.layers], input_size=9, seed=9)
        other.parameters = network.parameters
        second = bp.Trainer(other, loss="cross_entropy", optimizer=optimizer)
        for name, state in second.state.items():
            state[...] = first.state[name]
        second._native.step_count = first.step_count
        for _ in range(5):
            assert first.step(x, y) == second.step(x, y)
        np.testing.assert_array_equal(network.parameters, other.parameters)
