"""The trainer: what fit, step, evaluate and gradients give back, seeds, schedules, and what is left after Ctrl-C."""

from __future__ import annotations

import copy
import io
import os
import pickle
import signal
import sys
import threading
import time

import numpy as np
import pytest

import bpnative as bp
from bpnative import around

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 4)).astype(np.float32)
LABELS = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
TARGET = X[:, :2] @ np.array([[1.0, 2.0], [-1.0, 0.5]], np.float32)
WEIGHT = RNG.random(50).astype(np.float32)


def classifier(**settings):
    return bp.Trainer(bp.mlp([4, 8, 2], seed=0), "cross_entropy", **settings)


def regressor(**settings):
    return bp.Trainer(bp.mlp([4, 8, 2], activation="tanh", seed=0), "mse", **settings)


def test_history():
    trainer = classifier(metrics=["accuracy"])
    history = trainer.fit(X[:40], LABELS[:40], epochs=3, batch_size=16, validation_data=(X[40:], LABELS[40:]))
    assert history is trainer.history
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert {len(column) for column in history.values()} == {len(history.seconds)} == {3}
    assert history.epochs == [0, 1, 2]
    assert not history.interrupted
    evaluated = trainer.evaluate(X[40:], LABELS[40:])
    assert [history["val_loss"][-1], history["val_accuracy"][-1]] == [evaluated["loss"], evaluated["accuracy"]]
    assert history.params["epochs"] == 3
    assert history.params["batch_size"] == 16
    assert history.params["network"] == repr(trainer.network)
    assert history.params["bpnative"] == bp.__version__
    assert trainer.step_count == 9
    assert pickle.loads(pickle.dumps(history)).params == history.params


def test_ctrl_c_anywhere_in_a_history_leaves_all_columns_of_an_epoch_or_none():
    for moment in range(1000):
        history, left = bp.History(["loss", "accuracy"]), moment

        def interrupt(frame, event, argument):
            nonlocal left
            frame.f_trace_opcodes = True
            if event == "opcode":
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt
            return interrupt

        before = sys.gettrace()
        sys.settrace(interrupt)
        try:
            history.append(0, {"loss": 0.5, "accuracy": 1.0}, 0.1)
            break
        except KeyboardInterrupt:
            found = {len(column) for column in (history.epochs, history.seconds, *history.values())}
            assert len(found) == 1, (moment, history.epochs, history.seconds, history)
        finally:
            sys.settrace(before)
    assert 20 < moment < 999


def test_the_loss_of_an_epoch_is_the_mean_over_its_samples():
    trainer, mirror = regressor(optimizer="sgd"), regressor(optimizer="sgd")
    history = trainer.fit(X, TARGET, batch_size=16, shuffle=False, sample_weight=WEIGHT)
    parts = [slice(start, min(start + 16, 50)) for start in range(0, 50, 16)]
    losses = [mirror.step(X[part], TARGET[part], WEIGHT[part]) * (part.stop - part.start) for part in parts]
    assert history["loss"][0] == pytest.approx(sum(losses) / 50, rel=1e-12)
    np.testing.assert_array_equal(trainer.network.parameters, mirror.network.parameters)


@pytest.mark.parametrize("seconds", [1e-9, 1e-4, 10.0])
def test_how_time_cuts_an_epoch_changes_no_bit(seconds, monkeypatch):
    metrics = ["accuracy", "mse", "mae", "r2"]
    target = np.eye(2)[LABELS]
    plain = regressor(metrics=metrics)
    expected = plain.fit(X, target, epochs=4, batch_size=3, sample_weight=WEIGHT)
    monkeypatch.setattr(around, "RUN_SECONDS", seconds)
    trainer = regressor(metrics=metrics)
    trainer._pace.steps = 7
    assert dict(trainer.fit(X, target, epochs=4, batch_size=3, sample_weight=WEIGHT)) == dict(expected)
    np.testing.assert_array_equal(trainer.network.parameters, plain.network.parameters)


def test_a_run_is_repeatable_by_the_networks_seed_alone():
    first, second, other = (bp.Trainer(bp.mlp([4, 8, 2], seed=seed), "mse") for seed in (1, 1, 2))
    other.network.parameters = first.network.parameters
    for trainer in (first, second, other):
        trainer.fit(X, TARGET, epochs=2, batch_size=8)
    np.testing.assert_array_equal(first.network.parameters, second.network.parameters)
    assert not np.array_equal(first.network.parameters, other.network.parameters)


