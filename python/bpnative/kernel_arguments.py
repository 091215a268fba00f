"""Checks of what is passed to the functions of `bpnative.kernels`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import _bpnative
from .data import as_contiguous, as_numbers
from .names import unknown_name

Array = npt.NDArray[Any]


def read_arrays(**values: npt.ArrayLike) -> list[Array]:
    """The arguments as arrays that native code takes, all of one dtype, in the order given.

    Raises:
        TypeError: They hold no real numbers, or differ in dtype.
        ValueError: Rows differ in length.

    Example:
        >>> [array.dtype.name for array in read_arrays(x=np.ones(2, np.float32), weight=[1, 2])]
        ['float32', 'float32']
    """
    arrays = {name: as_numbers(value, name) for name, value in values.items()}
    floats = {
        name: array.dtype.newbyteorder("=")
        for name, array in arrays.items()
        if array.dtype.kind == "f" and array.dtype.itemsize >= 4 and hasattr(values[name], "dtype")
    }
    chosen = set(floats.values()) or {np.dtype("float64")}
    if len(chosen) > 1 or next(iter(chosen)).name not in ("float32", "float64"):
        given = ", ".join(f"{name} {dtype.name}" for name, dtype in floats.items())
        raise TypeError(f"expected arrays of one dtype, float32 or float64, got {given}: convert with .astype")
    dtype = chosen.pop()
    return [as_contiguous(array, dtype) for array in arrays.values()]


def check_shape(name: str, array: Array, *expected: int | None) -> None:
    """The array has this shape, where None stands for any length.

    Raises:
        ValueError: It has not.

    Example:
        >>> check_shape("x", np.ones((2, 3)), None, 3)
    """
    fits = array.ndim == len(expected) and all(
        want is None or want == have for want, have in zip(expected, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in expected)
        raise ValueError(f"expected {name} of shape ({wanted}{',' if len(expected) == 1 else ''}), got {array.shape}")


def flat_views(weight: Array, gradient: Array, **state: Array | None) -> dict[str, Array]:
    """The arrays of an update as flat views, checked: never a copy, for they are changed in place.

    Raises:
        TypeError: One is no array of float32 or float64.
        ValueError: Shapes or dtypes differ, or one is not writable or not C-contiguous.

    Example:
        >>> flat_views(np.ones((2, 2)), np.ones((2, 2)))["weight"].shape
        (4,)
    """
    given: dict[str, Any] = {"weight": weight, "gradient": gradient}
    given |= {name: array for name, array in state.items() if array is not None}
    for name, array in given.items():
        dtype = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        if dtype not in (np.dtype("float32"), np.dtype("float64")):
            raise TypeError(f"expected {name} as an array of float32 or float64, got {dtype}")
        if dtype != weight.dtype or array.shape != weight.shape:
            raise ValueError(
                f"expected {name} as weight, shape {weight.shape} of {weight.dtype}, got {array.shape} of {dtype}"
            )
        flags = array.flags
        if not (flags.c_contiguous and flags.aligned) or (name != "gradient" and not flags.writeable):
            raise ValueError(f"expected {name} writable and C-contiguous, for updates work in place: use a plain array")
    return {name: array.reshape(-1) for name, array in given.items()}


def check_isa(isa: str) -> str:
    """The name of an instruction set that this machine has; the empty name stands for the chosen one.

    Raises:
        ValueError: The machine has no such set, or the name is unknown.

    Example:
        >>> check_isa("")
        ''
    """
    available = _bpnative.config()["isa_available"] if isa else []
    if isa and isa not in available:
        raise unknown_name("instruction set of this machine", isa, available)
    return isa
