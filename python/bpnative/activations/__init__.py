"""Activation functions: what a layer applies to its weighted sums. Specifications only; the kernels are native.

Where an activation is expected, a name (``"relu"``) or a specification (``LeakyReLU(negative_slope=0.2)``) will do.
Shapes: every function maps (n_samples, n_outputs) to the same shape; all but softmax and log_softmax act on each
element by itself.
"""

from __future__ import annotations

from ..names import lookup
from .base import Activation
from .exponential import CELU, ELU, SELU, Exponential
from .piecewise import HardSigmoid, HardTanh, LeakyReLU, Linear, ReLU, ReLU6
from .rows import LogSoftmax, Softmax
from .smooth import GELU, GELUTanh, Mish, Sigmoid, SiLU, Softplus, Softsign, Tanh

__all__ = [
    "ACTIVATIONS",
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "Exponential",
    "GELUTanh",
    "HardSigmoid",
    "HardTanh",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "get",
]

_KINDS: tuple[type[Activation], ...] = (
    *(Linear, ReLU, LeakyReLU, ReLU6, HardTanh, HardSigmoid),
    *(ELU, SELU, CELU, Exponential),
    *(Tanh, Sigmoid, Softsign, Softplus, GELU, GELUTanh, SiLU, Mish),
    *(Softmax, LogSoftmax),
)
ACTIVATIONS: dict[str, type[Activation]] = {kind.name: kind for kind in _KINDS}

# What other libraries call them, where spelling alone would not lead to our name.
_ELSEWHERE = {
    "swish": "silu",
    "identity": "linear",
    "none": "linear",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "exp": "exponential",
    "gelu_new": "gelu_tanh",
    "gelu_approximate": "gelu_tanh",
    "relu_6": "relu6",
    "clipped_relu": "relu6",
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
        return lookup("activation", activation, ACTIVATIONS, _ELSEWHERE)()
    raise TypeError(
        f"expected activation as a name or an object of bpnative.activations, got {activation!r} "
        f"({type(activation).__name__}); known names: {', '.join(map(repr, ACTIVATIONS))}"
    )
