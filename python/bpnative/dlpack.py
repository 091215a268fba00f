"""Arrays of other libraries that offer DLPack alone: taken without a copy where they lie in the CPU's memory.

The protocol is https://dmlc.github.io/dlpack/latest/python_spec.html; what NumPy reads by itself goes its own way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Devices by their number in dlpack.h. Memory of the CPU's that is pinned for a GPU is the CPU's.
_CPU = {1, 3, 11}
_DEVICES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 9: "VPI", 10: "ROCm", 13: "CUDA managed", 14: "oneAPI"}
_COMMON = {type(None), list, tuple, float, int}
_NUMPYS_OWN = ("__array__", "__array_interface__", "__array_struct__")


def has_dlpack_alone(value: object) -> bool:
    """Whether it is an array that NumPy reads by DLPack and by nothing else.

    Example:
        >>> has_dlpack_alone(np.ones(3)), has_dlpack_alone([1.0])
        (False, False)
    """
    if not hasattr(value, "__dlpack__") or any(hasattr(value, name) for name in _NUMPYS_OWN):
        return False
    try:
        memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        return True
    return False


def unpacked(value: Any, what: str) -> Any:
    """A NumPy view of what offers DLPack alone; anything else as it is.

    Raises:
        TypeError: It lies in the memory of another device, or holds what NumPy has no type for, such as bfloat16.
        MemoryError: Whoever offers it has not the memory for it.

    Example:
        >>> class Other:
        ...     def __dlpack__(self, **settings):
        ...         return np.arange(3.0).__dlpack__(**settings)
        ...     def __dlpack_device__(self):
        ...         return (1, 0)
        >>> unpacked(Other(), "X")
        array([0., 1., 2.])
    """
    if type(value) in _COMMON or (type(value) is np.ndarray and value.dtype.kind != "V"):
        return value
    kind = type(value).__name__
    if str(getattr(value, "dtype", "")).endswith("bfloat16"):
        raise TypeError(
            f"expected {what} as real numbers of a type that NumPy has, got {kind} of bfloat16: convert it to float32 "
            f"first"
        )
    if not has_dlpack_alone(value):
        return value
    try:
        device, number = value.__dlpack_device__()
        device = int(device)
    except Exception as error:
        raise TypeError(f"expected {what} as an array of numbers, got {kind} without a device: {error}") from None
    if device not in _CPU:
        name = _DEVICES.get(device, f"type {device}")
        raise TypeError(
            f"expected {what} in the memory of the CPU, got {kind} on device {number} of {name}: copy it to the CPU "
            f"first"
        )
    try:
        return np.from_dlpack(value)
    except MemoryError:
        raise
    except Exception as error:
        raise TypeError(
            f"expected {what} as real numbers of a type that NumPy has, got {kind}: {error}; convert it first, for "
            f"example to float32"
        ) from None
