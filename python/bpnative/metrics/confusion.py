"""Metrics of counts by class: balanced accuracy, precision, recall, F1. Three sums a class are all that is held.

For class c: true positives TP (it is c and the answer is c), answers A (the answer is c), actual A' (it is c), each a
sum of sample weights. Then precision = TP / A and recall = TP / A', and a quotient of 0 by 0 counts as 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..names import lookup
from .answers import BY_OUTPUT, ClassMetric
from .base import Array, added

AVERAGES = ("binary", "macro", "micro", "weighted")


class ConfusionMetric(ClassMetric):
    """Base of the metrics that need counts by class only: sums of TP, answers and actual, shape (classes,) each."""

    def reset(self) -> None:
        """Forget what was seen."""
        self._sums: Array = np.zeros((3, 0))
        self._seen: Array = np.zeros(0, bool)  # classes that occurred, weights aside
        self._labels = False

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Take in a block."""
        self._labels = self.by_output(output) and output.shape[1] > 1
        if self._labels:
            self._update_labels(self.yes(output), target > 0.5, weight)
            return
        answer, actual, k = self.classes(output, target)
        if not self._sums.size:
            self._sums, self._seen = np.zeros((3, k)), np.zeros(k, bool)
        self._seen[answer] = self._seen[actual] = True
        # One count over 3 k places, those of the sums so far first: each place is added up in the order of samples.
        right = np.where(answer == actual, actual, 3 * k)
        places = np.concatenate([np.arange(3 * k), np.stack([right, answer + k, actual + 2 * k], axis=1).ravel()])
        terms = np.ones(3 * len(actual)) if weight is None else np.repeat(weight.astype(np.float64), 3)
        counts = np.bincount(places, np.concatenate([self._sums.ravel(), terms]), 3 * k + 1)
        self._sums = counts[: 3 * k].reshape(3, k)

    def _update_labels(self, answer: Array, actual: Array, weight: Array | None) -> None:
        k = answer.shape[1]
        if not self._sums.size:
            self._sums, self._seen = np.zeros((3, k)), np.ones(k, bool)
        terms = np.concatenate([answer & actual, answer, actual], axis=1).astype(np.float64)
        if weight is not None:
            terms *= weight[:, None]
        self._sums = added(self._sums.reshape(1, 3 * k), terms).reshape(3, k)


class BalancedAccuracy(ConfusionMetric):
    """Mean over classes of the share of right answers, so that a rare class counts as much as a common one.

    Classes without a sample (or without weight) are left out, as in scikit-learn's ``balanced_accuracy_score``. For
    several labels a sample (binary cross-entropy, k outputs) this is the mean of the recalls of the labels.

    Args:
        threshold: As of `Accuracy`.

    Source: Brodersen et al., "The balanced accuracy and its posterior distribution", 2010.

    Example:
        >>> metric = BalancedAccuracy()
        >>> metric.reset()
        >>> metric.update(np.array([[0.9, 0.1]] * 4), np.array([0, 0, 0, 1]), None)
        >>> metric.result()
        0.5
    """

    name = "balanced_accuracy"
    greater_is_better = True

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = threshold

    def result(self) -> float:
        """Mean recall over classes that occur."""
        right, _, actual = self._sums
        occurs = actual > 0
        return float((right[occurs] / actual[occurs]).mean()) if occurs.any() else float("nan")


