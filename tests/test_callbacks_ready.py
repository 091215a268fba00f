"""The callbacks that come with the package: CSV files, TensorBoard, stopping on NaN, the learning rate range test."""

from __future__ import annotations

import copy
import csv
import math
import pickle
import sys

import numpy as np
import pytest

import bpnative as bp
from bpnative.callbacks import base, csv_logger

X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
Y = (X[:, :1] * 2 - 1).astype(np.float32)


def trainer(optimizer="adam", **settings):
    return bp.Trainer(bp.mlp([4, 8, 1], activation="tanh", seed=0), "mse", optimizer, **settings)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


# ---- CSV -----------------------------------------------------------------------------------------------------------
def test_csv_holds_the_history_with_all_digits(tmp_path):
    subject = trainer(metrics=["mae"])
    logger = bp.CSVLogger(tmp_path / "run.csv")
    history = subject.fit(X, Y, epochs=3, validation_data=(X, Y), callbacks=logger)
    header, *lines = rows(tmp_path / "run.csv")
    assert header == ["epoch", "step", "seconds", "learning_rate", "loss", "mae", "val_loss", "val_mae"]
    for epoch, line in enumerate(lines):
        values = [float(value) for value in line]
        assert values[:2] == [epoch, 2 * (epoch + 1)]
        assert values[2:] == [history.seconds[epoch], 0.001, *(history[name][epoch] for name in header[4:])]
    assert len(lines) == 3


def test_csv_goes_on_or_begins_anew(tmp_path):
    path = tmp_path / "run.csv"
    subject = trainer()
    for append, expected in ((True, 2), (True, 4), (False, 2)):
        subject.fit(X, Y, epochs=2, callbacks=bp.CSVLogger(path, append=append))
        assert len(rows(path)) == expected + 1
    steps = subject.step_count
    with pytest.raises(ValueError, match=r"has epoch.*val_loss: choose another file"):
        subject.fit(X, Y, validation_data=(X, Y), callbacks=bp.CSVLogger(path, append=True))
    assert subject.step_count == steps
    assert len(rows(path)) == 3


def test_csv_of_a_run_cut_short_has_its_epochs(tmp_path):
    class Fail(bp.Callback):
        def on_epoch_end(self, trainer, epoch, logs):
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer().fit(X, Y, epochs=5, callbacks=[Fail(), bp.CSVLogger(tmp_path / "run.csv")])
    assert len(rows(tmp_path / "run.csv")) == 3


def test_csv_rows_reach_the_file_while_the_next_epoch_runs(tmp_path, monkeypatch):
    lengths = []

    class Look(bp.Callback):
        def on_run_end(self, trainer, run):
            lengths.append(len(rows(tmp_path / "run.csv")))
            if run.epoch == 1:
                monkeypatch.setattr(csv_logger, "FLUSH_SECONDS", 0.0)

    monkeypatch.setattr(csv_logger, "FLUSH_SECONDS", 1e9)
    monkeypatch.setattr("bpnative.around.RUN_SECONDS", 1e-9)
    trainer().fit(X, Y, epochs=2, batch_size=10, callbacks=[bp.CSVLogger(tmp_path / "run.csv"), Look()])
    assert lengths[:3] == [0, 0, 0]  # the header waits as well
    assert lengths[-1] == 2  # the first epoch's row does not wait for the second's


def test_csv_that_cannot_be_written(tmp_path):
    subject = trainer()
    with pytest.raises(FileNotFoundError):
        subject.fit(X, Y, callbacks=bp.CSVLogger(tmp_path / "none" / "run.csv"))
    assert subject.step_count == 0
    for wrong in (3, b"run.csv"):
        with pytest.raises(TypeError):
            bp.CSVLogger(wrong)


# ---- TensorBoard ---------------------------------------------------------------------------------------------------
def events(folder):
    """The scalars of the one event file in a folder: records of length, checksum, message, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.glob("events*")
    content, at, scalars = path.read_bytes(), 0, {}
    while at < len(content):
        size = int.from_bytes(content[at : at + 8], "little")
        event = Event.FromString(content[at + 12 : at + 12 + size])
        at += 12 + size + 4
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                scalars.setdefault(value.tag, {})[event.step] = value.simple_value
    return scalars


def test_tensorboard_holds_the_history(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    board = bp.TensorBoard(tmp_path / "run")
    history = trainer(metrics=["mae"]).fit(X, Y, epochs=3, validation_data=(X, Y), callbacks=board)
    scalars = events(tmp_path / "run")
    assert set(scalars) == {"loss", "mae", "val_loss", "val_mae", "learning_rate"}
    for name, values in history.items():
        assert list(scalars[name]) == [0, 1, 2]
        np.testing.assert_allclose(list(scalars[name].values()), values, rtol=1e-6)
    np.testing.assert_allclose(list(scalars["learning_rate"].values()), 0.001, rtol=1e-6)


def test_tensorboard_leaves_out_epochs_that_are_too_short_but_never_the_last(tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    monkeypatch.setattr(base, "AT_ONCE", 4)
    monkeypatch.setattr(base, "A_SECOND", 0)
    history = trainer().fit(X, Y, epochs=9, callbacks=bp.TensorBoard(tmp_path / "run"))
    loss = events(tmp_path / "run")["loss"]
    assert list(loss) == [0, 1, 2, 3, 8]
    np.testing.assert_allclose(loss[8], history["loss"][8], rtol=1e-6)


def test_tensorboard_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'bpnative\[tensorboard\]'"):
        bp.TensorBoard("runs")


# ---- stop on NaN ---------------------------------------------------------------------------------------------------
class RateFrom(bp.Callback):
    """Makes the learning rate absurd at the beginning of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, trainer, epoch):
        if epoch == self.epoch:
            self.before = (trainer.network.parameters.copy(), copy.deepcopy(trainer.state), trainer.step_count)
            trainer.learning_rate = 1e30


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("epoch", [0, 2])
def test_a_run_without_a_number_ends_and_goes_back(optimizer, epoch):
    subject, spoil, guard = trainer(optimizer), RateFrom(epoch), bp.StopOnNaN(restore=True)
    with pytest.warns(RuntimeWarning, match=r"loss is (nan|inf) at step \d+ \(epoch \d+ of 50, learning rate 1e\+30\)"):
        history = subject.fit(X, Y, epochs=50, batch_size=10, callbacks=[spoil, guard])
    parameters, state, steps = spoil.before
    assert guard.epoch == history.epochs[-1] == epoch
    assert steps < guard.step <= steps + 5
    np.testing.assert_array_equal(subject.network.parameters, parameters)
    for name, values in state.items():
        np.testing.assert_array_equal(subject.state[name], values)
    assert subject.step_count == steps
    subject.learning_rate = 0.001
    assert np.isfinite(subject.fit(X, Y, epochs=2, callbacks=guard)["loss"]).all()
    assert guard.step is None


