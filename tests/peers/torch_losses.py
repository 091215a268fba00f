"""Every loss of this library, with settings, beside PyTorch's own, or where it has none its formula in tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

import bpnative as bp

CLASS_WEIGHT, LEVELS = [0.5, 1.0, 2.0, 0.25, 1.5], (0.1, 0.5, 0.9)


def gaussian(epsilon: float) -> Callable[[Any, Any], Any]:
    criterion = torch.nn.GaussianNLLLoss(eps=1e-30)

    def loss(output: Any, target: Any) -> Any:
        mean, raw = output.chunk(2, dim=1)
        return criterion(mean, target, functional.softplus(raw, threshold=1e9) + epsilon)

    return loss


def pinball(levels: tuple[float, ...]) -> Callable[[Any, Any], Any]:
    def loss(output: Any, target: Any) -> Any:
        error = target.repeat_interleave(len(levels), dim=1) - output
        level = torch.tensor(levels, dtype=output.dtype).repeat(target.shape[1])
        return torch.maximum(level * error, (level - 1) * error).mean()

    return loss


def signs(target: Any) -> Any:
    return 2 * target - 1


def margin(output: Any, target: Any) -> Any:
    return torch.relu(1 - signs(target) * output)


def focal(alpha: float | None, gamma: float) -> Callable[[Any, Any], Any]:
    """As torchvision.ops.sigmoid_focal_loss, whose source this follows line by line."""

    def loss(output: Any, target: Any) -> Any:
        p = torch.sigmoid(output)
        entropy = functional.binary_cross_entropy_with_logits(output, target, reduction="none")
        right = p * target + (1 - p) * (1 - target)
        loss = entropy * (1 - right) ** gamma
        if alpha is not None:
            loss = (alpha * target + (1 - alpha) * (1 - target)) * loss
        return loss.mean()

    return loss


def categorical_focal(gamma: float, weight: list[float] | None = None) -> Callable[[Any, Any], Any]:
    def loss(output: Any, labels: Any) -> Any:
        log_p = torch.log_softmax(output, dim=1).gather(1, labels[:, None])[:, 0]
        loss = -((1 - log_p.exp()) ** gamma) * log_p
        return (loss if weight is None else torch.tensor(weight, dtype=output.dtype)[labels] * loss).mean()

    return loss


def classes(label_smoothing: float = 0.0, weight: list[float] | None = None) -> Callable[[Any, Any], Any]:
    """The mean of PyTorch's single losses: with class weights its own mean of labels divides by their weights."""

    def loss(output: Any, target: Any) -> Any:
        weights = None if weight is None else torch.tensor(weight, dtype=output.dtype)
        single = functional.cross_entropy(
            output, target, weight=weights, label_smoothing=label_smoothing, reduction="none"
        )
        return single.mean()

    return loss


def rows(label_smoothing: float, weight: list[float]) -> Callable[[Any, Any], Any]:
    """PyTorch's own mean: of rows it divides by their number, also with class weights."""

    def loss(output: Any, target: Any) -> Any:
        weights = torch.tensor(weight, dtype=output.dtype)
        return functional.cross_entropy(output, target, weight=weights, label_smoothing=label_smoothing)

    return loss


def positives(weight: list[float]) -> Callable[[Any, Any], Any]:
    def loss(output: Any, target: Any) -> Any:
        weights = torch.tensor(weight, dtype=output.dtype)
        return functional.binary_cross_entropy_with_logits(output, target, pos_weight=weights)

    return loss


def divergence(output: Any, target: Any) -> Any:
    return functional.kl_div(torch.log_softmax(output, dim=1), target, reduction="batchmean")


def cosine(output: Any, target: Any) -> Any:
    return (1 - functional.cosine_similarity(output, target, eps=1e-8)).mean()


def cosine_of_short(epsilon: float) -> Callable[[Any, Any], Any]:
    """PyTorch's own takes the slope of a length below eps as if it were not clamped; this is the derivative."""

    def loss(output: Any, target: Any) -> Any:
        lengths = [x.norm(dim=1, keepdim=True).clamp_min(epsilon) for x in (output, target)]
        return (1 - (output / lengths[0] * target / lengths[1]).sum(dim=1)).mean()

    return loss


LOSSES: dict[str, tuple[bp.losses.Loss, Callable[[Any, Any], Any]]] = {
    "mse": (bp.MSE(), torch.nn.MSELoss()),
    "mae": (bp.MAE(), torch.nn.L1Loss()),
    "huber": (bp.Huber(), torch.nn.HuberLoss()),
    "huber, delta": (bp.Huber(delta=0.25), torch.nn.HuberLoss(delta=0.25)),
    "log_cosh": (bp.LogCosh(), lambda p, y: torch.log(torch.cosh(p - y)).mean()),
    "quantile": (bp.Quantile(), pinball((0.5,))),
    "quantile, levels": (bp.Quantile(levels=LEVELS), pinball(LEVELS)),
    "poisson": (bp.Poisson(), torch.nn.PoissonNLLLoss()),
    "gaussian_nll": (bp.GaussianNLL(), gaussian(1e-6)),
    "gaussian_nll, epsilon": (bp.GaussianNLL(epsilon=0.1), gaussian(0.1)),
    "cosine": (bp.Cosine(), cosine),
    "cosine, epsilon": (bp.Cosine(epsilon=0.75), cosine_of_short(0.75)),
    "cross_entropy": (bp.CrossEntropy(), torch.nn.CrossEntropyLoss()),
    "cross_entropy, smoothing": (bp.CrossEntropy(label_smoothing=0.1), torch.nn.CrossEntropyLoss(label_smoothing=0.1)),
    "cross_entropy, weight": (bp.CrossEntropy(class_weight=CLASS_WEIGHT), classes(0.0, CLASS_WEIGHT)),
    "cross_entropy, both": (bp.CrossEntropy(0.2, CLASS_WEIGHT), classes(0.2, CLASS_WEIGHT)),
    "cross_entropy, rows": (bp.CrossEntropy(0.2, CLASS_WEIGHT), rows(0.2, CLASS_WEIGHT)),
    "binary_cross_entropy": (bp.BinaryCrossEntropy(), torch.nn.BCEWithLogitsLoss()),
    "binary_cross_entropy, weight": (bp.BinaryCrossEntropy(positive_weight=3.0), positives([3.0] * 5)),
    "binary_cross_entropy, weights": (bp.BinaryCrossEntropy(CLASS_WEIGHT), positives(CLASS_WEIGHT)),
    "focal": (bp.Focal(), focal(0.25, 2.0)),
    "focal, settings": (bp.Focal(alpha=None, gamma=1.5), focal(None, 1.5)),
    "categorical_focal": (bp.CategoricalFocal(), categorical_focal(2.0)),
    "categorical_focal, settings": (bp.CategoricalFocal(1.0, CLASS_WEIGHT), categorical_focal(1.0, CLASS_WEIGHT)),
    "kl_divergence": (bp.KLDivergence(), divergence),
    "hinge": (bp.Hinge(), lambda p, y: margin(p, y).mean()),
    "squared_hinge": (bp.SquaredHinge(), lambda p, y: (margin(p, y) ** 2).mean()),
}
