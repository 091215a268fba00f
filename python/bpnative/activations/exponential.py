"""Activations with an exponential in their value."""

from __future__ import annotations

from typing import ClassVar

from ..specification import check_number, specification
from .base import Activation


@specification
class ELU(Activation):
    """Exponential linear unit: f(z) = z for z > 0, else α·(exp(z) - 1); f'(z) = 1 for z > 0, else f(z) + α.

    Source: Clevert, Unterthiner & Hochreiter, "Fast and accurate deep network learning by exponential linear
    units (ELUs)", ICLR 2016, arXiv:1511.07289.

    Args:
        alpha: α, minus the value that f falls to, at least 0 (1, as in PyTorch and Keras).

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 2.0]], "elu").round(4).tolist()
        [[-0.6321, 2.0]]
    """

    alpha: float = 1.0
    name: ClassVar[str] = "elu"
    default_initializer: ClassVar[str] = "he_uniform"

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", check_number(self.alpha, "alpha of ELU", "[0, inf)"))

    @property
    def parameter(self) -> float:
        """α."""
        return self.alpha


@specification
class SELU(Activation):
    """Scaled exponential linear unit: f(z) = λ·z for z > 0, else λ·α·(exp(z) - 1); f'(z) = λ, else f(z) + λ·α.

    λ = 1.0507009873554805 and α = 1.6732632423543773 keep mean 0 and variance 1 from layer to layer, with weights of
    LeCun's normal initializer, which is the default here.
    Source: Klambauer, Unterthiner, Mayr & Hochreiter, "Self-normalizing neural networks", NeurIPS 2017,
    arXiv:1706.02515.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 2.0]], "selu").round(4).tolist()
        [[-1.1113, 2.1014]]
    """

    name: ClassVar[str] = "selu"
    default_initializer: ClassVar[str] = "lecun_normal"


@specification
class CELU(Activation):
    """Continuously differentiable exponential linear unit: f(z) = z for z > 0, else α·(exp(z/α) - 1).

    f'(z) = 1 for z > 0, else f(z)/α + 1.
    Source: Barron, "Continuously differentiable exponential linear units", arXiv:1704.07483, 2017.

    Args:
        alpha: α, minus the value that f falls to, above 0 (1, as in PyTorch and Keras).

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 2.0]], "celu").round(4).tolist()
        [[-0.6321, 2.0]]
    """

    alpha: float = 1.0
    name: ClassVar[str] = "celu"
    default_initializer: ClassVar[str] = "he_uniform"

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", check_number(self.alpha, "alpha of CELU", "(0, inf)"))

    @property
    def parameter(self) -> float:
        """α."""
        return self.alpha


@specification
class Exponential(Activation):
    """Exponential function: f(z) = exp(z), f'(z) = f(z).

    For a last layer that must be positive. Infinite from z = 88.8 on (float32; 709.8 in float64).
    Source: McCullagh & Nelder, "Generalized linear models", 1989: the inverse of the log link, for rates and counts;
    as Keras's ``exponential``.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[0.0, 1.0]], "exponential").round(4).tolist()
        [[1.0, 2.7183]]
    """

    name: ClassVar[str] = "exponential"
