"""Losses: what training makes small. Specifications only; value and derivative are computed natively, in one pass.

Notation: n samples, k outputs, y the target, p or z the network's output, wᵢ the sample weights (1 if none are given).
The loss of a batch is the mean over its samples, (1/n) Σᵢ wᵢ·lossᵢ, as in PyTorch.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from .names import lookup
from .specification import Specification


@dataclasses.dataclass(frozen=True, repr=False)
class Loss(Specification):
    """Base of the losses.

    `targets` says what y must be: ``"values"``, ``"binary"`` (0 to 1) or ``"classes"``. `fused` is the activation of a
    last layer that the loss computes together with itself, on the logits; `refused` one that would be applied twice.
    """

    targets: ClassVar[str]
    fused: ClassVar[str] = ""
    refused: ClassVar[str] = ""

    def check_network(self, n_outputs: int, last_activation: str) -> None:
        """Whether a network with this last layer can be trained with this loss.

        Raises:
            ValueError: The last layer's size or activation does not go with the loss.
        """
        if self.refused and last_activation == self.refused:
            raise ValueError(
                f"{self.name} takes logits, or the output of a {self.fused} layer; the network ends in "
                f"{last_activation}. Use activation='linear' or {self.fused!r} in the last layer, or another loss"
            )
        if self.targets == "classes" and n_outputs < 2:
            raise ValueError(
                f"{self.name} needs one output for each class, at least 2, and the network has {n_outputs}. "
                f"For two classes use Dense(2), or Dense(1) with loss='binary_cross_entropy'"
            )


@dataclasses.dataclass(frozen=True, repr=False)
class MSE(Loss):
    """Mean squared error: lossᵢ = (1/k) Σⱼ (pᵢⱼ - yᵢⱼ)².

    Its derivative in pᵢⱼ for the batch is 2·wᵢ·(pᵢⱼ - yᵢⱼ) / (n·k).

    Shapes: output (n, k); target (n, k), or (n,) where k = 1. As PyTorch's ``MSELoss``.
    Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 1986.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.loss([[1.0], [3.0]], [[0.0], [0.0]], bp.MSE()).value
        5.0
    """

    name: ClassVar[str] = "mse"
    targets: ClassVar[str] = "values"


@dataclasses.dataclass(frozen=True, repr=False)
class CrossEntropy(Loss):
    """Cross-entropy of classes: lossᵢ = -Σⱼ yᵢⱼ·log softmax(zᵢ)ⱼ.

    Its derivative in zᵢⱼ for the batch is wᵢ·(softmax(zᵢ)ⱼ·Σⱼ yᵢⱼ - yᵢⱼ) / n.

    Shapes: logits (n, k); target: integer labels 0 … k-1 of shape (n,) or (n, 1), or one-hot rows or probabilities
    (n, k). A last layer with ``activation="softmax"`` fuses with it. As PyTorch's ``CrossEntropyLoss``.
    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.

    Example:
        >>> import bpnative as bp
        >>> round(bp.kernels.loss([[0.0, 0.0]], [1], bp.CrossEntropy()).value, 4)
        0.6931
    """

    name: ClassVar[str] = "cross_entropy"
    targets: ClassVar[str] = "classes"
    fused: ClassVar[str] = "softmax"
    refused: ClassVar[str] = "sigmoid"


@dataclasses.dataclass(frozen=True, repr=False)
class BinaryCrossEntropy(Loss):
    """Cross-entropy of yes and no, on logits: lossᵢ = (1/k) Σⱼ (max(zᵢⱼ, 0) - zᵢⱼ·yᵢⱼ + log(1 + exp(-|zᵢⱼ|))).

    Its derivative in zᵢⱼ for the batch is wᵢ·(sigmoid(zᵢⱼ) - yᵢⱼ) / (n·k).

    Shapes: logits (n, k); target (n, k) of numbers from 0 to 1, or (n,) where k = 1; k > 1 is several labels at once.
    A last layer with ``activation="sigmoid"`` fuses with it. As PyTorch's ``BCEWithLogitsLoss``.
    Source: Cox, "The regression analysis of binary sequences", 1958.

    Example:
        >>> import bpnative as bp
        >>> round(bp.kernels.loss([[0.0]], [[1.0]], bp.BinaryCrossEntropy()).value, 4)
        0.6931
    """

    name: ClassVar[str] = "binary_cross_entropy"
    targets: ClassVar[str] = "binary"
    fused: ClassVar[str] = "sigmoid"
    refused: ClassVar[str] = "softmax"


LOSSES: dict[str, type[Loss]] = {kind.name: kind for kind in (MSE, CrossEntropy, BinaryCrossEntropy)}


def get(loss: str | Loss) -> Loss:
    """The specification for a name or a specification.

    Raises:
        ValueError: No loss has this name; the nearest one is suggested.
        TypeError: It is neither a name nor a specification.

    Example:
        >>> get("mse")
        MSE()
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        return lookup("loss", loss, LOSSES)()
    raise TypeError(
        f"expected loss as a name or an object such as bpnative.CrossEntropy(), got {loss!r} "
        f"({type(loss).__name__}); known names: {', '.join(map(repr, LOSSES))}"
    )
