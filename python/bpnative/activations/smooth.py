"""Smooth activations."""

from __future__ import annotations

from typing import ClassVar

from ..specification import check_number, specification
from .base import Activation


@specification
class Tanh(Activation):
    """Hyperbolic tangent: f(z) = tanh(z), f'(z) = 1 - f(z)².

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 1.0]], "tanh").round(4).tolist()
        [[-0.7616, 0.7616]]
    """

    name: ClassVar[str] = "tanh"


@specification
class Sigmoid(Activation):
    """Logistic function: f(z) = 1 / (1 + exp(-z)), f'(z) = f(z)·(1 - f(z)).

    As the last layer of a network trained with binary cross-entropy it fuses with the loss, which then works on z.
    Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 1986.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[0.0, 1.0]], "sigmoid").round(4).tolist()
        [[0.5, 0.7311]]
    """

    name: ClassVar[str] = "sigmoid"


@specification
class Softsign(Activation):
    """A slow tanh: f(z) = z / (1 + abs(z)), f'(z) = 1 / (1 + abs(z))².

    Far out f' is a small number that f, near ±1, does not tell well: while training, a layer keeps f'(z) beside f(z).
    Source: Turian, Bergstra & Bengio, "Quadratic features and deep architectures for chunking", NAACL 2009.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 3.0]], "softsign").tolist()
        [[-0.5, 0.75]]
    """

    name: ClassVar[str] = "softsign"


@specification
class Softplus(Activation):
    """A smooth relu, positive everywhere: f(z) = log(1 + exp(β·z)) / β, f'(z) = sigmoid(β·z).

    While training, a layer keeps f'(z) beside f(z).
    Source: Dugas, Bengio, Bélisle, Nadeau & Garcia, "Incorporating second-order functional knowledge for better
    option pricing", NeurIPS 2000. As PyTorch's ``Softplus``, without its threshold: exact for every z.

    Args:
        beta: β, above 0: how sharp the bend at 0 is (1, as in PyTorch and Keras).

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 1.0]], "softplus").round(4).tolist()
        [[0.3133, 1.3133]]
    """

    beta: float = 1.0
    name: ClassVar[str] = "softplus"

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", check_number(self.beta, "beta of Softplus", "(0, inf)"))

    @property
    def parameter(self) -> float:
        """β."""
        return self.beta


@specification
class GELU(Activation):
    """Gaussian error linear unit, the exact form: f(z) = z·Φ(z), f'(z) = Φ(z) + z·φ(z).

    Φ and φ are the distribution function and the density of the standard normal distribution. f falls before it rises,
    so its derivative does not follow from its value: while training, a layer keeps f'(z) beside f(z).
    Source: Hendrycks & Gimpel, "Gaussian error linear units (GELUs)", arXiv:1606.08415, 2016.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 1.0]], "gelu").round(4).tolist()
        [[-0.1587, 0.8413]]
    """

    name: ClassVar[str] = "gelu"
    default_initializer: ClassVar[str] = "he_uniform"


@specification
class GELUTanh(Activation):
    """Gaussian error linear unit, the approximation by tanh: f(z) = ½·z·(1 + tanh(u)), u = √(2/π)·(z + 0.044715·z³).

    f'(z) = ½·(1 + tanh(u)) + ½·z·(1 - tanh²(u))·u'. While training, a layer keeps f'(z) beside f(z).
    Source: Hendrycks & Gimpel, "Gaussian error linear units (GELUs)", arXiv:1606.08415, 2016. As PyTorch's
    ``GELU(approximate="tanh")``; it differs from `GELU` by at most 0.0005.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 1.0]], "gelu_tanh").round(4).tolist()
        [[-0.1588, 0.8412]]
    """

    name: ClassVar[str] = "gelu_tanh"
    default_initializer: ClassVar[str] = "he_uniform"


@specification
class SiLU(Activation):
    """Sigmoid linear unit, also called swish: f(z) = z·σ(z), f'(z) = σ(z) + z·σ(z)·(1 - σ(z)), σ the sigmoid.

    f falls before it rises, so its derivative does not follow from its value: while training, a layer keeps f'(z).
    Source: Elfwing, Uchibe & Doya, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning", arXiv:1702.03118, 2017; Ramachandran, Zoph & Le, arXiv:1710.05941, 2017.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 1.0]], "silu").round(4).tolist()
        [[-0.2689, 0.7311]]
    """

    name: ClassVar[str] = "silu"
    default_initializer: ClassVar[str] = "he_uniform"


@specification
class Mish(Activation):
    """Self-regularized smooth unit: f(z) = z·tanh(s), s = log(1 + exp(z)), f'(z) = tanh(s) + z·σ(z)·(1 - tanh²(s)).

    f falls before it rises, so its derivative does not follow from its value: while training, a layer keeps f'(z).
    Source: Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020, arXiv:1908.08681.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 1.0]], "mish").round(4).tolist()
        [[-0.3034, 0.8651]]
    """

    name: ClassVar[str] = "mish"
    default_initializer: ClassVar[str] = "he_uniform"
