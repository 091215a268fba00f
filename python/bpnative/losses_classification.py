"""Losses of classes and of yes and no: specifications only; value and derivative are computed natively, in one pass.

The notation is that of `bpnative.losses`: n samples, k outputs, y the target, z the logits, wᵢ the sample weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .losses_base import Loss, check_numbers, check_one_an_output
from .specification import check_number, specification


@specification
class CrossEntropy(Loss):
    """Cross-entropy of classes: lossᵢ = -Σⱼ uᵢⱼ·log softmax(zᵢ)ⱼ, by default with u = y.

    Its derivative in zᵢⱼ for the batch is wᵢ·(softmax(zᵢ)ⱼ·Σⱼ uᵢⱼ - uᵢⱼ) / n. With options uᵢⱼ =
    class_weightⱼ·((1 - label_smoothing)·yᵢⱼ + label_smoothing/k). Integer labels stay integers with any option.

    The mean over the batch divides by n, also with class weights: so labels and one-hot rows give the same, and the
    gradient of a minibatch is on average that of all data. PyTorch does this for one-hot rows and probabilities; for
    integer labels it divides by the sum of the labels' class weights in the batch instead, which differs by a factor
    that changes from batch to batch and is 1 on average where the class weights are ``n / (k * np.bincount(y))``.

    Args:
        label_smoothing: The part of each target that is spread evenly over the classes, in [0, 1).
        class_weight: One factor of at least 0 for each class, or None: all 1.

    Shapes: logits (n, k); target: integer labels 0 … k-1 of shape (n,) or (n, 1), or one-hot rows or probabilities
    (n, k). A last layer with ``activation="softmax"`` fuses with it. As PyTorch's ``CrossEntropyLoss``.
    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990; label smoothing:
    Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016.

    Example:
        >>> import bpnative as bp
        >>> round(bp.kernels.loss([[0.0, 0.0]], [1], bp.CrossEntropy()).value, 4)
        0.6931
        >>> round(bp.kernels.loss([[0.0, 0.0]], [1], bp.CrossEntropy(class_weight=[1, 2])).value, 4)
        1.3863
    """

    name: ClassVar[str] = "cross_entropy"
    targets: ClassVar[str] = "classes"
    fused: ClassVar[str] = "softmax"
    refused: ClassVar[tuple[str, ...]] = ("sigmoid",)
    label_smoothing: float = 0.0
    class_weight: Sequence[float] | None = None

    def __post_init__(self) -> None:
        smoothing = check_number(self.label_smoothing, "label_smoothing of CrossEntropy", "[0, 1)")
        object.__setattr__(self, "label_smoothing", smoothing)
        if self.class_weight is not None:
            weights = check_numbers(self.class_weight, "class_weight of CrossEntropy", "[0, inf)")
            object.__setattr__(self, "class_weight", weights)

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them."""
        weights = {} if self.class_weight is None else {"class_weight": list(self.class_weight)}
        return {"label_smoothing": [self.label_smoothing], **weights}

    def check_outputs(self, n_outputs: int) -> None:
        """Class weights are as many as outputs.

        Raises:
            ValueError: They are not.
        """
        weights = None if self.class_weight is None else tuple(self.class_weight)
        check_one_an_output(weights, n_outputs, "class_weight of CrossEntropy")


