"""A trainer in a file: its network, loss, optimizer with state, metrics, counters, order of samples and history.

The file is a model file (`bpnative.load` reads the network in it) with the optimizer's state as further tensors and
the rest as JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from .groups import Group
from .history import History
from .io import model, safetensors
from .io.atomic import PathLike
from .io.description import build, describe
from .io.values import pack, unpack
from .losses import LossLike
from .metrics import METRICS, Metric, MetricLike
from .names import lookup
from .optimizers import Optimizer
from .specification import check_count

if TYPE_CHECKING:
    from .trainer import Trainer

Array = npt.NDArray[Any]
T = TypeVar("T", bound="Trainer")

_UPDATE = ("clip_norm", "clip_value", "accumulate")
GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


def save(trainer: Trainer, path: PathLike) -> None:
    """Write a trainer to a file, all or nothing.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([2, 3, 1], seed=0), loss="mse", metrics=["mae"])
        >>> trainer.save("run.safetensors")
        >>> bp.Trainer.load("run.safetensors").metrics
        (MeanAbsoluteError(),)
    """
    tensors, description = pack_trainer(trainer)
    safetensors.write(path, tensors, {model.METADATA_KEY: model.to_json(description)})


def load(
    kind: type[T],
    path: PathLike,
    loss: LossLike | None,
    optimizer: str | Optimizer | None,
    metrics: Iterable[MetricLike] | None,
) -> T:
    """The trainer of a file; what is given replaces what the file holds."""
    with open(path, "rb") as file:
        header = safetensors.read_header(file)
        description = model.read_description(header)
        network = model.read_network(file, header, description)
        tensors = {name: safetensors.read_tensor(file, header, name) for name in header.tensors}
    given = description.get("trainer")
    if not isinstance(given, dict):
        raise ValueError("expected a file of a trainer, got one that holds a network alone: use bpnative.load")
    try:
        trainer = kind(
            network,
            build(given.get("loss"), "the loss") if loss is None else loss,
            build(given.get("optimizer"), "the optimizer") if optimizer is None else optimizer,
            metrics=[build_metric(metric) for metric in given.get("metrics", ())] if metrics is None else metrics,
            seed=_generator(given, tensors),
            groups=[_group(group) for group in given.get("groups", ())],
            average=build(given.get("average"), "the average"),
            **_update(given),
        )
    except TypeError as error:
        raise ValueError(f"the file describes no trainer: {error}") from None
    apply(trainer, tensors, given)
    return trainer


def pack_trainer(trainer: Trainer) -> tuple[dict[str, Array], dict[str, Any]]:
    """All tensors of a trainer's file, and its description."""
    tensors = {**model.tensors_of(trainer.network), **_state(trainer)}
    history = trainer.history
    columns = {"columns": dict(history), "epochs": history.epochs, "seconds": history.seconds}
    described = {
        "loss": describe(trainer.loss, "the loss"),
        "optimizer": describe(trainer.optimizer, "the optimizer", function=True),
        "metrics": [describe_metric(metric) for metric in trainer.metrics],
        "step_count": trainer.step_count,
        "generator": pack(trainer._generator.bit_generator.state, "generator", tensors),
        "update": {name: getattr(trainer, name) for name in _UPDATE},
        "groups": [
            {
                "layers": list(group.layers),
                "learning_rate": describe(group.learning_rate, "the learning rate of a group", function=True),
                "settings": describe(dict(group.settings), "the settings of a group"),
            }
            for group in trainer.groups
        ],
        "average": describe(trainer._average, "the average"),
        "schedule_state": pack(trainer.schedule_state, "schedule", tensors),
        "history": pack({**columns, "params": history.params, "interrupted": history.interrupted}, "history", tensors),
    }
    return tensors, {"network": model.architecture(trainer.network), "trainer": described}


def _state(trainer: Trainer) -> dict[str, Array]:
    average = trainer.average
    views = dict(trainer.state) if average is None else {**trainer.state, "average": average}
    return {f"optimizer.{name}": view for name, view in views.items()}


def apply(trainer: Trainer, tensors: Mapping[str, Array], given: Mapping[str, Any]) -> None:
    """Set a trainer of the same kind to what a file holds: parameters, optimizer state, counters, order, history.

    Raises:
        ValueError: A part is missing or doesn't fit; then nothing was changed.
    """
    views = {**model.tensors_of(trainer.network), **_state(trainer)}
    for name, view in views.items():
        found = tensors.get(name)
        if found is None or found.shape != view.shape or found.dtype != view.dtype:
            has = "none" if found is None else f"{found.dtype} {found.shape}"
            raise ValueError(f"expected tensor {name!r} as {view.dtype} {view.shape}, the file has {has}")
    surplus = sorted(name for name in tensors if name.startswith("optimizer.") and name not in views)
    if surplus:
        raise ValueError(f"the file's optimizer has state that {trainer.optimizer!r} lacks: {surplus}")
    try:
        step_count = check_count(given.get("step_count"), "step_count of the file", 0)
        history = _history(unpack(given.get("history"), tensors))
        generator = _generator(given, tensors)
        trainer._generator.bit_generator.state = generator.bit_generator.state
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"the file's trainer is damaged: {error}") from None
    for name, view in views.items():
        view[...] = tensors[name]
    trainer._native.step_count = step_count
    if given.get("schedule_state") is not None:
        trainer._rates.restore(unpack(given["schedule_state"], tensors))
    trainer.history = history


def _update(given: Mapping[str, Any]) -> dict[str, Any]:
    """Clipping and accumulation; a file of an older version has none."""
    found = given.get("update", {})
    if not isinstance(found, dict) or set(found) - set(_UPDATE):
        raise ValueError(f"expected the file's update as an object with {', '.join(_UPDATE)}, got {found!r}")
    return found


def _group(given: Any) -> Group:
    expected = {"layers", "learning_rate", "settings"}
    if not isinstance(given, dict) or set(given) != expected:
        raise ValueError(f"expected a group of the file as an object with {', '.join(sorted(expected))}, got {given!r}")
    settings = build(given["settings"], "the settings of a group")
    return Group(given["layers"], build(given["learning_rate"], "the learning rate of a group"), **settings)


def _history(given: Any) -> History:
    history = History(given["columns"], given["params"])
    for column, values in given["columns"].items():
        history[column] = [float(value) for value in values]
    history.epochs, history.seconds = list(given["epochs"]), list(given["seconds"])
    history.interrupted = bool(given["interrupted"])
    return history


def _generator(given: Mapping[str, Any], tensors: Mapping[str, Array]) -> np.random.Generator:
    state = unpack(given.get("generator"), tensors)
    name = state.get("bit_generator") if isinstance(state, dict) else None
    if name not in GENERATORS:
        raise ValueError(f"expected the state of a generator, one of {', '.join(GENERATORS)}, the file has {name!r}")
    generator = np.random.Generator(getattr(np.random, name)())
    try:
        generator.bit_generator.state = state
    except (TypeError, ValueError, KeyError, OverflowError, IndexError, AttributeError) as error:
        raise ValueError(f"the file's generator is damaged: {error!r}") from None
    return generator


def describe_metric(metric: Metric) -> dict[str, Any]:
    """A metric of this package by name and arguments; any other by its name alone, for comparing.

    Example:
        >>> import bpnative as bp
        >>> describe_metric(bp.metrics.Accuracy(threshold=0.3))
        {'kind': 'accuracy', 'threshold': 0.3}
    """
    for name, make in METRICS.items():
        if type(metric) is type(make()):
            parameters = inspect.signature(type(metric)).parameters
            arguments = [argument for argument in parameters if hasattr(metric, argument)]
            settings = {argument: getattr(metric, argument) for argument in arguments}
            return {"kind": name, **{key: describe(value, f"{key} of {name}") for key, value in settings.items()}}
    return {"function": metric.name}


def build_metric(given: Any) -> Metric:
    """The metric that `describe_metric` described.

    Raises:
        ValueError: It was none of this package, or its settings are wrong.

    Example:
        >>> build_metric({"kind": "accuracy", "threshold": 0.3})
        Accuracy(threshold=0.3)
    """
    if not isinstance(given, dict) or not isinstance(given.get("kind"), str):
        name = given.get("function") if isinstance(given, dict) else given
        raise ValueError(f"metric {name!r} is none of bpnative, so no file can hold it: pass metrics=[…] to load")
    kind = type(lookup("metric", given["kind"], METRICS)())
    settings = {
        key: build(value, f"{key} of metric {given['kind']!r}") for key, value in given.items() if key != "kind"
    }
    try:
        return kind(**settings)
    except TypeError as error:
        raise ValueError(f"the file's metric {given['kind']!r} has wrong settings: {error}") from None
