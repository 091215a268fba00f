"""L-BFGS: it finds what is known to be the answer, does what SciPy does by hand, and lives as every run does."""

from __future__ import annotations

import copy
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import bpnative as bp
from bpnative import lbfgs
from child import needs_linux, start

optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed: pip install 'bpnative[scipy]'")

RNG = np.random.default_rng(6)
X = RNG.standard_normal((60, 4))
Y = X @ RNG.standard_normal((4, 2)) + 0.3 * RNG.standard_normal((60, 2))
LABELS = Y.argmax(axis=1)
EXACT = bp.LBFGS(max_iterations=500, tolerance=1e-12, loss_tolerance=0.0)


def trainer_of(optimizer="lbfgs", dtype="float64", **settings):
    network = bp.mlp([4, 7, 2], activation="tanh", dtype=dtype, seed=0)
    return bp.Trainer(network, "mse", optimizer=optimizer, **settings)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 1e-5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares_has_the_solution_of_the_normal_equations(dtype, tolerance, weighted):
    weight = RNG.random(60) if weighted else np.ones(60)
    network = bp.Network([bp.Dense(2)], input_size=4, dtype=dtype, seed=0)
    trainer = bp.Trainer(network, "mse", optimizer=EXACT)
    trainer.fit(X, Y, sample_weight=weight if weighted else None)
    columns = np.hstack([X, np.ones((60, 1))])
    solution = np.linalg.solve(columns.T @ (weight[:, None] * columns), columns.T @ (weight[:, None] * Y))
    np.testing.assert_allclose(network.layers[0].weight, solution[:4].T, atol=tolerance)
    np.testing.assert_allclose(network.layers[0].bias, solution[4], atol=tolerance)


def test_it_does_what_scipy_does_by_hand():
    optimizer = bp.LBFGS(max_iterations=25, tolerance=1e-7, history=6, loss_tolerance=1e-12, max_line_search=15)
    trainer, by_hand = trainer_of(optimizer), trainer_of("sgd")
    losses = []

    def loss_and_gradient(point):
        by_hand.network.parameters = point
        return by_hand.gradients(X, Y)

    def after(point):
        losses.append(loss_and_gradient(point)[0])

    options = {"maxiter": 25, "maxcor": 6, "gtol": 1e-7, "ftol": 1e-12, "maxls": 15}
    result = optimize.minimize(
        loss_and_gradient,
        by_hand.network.parameters.copy(),
        jac=True,
        method="L-BFGS-B",
        options=options,
        callback=after,
    )
    history = trainer.fit(X, Y)
    assert len(history["loss"]) == result.nit == 25
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-14)
    np.testing.assert_array_equal(trainer.network.parameters, result.x)
    assert history.params["converged"] is bool(result.success) is False
    assert trainer.step_count == 25


def test_digits_better_than_gradient_descent():
    x, y = bp.datasets.load_digits()
    best = {}
    for name, optimizer, settings in (
        ("lbfgs", bp.LBFGS(), {}),
        ("sgd", bp.SGD(learning_rate=0.5), {"epochs": 200, "batch_size": len(x)}),
        ("sgd, minibatches", bp.SGD(learning_rate=0.01), {"epochs": 200, "batch_size": 32}),
    ):
        trainer = bp.Trainer(bp.mlp([64, 32, 10], seed=0), "cross_entropy", optimizer=optimizer, metrics=["accuracy"])
        history = trainer.fit(x, y, **settings)
        best[name] = trainer.evaluate(x, y)["loss"]
        if name == "lbfgs":
            assert history["accuracy"][-1] == 1.0
            assert history.params["converged"]
            assert len(history["loss"]) < 200
    assert best["lbfgs"] < 0.1 * min(best["sgd"], best["sgd, minibatches"])


