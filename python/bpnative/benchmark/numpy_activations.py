"""Activations of the NumPy trainer, in place: each a pair of functions and the number of buffers they share."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["ACTIVATIONS", "ERF_SOURCE"]

Array: TypeAlias = npt.NDArray[Any]
Forward: TypeAlias = Callable[[Array, list[Array]], object]
Backward: TypeAlias = Callable[[Array, Array, list[Array]], object]

try:
    _erf: Callable[..., Array] | None = importlib.import_module("scipy.special").erf
    ERF_SOURCE = "scipy.special.erf"
except ImportError:
    _erf = None
    ERF_SOURCE = "the polynomial 7.1.26 of Abramowitz and Stegun, error 1.5e-7 (SciPy is not installed)"


def _keep(z: Array, saved: list[Array]) -> None:
    """Leave a linear layer's output as it is."""


def _keep_gradient(delta: Array, output: Array, saved: list[Array]) -> None:
    """Leave a linear layer's gradient as it is."""


def _relu(z: Array, saved: list[Array]) -> None:
    np.maximum(z, 0, out=z)


def _relu_gradient(delta: Array, output: Array, saved: list[Array]) -> None:
    np.greater(output, 0, out=saved[0], casting="unsafe")  # 0 or 1; boolean indexing would take ten times as long
    delta *= saved[0]


def _tanh(z: Array, saved: list[Array]) -> None:
    np.tanh(z, out=z)


def _tanh_gradient(delta: Array, output: Array, saved: list[Array]) -> None:
    np.multiply(output, output, out=saved[0])
    np.subtract(1, saved[0], out=saved[0])
    delta *= saved[0]


def _gelu(z: Array, saved: list[Array]) -> None:
    """Compute z · Φ(z) and save its derivative, Φ(z) + z · φ(z); Φ(z) = (1 + erf(z / √2)) / 2, φ(z) = Φ'(z)."""
    slope, density = saved
    np.multiply(z, z, out=density)
    density *= -0.5
    np.exp(density, out=density)
    if _erf is not None:
        np.multiply(z, math.sqrt(0.5), out=slope)
        _erf(slope, out=slope)
    else:
        _erf_of_root_half(z, density, slope)
    slope += 1
    slope *= 0.5
    density *= z
    density *= 1 / math.sqrt(2 * math.pi)
    z *= slope
    slope += density


def _gelu_gradient(delta: Array, output: Array, saved: list[Array]) -> None:
    delta *= saved[0]


def _erf_of_root_half(z: Array, exponential: Array, out: Array) -> None:
    """Write erf(z / √2) to ``out``, given exp(-z² / 2) (Abramowitz and Stegun 1964, formula 7.1.26)."""
    np.abs(z, out=out)
    out *= 0.3275911 * math.sqrt(0.5)
    out += 1
    t = np.reciprocal(out)
    np.multiply(t, 1.061405429, out=out)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        out += coefficient
        out *= t
    out *= exponential
    np.subtract(1, out, out=out)
    np.copysign(out, z, out=out)


ACTIVATIONS: dict[str, tuple[Forward, Backward, int]] = {
    "linear": (_keep, _keep_gradient, 0),
    "relu": (_relu, _relu_gradient, 1),
    "tanh": (_tanh, _tanh_gradient, 1),
    "gelu": (_gelu, _gelu_gradient, 2),
}
"""Name → forward on z in place, backward on the gradient in place, number of buffers of the batch's shape."""
