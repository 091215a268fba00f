"""The thread that writes checkpoints: whatever interrupts who waits for it, it ends before the run does."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

import bpnative as bp
from bpnative.io import atomic, safetensors
from bpnative.io.background import BackgroundWriter
from child import beside_any_package, needs_fork, run

ONE, TWO = {"a": np.ones(3)}, {"a": np.full(3, 2.0)}


def kept(path):
    return safetensors.read(path)[0]["a"].tolist()


@pytest.fixture
def slow(monkeypatch):
    """Each write takes so many seconds; how many have begun and ended."""
    counts, write = {"begun": 0, "ended": 0, "seconds": 0.5}, atomic.write

    def slowly(path, chunks):
        counts["begun"] += 1
        time.sleep(counts["seconds"])
        write(path, chunks)
        counts["ended"] += 1

    monkeypatch.setattr(atomic, "write", slowly)
    return counts


@pytest.fixture
def ctrl_c():
    """A function that presses Ctrl-C after so many seconds."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("needs a timer of the system")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_ctrl_c_while_one_waits_does_not_end_the_waiting(tmp_path, slow, ctrl_c):
    writer = BackgroundWriter(tmp_path / "file")
    writer.write(ONE, {})
    ctrl_c(0.1)
    with pytest.raises(KeyboardInterrupt):
        writer.wait()
    assert slow["ended"] == 0
    writer.wait()
    assert slow["ended"] == 1
    assert kept(tmp_path / "file") == [1, 1, 1]


def test_after_ctrl_c_no_run_leaves_a_write_behind(tmp_path, slow, ctrl_c):
    x = np.ones((8, 2), np.float32)
    trainer = bp.Trainer(bp.mlp([2, 1], seed=0), loss="mse")
    ctrl_c(0.2)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(x, x[:, 0], epochs=1000, checkpoint=tmp_path / "run", checkpoint_every=0, progress=False)
    assert slow["begun"] == slow["ended"] > 0


@pytest.mark.parametrize("started", [False, True])
def test_ctrl_c_while_the_thread_starts(started, tmp_path, slow, monkeypatch):
    start = threading.Thread.start

    def interrupted(thread):
        if started:
            start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    writer = BackgroundWriter(tmp_path / "file")
    with pytest.raises(KeyboardInterrupt):
        writer.write(ONE, {})
    writer.wait()
    assert slow["begun"] == slow["ended"] == 1
    assert kept(tmp_path / "file") == [1, 1, 1]


def test_the_end_of_the_interpreter_waits_for_what_is_written(tmp_path):

    run(
        f"""
from bpnative.io import atomic
from bpnative.io.background import BackgroundWriter
write = atomic.write
def slowly(*given):
    time.sleep(0.5)
    write(*given)
atomic.write = slowly
BackgroundWriter({str(tmp_path / "file")!r}).write({{"a": np.ones(3)}}, {{}})
"""
    )
    assert kept(tmp_path / "file") == [1, 1, 1]


@needs_fork
@beside_any_package
def test_a_fork_beside_the_thread_goes_on_by_itself(tmp_path, slow):
    writer = BackgroundWriter(tmp_path / "file")
    writer.write(ONE, {})
    while not slow["begun"]:
        time.sleep(0.001)
    other = os.fork()
    if not other:
        try:
            slow["seconds"] = 0
            writer.write(TWO, {})
            writer.wait()
            os._exit(0 if kept(tmp_path / "file") == [2, 2, 2] else 1)
        finally:
            os._exit(2)
    writer.wait()
    assert ended_well(other)


def ended_well(process):
    """Whether a process ends by itself within some seconds, without an error."""
    for _ in range(1000):
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return False


@needs_fork
@beside_any_package
def test_a_fork_within_a_write_holds_no_lock(tmp_path):
    """Its copy of the file's descriptor would keep all others waiting for as long as it lives."""
    begun, go_on = threading.Event(), threading.Event()

    def chunks():
        yield b"one"
        begun.set()
        go_on.wait()
        yield b"two"

    thread = threading.Thread(target=atomic.write, args=(tmp_path / "file", chunks()))
    thread.start()
    begun.wait()
    other = os.fork()
    if not other:
        try:
            atomic.write(tmp_path / "file", [b"three"])
        finally:
            os._exit(0 if (tmp_path / "file").read_bytes() == b"three" else 1)
    time.sleep(0.1)
    go_on.set()
    thread.join()
    assert ended_well(other)
    assert os.listdir(tmp_path) == ["file"]
