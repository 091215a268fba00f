"""Runs over batches of the user's own that go on from their checkpoint: the same bits, whatever stopped them."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

import bpnative as bp
from bpnative.io import safetensors
from checkpoint_cases import LABELS, Stop, X, same_run

WEIGHTS = np.linspace(0.1, 2, 60)
EPOCHS = 3


def parts(order):
    for start in range(0, 60, 8):
        rows = order[start : start + 8]
        yield X[rows], LABELS[rows], WEIGHTS[rows]


def shuffled(epoch):
    """Another order in each epoch, the same again for the same epoch."""
    return parts(np.random.default_rng(epoch).permutation(60))


class Again:
    """An object that can be gone through again."""

    def __iter__(self):
        return parts(np.arange(60))


SOURCES = {
    "function of the epoch": shuffled,
    "function": lambda: parts(np.arange(60)[::-1]),
    "object": Again(),
    "list": list(parts(np.arange(60))),
}


def fit(source, path=None, callbacks=(), epochs=EPOCHS, **settings):
    net = bp.Network([bp.Dense(7, activation="tanh"), bp.Dropout(0.3), bp.Dense(2)], 5, seed=0)
    trainer = bp.Trainer(net, "cross_entropy", bp.Adam(0.01), metrics=["accuracy", "roc_auc"])
    settings = {"validation_data": (X[:20], LABELS[:20]), "checkpoint": path, "checkpoint_every": 0} | settings
    trainer.fit(source, epochs=epochs, callbacks=callbacks, progress=False, **settings)
    return trainer


def same(one, other):
    same_run(one, other)
    assert one.history.params["samples"] == other.history.params["samples"] == 60


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("steps", [2, 5, 11])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(kind, steps, tmp_path):
    source, path = SOURCES[kind], tmp_path / "run"
    whole, stops = fit(source, class_weight=[1, 3]), []
    for _ in range(40):
        try:
            stopped = fit(source, path, Stop(steps), class_weight=[1, 3])
        except KeyboardInterrupt:
            stops.append(json.loads(safetensors.read(path)[1]["bpnative"])["run"])
            continue
        break
    same(whole, stopped)
    assert not stopped.history.interrupted
    assert any(run["partial"] for run in stops), "stopped within an epoch"
    same(whole, fit(source, path, class_weight=[1, 3]))
    same(fit(source, epochs=5), fit(source, tmp_path / "more", epochs=5))


def test_a_run_stopped_after_an_epochs_last_batch_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(shuffled, tmp_path / "run", Stop(9))  # the file is that of the eighth step, the last of its epoch
    partial = json.loads(safetensors.read(tmp_path / "run")[1]["bpnative"])["run"]
    assert (partial["epoch"], partial["partial"]) == (1, None)
    same(fit(shuffled), fit(shuffled, tmp_path / "run"))
    with pytest.raises(KeyboardInterrupt):
        fit(shuffled, tmp_path / "other", Fails())
    assert json.loads(safetensors.read(tmp_path / "other")[1]["bpnative"])["run"]["partial"]["done"] == 60
    same(fit(shuffled), fit(shuffled, tmp_path / "other"))


class Fails(bp.Callback):
    """Stands in the way between an epoch's last step and its end."""

    def on_epoch_end(self, trainer, epoch, logs):
        raise KeyboardInterrupt


def test_what_cannot_come_again_is_refused_before_anything_changes(tmp_path):
    with pytest.raises(ValueError, match=r"gone through again, got the iterator <generator.*pass a function"):
        fit(parts(np.arange(60)), tmp_path / "run", epochs=1)
    assert not (tmp_path / "run").exists()
    fit(parts(np.arange(60)), epochs=1)


def test_a_source_that_gives_fewer_batches_is_told(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(shuffled, tmp_path / "run", Stop(6))
    before = (tmp_path / "run").read_bytes()
    with pytest.raises(ValueError, match="trained on 5 batches of epoch 0, the source gave only 2: it must give"):
        fit([*shuffled(0)][:2], tmp_path / "run")
    assert (tmp_path / "run").read_bytes() == before


def test_batches_and_arrays_are_two_kinds_of_run(tmp_path):
    fit(shuffled, tmp_path / "run", epochs=1)
    with pytest.raises(ValueError, match=r'of another run: .*data is "batches" there, "60 rows'):
        fit(X, tmp_path / "run", y=LABELS)


@pytest.mark.parametrize("name", ["epoch.sizes", "epoch.losses"])
def test_damaged_places_are_refused(name, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(shuffled, tmp_path / "run", Stop(6))
    tensors, metadata = safetensors.read(tmp_path / "run")
    for damaged in (tensors[name][:2], tensors[name] * 0 - 1, tensors[name].astype(np.float32)):
        if name == "epoch.losses" and damaged.dtype == np.float64 and len(damaged) > 2:
            continue  # any numbers may be losses
        safetensors.write(tmp_path / "run", {**tensors, name: damaged}, metadata)
        with pytest.raises(ValueError, match="damaged: losses of the epoch so far"):
            fit(shuffled, tmp_path / "run")


# ---- how sources are called ----------------------------------------------------------------------------------------
class Method:
    def __init__(self):
        self.asked = []

    def of_epoch(self, epoch):
        self.asked.append(epoch)
        return shuffled(max(epoch, 0))

    def of_named(self, epoch=7, other=0):
        return self.of_epoch(epoch)

    def of_nothing(self, many=3):
        assert many == 3
        return self.of_epoch(-1)

    def of_any(self, *many):
        assert many == ()
        return self.of_epoch(-1)

    def of_number(self, number, /, other=0):
        return self.of_epoch(number)

    def of_keyword(self, *, epoch):
        return self.of_epoch(epoch)

    def of_seed_and_epoch(self, seed=7, epoch=None):
        assert seed == 7
        return self.of_epoch(epoch)


KINDS = {
    "of_epoch": [0, 1],
    "of_named": [0, 1],
    "of_nothing": [-1, -1],
    "of_any": [-1, -1],
    "of_number": [0, 1],
    "of_keyword": [0, 1],
    "of_seed_and_epoch": [0, 1],
}


@pytest.mark.parametrize("name", KINDS)
def test_a_function_that_takes_the_epoch_is_given_it(name):
    method = Method()
    fit(getattr(method, name), epochs=2)
    assert method.asked == KINDS[name]


@pytest.mark.parametrize(("given", "asked"), [({"epoch": 5}, [5, 5]), ({"seed": 7}, [0, 1])])
def test_an_epoch_that_is_given_already_stays(given, asked):
    method = Method()
    fit(functools.partial(method.of_seed_and_epoch, **given), epochs=2)
    assert method.asked == asked
