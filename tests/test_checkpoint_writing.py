"""How checkpoints come to the disk: how often, what stands in their way, and what Ctrl-C leaves behind."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import bpnative as bp
from bpnative import checkpoint
from bpnative.io import safetensors
from checkpoint_cases import LABELS, X
from child import needs_fork, start


def fit(path, epochs=4, batch_size=8, every=0.0, callbacks=()):
    trainer = bp.Trainer(bp.mlp([5, 7, 2], seed=0), "cross_entropy", metrics=["accuracy"])
    settings = {"checkpoint": path, "checkpoint_every": every, "progress": False, "callbacks": callbacks}
    return trainer.fit(X, LABELS, epochs=epochs, batch_size=batch_size, **settings)


# ---- how often ------------------------------------------------------------------------------------------------------
def writes_of(monkeypatch, path, **settings):
    """The epochs that stood in the file each time it was written; a copy costs what the settings say."""
    written, write = [], safetensors.write

    def note(path, tensors, metadata):
        written.append(json.loads(metadata["bpnative"])["run"]["epoch"])
        write(path, tensors, metadata)

    monkeypatch.setattr(safetensors, "write", note)
    fit(path, every=60.0, **settings)
    assert json.loads(safetensors.read(path)[1]["bpnative"])["run"]["epoch"] == written[-1]
    return written


def test_each_epoch_is_written_where_writing_is_quick_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    monkeypatch.setattr(checkpoint, "SHARE_OF_THREAD", 1e9)
    assert writes_of(monkeypatch, tmp_path / "run") == [1, 2, 3, 4]


def test_of_many_short_epochs_some_are_written_and_always_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", 1e-9)
    assert writes_of(monkeypatch, tmp_path / "run", epochs=50) == [1, 50]

    class Stop(bp.Callback):
        def on_epoch_end(self, trainer, epoch, logs):
            trainer.stop_training = epoch == 30

    assert writes_of(monkeypatch, tmp_path / "other", epochs=50, callbacks=Stop()) == [1, 31]


def test_a_slow_disk_is_written_to_seldom(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    monkeypatch.setattr(checkpoint, "SHARE_OF_THREAD", 1e-9)

    class Wait(bp.Callback):
        def on_epoch_begin(self, trainer, epoch):
            if epoch == 1:  # until the first write has ended, nobody knows how long one takes
                [thread.join() for thread in threading.enumerate() if thread.name == "bpnative checkpoint"]

    assert writes_of(monkeypatch, tmp_path / "run", epochs=50, callbacks=Wait()) == [1, 50]


def test_an_error_of_writing_does_not_hide_that_of_the_run(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(safetensors, "write", fail)

    class Interrupt(bp.Callback):
        def on_epoch_begin(self, trainer, epoch):
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="could not be written: no space"), pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "run", every=60.0, callbacks=Interrupt())
    with pytest.raises(OSError, match="no space"):
        fit(tmp_path / "run", epochs=1)


def test_where_the_system_gives_no_thread_the_run_writes_itself(tmp_path, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    fit(tmp_path / "run", epochs=2)
    assert len(bp.Trainer.load(tmp_path / "run").history.epochs) == 2
    monkeypatch.setattr(safetensors, "write", lambda *_: (tmp_path / "missing" / "file").write_bytes(b""))
    with pytest.raises(FileNotFoundError):
        fit(tmp_path / "other", epochs=2)


# ---- Ctrl-C --------------------------------------------------------------------------------------------------------
def test_ctrl_c_with_all_callbacks_returns_soon_and_leaves_all_whole(tmp_path):
    code = f"""
import importlib.util, json, os
os.chdir({str(tmp_path)!r})

class Tell(bp.Callback):
    def on_epoch_end(self, trainer, epoch, logs):
        if epoch == 20:
            print("running", flush=True)

callbacks = [bp.CSVLogger("run.csv"), bp.EarlyStopping(10**9, "loss"), bp.StopOnNaN(restore=True), Tell()]
callbacks.append(bp.callbacks.Progress(bar=True, stream=open("shown", "w")))
if importlib.util.find_spec("tensorboardX"):
    callbacks.append(bp.TensorBoard("runs"))
trainer = bp.Trainer(bp.mlp([64, 256, 8], seed=1), "cross_entropy")
settings = dict(callbacks=callbacks, checkpoint="run.safetensors", checkpoint_every=0.05, progress=False)
try:
    trainer.fit(X, y, epochs=10**6, **settings)