def test_the_trainers_seed_decides_the_order():
    results = []
    for seed in (5, 5, 6, np.random.default_rng(5)):
        trainer = regressor(seed=seed)
        trainer.fit(X, TARGET, epochs=2, batch_size=8)
        results.append(trainer.network.parameters.copy())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[3])
    assert not np.array_equal(results[0], results[2])
    with pytest.raises(ValueError, match="seed of at least 0"):
        regressor(seed=-1)


def test_fit_goes_on_where_it_ended():
    twice, once = regressor(), regressor()
    twice.fit(X, TARGET, epochs=1)
    twice.fit(X, TARGET, epochs=2)
    once.fit(X, TARGET, epochs=3)
    np.testing.assert_array_equal(twice.network.parameters, once.network.parameters)


def test_evaluate_in_blocks(monkeypatch):
    trainer = regressor(metrics=["mse", "mae", "r2"])
    whole = trainer.evaluate(X, TARGET, sample_weight=WEIGHT)
    monkeypatch.setattr(trainer.network, "_block_rows", 7)
    blocks = trainer.evaluate(X, TARGET, sample_weight=WEIGHT)
    assert blocks == {"loss": pytest.approx(whole["loss"], rel=1e-6), **{k: whole[k] for k in ("mse", "mae", "r2")}}


def test_weights_of_samples():
    trainer = classifier(metrics=["accuracy"])
    halves = np.arange(50) < 25
    weighted = trainer.evaluate(X, LABELS, sample_weight=halves)
    first = trainer.evaluate(X[:25], LABELS[:25])
    assert weighted["loss"] == pytest.approx(first["loss"] / 2, rel=1e-5)
    assert weighted["accuracy"] == first["accuracy"]


def test_gradients_are_a_copy_and_change_nothing():
    trainer = classifier()
    before = trainer.network.parameters.copy()
    loss, gradients = trainer.gradients(X, LABELS)
    np.testing.assert_array_equal(gradients, trainer.network.gradients)
    trainer.gradients(-X, LABELS)
    assert not np.array_equal(gradients, trainer.network.gradients)
    np.testing.assert_array_equal(trainer.network.parameters, before)
    assert loss == pytest.approx(trainer.evaluate(X, LABELS)["loss"], rel=1e-6)
    assert trainer.step_count == 0


def test_a_step_is_a_fit_of_one_batch():
    stepped, fitted = classifier(), classifier()
    loss = stepped.step(X.tolist(), LABELS.astype(np.int64))
    history = fitted.fit(X, LABELS, batch_size=50, shuffle=False)
    assert type(loss) is float
    assert history["loss"] == [loss]
    np.testing.assert_array_equal(stepped.network.parameters, fitted.network.parameters)
    for n in (1, 3, 2):
        stepped.step(X[:n], LABELS[:n])
    assert stepped.step_count == 4


def test_learning_rates_by_step():
    seen = []
    trainer = regressor(optimizer=bp.SGD(learning_rate=lambda step: seen.append(step) or 0.01 * step))
    before = trainer.network.parameters.copy()
    trainer.step(X, TARGET)
    np.testing.assert_array_equal(trainer.network.parameters, before)
    trainer.fit(X, TARGET, epochs=2, batch_size=20)
    assert seen == list(range(7))
    assert not np.array_equal(trainer.network.parameters, before)


def test_the_learning_rate_can_be_changed():
    trainer = regressor(optimizer=bp.SGD(learning_rate=0.1))
    trainer.learning_rate = 0.0
    before = trainer.network.parameters.copy()
    trainer.step(X, TARGET)
    np.testing.assert_array_equal(trainer.network.parameters, before)
    assert trainer.optimizer == bp.SGD(learning_rate=0.0)
    with pytest.raises(ValueError, match="learning_rate of SGD"):
        trainer.learning_rate = -1.0
    assert trainer.learning_rate == 0.0


def test_state_is_the_optimizers_own():
    trainer = regressor(optimizer=bp.SGD(momentum=0.9))
    assert list(trainer.state) == ["velocity"]
    trainer.step(X, TARGET)
    assert trainer.state["velocity"].any()
    assert regressor(optimizer="sgd").state == {}
    assert list(regressor().state) == ["m", "v"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))])
