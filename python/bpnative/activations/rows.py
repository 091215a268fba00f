"""Activations that mix the outputs of a row."""

from __future__ import annotations

from typing import ClassVar

from ..specification import specification
from .base import Activation


@specification
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
    mixes_outputs: ClassVar[bool] = True


@specification
class LogSoftmax(Activation):
    """Logarithms of softmax: f(z)ᵢ = zᵢ - log Σⱼ exp(zⱼ), ∂fᵢ/∂zⱼ = δᵢⱼ - exp(fⱼ).

    Cross-entropy of logits takes it along already, and gives the same loss and gradients behind this activation: the
    logarithms of a softmax are logits of the same probabilities.
    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.activation([[1.0, 1.0]], "log_softmax").round(4).tolist()
        [[-0.6931, -0.6931]]
    """

    name: ClassVar[str] = "log_softmax"
    mixes_outputs: ClassVar[bool] = True