except KeyboardInterrupt:
    returned = time.monotonic()
history = trainer.history
print(json.dumps([returned, history.epochs, history.interrupted, len(history["loss"])]), flush=True)
"""
    process = start(code)
    try:
        assert process.stdout.readline() == "running\n"
        time.sleep(0.3)
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    returned, epochs, interrupted, losses = json.loads(printed)
    print(f"Ctrl-C returned after {(returned - pressed) * 1e3:.0f} ms")
    assert returned - pressed < 2  # 0.2 on a machine that does nothing else
    assert interrupted
    assert epochs == list(range(len(epochs)))
    assert len(epochs) == losses
    with open(tmp_path / "run.csv", newline="") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] in (epochs, epochs[:-1])
    kept = bp.Trainer.load(tmp_path / "run.safetensors").history
    assert 0 < len(kept.epochs) <= losses
    assert sorted(path.name for path in tmp_path.glob(".*")) == [], "a temporary file was left behind"


def test_a_run_that_went_on_knows_that_it_was_stopped_again(tmp_path):
    class Stop(bp.Callback):
        def on_epoch_begin(self, trainer, epoch):
            self.history = trainer.history
            if epoch in epochs:
                raise KeyboardInterrupt

    for epochs, interrupted in (([1], True), ([2], True), ([], False)):
        stop = Stop()
        try:
            fit(tmp_path / "run", callbacks=stop)
        except KeyboardInterrupt:
            assert stop.history.epochs == list(range(epochs[0]))
        assert stop.history.interrupted == interrupted
    assert stop.history.epochs == [0, 1, 2, 3]


# ---- paths ----------------------------------------------------------------------------------------------------------
def test_a_callback_that_changes_the_folder_moves_no_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Leave(bp.Callback):
        def on_epoch_end(self, trainer, epoch, logs):
            os.makedirs("inner", exist_ok=True)
            os.chdir("inner")

    fit("run", epochs=3, callbacks=Leave())
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("run")] == [Path("run")]
    assert len(bp.Trainer.load(tmp_path / "run").history.epochs) == 3


@pytest.mark.parametrize("path", ["missing/run", "", "missing/", "dangling"])
def test_a_path_in_no_folder_is_an_error_before_anything_changes(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink("missing/file", "dangling")
    begun = []

    class Note(bp.Callback):
        def on_train_begin(self, trainer):
            begun.append(trainer)

    with pytest.raises(FileNotFoundError, match="checkpoint as a file in a folder that is there, got"):
        fit(path, callbacks=Note())
    assert begun == []


def test_paths_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder")
    os.symlink("folder/target", "link")
    for path in (b"bytes", Path("path"), "link", "folder/../plain"):
        assert len(fit(path, epochs=1).epochs) == 1
        assert len(fit(path, epochs=2).epochs) == 2
    assert sorted(os.listdir()) == ["bytes", "folder", "link", "path", "plain"]
    assert (os.path.islink("link"), os.listdir("folder")) == (True, ["target"])
    with pytest.raises(IsADirectoryError):
        fit("folder")


# ---- disks ----------------------------------------------------------------------------------------------------------
def test_a_full_disk_ends_the_run_and_leaves_the_old_checkpoint(tmp_path):
    code = """
import resource, signal, sys
import numpy as np, bpnative as bp
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
X = np.ones((40, 30), np.float32)
def run(epochs):
    trainer = bp.Trainer(bp.mlp([30, 90, 1], seed=0), loss="mse")
    return trainer.fit(X, X[:, 0], epochs=epochs, checkpoint=sys.argv[1], progress=False)
run(1)
before = open(sys.argv[1], "rb").read()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    run(2)
except OSError as error:
    assert open(sys.argv[1], "rb").read() == before
    print("refused")
"""
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True, timeout=240)
    assert result.stdout == "refused\n", result.stderr


@needs_fork
def test_a_read_only_folder_ends_the_run_and_leaves_the_old_checkpoint():
    folder = Path(tempfile.mkdtemp())
    path, user = folder / "run", os.geteuid()
    try:
        fit(path, epochs=1)
        before = path.read_bytes()
        folder.chmod(0o555)
        if user == 0:  # who may write anywhere
            os.seteuid(65534)
        with pytest.raises(PermissionError):
            fit(path, epochs=2)
        assert path.read_bytes() == before
    finally:
        os.seteuid(user)
        folder.chmod(0o700)
        shutil.rmtree(folder)