class _ByClass(ConfusionMetric):
    greater_is_better = True
    _plain: str

    def __init__(self, average: str = "binary", threshold: float | None = None) -> None:
        self.average = lookup(f"average of {type(self).__name__}", average, dict(zip(AVERAGES, AVERAGES, strict=True)))
        self.threshold = threshold
        self.name = self._plain if average == "binary" else f"{self._plain}_{average}"

    def settings(self) -> dict[str, tuple[Any, Any]]:
        return {"average": (self.average, "binary"), **super().settings()}

    def check(self, target: Array, n_outputs: int) -> None:
        """Reject numbers, and an average that does not go with the number of classes."""
        super().check(target, n_outputs)
        several = n_outputs > 2 or (n_outputs == 2 and self._loss in BY_OUTPUT)
        if self.average == "binary" and several:
            names = ", ".join(f"'{self._plain}_{average}'" for average in AVERAGES[1:])
            raise ValueError(
                f"metric {self.name!r} is of two classes, and the network has {n_outputs} outputs: choose how classes "
                f"are averaged, {names}"
            )

    def result(self) -> float:
        """The quotient, averaged over classes as asked."""
        sums = self._sums[:, self._seen]
        if not sums.size:
            return float("nan")
        if self.average == "binary":
            return float(self.quotient(*self._sums[:, -1:])[0])
        if self.average == "micro":
            return float(self.quotient(*sums.sum(axis=1, keepdims=True))[0])
        by_class, actual = self.quotient(*sums), sums[2]
        if self.average == "macro":
            return float(by_class.mean())
        return float((by_class * actual).sum() / actual.sum()) if actual.sum() else 0.0

    def quotient(self, right: Array, answers: Array, actual: Array) -> Array:
        """The metric of each class."""
        raise NotImplementedError


def _ratio(numerator: Array, denominator: Array) -> Array:
    """The quotient, 0 where there is nothing to divide by."""
    empty = denominator == 0
    return np.asarray(np.where(empty, 0.0, numerator / np.where(empty, 1.0, denominator)))


class Precision(_ByClass):
    """Share of the answers "c" that are right: TP / A. ``"precision"``, ``"precision_macro"``, ``"…_micro"``, ….

    Args:
        average: ``"binary"``: of class 1, with one output or two classes; ``"macro"``: the mean over classes that occur
            in truth or answers; ``"weighted"``: weighted by how often they truly occur; ``"micro"``: of all counts
            together. For several labels a sample, classes are the labels. As in scikit-learn.
        threshold: As of `Accuracy`.

    Raises:
        ValueError: The average is unknown.

    Example:
        >>> metric = Precision("macro")
        >>> metric.reset()
        >>> metric.update(np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]), np.array([0, 0, 1]), None)
        >>> metric.name, metric.result()
        ('precision_macro', 0.75)
    """

    name = _plain = "precision"

    def quotient(self, right: Array, answers: Array, actual: Array) -> Array:
        """TP / A."""
        return _ratio(right, answers)


class Recall(_ByClass):
    """Share of the samples of class c that are found: TP / A'. ``"recall"``, ``"recall_macro"``, ``"recall_micro"``, ….

    Args:
        average: As of `Precision`.
        threshold: As of `Accuracy`.

    Raises:
        ValueError: The average is unknown.

    Example:
        >>> metric = Recall()
        >>> metric.reset()
        >>> metric.update(np.array([[0.9], [0.2], [0.7]]), np.array([[1.0], [1.0], [0.0]]), None)
        >>> metric.result()
        0.5
    """

    name = _plain = "recall"

    def quotient(self, right: Array, answers: Array, actual: Array) -> Array:
        """TP / A'."""
        return _ratio(right, actual)


class F1(_ByClass):
    """Harmonic mean of precision and recall: 2 TP / (A + A'). ``"f1"``, ``"f1_macro"``, ``"f1_micro"``, ….

    Args:
        average: As of `Precision`.
        threshold: As of `Accuracy`.

    Raises:
        ValueError: The average is unknown.

    Source: van Rijsbergen, "Information retrieval", 1979.

    Example:
        >>> metric = F1()
        >>> metric.reset()
        >>> metric.update(np.array([[0.9], [0.2], [0.7]]), np.array([[1.0], [1.0], [0.0]]), None)
        >>> metric.result()
        0.5
    """

    name = _plain = "f1"

    def quotient(self, right: Array, answers: Array, actual: Array) -> Array:
        """2 TP / (A + A')."""
        return _ratio(2 * right, answers + actual)
