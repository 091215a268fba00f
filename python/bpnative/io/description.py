"""Specifications as JSON and back: ``{"kind": "activation.leaky_relu", "negative_slope": 0.2}``.

Every specification of this package is known here as soon as its class exists, by its family (the base class) and its
name; its settings are its dataclass fields, other specifications among them. Reading builds nothing else, and
builds it through the constructor, which checks each setting.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..names import lookup
from ..specification import Specification


def known_kinds() -> dict[str, type[Specification]]:
    """All specifications of this package by kind, such as ``"layer.dense"`` or ``"activation.relu"``.

    Example:
        >>> known_kinds()["activation.relu"].__name__
        'ReLU'
    """
    kinds: dict[str, type[Specification]] = {}
    waiting: list[type[Specification]] = [Specification]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if _is_known(kind):
                kinds[kind_name(kind)] = kind
    return kinds


def _is_known(kind: type[Specification]) -> bool:
    # A variant that shares its base's name (scikit-learn's Adam) is not what the name stands for.
    return kind.__module__.split(".")[0] == "bpnative" and isinstance(vars(kind).get("name"), str)


def kind_name(kind: type[Specification]) -> str:
    """The family and name of a specification's class.

    Example:
        >>> import bpnative as bp
        >>> kind_name(bp.Dense), kind_name(bp.MSE)
        ('layer.dense', 'loss.mse')
    """
    base = kind.__mro__[kind.__mro__.index(Specification) - 1]
    family = base.__name__.lower().removesuffix("specification")
    return f"{family}.{kind.name}"


def describe(value: object, what: str, function: bool = False) -> Any:
    """A specification, or a setting of one, as what JSON can hold.

    Args:
        value: The specification.
        what: Its name in messages.
        function: Whether a callable is described by its name, for comparing; it can't be made again from that.

    Raises:
        TypeError: Something in it can't be written to a file, such as a function.

    Example:
        >>> import bpnative as bp
        >>> describe(bp.SGD(momentum=0.9), "optimizer")
        {'kind': 'optimizer.sgd', 'learning_rate': 0.01, 'momentum': 0.9, 'nesterov': False, 'weight_decay': 0.0}
    """
    if isinstance(value, Specification) and _is_known(type(value)):
        settings = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        own = {name: describe(setting, f"{name} of {what}", function) for name, setting in settings.items()}
        return {"kind": kind_name(type(value)), **own}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return number if math.isfinite(number) else {"number": repr(number)}
    if isinstance(value, (list, tuple)):
        return [describe(part, f"{what}, part {index}", function) for index, part in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"map": {key: describe(part, f"{key!r} of {what}", function) for key, part in value.items()}}
    if isinstance(value, np.ndarray) and value.dtype.kind in "buif":
        return {"array": value.tolist(), "dtype": value.dtype.name}
    if function and callable(value):
        return {"function": getattr(value, "__qualname__", type(value).__qualname__)}
    raise TypeError(
        f"{what} can't be written to a file: {value!r} ({type(value).__name__}); a file holds settings, "
        f"specifications of bpnative and arrays, nothing that runs"
    )


def completed(value: Any) -> Any:
    """A description with the settings that its specifications have got since it was written, at their defaults.

    Example:
        >>> completed({"kind": "optimizer.sgd", "momentum": 0.9})
        {'kind': 'optimizer.sgd', 'learning_rate': 0.01, 'momentum': 0.9, 'nesterov': False, 'weight_decay': 0.0}
    """
    if isinstance(value, list):
        return [completed(part) for part in value]
    if not isinstance(value, dict):
        return value
    given = {name: completed(part) for name, part in value.items()}
    kind = known_kinds().get(given["kind"]) if isinstance(given.get("kind"), str) else None
    if kind is None:
        return given
    fields = [f for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING]
    defaults = {f.name: describe(f.default, f.name, function=True) for f in fields}
    names = dict.fromkeys(["kind", *(f.name for f in dataclasses.fields(kind)), *given])
    return {name: given.get(name, defaults.get(name)) for name in names}


def build(value: Any, what: str) -> Any:
    """The specification or setting that `describe` described.

    Raises:
        ValueError: It describes nothing that this version knows, or settings that a constructor refuses.

    Example:
        >>> build({"kind": "activation.leaky_relu", "negative_slope": 0.25}, "activation")
        LeakyReLU(negative_slope=0.25)
    """
    if isinstance(value, list):
        return [build(part, f"{what}, part {index}") for index, part in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("kind"), str):
        return _build_kind(value, what)
    if set(value) == {"map"} and isinstance(value["map"], dict):
        return {key: build(part, f"{key!r} of {what}") for key, part in value["map"].items()}
    if set(value) == {"number"} and value["number"] in ("nan", "inf", "-inf"):
        return float(value["number"])
    if set(value) == {"array", "dtype"} and value["dtype"] in _ARRAY_DTYPES:
        try:
            return np.array(value["array"], value["dtype"])
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{what} is no array of {value['dtype']}: {error}") from None
    if set(value) == {"function"}:
        raise ValueError(f"{what} was the function {value['function']!r}, which no file can hold: pass it again")
    raise ValueError(f"expected {what} as a known setting, got an object with {', '.join(map(repr, value))}")


_ARRAY_DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
_ARRAY_DTYPES += ["float16", "float32", "float64"]


def _build_kind(value: dict[str, Any], what: str) -> Specification:
    kind = lookup(f"kind of {what}", value["kind"], known_kinds())
    settings = {name: setting for name, setting in value.items() if name != "kind"}
    unknown = sorted(set(settings) - {f.name for f in dataclasses.fields(kind)})
    if unknown:
        raise ValueError(
            f"{what}, a {value['kind']}, has the unknown settings {', '.join(map(repr, unknown))}: the file may come "
            f"from a later version of bpnative"
        )
    built = {name: build(setting, f"{name} of {what}") for name, setting in settings.items()}
    try:
        return kind(**built)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what} has settings that {kind.__name__} refuses: {error}") from None
