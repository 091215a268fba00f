"""What fit shows: a bar on a terminal, lines in a log, nothing where nobody reads; never wider than the terminal."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading

import numpy as np
import pytest

import bpnative as bp
from bpnative.callbacks import base, progress
from bpnative.callbacks.progress import PlainBar, Progress

X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
Y = (X[:, :1] * 2 - 1).astype(np.float32)


class Terminal(io.StringIO):
    """A terminal that keeps what was written, and can say what its last line looks like."""

    def isatty(self):
        return True

    def lines(self):
        """The text as a terminal shows it: a return goes to the line's beginning, writing replaces what is there."""
        shown = []
        for written in self.getvalue().split("\n"):
            line: list[str] = []
            for part in written.split("\r"):
                line[: len(part)] = part
            shown.append("".join(line).rstrip())
        return shown


@pytest.fixture(params=["tqdm", "plain"])
def kind(request, monkeypatch):
    """With tqdm and without, drawing at every chance."""
    if request.param == "tqdm":
        pytest.importorskip("tqdm", reason="tqdm is not installed")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0.0)
    return request.param


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    return Terminal()


def trainer(**settings):
    return bp.Trainer(bp.mlp([4, 8, 1], activation="tanh", seed=0), "mse", **settings)


def fit(stream, epochs=3, subject=None, **settings):
    with contextlib.redirect_stdout(stream):
        return (subject or trainer(metrics=["mae"])).fit(X, Y, epochs=epochs, batch_size=10, **settings)


def test_a_bar_is_drawn_and_leaves_only_the_lines_of_the_epochs(kind, terminal):
    fit(terminal, validation_data=(X, Y))
    written, lines = terminal.getvalue(), terminal.lines()
    for what in ("epoch 1/3 [", "loss", "left", "samples/s"):
        assert what in written.partition("epoch 1/3  ")[0], what
    assert "val_mae" in written.partition("epoch 2/3  ")[0].rpartition("\n")[2], "metrics of the epoch before"
    assert [line[:15] for line in lines] == ["epoch 1/3  loss", "epoch 2/3  loss", "epoch 3/3  loss", ""]
    assert all(line.endswith(" samples/s") for line in lines[:-1])
    assert "\x1b[3" not in written, "no colour"


def test_training_is_the_same_with_and_without(kind, terminal):
    first, second = trainer(), trainer()
    fit(terminal, subject=first)
    fit(terminal, subject=second, progress=False)
    np.testing.assert_array_equal(first.network.parameters, second.network.parameters)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_bar_is_cleared_when_a_run_is_cut_short(kind, terminal, error):
    class Fail(bp.Callback):
        def on_run_end(self, trainer, run):
            if run.epoch == 1:
                raise error

    before = set(threading.enumerate())  # other libraries' may live as long as the process
    with pytest.raises(error):
        fit(terminal, callbacks=Fail())
    assert [line[:9] for line in terminal.lines()] == ["epoch 1/3", ""]
    assert set(threading.enumerate()) <= before


def test_what_callbacks_print_stands_on_its_own_lines(kind, terminal):
    class Say(bp.Callback):
        def on_epoch_end(self, trainer, epoch, logs):
            print("mine", epoch)

        def on_train_end(self, trainer):
            print("the end")

    fit(terminal, callbacks=Say())
    shown = [line[:9] for line in terminal.lines()]
    assert shown == ["epoch 1/3", "mine 0", "epoch 2/3", "mine 1", "epoch 3/3", "mine 2", "the end", ""]


@pytest.mark.parametrize("columns", [0, 1, 5, 12, 20, 40, 60, 120, 400])
@pytest.mark.parametrize("total", [0, 1000])
def test_a_plain_line_never_wraps(columns, total):
    logs = {"loss": 0.25, **{f"metric_{k}": 0.5 + k for k in range(8)}}
    for done in (0, 1, 500, 1000):
        text = PlainBar.text("epoch  3/10", logs, done, total, 3.0, columns)
        assert len(text) <= max(columns - 1, 0)
        assert text == text.rstrip()
        assert columns < 60 or "loss 0.2500" in text
        assert columns < 60 or ("left" in text) == (total > 0 and done > 0)
    assert text.count("metric") == {400: 8, 20: 0}.get(columns, text.count("metric"))


def test_a_shorter_line_leaves_nothing_of_a_longer_one():
    stream = Terminal()
    bar = PlainBar(stream)
    bar.draw("epoch 1/3", {"loss": 1234567.0}, 10, 100, 1.0)
    bar.draw("epoch 1/3", {"loss": 0.5}, 10, 100, 1.0)
    assert stream.lines() == [PlainBar.text("epoch 1/3", {"loss": 0.5}, 10, 100, 1.0, progress._columns(stream))]
    bar.clear()
    assert stream.lines() == [""]


@pytest.mark.parametrize("seconds", [[0.05] * 40, [0.3] * 5])
def test_ten_drawings_a_second_at_most(seconds, monkeypatch, terminal):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    monkeypatch.setitem(sys.modules, "tqdm", None)
    subject, shown = trainer(), Progress(bar=True, stream=terminal)
    subject.history.params |= {"epochs": 1, "samples": 1000}
    shown.on_train_begin(subject)
    shown.on_epoch_begin(subject, 0)
    for number, step in enumerate(seconds):
        now[0] += step
        shown.on_run_end(subject, bp.Run(0, number, np.ones(2), np.ones(2), number, 1000))
    drawn = terminal.getvalue().count("epoch 1/1")
    assert drawn <= sum(seconds) * 10
    assert drawn >= min(len(seconds), 18)


def test_a_log_has_a_line_an_epoch(tmp_path):
    with open(tmp_path / "log", "w+") as log:
        fit(log, epochs=7)
        fit(log, epochs=2, progress=False)
        log.seek(0)
        lines = log.read().splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"epoch {k}/7" for k in range(1, 8)]


def test_short_epochs_do_not_flood_a_log_and_the_last_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "AT_ONCE", 20)
    monkeypatch.setattr(base, "A_SECOND", 0)
    for epochs, end in ((1000, None), (1000, 500)):
        stream = io.StringIO()

        class Stop(bp.Callback):
            def on_epoch_end(self, trainer, epoch, logs, end=end):
                trainer.stop_training = epoch + 1 == end

        fit(stream, epochs=epochs, progress=True, callbacks=Stop())
        lines = stream.getvalue().splitlines()
        assert len(lines) == 21
        assert lines[19].startswith("epoch   20/1000")
        assert lines[-1].startswith(f"epoch {end or epochs:>4}/1000")


def test_nothing_where_nobody_reads():
    closed = open(os.devnull)  # noqa: SIM115
    closed.close()
    for stream in (io.StringIO(), None, closed):
        assert fit(stream).epochs == [0, 1, 2]
        if stream is not closed:
            assert fit(stream, progress=True).epochs == [0, 1, 2]
