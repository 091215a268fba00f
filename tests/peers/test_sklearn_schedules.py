"""scikit-learn's "invscaling" and "adaptive" against ours: whole runs of its perceptron, the same weights at the end.

Full batches of one network without a hidden layer's randomness: scikit-learn makes its weights in a first iteration,
which is copied; from there both go on. Its squared loss is half of ours: our rate is half of its, our tol twice.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import schedules as s
from compare import relative_distance

neural_network = pytest.importorskip(
    "sklearn.neural_network", reason="scikit-learn is not installed: pip install 'bpnative[peers]'"
)

ROWS, EPOCHS, RATE, TOL, BATCH = 40, 60, 0.2, 1e-3, 8
NUMPY = np.random.default_rng(1)
X = NUMPY.standard_normal((ROWS, 5))
Y = np.sin(X[:, 0]) + 0.1 * NUMPY.standard_normal(ROWS)


class Rates(bp.Callback):
    """Keeps the first rate of each epoch."""

    def __init__(self) -> None:
        self.rates: dict[int, float] = {}

    def on_run_end(self, trainer: bp.Trainer, run: bp.Run) -> None:
        self.rates.setdefault(run.epoch, float(run.learning_rates[0]))


def estimator(learning_rate: str) -> Any:
    """Return a perceptron that goes on where it was, one fit after another."""
    return neural_network.MLPRegressor(
        hidden_layer_sizes=(6,), activation="tanh", solver="sgd", alpha=0.0, learning_rate=learning_rate,
        learning_rate_init=RATE,
        momentum=0.0, nesterovs_momentum=False, batch_size=BATCH, shuffle=False, power_t=0.4, tol=TOL,
        n_iter_no_change=2, max_iter=EPOCHS, random_state=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("learning_rate", "schedule"),
    [
        ("invscaling", s.PerEpoch(s.InverseScaling(RATE / 2, 0.4, per_step=ROWS))),
        ("adaptive", s.Adaptive(RATE / 2, tol=2 * TOL, n_iter_no_change=2)),
    ],
)
def test_runs(learning_rate: str, schedule: s.Schedule) -> None:
    peer = estimator(learning_rate)
    if learning_rate == "invscaling":
        peer.set_params(tol=0.0, n_iter_no_change=10**6)
    start = estimator(learning_rate).set_params(learning_rate_init=1e-300, max_iter=1)  # moves nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        start.fit(X, Y)
        peer.fit(X, Y)
    layers = [
        bp.Dense(len(bias), activation=kind, weight_initializer=weight.T, bias_initializer=bias)
        for weight, bias, kind in zip(start.coefs_, start.intercepts_, ("tanh", "linear"), strict=True)
    ]
    network, watch = bp.Network(layers, input_size=5, dtype="float64"), Rates()
    trainer = bp.Trainer(network, "mse", optimizer=bp.SGD(learning_rate=schedule))
    history = trainer.fit(X, Y, epochs=EPOCHS, batch_size=BATCH, shuffle=False, callbacks=[watch])
    assert len(history["loss"]) == peer.n_iter_
    np.testing.assert_allclose(np.array(history["loss"]) / 2, peer.loss_curve_, rtol=1e-9)
    pairs = zip(peer.coefs_, peer.intercepts_, strict=True)
    wanted = np.concatenate([part for weight, bias in pairs for part in (weight.T.ravel(), bias)])
    assert relative_distance(network.parameters, wanted) < 1e-9
    assert len(set(watch.rates.values())) > 3, "the rate must have changed"
    assert trainer.learning_rate is schedule
    assert peer._optimizer.learning_rate == pytest.approx(
        2 * schedule.values(0, 1, trainer.schedule_state)[0], rel=1e-12
    )
