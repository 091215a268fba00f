"""Callbacks: their moments and order, stopping, errors inside them, and early stopping."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import bpnative as bp

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 4)).astype(np.float32)
TARGET = (X[:, :1] * 2 - 1).astype(np.float32)


def trainer(**settings):
    return bp.Trainer(bp.mlp([4, 8, 1], activation="tanh", seed=0), "mse", **settings)


class Recorder(bp.Callback):
    """Writes down every moment, and does something at one of them."""

    def __init__(self, at="", action=None):
        self.seen = []
        self.at, self.action = at, action

    def moment(self, name, trainer):
        self.seen.append(name)
        if name == self.at:
            self.action(trainer)

    def on_train_begin(self, trainer):
        self.moment("train begin", trainer)

    def on_epoch_begin(self, trainer, epoch):
        self.moment(f"epoch {epoch} begin", trainer)

    def on_run_end(self, trainer, run):
        self.runs = [*getattr(self, "runs", []), run]
        self.moment("run", trainer)

    def on_epoch_end(self, trainer, epoch, logs):
        self.logs = dict(logs)
        self.moment(f"epoch {epoch} end", trainer)

    def on_train_end(self, trainer):
        self.moment("train end", trainer)


def stop(trainer):
    trainer.stop_training = True


def fail(trainer):
    raise RuntimeError("mine")


def press_ctrl_c(trainer):
    raise KeyboardInterrupt


def test_moments_in_order():
    recorder = Recorder()
    subject = trainer(metrics=["mae"])
    subject.step(X, TARGET)
    subject.fit(X, TARGET, epochs=2, batch_size=50, validation_data=(X, TARGET), callbacks=recorder)
    epochs = [["epoch 0 begin", "run", "epoch 0 end"], ["epoch 1 begin", "run", "epoch 1 end"]]
    assert recorder.seen == ["train begin", *epochs[0], *epochs[1], "train end"]
    assert recorder.logs == {column: values[-1] for column, values in subject.history.items()}
    first, second = recorder.runs
    assert (first.epoch, first.first_step, first.samples_done, first.samples) == (0, 1, 50, 50)
    assert (second.epoch, second.first_step) == (1, 2)
    assert first.losses.tolist() == [subject.history["loss"][0]]
    assert first.learning_rates.tolist() == [1e-3]


def test_runs_cover_each_epoch():
    recorder = Recorder()
    subject = trainer()
    subject.fit(X, TARGET, epochs=3, batch_size=4, callbacks=[recorder])
    assert sum(len(run.losses) for run in recorder.runs) == subject.step_count == 39
    assert [run.first_step for run in recorder.runs] == sorted({run.first_step for run in recorder.runs})
    assert [run.samples_done for run in recorder.runs if run.samples_done == 50] == [50, 50, 50]


def test_stopping_at_the_end_of_an_epoch():
    subject = trainer()
    history = subject.fit(X, TARGET, epochs=9, callbacks=[Recorder("epoch 2 end", stop)])
    assert history.epochs == [0, 1, 2]
    assert not history.interrupted


def test_stopping_within_an_epoch_keeps_what_was_seen():
    subject = trainer(metrics=["mae"])
    recorder = Recorder("run", stop)
    history = subject.fit(X, TARGET, epochs=9, batch_size=10, callbacks=[recorder])
    assert subject.step_count == 1  # the first native call of a trainer is one step
    assert recorder.seen == ["train begin", "epoch 0 begin", "run", "epoch 0 end", "train end"]
    assert history["loss"] == recorder.runs[0].losses.tolist()
    assert len(history["mae"]) == 1
    assert len(subject.fit(X, TARGET, epochs=2)["loss"]) == 2


@pytest.mark.parametrize(("at", "epochs"), [("train begin", 0), ("epoch 0 begin", 0), ("epoch 2 begin", 2)])
@pytest.mark.parametrize("batches", [False, True])
def test_stopping_before_an_epoch(at, epochs, batches):
    subject, recorder = trainer(metrics=["mae"]), Recorder(at, stop)
    data = ([(X, TARGET)],) if batches else (X, TARGET)
    history = subject.fit(*data, epochs=9, batch_size=50, callbacks=[recorder])
    assert len(history["loss"]) == len(history["mae"]) == epochs == subject.step_count
    assert recorder.seen[-1] == "train end"
    assert not history.interrupted


@pytest.mark.parametrize("at", ["train begin", "epoch 1 begin", "run", "epoch 1 end"])
@pytest.mark.parametrize(("action", "error"), [(fail, RuntimeError), (press_ctrl_c, KeyboardInterrupt)])
def test_an_error_ends_the_run_cleanly(at, action, error):
    before, culprit, after = Recorder(), Recorder(at, action), Recorder()
    subject = trainer()
    with pytest.raises(error):
        subject.fit(X, TARGET, epochs=3, callbacks=[before, culprit, after])
    assert subject.history.interrupted
    assert subject.history.epochs == list(range(len(subject.history["loss"])))
    assert before.seen[-1] == "train end"
    begun = at != "train begin"
    assert ("train end" in culprit.seen, "train end" in after.seen) == (begun, begun)
    assert np.isfinite(subject.network.predict(X)).all()
    subject.fit(X, TARGET)


def test_an_error_while_ending_does_not_hide_the_first():
    class Worse(Recorder):
        def on_train_end(self, trainer):
            raise OSError("second")

    last = Recorder()
    with pytest.warns(RuntimeWarning, match="second"), pytest.raises(RuntimeError, match="mine"):
        trainer().fit(X, TARGET, callbacks=[Worse("run", fail), last])
    assert last.seen[-1] == "train end"


def test_an_error_after_the_last_epoch_is_raised():
    with pytest.raises(RuntimeError, match="mine"):
        trainer().fit(X, TARGET, callbacks=[Recorder("train end", fail)])


# ---- early stopping ------------------------------------------------------------------------------------------------
class Scripted(bp.metrics.Metric):
    """A metric that says what a test wants, one number an epoch."""

    def __init__(self, numbers, greater_is_better=False):
        self.name, self.greater_is_better, self.numbers = "scripted", greater_is_better, list(numbers)

    def reset(self):
        pass

    def update(self, output, target, weight):
        pass

    def result(self):
        return self.numbers.pop(0)


def run(numbers, greater_is_better=False, epochs=None, **settings):
    subject = trainer(metrics=[Scripted(numbers, greater_is_better)])
    weights = []

    class Keep(bp.Callback):
        def on_epoch_end(self, trainer, epoch, logs):
            weights.append(trainer.network.parameters.copy())

    stopping = bp.EarlyStopping(**{"patience": 2, "monitor": "scripted", **settings})
    history = subject.fit(X, TARGET, epochs=epochs or len(numbers), callbacks=[Keep(), stopping])
    return subject, stopping, history, weights


NAN = float("nan")


@pytest.mark.parametrize(
    ("numbers", "settings", "epochs", "best"),
    [
        ([5, 4, 3, 3, 3, 1], {}, 5, 2),
        ([5, 4, 3, 3, 2, 3, 3, 1], {}, 7, 4),
        ([1, 2, 3, 3, 4], {"greater_is_better": True}, 5, 4),
        ([1, 2, 3], {"mode": "max"}, 3, 2),
        ([3, 2, 1], {"mode": "max"}, 3, 0),
        ([5.0, 4.5, 4.2, 4.0], {"min_delta": 0.6}, 4, 2),
        ([5.0, 4.5, 4.3, 4.0], {"min_delta": 0.6}, 4, 2),
        ([5.0, 4.5, 4.5, 1.0], {"min_delta": 0.5}, 3, 0),
        ([3, NAN, 2, NAN, NAN, 1], {}, 5, 2),
        ([NAN, NAN, NAN, 1], {}, 3, 0),
        ([NAN, 3, 2, 2], {}, 4, 2),
        ([5, 6, 4], {"patience": 1}, 2, 0),
    ],
)
def test_early_stopping(numbers, settings, epochs, best):
    subject, stopping, history, weights = run(numbers, **settings)
    assert len(history.epochs) == epochs
    assert stopping.best_epoch == best
    np.testing.assert_equal(stopping.best_value, numbers[best])
    assert stopping.stopped_epoch == (epochs - 1 if epochs < len(numbers) or epochs - 1 - best >= 2 else None)
    np.testing.assert_array_equal(subject.network.parameters, weights[best])


def test_without_restoring_the_last_weights_stay():
    subject, stopping, _, weights = run([3, 4, 5, 6], restore_best=False)
    assert (stopping.best_epoch, stopping.stopped_epoch) == (0, 2)
    np.testing.assert_array_equal(subject.network.parameters, weights[2])


def test_the_best_weights_come_back_after_ctrl_c_too():
    subject = trainer()
    best = []

    def interrupt(trainer):
        best.append(trainer.network.parameters.copy())
        trainer.network.parameters *= 5
        raise KeyboardInterrupt

    callbacks = [bp.EarlyStopping(monitor="loss"), Recorder("epoch 0 end", interrupt)]
    with pytest.raises(KeyboardInterrupt):
        subject.fit(X, TARGET, epochs=3, callbacks=callbacks)
    np.testing.assert_array_equal(subject.network.parameters, best[0])


def test_one_object_serves_two_runs():
    stopping = bp.EarlyStopping(patience=1, monitor="scripted")
    for _ in range(2):
        trainer(metrics=[Scripted([1, 2, 3])]).fit(X, TARGET, epochs=3, callbacks=stopping)
        assert (stopping.best_epoch, stopping.stopped_epoch) == (0, 1)


def test_validation_is_watched_by_default():
    subject = trainer()
    history = subject.fit(X, TARGET, epochs=3, validation_data=(X, TARGET), callbacks=[bp.EarlyStopping()])
    assert subject.evaluate(X, TARGET)["loss"] == min(history["val_loss"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "watches 'val_loss', this run has only 'loss', 'worst': pass validation_data to fit"),
        ({"monitor": "acuracy"}, "watches 'acuracy'.*choose one of these"),
        ({"monitor": "worst"}, "can't tell whether 'worst' should rise"),
    ],
)
def test_what_cannot_be_watched_is_said_before_training(settings, message):
    def worst(output, target):
        return abs(output - target).max()

    subject = trainer(metrics=[worst])
    with pytest.raises(ValueError, match=message):
        subject.fit(X, TARGET, callbacks=[bp.EarlyStopping(**settings)])
    assert subject.step_count == 0
    subject.fit(X, TARGET, callbacks=[bp.EarlyStopping(monitor="worst", mode="min")])


@pytest.mark.parametrize("settings", [{"patience": 0}, {"patience": 1.5}, {"mode": "up"}, {"min_delta": -1}])
def test_wrong_settings(settings):
    with pytest.raises((ValueError, TypeError), match="of EarlyStopping"):
        bp.EarlyStopping(**settings)


# ---- ends, and runs in runs ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("action", [fail, press_ctrl_c])
def test_an_error_at_the_end_keeps_no_other_callback_from_its_end(action):
    before, failing, after = Recorder(), Recorder("train end", action), Recorder()
    with pytest.raises((RuntimeError, KeyboardInterrupt)):
        trainer().fit(X, TARGET, epochs=2, callbacks=[before, failing, after])
    for callback in (before, failing, after):
        assert callback.seen.count("train end") == 1


@pytest.mark.parametrize("moment", ["train begin", "epoch 1 begin", "run", "epoch 0 end", "train end"])
def test_a_run_within_a_run_of_the_same_trainer_is_refused(moment):
    subject = trainer()
    again = Recorder(moment, lambda trainer: trainer.fit(X, TARGET))
    with pytest.raises(RuntimeError, match=r"being fitted: train copy.deepcopy\(trainer\)"):
        subject.fit(X, TARGET, epochs=3, callbacks=again)
    assert len(subject.fit(X, TARGET, epochs=2).epochs) == 2


def test_other_trainers_and_copies_are_trained_within_a_run():
    lengths = []

    def others(subject):
        for other in (trainer(), copy.deepcopy(subject), pickle.loads(pickle.dumps(subject))):
            lengths.append(len(other.fit(X, TARGET, epochs=2).epochs))

    subject = trainer()
    history = subject.fit(X, TARGET, epochs=3, callbacks=Recorder("epoch 1 end", others))
    assert (lengths, history.epochs) == ([2, 2, 2], [0, 1, 2])
    assert subject.history is history
    assert history == trainer().fit(X, TARGET, epochs=3)