def test_history_validation_metrics_and_callbacks():
    seen = []

    class Watch(bp.Callback):
        def on_train_begin(self, trainer):
            seen.append("begin")

        def on_epoch_begin(self, trainer, epoch):
            seen.append(epoch)

        def on_epoch_end(self, trainer, epoch, logs):
            seen.append(epoch)
            assert logs["loss"] == pytest.approx(trainer.evaluate(X, Y)["loss"], rel=1e-12), "weights are the epoch's"
            assert list(logs) == ["loss", "mae", "val_loss", "val_mae"]

        def on_train_end(self, trainer):
            seen.append("end")

    trainer = trainer_of(metrics=["mae"])
    history = trainer.fit(X, Y, epochs=3, validation_data=(X[:9], Y[:9]), callbacks=[Watch()])
    assert seen == ["begin", 0, 0, 1, 1, 2, 2, "end"]
    assert history is trainer.history
    assert history.params["epochs"] == 3
    assert all(len(column) == 3 for column in history.values())
    assert (np.diff(history["loss"]) < 0).all()
    assert history["mae"][-1] == trainer.evaluate(X, Y)["mae"]


def test_a_run_that_begins_at_the_minimum_has_one_epoch():
    trainer = trainer_of(bp.LBFGS(tolerance=1e9))
    before = trainer.network.parameters.copy()
    history = trainer.fit(X, Y)
    assert history["loss"] == [trainer.evaluate(X, Y)["loss"]]
    assert history.params["converged"]
    np.testing.assert_array_equal(trainer.network.parameters, before)


def test_callbacks_stop_it():
    class Stop(bp.Callback):
        def on_epoch_end(self, trainer, epoch, logs):
            trainer.stop_training = epoch == 1

    trainer, two = trainer_of(), trainer_of()
    history = trainer.fit(X, Y, callbacks=Stop())
    two.fit(X, Y, epochs=2)
    assert len(history["loss"]) == 2
    assert history.params["message"] == "stopped by a callback"
    assert not history.interrupted
    np.testing.assert_array_equal(trainer.network.parameters, two.network.parameters)
    stopping = bp.EarlyStopping(patience=3, monitor="val_loss")
    trainer = trainer_of()
    history = trainer.fit(X, Y, validation_data=(X[:5] + 1, Y[:5]), callbacks=stopping)
    assert stopping.stopped_epoch == len(history["loss"]) - 1
    assert trainer.evaluate(X[:5] + 1, Y[:5])["loss"] == min(history["val_loss"])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_the_best_weights(error, monkeypatch):
    trainer, calls, losses = trainer_of(), [], []
    real = trainer._native

    class Native:
        """The compiled trainer, until it is interrupted in a line search."""

        def __getattr__(self, name):
            return getattr(real, name)

        def gradients(self, *arguments):
            calls.append(1)
            if len(calls) == 9:
                raise error("now")
            losses.append(real.gradients(*arguments))
            return losses[-1]

    monkeypatch.setattr(trainer, "_native", Native())
    with pytest.raises(error):
        trainer.fit(X, Y)
    monkeypatch.undo()
    assert trainer.history.interrupted
    assert trainer.evaluate(X, Y)["loss"] == pytest.approx(min(losses), rel=1e-14)


@needs_linux
@pytest.mark.not_sanitized("instrumented code makes too few iterations in that time")
def test_ctrl_c():
    code = """
x, t = rng.standard_normal((5000, 64)), rng.standard_normal((5000, 4))
trainer = bp.Trainer(bp.mlp([64, 64, 64, 4], activation="tanh", seed=0), "mse", optimizer=bp.LBFGS(10**6, 0.0, 10, 0.0))
before = trainer.evaluate(x, t)["loss"]
print("started", flush=True)
try:
    trainer.fit(x, t, progress=False)
except KeyboardInterrupt:
    history = trainer.history
    assert history.interrupted and len(history["loss"]) > 1
    assert trainer.evaluate(x, t)["loss"] <= history["loss"][-1] * (1 + 1e-6) < before
    print("stopped")
"""
    process = start(code)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(3.0)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert printed == "stopped\n"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_frozen_layers_keep_their_bits(dtype):
    trainer = trainer_of(dtype=dtype)
    first, second = trainer.network.layers
    first.trainable = False
    before, moving = first.weight.copy(), second.weight.copy()
    trainer.fit(X, Y, epochs=20)
    np.testing.assert_array_equal(first.weight, before)
    assert not np.array_equal(second.weight, moving)