def test_without_restoring_the_weights_stay():
    subject = trainer("sgd")
    with pytest.warns(RuntimeWarning, match="the weights stay as they are"):
        subject.fit(X, Y, epochs=50, callbacks=[RateFrom(1), bp.StopOnNaN()])
    assert not np.isfinite(subject.network.parameters).all() or abs(subject.network.parameters).max() > 1e10


def test_a_finite_run_is_left_alone():
    first, second = trainer(), trainer()
    first.fit(X, Y, epochs=3, callbacks=bp.StopOnNaN(restore=True))
    second.fit(X, Y, epochs=3)
    np.testing.assert_array_equal(first.network.parameters, second.network.parameters)


# ---- learning rate finder ------------------------------------------------------------------------------------------
def test_the_range_test_changes_nothing():
    subject, twin = trainer(metrics=["mae"]), trainer(metrics=["mae"])
    for one in (subject, twin):
        one.fit(X, Y, epochs=2, batch_size=10)
    before = pickle.dumps(subject)
    curve = bp.LearningRateFinder(1e-6, 100.0, steps=60).find(subject, X, Y, batch_size=10)
    assert pickle.dumps(subject) == before
    assert len(curve.learning_rates) == len(curve.losses) == len(curve.smoothed) <= 60
    expected = 1e-6 * (1e8 ** (np.arange(len(curve.losses)) / 59))
    np.testing.assert_allclose(curve.learning_rates, expected, rtol=1e-12)
    for one in (subject, twin):
        one.fit(X, Y, epochs=2, batch_size=10)
    np.testing.assert_array_equal(subject.network.parameters, twin.network.parameters)
    assert subject.history == twin.history


def test_the_losses_are_those_of_training_at_these_rates():
    curve = bp.LearningRateFinder(1e-4, 1e-2, steps=5).find(trainer("sgd"), X, Y, batch_size=50, shuffle=False)
    subject = trainer("sgd")
    for rate, loss in zip(curve.learning_rates.tolist(), curve.losses, strict=True):
        subject.learning_rate = rate
        assert subject.step(X, Y) == loss


def test_the_suggestion_trains_and_a_diverging_test_ends():
    subject = trainer("sgd")
    curve = bp.LearningRateFinder(1e-5, 1e6, steps=300).find(subject, X, Y, batch_size=10)
    assert len(curve.losses) < 300
    assert np.isfinite(curve.losses).all()
    assert 1e-4 < curve.suggestion < 3
    subject.learning_rate = curve.suggestion
    history = subject.fit(X, Y, epochs=100, batch_size=10)
    assert history["loss"][-1] < history["loss"][0] / 5
    assert "suggestion 0." in repr(curve)


def test_nothing_is_suggested_where_the_loss_does_not_fall():
    curve = bp.LearningRateFinder(1e-30, 1e-28, steps=20).find(trainer("sgd"), X, Y, batch_size=50, shuffle=False)
    assert curve.suggestion is None
    assert "never fell" in repr(curve)
    spoiled = trainer("sgd")
    spoiled.network.parameters[...] = math.nan
    curve = bp.LearningRateFinder().find(spoiled, X, Y)
    assert (len(curve.losses), curve.suggestion) == (0, None)


@pytest.mark.parametrize("settings", [{"low": 0}, {"low": 1, "high": 1}, {"steps": 1}, {"steps": 2.5}, {"low": "1"}])
def test_wrong_settings_of_the_finder(settings):
    with pytest.raises((ValueError, TypeError), match="LearningRateFinder"):
        bp.LearningRateFinder(**settings)


@pytest.mark.parametrize("callback", [bp.CSVLogger("a.csv"), bp.StopOnNaN(restore=True), bp.LearningRateFinder(1e-3)])
def test_repr_rebuilds(callback):
    assert repr(eval(repr(callback), vars(bp))) == repr(callback)