@specification
class BinaryCrossEntropy(Loss):
    """Cross-entropy of yes and no, on logits: lossᵢ = (1/k) Σⱼ (max(zᵢⱼ, 0) - zᵢⱼ·yᵢⱼ + log(1 + exp(-|zᵢⱼ|))).

    Its derivative in zᵢⱼ for the batch is wᵢ·(sigmoid(zᵢⱼ) - yᵢⱼ) / (n·k). With positive weights cⱼ an output's loss is
    cⱼ·y·log(1 + exp(-z)) + (1 - y)·log(1 + exp(z)): above 1 they raise recall, below 1 precision.

    Args:
        positive_weight: One factor of at least 0 for all outputs, or one for each, or None: all 1.

    Shapes: logits (n, k); target (n, k) of numbers from 0 to 1, or (n,) where k = 1; k > 1 is several labels at once.
    A last layer with ``activation="sigmoid"`` fuses with it. As PyTorch's ``BCEWithLogitsLoss``.
    Source: Cox, "The regression analysis of binary sequences", 1958.

    Example:
        >>> import bpnative as bp
        >>> round(bp.kernels.loss([[0.0]], [[1.0]], bp.BinaryCrossEntropy()).value, 4)
        0.6931
        >>> round(bp.kernels.loss([[0.0]], [[1.0]], bp.BinaryCrossEntropy(positive_weight=3)).value, 4)
        2.0794
    """

    name: ClassVar[str] = "binary_cross_entropy"
    targets: ClassVar[str] = "binary"
    fused: ClassVar[str] = "sigmoid"
    refused: ClassVar[tuple[str, ...]] = ("softmax", "log_softmax")
    positive_weight: float | Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.positive_weight is not None:
            weights = check_numbers(self.positive_weight, "positive_weight of BinaryCrossEntropy", "[0, inf)")
            object.__setattr__(self, "positive_weight", weights)

    def _weights(self) -> tuple[float, ...] | None:
        weights = self.positive_weight
        return weights if weights is None or isinstance(weights, tuple) else check_numbers(weights, "", "[0, inf)")

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them."""
        weights = self._weights()
        return {} if weights is None else {"positive_weight": list(weights)}

    def check_outputs(self, n_outputs: int) -> None:
        """Positive weights are one, or as many as outputs.

        Raises:
            ValueError: They are not.
        """
        weights = self._weights()
        if weights is not None and len(weights) != 1:
            check_one_an_output(weights, n_outputs, "positive_weight of BinaryCrossEntropy")


@specification
class Focal(Loss):
    """Binary cross-entropy that forgets what is right already: for rare positives among many easy negatives.

    With p = sigmoid(zᵢⱼ), ce the cross-entropy of p and y, m = y·(1 - p) + (1 - y)·p the error and a = alpha·y +
    (1 - alpha)·(1 - y) it is lossᵢ = (1/k) Σⱼ a·m^gamma·ce. Its derivative in zᵢⱼ for the batch is
    wᵢ·a·m^gamma·(gamma·(1 - 2y)·ce·p·(1 - p)/m + p - y) / (n·k).

    Args:
        alpha: Weight of positives, 1 - alpha that of negatives, in [0, 1]; None: no weights.
        gamma: How strongly easy samples are forgotten, at least 0; 0 is binary cross-entropy.

    Shapes: logits (n, k); target (n, k) of numbers from 0 to 1, or (n,) where k = 1. A last layer with
    ``activation="sigmoid"`` fuses with it. As torchvision's ``sigmoid_focal_loss``. For classes: `CategoricalFocal`.
    Source: Lin, Goyal, Girshick, He & Dollár, "Focal loss for dense object detection", ICCV 2017.

    Example:
        >>> import bpnative as bp
        >>> round(bp.kernels.loss([[0.0]], [[1.0]], bp.Focal(alpha=None, gamma=2.0)).value, 4)
        0.1733
    """

    name: ClassVar[str] = "focal"
    targets: ClassVar[str] = "binary"
    fused: ClassVar[str] = "sigmoid"
    refused: ClassVar[tuple[str, ...]] = ("softmax", "log_softmax")
    alpha: float | None = 0.25
    gamma: float = 2.0

    def __post_init__(self) -> None:
        if self.alpha is not None:
            object.__setattr__(self, "alpha", check_number(self.alpha, "alpha of Focal", "[0, 1]"))
        object.__setattr__(self, "gamma", check_number(self.gamma, "gamma of Focal", "[0, inf)"))

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them: no alpha is -1."""
        return {"alpha": [-1.0 if self.alpha is None else self.alpha], "gamma": [self.gamma]}


