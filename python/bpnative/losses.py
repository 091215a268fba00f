"""Losses: what training makes small. Specifications only; value and derivative are computed natively, in one pass.

Notation: n samples, k outputs, y the target, p or z the network's output, wᵢ the sample weights (1 if none are given).
The loss of a batch is the mean over its samples, (1/n) Σᵢ wᵢ·lossᵢ, as in PyTorch's default.
"""

from __future__ import annotations

from typing import TypeAlias

from .losses_base import Loss
from .losses_classification import (
    BinaryCrossEntropy,
    CategoricalFocal,
    CrossEntropy,
    Focal,
    Hinge,
    KLDivergence,
    SquaredHinge,
)
from .losses_function import FunctionLoss, FunctionTrainer, LossFunction
from .losses_regression import MAE, MSE, Cosine, GaussianNLL, Huber, LogCosh, Poisson, Quantile
from .names import lookup

__all__ = [
    "LOSSES",
    "MAE",
    "MSE",
    "BinaryCrossEntropy",
    "CategoricalFocal",
    "Cosine",
    "CrossEntropy",
    "Focal",
    "FunctionLoss",
    "FunctionTrainer",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunction",
    "LossLike",
    "Poisson",
    "Quantile",
    "SquaredHinge",
    "get",
]

LossLike: TypeAlias = "str | Loss | LossFunction"

LOSSES: dict[str, type[Loss]] = {
    kind.name: kind
    for kind in (
        MSE,
        MAE,
        Huber,
        LogCosh,
        Quantile,
        Poisson,
        GaussianNLL,
        Cosine,
        CrossEntropy,
        BinaryCrossEntropy,
        Focal,
        CategoricalFocal,
        KLDivergence,
        Hinge,
        SquaredHinge,
    )
}


def get(loss: LossLike) -> Loss:
    """The specification for a name, a specification or a callable(output, target) -> (loss, output_gradient).

    Raises:
        ValueError: No loss has this name; the nearest one is suggested.
        TypeError: It is none of them.

    Example:
        >>> get("mse")
        MSE()
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        return lookup("loss", loss, LOSSES)()
    if not isinstance(loss, type) and callable(loss):
        return FunctionLoss(loss)
    raise TypeError(
        f"expected loss as a name or an object such as bpnative.CrossEntropy(), or a callable(output, target) -> "
        f"(loss, output_gradient), got {loss!r} ({type(loss).__name__}); known names: {', '.join(map(repr, LOSSES))}"
    )
