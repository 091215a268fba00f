"""Trainers in files, and runs that go on from their checkpoint: the same bits, whatever stopped them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bpnative as bp
from bpnative.io import safetensors
from checkpoint_cases import LABELS, Stop, X, same_run
from child import needs_fork

DATA = Path(__file__).parent / "data"


def trainer(seed=0, **changes):
    net = bp.Network([bp.Dense(7, activation="tanh"), bp.Dense(2)], 5, seed=seed, dtype=changes.pop("dtype", "float32"))
    settings = {"loss": "cross_entropy", "optimizer": bp.Adam(0.01), "metrics": ["accuracy"]}
    return bp.Trainer(net, **settings | changes)


def fit(made, path=None, **changes):
    settings = {"epochs": 4, "batch_size": 8, "checkpoint": path, "checkpoint_every": 0, "progress": False}
    return made.fit(changes.pop("X", X), changes.pop("y", LABELS), **settings | changes)


# ---- trainers ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("optimizer", [kind() for kind in bp.optimizers.OPTIMIZERS.values()], ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bits", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_a_trainer_goes_on_bit_for_bit(optimizer, dtype, bits, tmp_path):
    made = trainer(optimizer=optimizer, dtype=dtype, seed=np.random.Generator(getattr(np.random, bits)(3)))
    fit(made, epochs=2)
    made.save(tmp_path / "t")
    other = bp.Trainer.load(tmp_path / "t")
    same_run(made, other)
    assert other.history.params == made.history.params
    assert [repr(metric) for metric in other.metrics] == [repr(metric) for metric in made.metrics]
    fit(made)
    fit(other)
    same_run(made, other)
    np.testing.assert_array_equal(bp.load(tmp_path / "t").layers[0].weight.shape, (7, 5))


@pytest.mark.parametrize("loss", bp.losses.LOSSES)
def test_every_loss_and_metric_comes_back(loss, tmp_path):
    made = trainer(loss=loss, metrics=[kind() for kind in bp.metrics.METRICS.values() if loss != "x"])
    made.save(tmp_path / "t")
    other = bp.Trainer.load(tmp_path / "t")
    assert other.loss == made.loss
    assert [repr(metric) for metric in other.metrics] == [repr(metric) for metric in made.metrics]


def test_functions_are_passed_again(tmp_path):
    def rate(step):
        return 0.01 / (1 + step)

    made = trainer(optimizer=bp.SGD(rate, momentum=0.5), metrics=[lambda output, target: 0.0])
    fit(made)
    made.save(tmp_path / "t")
    with pytest.raises(ValueError, match=r"was the function .*rate"):
        bp.Trainer.load(tmp_path / "t", metrics=[])
    with pytest.raises(ValueError, match=r"metric '<lambda>' is none of bpnative.*pass metrics"):
        bp.Trainer.load(tmp_path / "t", optimizer=made.optimizer)
    other = bp.Trainer.load(tmp_path / "t", optimizer=made.optimizer, metrics=made.metrics)
    fit(made)
    fit(other)
    same_run(made, other)
    with pytest.raises(ValueError, match=r"expected tensor 'optimizer.m'"):
        bp.Trainer.load(tmp_path / "t", optimizer="adam", metrics=[])


def test_a_network_alone_is_no_trainer(tmp_path):
    bp.mlp([2, 1]).save(tmp_path / "n")
    with pytest.raises(ValueError, match=r"use bpnative\.load"):
        bp.Trainer.load(tmp_path / "n")


# ---- runs ----------------------------------------------------------------------------------------------------------
CASES = {
    "plain": {},
    "in order": {"shuffle": False},
    "weights": {"sample_weight": np.linspace(0, 2, 60)},
    "validation and patience": {"validation_data": (X[:20], LABELS[:20])},
    "one batch": {"batch_size": 100},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("calls", [1, 2, 5])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(case, calls, tmp_path, monkeypatch):
    # Native calls of one or a few steps, so that the run is stopped inside of epochs.
    monkeypatch.setattr("bpnative.around.RUN_SECONDS", 1e-9)
    settings = CASES[case]

    def callbacks():
        return [bp.EarlyStopping(patience=1, min_delta=0.02)] if "validation_data" in settings else []

    whole = trainer()
    fit(whole, callbacks=callbacks(), **settings)
    path = tmp_path / "run"
    inside = 0
    for _ in range(40):
        stopped = trainer()
        stop = Stop(calls + 1)
        try:
            fit(stopped, path, callbacks=[*callbacks(), stop], **settings)
        except KeyboardInterrupt:
            description = json.loads(safetensors.read(path)[1]["bpnative"])
            inside += description["run"]["partial"] is not None
            continue
        break
    same_run(whole, stopped)
    assert not stopped.history.interrupted
    assert inside or case == "one batch"
    again = trainer()
    fit(again, path, callbacks=callbacks(), **settings)
    same_run(whole, again)
    assert stopped._generator.random() == whole._generator.random() == again._generator.random()


def test_more_epochs_go_on(tmp_path):
    whole, first, second = trainer(), trainer(), trainer()
    fit(whole, epochs=7)
    fit(first, tmp_path / "run", epochs=3)
    fit(second, tmp_path / "run", epochs=7)
    same_run(whole, second)
    assert second.history.params["epochs"] == 7
    fewer = trainer()
    fit(fewer, tmp_path / "run", epochs=2)
    same_run(whole, fewer)


def test_what_callbacks_changed_is_kept(tmp_path):
    class Slower(bp.Callback):
        def on_epoch_end(self, trainer, epoch, logs):
            trainer.learning_rate *= 0.5
            trainer.network.layers[0].trainable = epoch % 2 == 0

    class Fails(bp.Callback):
        def on_epoch_begin(self, trainer, epoch):
            if epoch == 3:
                raise RuntimeError

    whole, first, second = trainer(), trainer(), trainer()
    fit(whole, callbacks=Slower())
    with pytest.raises(RuntimeError):
        fit(first, tmp_path / "run", callbacks=[Slower(), Fails()])
    fit(second, tmp_path / "run", callbacks=Slower())
    same_run(whole, second)
    assert second.learning_rate == 0.01 / 16


def test_a_metric_that_is_a_function_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("bpnative.around.RUN_SECONDS", 1e-9)

    def largest(output, target):
        return float(output.max())

    whole, first, second = (trainer(metrics=["accuracy", largest]) for _ in range(3))
    fit(whole)
    with pytest.raises(KeyboardInterrupt):
        fit(first, tmp_path / "run", callbacks=Stop(5))
    fit(second, tmp_path / "run")
    same_run(whole, second)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (lambda: trainer(seed=1), {}, "seed is 0 there, 1 here"),
        (lambda: trainer(dtype="float64"), {}, 'dtype is "float32" there, "float64" here'),
        (lambda: trainer(optimizer=bp.Adam(0.02)), {}, "optimizer is .*0.01.* there, .*0.02.* here"),
        (lambda: trainer(loss="mse"), {"y": np.zeros((60, 2))}, "loss is .*; data is"),
        (lambda: trainer(metrics=[]), {}, "metrics is"),
        (trainer, {"batch_size": 9}, "batch_size is 8 there, 9 here"),
        (trainer, {"shuffle": False}, "shuffle is true there, false here"),
        (trainer, {"X": X[:50], "y": LABELS[:50]}, "samples is 60 there, 50 here"),
        (trainer, {"X": X + 1}, "data is"),
        (trainer, {"sample_weight": np.ones(60)}, "data is .*weighted"),
        (trainer, {"validation_data": (X, LABELS)}, "validation_data is null there"),
        (trainer, {"callbacks": bp.EarlyStopping(monitor="loss")}, r"callbacks with state are \[\] there"),
    ],
)
def test_another_run_is_refused_before_anything_changes(make, settings, message, tmp_path):
    fit(trainer(), tmp_path / "run", epochs=1)
    content = (tmp_path / "run").read_bytes()
    other = make()
    before, state = other.network.parameters.copy(), other._generator.bit_generator.state
    with pytest.raises(ValueError, match=f"of another run: .*{message}"):
        fit(other, tmp_path / "run", **settings)
    np.testing.assert_array_equal(other.network.parameters, before)
    assert (other.step_count, other._generator.bit_generator.state) == (0, state)
    assert (tmp_path / "run").read_bytes() == content


def put(path, value):
    def change(description):
        place = description
        for key in path[:-1]:
            place = place[key]
        if path[-1] in place:
            place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put(["run", "epoch"], -1),
        put(["run", "epoch"], None),
        put(["run", "stop_training"], "no"),
        put(["run", "partial", "done"], 3),
        put(["run", "partial", "metrics"], []),
        put(["run", "partial", "metrics"], [{"tensor": "none"}]),
        put(["run", "partial", "metrics"], [{"map": [["update", 3]]}]),
        put(["run", "partial", "generator"], {"nothing": 1}),
        put(["trainer", "generator"], {"map": [["bit_generator", "os"]]}),
        put(["trainer", "generator"], 3),
        put(["trainer", "step_count"], -1),
        put(["trainer", "history"], {"map": []}),
        put(["trainer", "history"], [1]),
        put(["network", "training_seed"], "x"),
        put(["run", "settings"], 3),
    ],
)
def test_damaged_checkpoints_are_refused(change, tmp_path, monkeypatch):
    monkeypatch.setattr("bpnative.around.RUN_SECONDS", 1e-9)
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(trainer(), path, callbacks=Stop(4))
    tensors, metadata = safetensors.read(path)
    description = json.loads(metadata["bpnative"])
    change(description)
    safetensors.write(path, tensors, {"bpnative": json.dumps(description)})
    with pytest.raises(ValueError, match=r"damaged|expected|form"):
        fit(trainer(), path)


def test_nonsense_is_refused(tmp_path):
    with pytest.raises(ValueError, match="checkpoint_every"):
        fit(trainer(), tmp_path / "run", checkpoint_every=-1)


@needs_fork
def test_twenty_kills():
    script = Path(__file__).with_name("kill_and_resume.py")
    result = subprocess.run([sys.executable, script, "20"], capture_output=True, text=True, timeout=250)
    assert result.returncode == 0, result.stderr
    assert "bit for bit" in result.stdout


# ---- older files ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("version", [1])
def test_files_of_older_versions_go_on(version, tmp_path):
    """Written by this trainer, stopped in the second of four epochs; another processor may differ in the last bits."""
    path = shutil.copy(DATA / f"checkpoint_v{version}.safetensors", tmp_path / "run")
    description = json.loads(safetensors.read(path)[1]["bpnative"])
    assert description["format_version"] == version
    assert description["run"]["epoch"] == 1
    assert description["run"]["partial"] is not None
    assert bp.load(path).output_size == 2
    assert bp.Trainer.load(path).step_count == description["trainer"]["step_count"]
    whole, resumed = trainer(), trainer()
    fit(whole, callbacks=bp.EarlyStopping(monitor="loss"))
    fit(resumed, path, callbacks=bp.EarlyStopping(monitor="loss"))
    np.testing.assert_allclose(resumed.network.parameters, whole.network.parameters, rtol=1e-4, atol=1e-5)
    assert resumed.history["loss"] == pytest.approx(whole.history["loss"], rel=1e-5)
