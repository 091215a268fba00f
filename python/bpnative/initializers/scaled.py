"""Initializers whose variance follows the size of the layer: variance = scale · gain² / fan."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..specification import check_flag, specification
from .base import Gain, Initializer, Shape, Values, cut_normal, fans, gain


@specification
class _Scaled(Initializer):
    """Random values of zero mean and variance scale · gain² / fan, normal or uniform."""

    scale: ClassVar[float]
    fan: ClassVar[str]

    def __post_init__(self) -> None:
        if hasattr(self, "gain"):
            self._check_gain(self.gain)
        if hasattr(self, "truncated"):
            truncated = check_flag(self.truncated, f"truncated of {type(self).__name__}")
            object.__setattr__(self, "truncated", truncated)

    def __call__(self, shape: Shape, generator: np.random.Generator) -> Values:
        fan_in, fan_out = fans(shape)
        variance = self.scale / (fan_in if self.fan == "in" else (fan_in + fan_out) / 2)
        factor = gain(getattr(self, "gain", 1.0))
        deviation = math.sqrt(variance) * factor
        truncated = getattr(self, "truncated", None)
        if truncated is None:
            limit = math.sqrt(3.0 * variance) * factor
            return generator.uniform(-limit, limit, shape)
        return cut_normal(shape, generator, deviation) if truncated else generator.normal(0.0, deviation, shape)


@specification
class HeNormal(_Scaled):
    """Normal with standard deviation √(2 / fan_in): keeps the variance of activations through layers of relu.

    Source: He, Zhang, Ren & Sun, "Delving deep into rectifiers", ICCV 2015, equation 10.

    Args:
        truncated: Cut the bell at ±2 deviations, at the same variance, as Keras and JAX do.

    Example:
        >>> round(float(HeNormal()((256, 100), np.random.default_rng(0)).std()), 2)
        0.14
    """

    truncated: bool = False
    name: ClassVar[str] = "he_normal"
    scale, fan = 2.0, "in"


@specification
class HeUniform(_Scaled):
    """Uniform in ±√(6 / fan_in), the same variance as `HeNormal`: the default for layers with relu and its family.

    Source: He, Zhang, Ren & Sun, "Delving deep into rectifiers", ICCV 2015.

    Example:
        >>> bool(abs(HeUniform()((256, 6), np.random.default_rng(0))).max() <= 1.0)
        True
    """

    name: ClassVar[str] = "he_uniform"
    scale, fan = 2.0, "in"


@specification
class GlorotNormal(_Scaled):
    """Normal with standard deviation gain · √(2 / (fan_in + fan_out)).

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    Args:
        gain: A factor above 0, or the activation that follows, see `gain`.
        truncated: Cut the bell at ±2 deviations, at the same variance, as Keras and JAX do.

    Example:
        >>> round(float(GlorotNormal()((100, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """

    gain: Gain = 1.0
    truncated: bool = False
    name: ClassVar[str] = "glorot_normal"
    scale, fan = 1.0, "average"


@specification
class GlorotUniform(_Scaled):
    """Uniform in ± gain · √(6 / (fan_in + fan_out)): the default for linear, tanh, sigmoid and softmax.

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    equation 16.

    Args:
        gain: A factor above 0, or the activation that follows, see `gain`.

    Example:
        >>> bool(abs(GlorotUniform()((3, 3), np.random.default_rng(0))).max() <= 1.0)
        True
    """

    gain: Gain = 1.0
    name: ClassVar[str] = "glorot_uniform"
    scale, fan = 1.0, "average"


@specification
class LecunNormal(_Scaled):
    """Normal with standard deviation gain · √(1 / fan_in): `HeNormal` for the gain of relu.

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998, section 4.6.

    Args:
        gain: A factor above 0, or the activation that follows, see `gain`.
        truncated: Cut the bell at ±2 deviations, at the same variance, as Keras and JAX do.

    Example:
        >>> round(float(LecunNormal()((256, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """

    gain: Gain = 1.0
    truncated: bool = False
    name: ClassVar[str] = "lecun_normal"
    scale, fan = 1.0, "in"


@specification
class LecunUniform(_Scaled):
    """Uniform in ± gain · √(3 / fan_in), the same variance as `LecunNormal`.

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998, section 4.6.

    Args:
        gain: A factor above 0, or the activation that follows, see `gain`.

    Example:
        >>> bool(abs(LecunUniform()((256, 3), np.random.default_rng(0))).max() <= 1.0)
        True
    """

    gain: Gain = 1.0
    name: ClassVar[str] = "lecun_uniform"
    scale, fan = 1.0, "in"
