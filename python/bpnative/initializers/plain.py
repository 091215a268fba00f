"""Initializers that do not look at the size of the layer: constants, normal and uniform values of a given scale."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..specification import specification
from .base import Initializer, Shape, Values, cut_normal


@specification
class Zeros(Initializer):
    """All zeros: the default for biases; weights of a hidden layer that all start at zero learn nothing.

    Example:
        >>> Zeros()((2,), np.random.default_rng(0)).tolist()
        [0.0, 0.0]
    """

    name: ClassVar[str] = "zeros"

    def __call__(self, shape: Shape, generator: np.random.Generator) -> Values:
        """All zeros; the generator is left as it is."""
        return np.zeros(shape)


@specification
class Constant(Initializer):
    """The same value everywhere: for biases, such as the logarithm of the odds of a rare class.

    Source: Keras' Constant; PyTorch's ``init.constant_``.

    Args:
        value: A finite number.

    Example:
        >>> Constant(0.5)((2,), np.random.default_rng(0)).tolist()
        [0.5, 0.5]
    """

    value: float = 0.0
    name: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        self._number("value", "(-inf, inf)")

    def __call__(self, shape: Shape, generator: np.random.Generator) -> Values:
        """The value everywhere; the generator is left as it is."""
        return np.full(shape, self.value)


@specification
class Normal(Initializer):
    """Normal with this standard deviation and mean, whatever the size of the layer.

    Source: Keras' RandomNormal, whose default is 0.05 as well; PyTorch's ``init.normal_``.

    Args:
        standard_deviation: At least 0.
        mean: A finite number.

    Example:
        >>> round(float(Normal(0.5)((100, 100), np.random.default_rng(0)).std()), 2)
        0.5
    """

    standard_deviation: float = 0.05
    mean: float = 0.0
    name: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        self._number("standard_deviation", "[0, inf)")
        self._number("mean", "(-inf, inf)")

    def __call__(self, shape: Shape, generator: np.random.Generator) -> Values:
        """Draw one tensor."""
        return generator.normal(self.mean, self.standard_deviation, shape)


@specification
class TruncatedNormal(Initializer):
    """Normal, cut at ±2 deviations of the uncut bell; the values that are drawn have exactly this standard deviation.

    The uncut bell's deviation is standard_deviation / 0.8796 (so that all values lie within ±2.274 standard deviations
    of the mean), as Keras and JAX do in their variance scaling. PyTorch's ``init.trunc_normal_(std=…)`` and Keras'
    ``TruncatedNormal(stddev=…)`` name the uncut bell's deviation instead: for theirs, pass 0.8796 times it.

    Source: Keras' VarianceScaling with ``distribution="truncated_normal"``.

    Args:
        standard_deviation: Of the values drawn, at least 0.
        mean: A finite number.

    Example:
        >>> values = TruncatedNormal(0.5)((100, 100), np.random.default_rng(0))
        >>> round(float(values.std()), 2), bool(abs(values).max() <= 1.14)
        (0.5, True)
    """

    standard_deviation: float = 0.05
    mean: float = 0.0
    name: ClassVar[str] = "truncated_normal"

    def __post_init__(self) -> None:
        self._number("standard_deviation", "[0, inf)")
        self._number("mean", "(-inf, inf)")

    def __call__(self, shape: Shape, generator: np.random.Generator) -> Values:
        """Draw one tensor."""
        return self.mean + cut_normal(shape, generator, self.standard_deviation)


@specification
class Uniform(Initializer):
    """Uniform in [low, high), whatever the size of the layer.

    Source: Keras' RandomUniform, whose default is ±0.05 as well; PyTorch's ``init.uniform_``.

    Args:
        low: A finite number.
        high: A finite number, at least `low`.

    Example:
        >>> values = Uniform(-1.0, 3.0)((100, 100), np.random.default_rng(0))
        >>> bool((values >= -1.0).all() and (values < 3.0).all())
        True
    """

    low: float = -0.05
    high: float = 0.05
    name: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        self._number("low", "(-inf, inf)")
        self._number("high", f"[{self.low}, inf)")

    def __call__(self, shape: Shape, generator: np.random.Generator) -> Values:
        """Draw one tensor."""
        return generator.uniform(self.low, self.high, shape)


@specification
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

    def __call__(self, shape: Shape, generator: np.random.Generator) -> Values:
        """The array itself, whatever the shape asked for: the network reports one that does not fit."""
        return np.asarray(self.values, dtype=np.float64)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FromArray) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.values.shape, self.values.tobytes()))

    def __repr__(self) -> str:
        values = self.values.tolist() if self.values.size <= 64 else f"<array of shape {self.values.shape}>"
        return f"FromArray({values})"
