"""Checkpoints of `Trainer.fit`: a run that is killed at any moment goes on from its file and ends with the same bits.

The file is a trainer's file (`Trainer.load` and `bpnative.load` read it) that also holds where the run stands: the
epoch, the losses of its steps so far, the state of its metrics and callbacks, and the settings that make the run what
it is. The order of an epoch's samples is drawn again, from the generator as it was before.

A write is a copy, made between two native calls, and the file itself, written by a thread while training goes on.
"""

from __future__ import annotations

import json
import os
import time
import warnings
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import trainer_files
from .batches import Batches
from .callbacks import Callback
from .io import model, safetensors
from .io.atomic import PathLike
from .io.background import BackgroundWriter
from .io.description import build, completed, describe
from .io.values import pack, unpack
from .metrics import Metric
from .samples import SampleSource
from .specification import check_count

if TYPE_CHECKING:
    from .batches import BatchPosition
    from .epoch import Position
    from .trainer import Trainer

# The ends of epochs are written as long as the copies take no more than this share of the run, and the thread this.
SHARE, SHARE_OF_THREAD = 0.01, 0.1


class Keeper:
    """Keeps the checkpoint of one `fit`: reads it if it is there, and writes it while the run goes.

    Args:
        path: The file.
        seconds: The most seconds between two writes. An epoch's end is written as well, but where writing would take
            more than a tenth of the time; the end of the run always is.
        trainer: The trainer, as it is before the run.
        samples: The data.
        validation: The data to validate with, or None.
        batch_size: Samples of a step.
        shuffle: Whether epochs are shuffled.
        callbacks: The callbacks of the run.

    Raises:
        OSError: The path is a folder, or in none.
        ValueError: The file is damaged, or of another run; nothing was changed.

    Example:
        >>> import bpnative as bp
        >>> def run(epochs):
        ...     trainer = bp.Trainer(bp.mlp([1, 4, 1], seed=0), loss="mse")
        ...     return trainer.fit([[0.0], [1.0]], [1.0, 3.0], epochs=epochs, checkpoint="run.safetensors")
        >>> _ = run(epochs=2)
        >>> run(epochs=5).epochs
        [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        path: PathLike,
        seconds: float,
        trainer: Trainer,
        samples: SampleSource | Batches,
        validation: SampleSource | None,
        batch_size: int,
        shuffle: bool,
        callbacks: Sequence[Callback],
    ) -> None:
        self._path, self._seconds, self._trainer = os.fsdecode(path), seconds, trainer
        self._kept = [callback for callback in callbacks if type(callback).state is not Callback.state]
        self._settings = _settings(trainer, samples, validation, batch_size, shuffle)
        self._batches = samples if isinstance(samples, Batches) else None
        self._read: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._partial: dict[str, Any] | None = None
        if os.path.exists(self._path):
            self._read = self._check()
        elif not os.path.isdir(os.path.dirname(os.path.realpath(self._path))) or not os.path.basename(self._path):
            raise FileNotFoundError(f"expected checkpoint as a file in a folder that is there, got {self._path!r}")
        # Absolute: a callback may change the working directory.
        self._writer = BackgroundWriter(os.path.abspath(self._path))
        self._written, self._copying = time.monotonic(), 0.0

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        """However the run ends, its last file is whole; an error of writing must not hide another."""
        try:
            self._writer.wait()
        except Exception as error:
            if kind is None:
                raise
            warnings.warn(f"checkpoint {self._path!r} could not be written: {error}", RuntimeWarning, stacklevel=2)

    def start(self) -> int:
        """Set the trainer and the callbacks to what the file holds; the epoch to go on with, from 0.

        Called when every callback has begun.
        """
        if self._read is None:
            return 0
        tensors, description = self._read
        trainer, run = self._trainer, description["run"]
        epochs = trainer.history.params["epochs"]
        trainer_files.apply(trainer, tensors, description["trainer"])
        trainer.history.interrupted, trainer.history.params["epochs"] = False, epochs
        network = description["network"]
        trainer.network.set_training_seed(network["training_seed"])
        trainer.network.set_trainable(network.get("trainable"))
        if completed(description["trainer"]["optimizer"]) != self._settings["optimizer"]:
            trainer._set_optimizer(build(description["trainer"]["optimizer"], "the optimizer"))
        for callback, state in zip(self._kept, run["callbacks"], strict=True):
            callback.resume(unpack(state["state"], tensors))
        trainer.stop_training = run["stop_training"]
        self._partial = run["partial"] and {**run["partial"], "tensors": tensors}
        self._read = None  # its tensors are as large as the network
        epoch: int = run["epoch"]
        if self._batches is not None and epoch:
            self._batches.n = trainer.history.params["samples"]
        return epoch

    def begin_epoch(self, position: Position | BatchPosition) -> None:
        """Move an epoch that has just begun to where the file's run stood in it."""
        partial, self._partial = self._partial, None
        if partial is None:
            return
        tensors = partial["tensors"]
        position.restore(partial, tensors)
        for metric, state in zip(position.meter.metrics, partial["metrics"], strict=True):
            gathered = unpack(state, tensors)
            methods = [name for name in gathered if callable(getattr(metric, name, None))]
            if methods:
                raise ValueError(f"checkpoint {self._path!r} is damaged: it would replace {methods} of {metric!r}")
            vars(metric).update(gathered)

    def end_run(self, position: Position | BatchPosition) -> None:
        """Between two native calls: write, if it is time."""
        due = time.monotonic() - self._written >= self._seconds
        # A run that is to stop is at the end of its epoch, which is written with what comes after it.
        if due and not position.ended and not self._trainer.stop_training:
            tensors: dict[str, Any] = {}
            partial = {
                **position.pack(tensors),
                "metrics": [
                    pack(_gathered(metric, original), f"epoch.metrics.{original.name}", tensors)
                    for metric, original in zip(position.meter.metrics, self._trainer.metrics, strict=True)
                ],
            }
            self._write(position.epoch, partial, tensors)

    def end_epoch(self, epoch: int) -> None:
        """After an epoch, its validation and its callbacks: write, but for some of many short epochs."""
        last = epoch + 1 == self._trainer.history.params["epochs"] or self._trainer.stop_training
        since = time.monotonic() - self._written
        pause = max(self._copying / SHARE, self._writer.seconds / SHARE_OF_THREAD)
        if last or since >= min(pause, self._seconds):
            self._write(epoch + 1, None, {})

    def _write(self, epoch: int, partial: dict[str, Any] | None, tensors: dict[str, Any]) -> None:
        self._writer.wait()
        self._written, start = time.monotonic(), time.perf_counter()
        own, description = trainer_files.pack_trainer(self._trainer)
        tensors = {**own, **tensors}
        run = {
            "settings": self._settings,
            "epoch": epoch,
            "partial": partial,
            "stop_training": bool(self._trainer.stop_training),
            "callbacks": [
                {"kind": type(callback).__name__, "state": pack(callback.state(), f"callbacks.{index}", tensors)}
                for index, callback in enumerate(self._kept)
            ],
        }
        text = model.to_json({**description, "run": run})
        copies = {name: array if array.flags.owndata else array.copy() for name, array in tensors.items()}
        self._writer.write(copies, {model.METADATA_KEY: text})
        self._copying = time.perf_counter() - start

    def _check(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The tensors and the description of the file, when they are of this run."""
        with open(self._path, "rb") as file:
            header = safetensors.read_header(file)
            description = model.read_description(header)
            run = description.get("run")
            if not isinstance(run, dict) or not isinstance(run.get("settings"), dict):
                raise ValueError(f"expected {self._path!r} as a checkpoint of fit, got a file without a run: remove it")
            differing = _differences(_without_trainable(completed(run["settings"])), self._settings)
            kinds = [type(callback).__name__ for callback in self._kept]
            found = [state.get("kind") for state in run.get("callbacks", ())]
            if kinds != found:
                differing.append(f"callbacks with state are {found} there, {kinds} here")
            if differing:
                raise ValueError(
                    f"checkpoint {self._path!r} is of another run: {'; '.join(differing)}. Give the settings of the "
                    f"file's run to go on with it; remove the file, or name another, to begin anew"
                )
            tensors = {name: safetensors.read_tensor(file, header, name) for name in header.tensors}
        self._check_run(run, description, tensors)
        return tensors, description

    def _check_run(self, run: dict[str, Any], description: dict[str, Any], tensors: dict[str, Any]) -> None:
        """Every part of the file's run that `start` and `begin_epoch` rely on."""
        try:
            partial = run["partial"]
            check_count(run["epoch"], "epoch of the file", 0)
            check_count(description["network"]["training_seed"], "training_seed of the file", 0)
            for state in run["callbacks"]:
                unpack(state["state"], tensors)
            layers = description["network"]["layers"]
            if type(run["stop_training"]) is not bool or len(layers) != len(self._trainer.network.layers):
                raise ValueError("stop_training or layers")
            if partial is not None:
                losses, metrics = tensors["epoch.losses"], partial["metrics"]
                if not _is_position(losses, partial["done"], tensors.get("epoch.sizes"), self._settings, self._trainer):
                    raise ValueError("losses of the epoch so far")
                if len(metrics) != len(self._trainer.metrics):
                    raise ValueError("its metrics")
                for state in [partial["generator"], *metrics]:
                    unpack(state, tensors)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"checkpoint {self._path!r} is damaged: {error}; remove it to begin anew") from None


