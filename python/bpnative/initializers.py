"""Initializers: the values that weights and biases start from, drawn from NumPy's seeded generator.

Where an initializer is expected, these will do: a name (``"he_normal"``), an object of this module, an array of the
tensor's shape, or any ``callable(shape, generator)`` that returns one. Weights have the shape (n_out, n_in), biases
(n_out,); fan_in is n_in and fan_out is n_out (for a bias both are n_out).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from .names import lookup
from .specification import Specification, shorten

Shape: TypeAlias = tuple[int, ...]
InitializerFunction: TypeAlias = Callable[[Shape, np.random.Generator], npt.ArrayLike]
InitializerLike: TypeAlias = "str | Initializer | InitializerFunction | npt.ArrayLike"


def _fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (n_out, n_in) or a bias (n_out,)."""
    return shape[-1], shape[0]


@dataclasses.dataclass(frozen=True, repr=False)
class Initializer(Specification):
    """Base of the initializers: call one with a shape and a generator to draw a float64 array."""

    def __call__(self, shape: Shape, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        """Draw one tensor.

        Args:
            shape: (n_out, n_in) for a weight, (n_out,) for a bias.
            generator: Where random numbers come from.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, generator)")


class _Scaled(Initializer):
    """Random values of zero mean and variance gain / fan, normal or uniform."""

    gain: ClassVar[float]
    fan: ClassVar[str]
    distribution: ClassVar[str]

    def __call__(self, shape: Shape, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        fan_in, fan_out = _fans(shape)
        variance = self.gain / (fan_in if self.fan == "in" else (fan_in + fan_out) / 2)
        if self.distribution == "normal":
            return generator.normal(0.0, math.sqrt(variance), shape)
        limit = math.sqrt(3.0 * variance)
        return generator.uniform(-limit, limit, shape)


@dataclasses.dataclass(frozen=True, repr=False)
class HeNormal(_Scaled):
    """Normal with standard deviation √(2 / fan_in): keeps the variance of activations through layers of relu.

    Source: He, Zhang, Ren & Sun, "Delving deep into rectifiers", ICCV 2015, equation 10.

    Example:
        >>> round(float(HeNormal()((256, 100), np.random.default_rng(0)).std()), 2)
        0.14
    """

    name: ClassVar[str] = "he_normal"
    gain, fan, distribution = 2.0, "in", "normal"


@dataclasses.dataclass(frozen=True, repr=False)
class HeUniform(_Scaled):
    """Uniform in ±√(6 / fan_in), the same variance as `HeNormal`: the default for layers with relu and its family.

    Source: He, Zhang, Ren & Sun, "Delving deep into rectifiers", ICCV 2015.

    Example:
        >>> bool(abs(HeUniform()((256, 6), np.random.default_rng(0))).max() <= 1.0)
        True
    """

    name: ClassVar[str] = "he_uniform"
    gain, fan, distribution = 2.0, "in", "uniform"


@dataclasses.dataclass(frozen=True, repr=False)
class GlorotNormal(_Scaled):
    """Normal with standard deviation √(2 / (fan_in + fan_out)).

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    Example:
        >>> round(float(GlorotNormal()((100, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """

    name: ClassVar[str] = "glorot_normal"
    gain, fan, distribution = 1.0, "average", "normal"


@dataclasses.dataclass(frozen=True, repr=False)
class GlorotUniform(_Scaled):
    """Uniform in ±√(6 / (fan_in + fan_out)): the default for linear, tanh, sigmoid and softmax.

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    equation 16.

    Example:
        >>> bool(abs(GlorotUniform()((3, 3), np.random.default_rng(0))).max() <= 1.0)
        True
    """

    name: ClassVar[str] = "glorot_uniform"
    gain, fan, distribution = 1.0, "average", "uniform"


@dataclasses.dataclass(frozen=True, repr=False)
class LecunNormal(_Scaled):
    """Normal with standard deviation √(1 / fan_in).

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998, section 4.6.

    Example:
        >>> round(float(LecunNormal()((256, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """

    name: ClassVar[str] = "lecun_normal"
    gain, fan, distribution = 1.0, "in", "normal"


@dataclasses.dataclass(frozen=True, repr=False)
class LecunUniform(_Scaled):
    """Uniform in ±√(3 / fan_in), the same variance as `LecunNormal`.

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998, section 4.6.

    Example:
        >>> bool(abs(LecunUniform()((256, 3), np.random.default_rng(0))).max() <= 1.0)
        True
    """

    name: ClassVar[str] = "lecun_uniform"
    gain, fan, distribution = 1.0, "in", "uniform"


@dataclasses.dataclass(frozen=True, repr=False)
class Zeros(Initializer):
    """All zeros: the default for biases; weights of a hidden layer that all start at zero learn nothing.

    Example:
        >>> Zeros()((2,), np.random.default_rng(0)).tolist()
        [0.0, 0.0]
    """

    name: ClassVar[str] = "zeros"

    def __call__(self, shape: Shape, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        """All zeros; the generator is left as it is."""
        return np.zeros(shape)


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class FromArray(Initializer):
    """The values of an array of the tensor's shape, copied when the specification is made.

    Args:
        values: (n_out, n_in) for a weight, (n_out,) for a bias.

    Raises:
        TypeError: The values are not real numbers.

    Example:
        >>> import bpnative as bp
        >>> bp.Dense(1, weight_initializer=[[1.0, 2.0]])
        Dense(1, weight_initializer=FromArray([[1.0, 2.0]]))
    """

    values: Any
    name: ClassVar[str] = "from_array"

    def __post_init__(self) -> None:
        array = np.asarray(self.values)
        if array.dtype.kind not in "buif":
            raise TypeError(f"expected an initial array of real numbers, got dtype {array.dtype}")
        array = array.astype(np.float64)
        array.flags.writeable = False
        object.__setattr__(self, "values", array)

    def __call__(self, shape: Shape, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        """The array itself, whatever the shape asked for: the network reports one that does not fit."""
        return np.asarray(self.values, dtype=np.float64)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FromArray) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.values.shape, self.values.tobytes()))

    def __repr__(self) -> str:
        values = self.values.tolist() if self.values.size <= 64 else f"<array of shape {self.values.shape}>"
        return f"FromArray({values})"


INITIALIZERS: dict[str, type[Initializer]] = {
    kind.name: kind for kind in (HeNormal, HeUniform, GlorotNormal, GlorotUniform, LecunNormal, LecunUniform, Zeros)
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
