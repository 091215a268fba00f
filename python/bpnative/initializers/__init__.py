"""Initializers: the values that weights and biases start from, drawn from NumPy's seeded generator.

Where an initializer is expected, these will do: a name (``"he_normal"``), an object of this module, an array of the
tensor's shape, or any ``callable(shape, generator)`` that returns one. Weights have the shape (n_out, n_in), biases
(n_out,); fan_in is n_in and fan_out is n_out (for a bias both are n_out).

    >>> import bpnative as bp
    >>> bp.Dense(8, activation="tanh", weight_initializer=bp.initializers.Orthogonal(gain="tanh"))
    Dense(8, activation='tanh', weight_initializer=Orthogonal(gain='tanh'))
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..names import lookup
from ..specification import shorten
from .base import Initializer, InitializerFunction, InitializerLike, Shape, gain
from .orthogonal import Orthogonal
from .plain import Constant, FromArray, Normal, TruncatedNormal, Uniform, Zeros
from .scaled import GlorotNormal, GlorotUniform, HeNormal, HeUniform, LecunNormal, LecunUniform

__all__ = [
    "INITIALIZERS",
    "Constant",
    "FromArray",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "InitializerFunction",
    "InitializerLike",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Orthogonal",
    "Shape",
    "TruncatedNormal",
    "Uniform",
    "Zeros",
    "draw",
    "gain",
    "normalize",
]

INITIALIZERS: dict[str, type[Initializer]] = {
    kind.name: kind
    for kind in (
        HeNormal,
        HeUniform,
        GlorotNormal,
        GlorotUniform,
        LecunNormal,
        LecunUniform,
        Orthogonal,
        TruncatedNormal,
        Normal,
        Uniform,
        Constant,
        Zeros,
    )
}


def normalize(initializer: InitializerLike, what: str) -> str | Initializer | InitializerFunction:
    """The one form in which a layer stores an initializer: a name, an object with settings, or the callable itself.

    Raises:
        ValueError: No initializer has this name; the nearest one is suggested.
        TypeError: It is none of the accepted forms.

    Example:
        >>> normalize(HeNormal(), "weight_initializer")
        'he_normal'
    """
    if isinstance(initializer, str):
        lookup(what, initializer, INITIALIZERS)
        return initializer
    if isinstance(initializer, FromArray):
        return initializer
    if isinstance(initializer, Initializer):
        return shorten(initializer)
    if isinstance(initializer, type):
        raise TypeError(f"expected {what} as a name, object, array or callable, got the class {initializer.__name__}")
    if callable(initializer):
        return initializer
    if isinstance(initializer, (list, tuple)) or hasattr(initializer, "__array__"):
        return FromArray(initializer)
    raise TypeError(
        f"expected {what} as a name, an object of bpnative.initializers, an array or a callable(shape, generator), "
        f"got {initializer!r} ({type(initializer).__name__}); known names: {', '.join(map(repr, INITIALIZERS))}"
    )


def draw(initializer: InitializerLike, shape: Shape, generator: np.random.Generator, what: str) -> npt.NDArray[Any]:
    """One tensor's first values.

    Raises:
        ValueError: The values do not have the tensor's shape, or are not finite.
        TypeError: The values are not real numbers.

    Example:
        >>> draw("zeros", (2,), np.random.default_rng(0), "bias").tolist()
        [0.0, 0.0]
    """
    form = normalize(initializer, what)
    function = INITIALIZERS[form]() if isinstance(form, str) else form
    values = np.asarray(function(shape, generator))
    if values.shape != shape:
        raise ValueError(f"expected initial values of shape {shape} for {what}, got {values.shape}")
    if values.dtype.kind not in "buif":
        raise TypeError(f"expected initial values of real numbers for {what}, got dtype {values.dtype}")
    if not np.isfinite(values).all():
        raise ValueError(f"expected finite initial values for {what}, got NaN or infinity")
    return values
