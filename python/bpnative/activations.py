"""Activation functions: what a layer applies to its weighted sums. Specifications only; the kernels are native.

Where an activation is expected, a name (``"relu"``) or a specification (``LeakyReLU(negative_slope=0.2)``) will do.
Shapes: every function maps (n_samples, n_outputs) to the same shape; all but softmax act on each element by itself.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from .names import lookup
from .specification import Specification, check_number


@dataclasses.dataclass(frozen=True, repr=False)
class Activation(Specification):
    """Base of the activations. `parameter` is the one number that the native kernel takes, 0 where there is none."""

    default_initializer: ClassVar[str] = "glorot_uniform"

    @property
    def parameter(self) -> float:
        """The number handed to the kernel."""
        return 0.0


@dataclasses.dataclass(frozen=True, repr=False)
class Linear(Activation):
    """No activation: f(z) = z, f'(z) = 1.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 2.0]], "linear").tolist()
        [[-1.0, 2.0]]
    """

    name: ClassVar[str] = "linear"


@dataclasses.dataclass(frozen=True, repr=False)
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


@dataclasses.dataclass(frozen=True, repr=False)
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


@dataclasses.dataclass(frozen=True, repr=False)
class Tanh(Activation):
    """Hyperbolic tangent: f(z) = tanh(z), f'(z) = 1 - f(z)².

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[-1.0, 1.0]], "tanh").round(4).tolist()
        [[-0.7616, 0.7616]]
    """

    name: ClassVar[str] = "tanh"


@dataclasses.dataclass(frozen=True, repr=False)
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


@dataclasses.dataclass(frozen=True, repr=False)
class Softmax(Activation):
    """Probabilities from each row of logits: f(z)ᵢ = exp(zᵢ - max z) / Σⱼ exp(zⱼ - max z), ∂fᵢ/∂zⱼ = fᵢ·(δᵢⱼ - fⱼ).

    As the last layer of a network trained with cross-entropy it fuses with the loss, which then works on z.
    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[1.0, 1.0]], "softmax").tolist()
        [[0.5, 0.5]]
    """

    name: ClassVar[str] = "softmax"


@dataclasses.dataclass(frozen=True, repr=False)
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


ACTIVATIONS: dict[str, type[Activation]] = {
    kind.name: kind for kind in (Linear, ReLU, LeakyReLU, Tanh, Sigmoid, Softmax, GELU)
}


def get(activation: str | Activation) -> Activation:
    """The specification for a name or a specification.

    Raises:
        ValueError: No activation has this name; the nearest one is suggested.
        TypeError: It is neither a name nor a specification.

    Example:
        >>> get("leaky_relu")
        LeakyReLU()
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        return lookup("activation", activation, ACTIVATIONS)()
    raise TypeError(
        f"expected activation as a name or an object of bpnative.activations, got {activation!r} "
        f"({type(activation).__name__}); known names: {', '.join(map(repr, ACTIVATIONS))}"
    )
