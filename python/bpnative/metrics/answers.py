"""How outputs of a network become answers and probabilities: what all metrics of classes ask first.

Three kinds of task, told apart by the loss and the shape of the targets: *classes* (k outputs, the largest is the
answer), *binary* (one output, yes above a threshold) and *labels* (k outputs, each a yes or no by itself).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .base import Array, Metric

# Losses whose outputs are answers one by one, and together.
BY_OUTPUT = ("binary_cross_entropy", "focal", "hinge", "squared_hinge")
BY_CLASS = ("cross_entropy", "categorical_focal", "kl_divergence")


class ClassMetric(Metric):
    """Base of the metrics of classes: knows from `bind` what the outputs mean.

    Args:
        threshold: Above which an output by itself says yes; None chooses: 0 for outputs that are logits (binary
            cross-entropy without a sigmoid layer), else 0.5.
    """

    threshold: float | None = None
    _loss = ""
    _last_activation = ""

    def bind(self, loss: str, last_activation: str) -> Metric:
        """A copy that knows its loss and the last activation."""
        bound = copy.copy(self)
        bound._loss, bound._last_activation = loss, last_activation
        return bound

    def check(self, target: Array, n_outputs: int) -> None:
        """Reject numbers that are no classes."""
        if self._loss in (*BY_CLASS, *BY_OUTPUT) or target.ndim == 1:
            return
        if not ((target == 0) | (target == 1)).all():
            raise ValueError(
                f"metric {self.name!r} needs classes, 0 or 1 in each column, and loss {self._loss!r} was given other "
                f"targets: for numbers use 'mae', 'mse' or 'r2'"
            )

    def by_output(self, output: Array) -> bool:
        """Whether each output is an answer by itself."""
        return output.shape[1] == 1 or self._loss in BY_OUTPUT

    def yes(self, output: Array) -> Array:
        """The answers of outputs that are answers by themselves, bools (n, k)."""
        threshold = self.threshold
        if threshold is None:
            threshold = 0.0 if self._loss in BY_OUTPUT and self._last_activation != "sigmoid" else 0.5
        return output > threshold

    def classes(self, output: Array, target: Array) -> tuple[Array, Array, int]:
        """Answers and truth as class numbers (n,), and how many classes there are: k outputs, or 2 of one output."""
        if self.by_output(output):
            return self.yes(output)[:, 0].astype(np.intp), true_classes(target), 2
        return output.argmax(axis=1), true_classes(target), output.shape[1]

    def settings(self) -> dict[str, tuple[Any, Any]]:
        """Value and default of each setting, for `repr`."""
        return {"threshold": (self.threshold, None)}

    def __repr__(self) -> str:
        changed = [f"{name}={value!r}" for name, (value, default) in self.settings().items() if value != default]
        return f"{type(self).__name__}({', '.join(changed)})"


def true_classes(target: Array) -> Array:
    """Class numbers (n,) of labels, of one-hot rows or probabilities, or of one column of yes and no.

    Example:
        >>> true_classes(np.array([[0.0, 1.0], [1.0, 0.0]]))
        array([1, 0])
    """
    if target.ndim == 1:
        return target
    return target.argmax(axis=1) if target.shape[1] > 1 else (target[:, 0] > 0.5).astype(np.intp)


def log_softmax(output: Array) -> Array:
    """Logarithm of the softmax of each row, in float64.

    Example:
        >>> log_softmax(np.array([[0.0, 0.0]])).round(4)
        array([[-0.6931, -0.6931]])
    """
    shifted = output.astype(np.float64)
    with np.errstate(invalid="ignore"):
        shifted -= shifted.max(axis=1, keepdims=True)
        shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted
