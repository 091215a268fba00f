"""Shares of right answers: accuracy and top-k accuracy."""

from __future__ import annotations

import numpy as np

from ..specification import check_count
from .answers import BY_OUTPUT, ClassMetric, true_classes
from .base import Array, Mean, row_means


class Accuracy(ClassMetric, Mean):
    """Share of right answers.

    With several outputs and classes, or one-hot rows, the largest output is the answer. With binary cross-entropy, or
    one output, each output is an answer by itself: yes where it is above the threshold, and targets above 0.5 are yes.

    Args:
        threshold: None chooses: 0 for outputs that are logits (binary cross-entropy without a sigmoid layer), else 0.5.

    Example:
        >>> metric = Accuracy()
        >>> metric.reset()
        >>> metric.update(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]), None)
        >>> metric.result()
        0.5
    """

    name = "accuracy"
    greater_is_better = True

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = threshold

    def score(self, output: Array, target: Array) -> Array:
        """Right or wrong, or the share of right outputs."""
        right: Array
        if target.ndim == 1 or not self.by_output(output):
            right = output.argmax(axis=1) == true_classes(target)
        else:
            right = row_means(self.yes(output) == (target > 0.5))
        return right


class TopKAccuracy(ClassMetric, Mean):
    """Share of samples whose class is among the k largest outputs: ``"top_5_accuracy"`` for k = 5, any k goes.

    Of equal outputs the later class counts as larger, as in scikit-learn's ``top_k_accuracy_score``; a row with NaN at
    its class is wrong. Targets are labels, one-hot rows or probabilities; the network has at least two outputs.

    Args:
        k: How many guesses a sample has, at least 1.

    Raises:
        TypeError: k is not a whole number.
        ValueError: k is below 1.

    Example:
        >>> metric = TopKAccuracy(2)
        >>> metric.reset()
        >>> metric.update(np.array([[0.1, 0.6, 0.3], [0.1, 0.6, 0.3]]), np.array([2, 0]), None)
        >>> metric.name, metric.result()
        ('top_2_accuracy', 0.5)
    """

    greater_is_better = True

    def __init__(self, k: int = 5) -> None:
        self.k = check_count(k, "k of TopKAccuracy")
        self.name = f"top_{self.k}_accuracy"

    def check(self, target: Array, n_outputs: int) -> None:
        """Reject targets that are no single class of several."""
        if n_outputs < 2 or self._loss in BY_OUTPUT:
            raise ValueError(
                f"metric {self.name!r} needs one class of several a sample, and the network has {n_outputs} "
                f"output{'s' if n_outputs > 1 else ''} with loss {self._loss!r}: use 'accuracy'"
            )
        super().check(target, n_outputs)

    def score(self, output: Array, target: Array) -> Array:
        """Whether fewer than k outputs beat that of the class."""
        own = true_classes(target)[:, None]
        value = np.take_along_axis(output, own, axis=1)
        column = np.arange(output.shape[1])
        # Negated comparisons, so that NaN is never better than anything.
        beaten_by = np.where(column > own, ~(output < value), ~(output <= value) & (column != own))
        return np.asarray(beaten_by.sum(axis=1) < self.k)

    def __repr__(self) -> str:
        return f"TopKAccuracy({self.k})"
