"""Activations made of straight pieces."""

from __future__ import annotations

from typing import ClassVar

from ..specification import check_number, specification
from .base import Activation


@specification
class Linear(Activation):
    """No activation: f(z) = z, f'(z) = 1.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 2.0]], "linear").tolist()
        [[-1.0, 2.0]]
    """

    name: ClassVar[str] = "linear"


@specification
class ReLU(Activation):
    """Rectified linear unit: f(z) = max(z, 0); f'(z) = 1 for z > 0, else 0, also at z = 0.

    Source: Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 2.0]], "relu").tolist()
        [[0.0, 2.0]]
    """

    name: ClassVar[str] = "relu"
    default_initializer: ClassVar[str] = "he_uniform"


@specification
class LeakyReLU(Activation):
    """Leaky rectified linear unit: f(z) = z for z > 0, else a·z; f'(z) = 1 for z > 0, else a.

    Source: Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    Args:
        negative_slope: a, the slope for z ≤ 0, at least 0 (0.01, as in PyTorch).

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 2.0]], bp.activations.LeakyReLU(negative_slope=0.25)).tolist()
        [[-0.25, 2.0]]
    """

    negative_slope: float = 0.01
    name: ClassVar[str] = "leaky_relu"
    default_initializer: ClassVar[str] = "he_uniform"

    def __post_init__(self) -> None:
        slope = check_number(self.negative_slope, "negative_slope of LeakyReLU", "[0, inf)")
        object.__setattr__(self, "negative_slope", slope)

    @property
    def parameter(self) -> float:
        """The negative slope."""
        return self.negative_slope


@specification
class ReLU6(Activation):
    """Rectified linear unit with a ceiling: f(z) = min(max(z, 0), 6); f'(z) = 1 for 0 < z < 6, else 0.

    Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010; f' at 0 and 6 as PyTorch's ``ReLU6``.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 2.0, 8.0]], "relu6").tolist()
        [[0.0, 2.0, 6.0]]
    """

    name: ClassVar[str] = "relu6"
    default_initializer: ClassVar[str] = "he_uniform"


@specification
class HardTanh(Activation):
    """Tanh in three straight pieces: f(z) = min(max(z, -1), 1); f'(z) = 1 for -1 < z < 1, else 0.

    Source: Collobert, "Large scale machine learning", 2004; f' at -1 and 1 as PyTorch's ``Hardtanh``.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-2.0, 0.5, 2.0]], "hard_tanh").tolist()
        [[-1.0, 0.5, 1.0]]
    """

    name: ClassVar[str] = "hard_tanh"


@specification
class HardSigmoid(Activation):
    """Sigmoid in three straight pieces: f(z) = min(max(z + 3, 0), 6) / 6; f'(z) = 1/6 for -3 < z < 3, else 0.

    Source: Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv:1905.02244; as PyTorch's ``Hardsigmoid`` and
    Keras 3's ``hard_sigmoid``.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-4.0, 0.0, 1.5, 4.0]], "hard_sigmoid").tolist()
        [[0.0, 0.5, 0.75, 1.0]]
    """

    name: ClassVar[str] = "hard_sigmoid"