@specification
class CategoricalFocal(Loss):
    """Focal loss of classes: lossᵢ = -Σⱼ class_weightⱼ·yᵢⱼ·(1 - pᵢⱼ)^gamma·log pᵢⱼ with p = softmax(z).

    With sⱼ = class_weightⱼ·yᵢⱼ·(1 - pᵢⱼ)^gamma·(1 - gamma·pᵢⱼ·log(pᵢⱼ)/(1 - pᵢⱼ)) its derivative in zᵢⱼ for the batch
    is wᵢ·(pᵢⱼ·Σⱼ sⱼ - sⱼ) / n.

    Args:
        gamma: How strongly easy samples are forgotten, at least 0; 0 is cross-entropy.
        class_weight: One factor of at least 0 for each class, or None: all 1.

    Shapes: logits (n, k); target: integer labels (n,), or one-hot rows or probabilities (n, k), as of `CrossEntropy`.
    A last layer with ``activation="softmax"`` fuses with it. As Keras's ``CategoricalFocalCrossentropy``, whose alpha
    are the class weights.
    Source: Lin, Goyal, Girshick, He & Dollár, "Focal loss for dense object detection", ICCV 2017.

    Example:
        >>> import bpnative as bp
        >>> round(bp.kernels.loss([[0.0, 0.0]], [1], bp.CategoricalFocal(gamma=2.0)).value, 4)
        0.1733
    """

    name: ClassVar[str] = "categorical_focal"
    targets: ClassVar[str] = "classes"
    fused: ClassVar[str] = "softmax"
    refused: ClassVar[tuple[str, ...]] = ("sigmoid",)
    gamma: float = 2.0
    class_weight: Sequence[float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", check_number(self.gamma, "gamma of CategoricalFocal", "[0, inf)"))
        if self.class_weight is not None:
            weights = check_numbers(self.class_weight, "class_weight of CategoricalFocal", "[0, inf)")
            object.__setattr__(self, "class_weight", weights)

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them."""
        weights = {} if self.class_weight is None else {"class_weight": list(self.class_weight)}
        return {"gamma": [self.gamma], **weights}

    def check_outputs(self, n_outputs: int) -> None:
        """Class weights are as many as outputs.

        Raises:
            ValueError: They are not.
        """
        weights = None if self.class_weight is None else tuple(self.class_weight)
        check_one_an_output(weights, n_outputs, "class_weight of CategoricalFocal")


@specification
class KLDivergence(Loss):
    """How far the predicted distribution is from the target's: lossᵢ = Σⱼ yᵢⱼ·(log yᵢⱼ - log softmax(zᵢ)ⱼ).

    Its derivative in zᵢⱼ for the batch is wᵢ·(softmax(zᵢ)ⱼ·Σⱼ yᵢⱼ - yᵢⱼ) / n, that of cross-entropy, from which it
    differs by the entropy of the target, so that it is 0 where both agree. It takes logits; log-probabilities, whose
    softmax are the probabilities, are logits, too.

    Shapes: logits (n, k); target (n, k), distributions. A last layer with ``activation="softmax"`` fuses with it. As
    PyTorch's ``KLDivLoss(reduction="batchmean")`` of log-probabilities.
    Source: Kullback & Leibler, "On information and sufficiency", Annals of Mathematical Statistics 1951.

    Example:
        >>> import bpnative as bp
        >>> round(bp.kernels.loss([[0.0, 0.0]], [[0.75, 0.25]], bp.KLDivergence()).value, 4)
        0.1308
    """

    name: ClassVar[str] = "kl_divergence"
    targets: ClassVar[str] = "distributions"
    fused: ClassVar[str] = "softmax"
    refused: ClassVar[tuple[str, ...]] = ("sigmoid",)


@specification
class Hinge(Loss):
    """The loss of support vector machines: lossᵢ = (1/k) Σⱼ max(0, 1 - yᵢⱼ·zᵢⱼ) for targets -1 and 1.

    Its derivative in zᵢⱼ for the batch is -wᵢ·yᵢⱼ / (n·k) where yᵢⱼ·zᵢⱼ < 1, else 0.

    Shapes: output (n, k) of any sign, whose sign is the answer; target (n, k) of -1 and 1, or of 0 and 1, where 0
    counts as -1; (n,) where k = 1. As Keras's ``Hinge`` and scikit-learn's ``hinge_loss`` of two classes.
    Source: Cortes & Vapnik, "Support-vector networks", Machine Learning 1995.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.loss([[0.5], [0.5]], [[1.0], [-1.0]], bp.Hinge()).losses.tolist()
        [0.5, 1.5]
    """

    name: ClassVar[str] = "hinge"
    targets: ClassVar[str] = "signs"
    refused: ClassVar[tuple[str, ...]] = ("sigmoid", "softmax", "log_softmax")


@specification
class SquaredHinge(Loss):
    """The square of `Hinge`, which is smooth: lossᵢ = (1/k) Σⱼ max(0, 1 - yᵢⱼ·zᵢⱼ)² for targets -1 and 1.

    Its derivative in zᵢⱼ for the batch is -2·wᵢ·yᵢⱼ·max(0, 1 - yᵢⱼ·zᵢⱼ) / (n·k).

    Shapes: as of `Hinge`. As Keras's ``SquaredHinge``.
    Source: Lee & Mangasarian, "SSVM: a smooth support vector machine", Computational Optimization and Applications
    2001.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.loss([[0.5], [0.5]], [[1.0], [-1.0]], bp.SquaredHinge()).losses.tolist()
        [0.25, 2.25]
    """

    name: ClassVar[str] = "squared_hinge"
    targets: ClassVar[str] = "signs"
    refused: ClassVar[tuple[str, ...]] = ("sigmoid", "softmax", "log_softmax")
