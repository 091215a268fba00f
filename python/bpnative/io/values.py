"""Plain values in a file: numbers, strings, lists and dicts as JSON, arrays beside them as tensors.

For what has state and no fixed shape: histories, counters of metrics, generators, callbacks. Exact: every float, NaN
among them, comes back to the bit, and a tuple comes back as a tuple.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def pack(value: object, name: str, tensors: MutableMapping[str, Array]) -> Any:
    """What JSON can hold of a value; its arrays are copied into `tensors`, under names that begin with `name`.

    Raises:
        TypeError: Something in it is neither a number, string, list, tuple, dict nor array.

    Example:
        >>> arrays = {}
        >>> pack({"count": 3, "sum": np.ones(2)}, "state", arrays)
        {'map': [['count', 3], ['sum', {'tensor': 'state.sum'}]]}
        >>> list(arrays)
        ['state.sum']
    """
    if value is None or type(value) in (bool, str, int):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"number": repr(value)}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "buif" and value.dtype.itemsize <= 8:
        tensors[name] = np.array(value)
        return {"tensor": name} if isinstance(value, np.ndarray) else {"scalar": name}
    if type(value) is list and set(map(type, value)) == {float} and math.isfinite(sum(value)):
        return list(value)  # the columns of a history, long ones among them
    if type(value) is list:
        return [pack(part, f"{name}.{index}", tensors) for index, part in enumerate(value)]
    if type(value) is tuple:
        return {"tuple": pack(list(value), name, tensors)}
    if isinstance(value, dict):
        return {"map": [[_key(key, name), pack(part, f"{name}.{key}", tensors)] for key, part in value.items()]}
    raise TypeError(f"{name} can't be written to a file: {value!r} ({type(value).__name__})")


def _key(key: object, name: str) -> object:
    if type(key) not in (str, int, bool):
        raise TypeError(f"{name} can't be written to a file: it has the key {key!r} ({type(key).__name__})")
    return key


def unpack(packed: Any, tensors: Mapping[str, Array]) -> Any:
    """The value that `pack` packed.

    Raises:
        ValueError: It is nothing that `pack` makes.

    Example:
        >>> unpack({"map": [["count", 3], ["sum", {"tensor": "s"}]]}, {"s": np.ones(2)})
        {'count': 3, 'sum': array([1., 1.])}
    """
    if isinstance(packed, list):
        return [unpack(part, tensors) for part in packed]
    if not isinstance(packed, dict):
        return packed
    kind, content = next(iter(packed.items())) if len(packed) == 1 else ("", None)
    if kind == "number" and content in ("nan", "inf", "-inf"):
        return float(content)
    if kind in ("tensor", "scalar") and isinstance(content, str) and content in tensors:
        return tensors[content].copy() if kind == "tensor" else tensors[content][()]
    if kind == "tuple" and isinstance(content, list):
        return tuple(unpack(content, tensors))
    if kind == "map" and isinstance(content, list) and all(isinstance(p, list) and len(p) == 2 for p in content):
        try:
            return {key: unpack(part, tensors) for key, part in content}
        except TypeError as error:
            raise ValueError(f"the file holds a name that is none: {error}") from None
    raise ValueError(f"the file holds a value of an unknown form: {str(packed)[:100]}")
