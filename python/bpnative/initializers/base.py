"""What all initializers share: a shape and a generator in, a float64 array out; the fans of a shape, gains, the cut."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .. import activations
from ..activations import Activation
from ..specification import Specification, check_number, specification

Shape: TypeAlias = tuple[int, ...]
Values: TypeAlias = npt.NDArray[np.float64]
InitializerFunction: TypeAlias = "Callable[[Shape, np.random.Generator], npt.ArrayLike]"
InitializerLike: TypeAlias = "str | Initializer | InitializerFunction | npt.ArrayLike"
Gain: TypeAlias = "float | str | Activation"

# Standard deviation of a standard normal variable that is cut at ±2: √(1 - 4·φ(2) / (2·Φ(2) - 1)).
CUT_DEVIATION = 0.8796256610342398

GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75}


@specification
class Initializer(Specification):
    """Base of the initializers: call one with a shape and a generator to draw a float64 array."""

    def __call__(self, shape: Shape, generator: np.random.Generator) -> Values:
        """Draw one tensor.

        Args:
            shape: (n_out, n_in) for a weight, (n_out,) for a bias.
            generator: Where random numbers come from.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, generator)")

    def _number(self, name: str, interval: str) -> None:
        number = check_number(getattr(self, name), f"{name} of {type(self).__name__}", interval)
        object.__setattr__(self, name, number)

    def _check_gain(self, given: Gain) -> None:
        if isinstance(given, (str, Activation)):
            gain(given)
        else:
            self._number("gain", "(0, inf)")


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (n_out, n_in) or a bias (n_out,).

    Example:
        >>> fans((10, 784)), fans((10,))
        ((784, 10), (10, 10))
    """
    return shape[-1], shape[0]


def gain(activation: Gain) -> float:
    """By how much larger weights must be than √(1 / fan_in), so that layers of this activation keep the variance.

    1 for linear and sigmoid, 5/3 for tanh, √2 for relu, √(2 / (1 + negative_slope²)) for leaky_relu, 3/4 for selu; a
    number is its own gain.

    Sources: He, Zhang, Ren & Sun, "Delving deep into rectifiers", ICCV 2015, equation 15; PyTorch's
    ``torch.nn.init.calculate_gain``.

    Args:
        activation: A name, an object of `bpnative.activations`, or a number above 0.

    Raises:
        ValueError: No gain is known for this activation, or no activation has this name.

    Example:
        >>> round(gain("tanh"), 4), gain(2.0)
        (1.6667, 2.0)
    """
    if not isinstance(activation, (str, Activation)):
        return check_number(activation, "gain", "(0, inf)")
    if isinstance(activation, str) and activation in GAINS:
        return GAINS[activation]
    function = activations.get(activation)
    if function.name == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + function.parameter**2))
    if function.name not in GAINS:
        known = ", ".join(map(repr, [*GAINS, "leaky_relu"]))
        raise ValueError(f"no gain is known for {activation!r}: give a number such as gain=1.4, or one of {known}")
    return GAINS[function.name]


def cut_normal(shape: Shape, generator: np.random.Generator, deviation: float) -> Values:
    """Normal values cut at ±2 of their own deviations, which is chosen so that the values drawn have this deviation.

    Values beyond the cut are drawn anew.

    Example:
        >>> bool(abs(cut_normal((1000,), np.random.default_rng(0), 1.0)).max() <= 2 / CUT_DEVIATION)
        True
    """
    values = generator.standard_normal(shape).ravel()
    wrong = np.flatnonzero(np.abs(values) > 2.0)
    while len(wrong):
        values[wrong] = generator.standard_normal(len(wrong))
        wrong = wrong[np.abs(values[wrong]) > 2.0]
    return values.reshape(shape) * (deviation / CUT_DEVIATION)