def _gathered(metric: Metric, original: Metric) -> dict[str, Any]:
    """What a metric has gathered: its attributes without the settings that it shares with the trainer's own."""
    shared = vars(original)
    return {name: value for name, value in vars(metric).items() if name not in shared or shared[name] is not value}


def _is_position(losses: Any, done: Any, sizes: Any, settings: dict[str, Any], trainer: Trainer) -> bool:
    """Whether so many samples done go with the losses of an epoch, and with the sizes of its batches."""
    if losses.dtype != np.float64 or losses.ndim != 1:
        return False
    if settings["data"] != "batches":
        steps = losses.size * settings["batch_size"] * trainer.accumulate
        return bool(done == steps and done < settings["samples"])
    whole = sizes is not None and sizes.dtype == np.int64 and sizes.shape == losses.shape and (sizes > 0).all()
    return bool(whole and len(sizes) and done == sizes.sum())


def _settings(
    trainer: Trainer, samples: SampleSource | Batches, validation: SampleSource | None, batch_size: int, shuffle: bool
) -> dict[str, Any]:
    """All that makes two runs the same run, but for the number of epochs."""
    own = isinstance(samples, Batches)  # whose size and order are the source's
    architecture = model.architecture(trainer.network)
    return {
        **{name: architecture[name] for name in ("input_size", "dtype", "seed")},
        "layers": _without_trainable(architecture["layers"]),
        "loss": describe(trainer.loss, "the loss"),
        "optimizer": describe(trainer.optimizer, "the optimizer", function=True),
        "metrics": [trainer_files.describe_metric(metric) for metric in trainer.metrics],
        "samples": samples.n,
        "batch_size": None if own else batch_size,
        "shuffle": None if own else shuffle,
        **_unusual(trainer),
        "data": "batches" if isinstance(samples, Batches) else _fingerprint(samples),
        "validation_data": None if validation is None else _fingerprint(validation),
    }


