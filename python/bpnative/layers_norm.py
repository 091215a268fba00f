"""Normalizations inside of a network: over the batch, or over each sample's features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from .initializers import InitializerLike, Shape
from .layer_base import LayerSpecification, Settings
from .specification import check_flag, check_number, specification


def _ones(shape: Shape, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    return np.ones(shape)


@specification
class _Norm(LayerSpecification):
    """Base: a weight that starts at 1 and a bias that starts at 0, one number a feature."""

    def _check(self) -> None:
        epsilon = check_number(self.epsilon, f"epsilon of {type(self).__name__}", "[1e-30, 1e30]")  # type: ignore[attr-defined]
        object.__setattr__(self, "epsilon", epsilon)
        trainable = check_flag(self.trainable, f"trainable of {type(self).__name__}")  # type: ignore[attr-defined]
        object.__setattr__(self, "trainable", trainable)

    def parameter_count(self, input_size: int) -> int:
        """Trained numbers where `input_size` columns go in."""
        return 2 * input_size

    def initializer(self, tensor: str) -> InitializerLike:
        """Ones for the weight, zeros for the bias."""
        return _ones if tensor == "weight" else "zeros"


@specification
class BatchNorm(_Norm):
    """Batch normalization: y = (x - m) / √(v + epsilon) · weight + bias, by feature.

    While training m and v are mean and variance of the batch, and ``running_mean`` and ``running_variance`` move
    towards them, r ← (1 - momentum)·r + momentum·(m or v·n/(n-1)); afterwards, and while ``trainable`` is False, these
    stand for m and v. A batch of one sample gives y = bias, no gradient, and leaves the running variance as it is.
    Weight and bias are (k,). Backward, with x̂ = (x - m)/√(v + epsilon) over n samples:
    dx = weight/√(v + epsilon) · (dy - mean(dy) - x̂·mean(dy·x̂)).
    Source: Ioffe & Szegedy, "Batch normalization", ICML 2015; momentum as in PyTorch.

    Args:
        momentum: In [0, 1]: how fast the running statistics move.
        epsilon: Added to the variance.
        trainable: Whether training changes the layer.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.BatchNorm()], input_size=1)
        >>> net.forward([[1.0], [3.0]]).round(3).tolist()
        [[-1.0], [1.0]]
        >>> round(float(net.layers[0].statistics["running_mean"][0]), 3)
        0.2
    """

    momentum: float = 0.1
    epsilon: float = 1e-5
    trainable: bool = True
    name: ClassVar[str] = "batch_norm"

    def __post_init__(self) -> None:
        self._check()
        object.__setattr__(self, "momentum", check_number(self.momentum, "momentum of BatchNorm", "[0, 1]"))

    def native(self) -> tuple[str, Settings]:
        """The layer as the compiled module takes it."""
        return self.name, {"momentum": self.momentum, "epsilon": self.epsilon}

    def first_statistic(self, tensor: str) -> float:
        """What a tensor of statistics starts from: mean 0, variance 1."""
        return 1.0 if tensor == "running_variance" else 0.0


@specification
class LayerNorm(_Norm):
    """Layer normalization: y = (x - m) / √(v + epsilon) · weight + bias, m and v over the features of each sample.

    Weight and bias are (k,). Backward, with x̂ = (x - m)/√(v + epsilon) and g = dy·weight, means over the k features:
    dx = (g - mean(g) - x̂·mean(g·x̂)) / √(v + epsilon).
    Source: Ba, Kiros & Hinton, "Layer normalization", arXiv:1607.06450, 2016.

    Args:
        epsilon: Added to the variance.
        trainable: Whether training changes the layer.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range.

    Example:
        >>> import bpnative as bp
        >>> bp.Network([bp.LayerNorm()], input_size=2).predict([[1.0, 3.0]]).round(3).tolist()
        [[-1.0, 1.0]]
    """

    epsilon: float = 1e-5
    trainable: bool = True
    name: ClassVar[str] = "layer_norm"

    def __post_init__(self) -> None:
        self._check()

    def native(self) -> tuple[str, Settings]:
        """The layer as the compiled module takes it."""
        return self.name, {"epsilon": self.epsilon}


@specification
class RMSNorm(LayerNorm):
    """Root mean square normalization: y = x / √(mean(x²) + epsilon) · weight, over the features of each sample.

    Weight is (k,). Backward, with x̂ = x/√(mean(x²) + epsilon) and g = dy·weight:
    dx = (g - x̂·mean(g·x̂)) / √(mean(x²) + epsilon).
    Source: Zhang & Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    Args:
        epsilon: Added to the mean square.
        trainable: Whether training changes the layer.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range.

    Example:
        >>> import bpnative as bp
        >>> bp.Network([bp.RMSNorm()], input_size=2).predict([[3.0, 3.0]]).round(3).tolist()
        [[1.0, 1.0]]
    """

    name: ClassVar[str] = "rms_norm"

    def parameter_count(self, input_size: int) -> int:
        """Trained numbers where `input_size` columns go in."""
        return input_size