def test_a_float32_network_comes_as_near_as_its_rounding_lets_it():
    single, double = trainer_of(bp.LBFGS(), "float32"), trainer_of(bp.LBFGS(), "float64")
    double.network.parameters = single.network.parameters
    found = [trainer.fit(X, Y)["loss"][-1] for trainer in (single, double)]
    assert found[0] == pytest.approx(found[1], rel=0.05)


def test_same_bits_on_any_number_of_threads():
    results = []
    for threads in (1, 2, 3):
        bp.set_num_threads(threads)
        trainer = trainer_of()
        trainer.fit(X, Y, epochs=15)
        results.append(trainer.network.parameters.copy())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_pickle_and_copy():
    trainer = trainer_of(bp.LBFGS(max_iterations=5))
    trainer.fit(X, Y)
    for again in (pickle.loads(pickle.dumps(trainer)), copy.deepcopy(trainer)):
        assert again.optimizer == bp.LBFGS(max_iterations=5)
        assert again.step_count == 5
        again.fit(X, Y)
    other = pickle.loads(pickle.dumps(trainer))
    trainer.fit(X, Y)
    other.fit(X, Y)
    np.testing.assert_array_equal(other.network.parameters, trainer.network.parameters)
    for specification in (bp.LBFGS(), bp.LBFGS(7, history=3)):
        assert eval(repr(specification), {"LBFGS": bp.LBFGS}) == specification
        assert pickle.loads(pickle.dumps(specification)) == specification
    assert lbfgs.get("lbfgs") == bp.LBFGS()


def test_what_is_an_error_changes_nothing():
    trainer = trainer_of()
    before = trainer.network.parameters.copy()
    with pytest.raises(TypeError, match=r"LBFGS makes no single steps.*call fit"):
        trainer.step(X, Y)
    with pytest.raises(TypeError, match="LBFGS has no learning rate"):
        trainer.learning_rate = 0.1
    with pytest.raises(TypeError, match="LBFGS has no learning rate"):
        _ = trainer.learning_rate
    with pytest.raises(ValueError, match="4 columns"):
        trainer.fit(X[:, :3], Y)
    with pytest.raises(ValueError, match="at least 1"):
        trainer.fit(X, Y, epochs=0)
    with pytest.raises(ValueError, match="did you mean"):
        bp.Trainer(trainer.network, "mse", optimizer="adm")
    np.testing.assert_array_equal(trainer.network.parameters, before)
    assert trainer.step_count == 0


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"max_iterations": 0}, ValueError, "max_iterations of LBFGS of at least 1"),
        ({"history": 2.5}, TypeError, "history of LBFGS as a whole number"),
        ({"tolerance": -1.0}, ValueError, r"tolerance of LBFGS as a finite number in \[0, inf\)"),
        ({"loss_tolerance": "a"}, TypeError, "loss_tolerance of LBFGS as a number"),
    ],
)
def test_wrong_settings(settings, error, message):
    with pytest.raises(error, match=message):
        bp.LBFGS(**settings)


def test_scipy_is_imported_by_fit_alone_and_named_when_it_is_missing():
    code = """
import sys
import bpnative as bp
trainer = bp.Trainer(bp.mlp([1, 1], seed=0), "mse", optimizer=bp.LBFGS())
assert not any(name.partition(".")[0] == "scipy" for name in sys.modules)
sys.modules["scipy"] = None
before = trainer.history
try:
    trainer.fit([[1.0]], [1.0])
except ImportError as error:
    assert trainer.history is before
    print(error)
"""
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed == "LBFGS needs SciPy: pip install 'bpnative[scipy]'\n"
