"""Constants of an ONNX graph as arrays and numbers: read, as one row, as the number that a setting was."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def array_of(onnx: Any, tensor: Any) -> Array:
    """A tensor of a model.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except Exception as error:  # of whatever kind onnx stumbles with
        raise ValueError(f"the tensor {tensor.name!r} of the ONNX model can't be read: {error!r}") from None


def row(array: Array) -> Array:
    """An array that is the same for each sample, as one row.

    Raises:
        ValueError: It has a number, or some, for each sample.

    Example:
        >>> row(np.ones((1, 3))).shape, row(np.ones(())).shape
        ((3,), (1,))
    """
    if array.ndim > 2 or array.size != (array.shape[-1] if array.ndim else 1):
        raise ValueError(f"from_onnx knows constants that are one row, got one of shape {array.shape}")
    return array.reshape(-1)


def shortest(value: Any) -> float:
    """The shortest number that rounds to this one: 0.2 and not 0.20000000298, where float32 holds a setting.

    Example:
        >>> shortest(np.float32(0.2))
        0.2
    """
    return float(str(np.reshape(value, ())[()])) if isinstance(value, np.ndarray) else float(str(value))