def test_a_copy_goes_on_bit_for_bit(duplicate):
    trainer = classifier(optimizer=bp.Adam(learning_rate=0.01), metrics=["accuracy"])
    trainer.fit(X, LABELS, epochs=2, batch_size=8)
    other = duplicate(trainer)
    assert other.network is not trainer.network
    assert (other.step_count, other.history, other.optimizer) == (14, trainer.history, trainer.optimizer)
    assert trainer.fit(X, LABELS, epochs=2, batch_size=8) == other.fit(X, LABELS, epochs=2, batch_size=8)
    np.testing.assert_array_equal(other.network.parameters, trainer.network.parameters)


def test_a_damaged_state_is_refused():
    state = classifier().__getstate__()
    for damage in ({"version": 9}, {"state": {}}, {"state": {"m": np.zeros(3), "v": np.zeros(3)}}, {"step_count": -1}):
        with pytest.raises(ValueError, match="expected"):
            bp.Trainer.__new__(bp.Trainer).__setstate__(state | damage)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.Trainer("net", "mse"), TypeError, "network as a bpnative.Network"),
        (lambda: bp.Trainer(bp.mlp([2, 1]), "cross_entropy"), ValueError, r"at least 2.*network has 1.*Dense\(2\)"),
        (
            lambda: bp.Trainer(bp.mlp([2, 2], output_activation="softmax"), "binary_cross_entropy"),
            ValueError,
            "takes logits, or the output of a sigmoid layer; the network ends in softmax",
        ),
        (lambda: classifier(metrics=["accuracy", "accuracy"]), ValueError, "'accuracy' twice"),
        (lambda: classifier(metrics=[3]), TypeError, "expected a metric"),
        (
            lambda: classifier().fit(X, LABELS, callbacks=[print]),
            TypeError,
            "callbacks as objects of bpnative.Callback",
        ),
        (lambda: classifier().fit(X, LABELS, progress="yes"), TypeError, "progress as True or False"),
        (lambda: regressor(metrics=["accuracy"]).fit(X, TARGET), ValueError, "for numbers use 'mae', 'mse' or 'r2'"),
        (lambda: classifier(metrics=["mae"]).evaluate(X, LABELS), ValueError, "'mae' compares.*use 'accuracy'"),
    ],
)
def test_what_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---- progress and Ctrl-C -------------------------------------------------------------------------------------------
class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "progress", "lines"),
    [(Terminal, None, 2), (Terminal, False, 0), (io.StringIO, None, 0), (io.StringIO, True, 2)],
)
def test_one_line_an_epoch_where_it_is_wanted(stream, progress, lines, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream())
    classifier(metrics=["accuracy"]).fit(X, LABELS, epochs=2, progress=progress)
    printed = sys.stdout.getvalue().splitlines()
    assert len(printed) == lines
    for number, line in enumerate(printed, 1):
        assert line.startswith(f"epoch {number}/2  loss ")
        assert "  accuracy 0." in line
        assert line.endswith(" samples/s")


@pytest.mark.skipif(os.name != "posix", reason="sends a signal as a terminal does")
def test_ctrl_c_ends_the_run_and_leaves_all_usable():
    x = np.tile(X, (400, 1))
    y = np.tile(LABELS, 400)
    trainer = bp.Trainer(bp.mlp([4, 64, 64, 2], seed=0), "cross_entropy", metrics=["accuracy"])
    trainer.fit(x[:50], y[:50])
    sent = []

    def press():
        sent.extend((time.process_time(), time.monotonic()))
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.5, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(x, y, epochs=1_000_000, batch_size=32)
    late, later = time.process_time() - sent[0], time.monotonic() - sent[1]  # of both threads; and by the clock
    timer.join()
    assert late < 2.0  # some tens of milliseconds on a quiet machine
    assert later < 20.0  # others may have taken the cores
    history = trainer.history
    assert history.interrupted
    assert len(history["loss"]) == len(history["accuracy"]) == len(history.epochs)
    assert np.isfinite(trainer.network.parameters).all()
    assert not trainer.fit(x, y, epochs=1).interrupted


@pytest.mark.parametrize("name", ["network", "loss", "metrics", "accumulate", "clip_norm", "clip_value"])
def test_what_a_trainer_is_made_with_cannot_be_assigned_without_effect(name):
    trainer = bp.Trainer(bp.mlp([2, 1], seed=0), "mse", metrics=["mae"], clip_norm=1.0)
    before = getattr(trainer, name)
    with pytest.raises(
        AttributeError, match=rf"{name} is given when the Trainer is made.*bpnative.Trainer\(…, {name}="
    ):
        setattr(trainer, name, 2)
    assert getattr(trainer, name) is before
    for given in ("optimizer", "groups", "average", "state"):
        with pytest.raises(AttributeError):
            setattr(trainer, given, None)