def _unusual(trainer: Trainer) -> dict[str, Any]:
    """Settings that a file names only where they are not the defaults: older files hold none of them."""
    usual: dict[str, Any] = {"accumulate": 1, "clip_norm": None, "clip_value": None, "groups": [], "average": None}
    own = {name: getattr(trainer, name) for name in ("accumulate", "clip_norm", "clip_value")}
    own |= {"groups": [repr(group) for group in trainer.groups], "average": describe(trainer._average, "the average")}
    return {name: value for name, value in own.items() if value != usual[name]}


def _without_trainable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_trainable(part) for key, part in value.items() if key != "trainable"}
    return [_without_trainable(part) for part in value] if isinstance(value, list) else value


def _fingerprint(samples: SampleSource) -> str:
    """Lengths and a checksum of 64 rows spread over the data: to notice other data, in no time."""
    places = np.linspace(0, samples.n - 1, min(64, samples.n)).astype(np.intp)
    x, y, weight, rows = samples.take(samples.order(None)[places], len(places), 0)
    x_rows = samples.gather(rows) if isinstance(x, tuple) else x[rows]  # sparse or dense, the same data are the same
    checksum = 0
    for array in (x_rows, y[rows], None if weight is None else weight[rows]):
        if array is not None:
            checksum = zlib.crc32(np.ascontiguousarray(array).tobytes(), checksum)
    weighted = "" if weight is None else ", weighted"
    return f"{samples.n} rows{weighted}, checksum {checksum:08x}"


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Each setting that differs, in words."""

    def short(value: Any) -> str:
        text = json.dumps(value)
        return text if len(text) <= 200 else f"{text[:200]}…"

    return [
        f"{name} is {short(there.get(name))} there, {short(here.get(name))} here"
        for name in dict.fromkeys([*here, *there])
        if json.dumps(there.get(name)) != json.dumps(here.get(name))
    ]
