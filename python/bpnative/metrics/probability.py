"""Metrics of probabilities and scores: log loss, and the area under the ROC curve."""

from __future__ import annotations

import numpy as np

from .answers import BY_CLASS, ClassMetric, log_softmax, true_classes
from .base import Array, Mean, row_means


class LogLoss(ClassMetric, Mean):
    """Mean negative logarithm of the probability that the network gave to the truth: -Σⱼ yⱼ log pⱼ.

    For one output, and for each of several labels a sample: -y log p - (1 - y) log(1 - p), the mean over labels.
    Logits become probabilities first, exactly; probabilities themselves are kept from 0 and 1 by the epsilon of their
    type, as in scikit-learn's ``log_loss``. Unlike ``"loss"``, it is divided by the sum of the sample weights.

    Example:
        >>> metric = LogLoss()
        >>> metric.reset()
        >>> metric.update(np.array([[0.5, 0.5]]), np.array([1]), None)
        >>> round(metric.result(), 4)
        0.6931
    """

    name = "log_loss"
    greater_is_better = False

    def score(self, output: Array, target: Array) -> Array:
        """Negative logarithm, by sample."""
        if self.by_output(output):
            yes, no = self._log_odds(output)
            y = target.reshape(output.shape).astype(np.float64)
            return -row_means(y * yes + (1.0 - y) * no)
        if self._loss in BY_CLASS and self._last_activation != "softmax":
            log = log_softmax(output)
        else:
            epsilon = np.finfo(output.dtype).eps
            log = np.log(output.astype(np.float64).clip(epsilon, 1.0 - epsilon))
        if target.ndim == 1:
            return np.asarray(-np.take_along_axis(log, target[:, None], axis=1)[:, 0])
        return np.asarray(-(target * log).sum(axis=1))

    def _log_odds(self, output: Array) -> tuple[Array, Array]:
        z = output.astype(np.float64)
        if self._loss in ("binary_cross_entropy", "focal") and self._last_activation != "sigmoid":
            return -np.logaddexp(0.0, -z), -np.logaddexp(0.0, z)
        epsilon = np.finfo(output.dtype).eps
        p = z.clip(epsilon, 1.0 - epsilon)
        return np.log(p), np.log1p(-p)


class ROCAUC(ClassMetric):
    """Area under the ROC curve: the chance that a sample of the class is scored above one that is not of it.

    Equal scores count half. Two classes: of class 1. More classes: each against the rest, the mean over classes ("ovr",
    "macro" in scikit-learn), by the probabilities of the network; several labels a sample: the mean over labels. A
    class without a sample, or without one that is not of it, has no curve and is left out; NaN where none has.

    The scores of the whole pass are held until its end (n·k numbers of the network's type), for it is a matter of their
    order; other metrics hold a few numbers only.

    Source: Hanley & McNeil, "The meaning and use of the area under a receiver operating characteristic curve", 1982.

    Example:
        >>> metric = ROCAUC()
        >>> metric.reset()
        >>> metric.update(np.array([[0.1], [0.4], [0.35], [0.8]]), np.array([[0.0], [0.0], [1.0], [1.0]]), None)
        >>> metric.result()
        0.75
    """

    name = "roc_auc"
    greater_is_better = True

    def reset(self) -> None:
        """Forget what was seen."""
        self._outputs: list[Array] = []
        self._targets: list[Array] = []
        self._weights: list[Array] = []

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Keep the scores of a block."""
        self._outputs.append(output.copy())
        self._targets.append(target.copy() if self.by_output(output) else true_classes(target).astype(np.int32))
        if weight is not None:
            self._weights.append(weight.copy())

    def result(self) -> float:
        """The area, the mean over classes where there are more than two."""
        if not self._outputs:
            return float("nan")
        output, target = np.concatenate(self._outputs), np.concatenate(self._targets)
        weight = np.concatenate(self._weights).astype(np.float64) if self._weights else np.ones(len(output))
        k = output.shape[1]
        if self.by_output(output):
            areas = [area(output[:, j], target.reshape(output.shape)[:, j] > 0.5, weight) for j in range(k)]
        else:
            if self._loss in BY_CLASS and self._last_activation != "softmax":
                output = log_softmax(output)  # in the order of the probabilities, without their ties near 1
            if k == 2:
                areas = [area(output[:, 1], target == 1, weight)]
            else:
                areas = [area(output[:, c], target == c, weight) for c in range(k)]
        known = [value for value in areas if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")


def area(score: Array, positive: Array, weight: Array) -> float:
    """Area under the ROC curve of scores (n,), by trapezoids between distinct scores; NaN where a side is empty.

    Example:
        >>> area(np.array([1.0, 2.0, 2.0]), np.array([False, True, False]), np.ones(3))
        0.75
    """
    if np.isnan(score).any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    score, positive, weight = score[order], positive[order], weight[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    hits = np.append(0.0, np.cumsum(weight * positive)[ends])
    misses = np.append(0.0, np.cumsum(weight * ~positive)[ends])
    if hits[-1] <= 0 or misses[-1] <= 0:
        return float("nan")
    hits, misses = hits / hits[-1], misses / misses[-1]
    return float((np.diff(misses) * (hits[1:] + hits[:-1]) / 2).sum())
