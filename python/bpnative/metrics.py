"""Metrics: what to report beside the loss. Each is streamed over blocks, in float64, and never alters training.

A metric is a name (``"accuracy"``), an object of this module, or a ``callable(output, target) -> float``. Outputs are
the network's, after the last activation, shape (n, k); targets are class labels (n,), or numbers (n, k).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .names import lookup

Array: TypeAlias = npt.NDArray[Any]
MetricFunction: TypeAlias = Callable[[Array, Array], float]
MetricLike: TypeAlias = "str | Metric | MetricFunction"


class Metric:
    """Base of the metrics. One of your own defines `reset`, `update` and `result`.

    Attributes:
        name: Its column in the history.
        greater_is_better: What EarlyStopping goes by; None says that the metric doesn't know.
        compares: Outputs are compared with targets column by column, so of a loss with several outputs for one target
            (gaussian_nll, quantile) only the mean or the median is wanted; False: all outputs.
    """

    name: str = ""
    greater_is_better: bool | None = None
    compares: bool = True

    def bind(self, loss: str, last_activation: str) -> Metric:
        """The metric for a network that ends in this activation and is trained with this loss; may be itself."""
        return self

    def check(self, target: Array, n_outputs: int) -> None:
        """Reject targets that the metric makes no sense of, before a pass begins."""

    def reset(self) -> None:
        """Forget what was seen."""
        raise NotImplementedError(f"{type(self).__name__} must define reset()")

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Take in a block: output (n, k), target (n,) or (n, k), weight (n,) or None."""
        raise NotImplementedError(f"{type(self).__name__} must define update(output, target, weight)")

    def result(self) -> float:
        """The metric of everything seen since `reset`."""
        raise NotImplementedError(f"{type(self).__name__} must define result()")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _added(total: Array, terms: Array) -> Array:
    """The total with the terms of a block added one by one, so that its bits don't depend on where blocks end."""
    return np.add.accumulate(np.concatenate([total, terms], dtype=np.float64), axis=0)[-1:]


def _row_means(values: Array) -> Array:
    """The mean of each row, by columns where there are few: NumPy reduces short rows at 50 ns a row."""
    columns = values.shape[1]
    if columns > 16:
        return np.asarray(values.mean(axis=1))
    total = values[:, 0].astype(np.float64)
    for column in range(1, columns):
        total += values[:, column]
    return total / columns if columns > 1 else total


class _Mean(Metric):
    """A weighted mean over samples of `score`."""

    def reset(self) -> None:
        self._total: Array = np.zeros(1)
        self._weight: Array = np.zeros(1)

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        scores = self.score(output, target).astype(np.float64)
        if weight is None:
            self._weight = self._weight + len(scores)
        else:
            scores = scores * weight
            self._weight = _added(self._weight, weight)
        self._total = _added(self._total, scores)

    def result(self) -> float:
        return float(self._total[0] / self._weight[0]) if self._weight[0] else float("nan")

    def score(self, output: Array, target: Array) -> Array:
        """One number a sample, shape (n,)."""
        raise NotImplementedError


def _check_same_shape(name: str, target: Array, n_outputs: int) -> None:
    if target.ndim != 2:
        raise ValueError(
            f"metric {name!r} compares each output with a number and got class labels: use 'accuracy', "
            f"or one-hot targets of shape (n, {n_outputs})"
        )
    if target.shape[1] != n_outputs:
        raise ValueError(
            f"metric {name!r} compares each output with a number: expected targets with {n_outputs} columns, got "
            f"{target.shape[1]}; use a metric of your own, callable(output, target)"
        )


# Losses whose outputs are answers one by one, and together.
BY_OUTPUT = ("binary_cross_entropy", "focal", "hinge", "squared_hinge")
BY_CLASS = ("cross_entropy", "categorical_focal", "kl_divergence")


class Accuracy(_Mean):
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
        self._by_output = False
        self._loss = ""

    def bind(self, loss: str, last_activation: str) -> Metric:
        """Choose how outputs become answers."""
        bound = Accuracy(self.threshold)
        bound._loss, bound._by_output = loss, loss in BY_OUTPUT
        if bound.threshold is None and bound._by_output and last_activation != "sigmoid":
            bound.threshold = 0.0
        return bound

    def check(self, target: Array, n_outputs: int) -> None:
        """Reject numbers that are no classes."""
        if self._loss in (*BY_CLASS, *BY_OUTPUT) or target.ndim == 1:
            return
        if not ((target == 0) | (target == 1)).all():
            raise ValueError(
                f"metric 'accuracy' needs classes, 0 or 1 in each column, and loss {self._loss!r} was given other "
                f"targets: for numbers use 'mae', 'mse' or 'r2'"
            )

    def score(self, output: Array, target: Array) -> Array:
        """Right or wrong, or the share of right outputs."""
        right: Array
        if target.ndim == 1:
            right = output.argmax(axis=1) == target
        elif output.shape[1] > 1 and not self._by_output:
            right = output.argmax(axis=1) == target.argmax(axis=1)
        else:
            threshold = 0.5 if self.threshold is None else self.threshold
            right = _row_means((output > threshold) == (target > 0.5))
        return right

    def __repr__(self) -> str:
        return f"Accuracy({'' if self.threshold is None else f'threshold={self.threshold!r}'})"


class MeanSquaredError(_Mean):
    """Mean of (p - y)² over samples and outputs.

    Example:
        >>> metric = MeanSquaredError()
        >>> metric.reset()
        >>> metric.update(np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]]), None)
        >>> metric.result()
        5.0
    """

    name = "mse"
    greater_is_better = False

    def check(self, target: Array, n_outputs: int) -> None:
        """Reject class labels."""
        _check_same_shape(self.name, target, n_outputs)

    def score(self, output: Array, target: Array) -> Array:
        """Mean square over outputs."""
        return _row_means(np.square(output - target.astype(np.float64)))


class MeanAbsoluteError(_Mean):
    """Mean of |p - y| over samples and outputs.

    Example:
        >>> metric = MeanAbsoluteError()
        >>> metric.reset()
        >>> metric.update(np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]]), None)
        >>> metric.result()
        2.0
    """

    name = "mae"
    greater_is_better = False

    def check(self, target: Array, n_outputs: int) -> None:
        """Reject class labels."""
        _check_same_shape(self.name, target, n_outputs)

    def score(self, output: Array, target: Array) -> Array:
        """Mean difference over outputs."""
        return _row_means(np.abs(output - target.astype(np.float64)))


class R2(Metric):
    """Coefficient of determination, 1 - Σ(y - p)² / Σ(y - ȳ)², averaged over outputs, as in scikit-learn.

    A constant target gives 1 where it is met exactly, else 0; fewer than two samples give NaN.

    Example:
        >>> metric = R2()
        >>> metric.reset()
        >>> metric.update(np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]), None)
        >>> metric.result()
        0.5
    """

    name = "r2"
    greater_is_better = True

    def check(self, target: Array, n_outputs: int) -> None:
        """Reject class labels."""
        _check_same_shape(self.name, target, n_outputs)

    def reset(self) -> None:
        """Forget what was seen."""
        self._count = 0
        self._origin: Array = np.zeros(1)  # sums are taken about the first target, so that large means cost no digits
        # By output: Σ w, Σ w (y - origin), Σ w (y - origin)², Σ w (y - p)².
        self._sums: list[Array] = [np.zeros(1)] * 4

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Take in a block."""
        if len(target) == 0:
            return
        y = target.astype(np.float64)
        if self._count == 0:
            self._origin, self._sums = y[0].copy(), [np.zeros((1, y.shape[1]))] * 4
        self._count += len(y)
        shifted, error = y - self._origin, y - output
        if weight is None:
            totals, terms = self._sums[0] + len(y), [shifted, shifted**2, error**2]
        else:
            w = np.repeat(weight.astype(np.float64)[:, None], y.shape[1], axis=1)
            totals, terms = _added(self._sums[0], w), [w * shifted, w * shifted**2, w * error**2]
        self._sums = [totals, *map(_added, self._sums[1:], terms)]

    def result(self) -> float:
        """R² of everything seen."""
        weight, first, second, residual = (total[0] for total in self._sums)
        if self._count < 2 or weight[0] == 0.0:
            return float("nan")
        spread = np.maximum(second - first**2 / weight, 0.0)
        constant = spread == 0.0
        ratio = residual / np.where(constant, 1.0, spread)
        return float(np.where(constant, np.where(residual == 0.0, 1.0, 0.0), 1.0 - ratio).mean())


class FunctionMetric(Metric):
    """A metric from a ``function(output, target) -> float``, such as one of scikit-learn's with its arguments swapped.

    The function is called once, with all outputs and targets of the pass, so that any metric comes out right, also one
    that is no mean over samples; they are held until then. It does not see sample weights.

    Args:
        function: Takes output (n, k) and target (n,) or (n, k); returns a number.
        name: Its column in the history; the function's own name by default.
        greater_is_better: What EarlyStopping goes by.

    Example:
        >>> metric = FunctionMetric(lambda output, target: abs(output - target).max(), name="worst")
        >>> metric.reset()
        >>> metric.update(np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]]), None)
        >>> metric.result()
        3.0
    """

    compares = False

    def __init__(self, function: MetricFunction, name: str = "", greater_is_better: bool | None = None) -> None:
        if not callable(function):
            raise TypeError(f"expected a callable(output, target), got {function!r}")
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.greater_is_better = greater_is_better

    def reset(self) -> None:
        """Forget what was seen."""
        self._outputs: list[Array] = []
        self._targets: list[Array] = []

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Keep a copy of a block."""
        self._outputs.append(output.copy())  # the block is overwritten by the next one
        self._targets.append(target.copy())

    def result(self) -> float:
        """Call the function."""
        return float(self.function(np.concatenate(self._outputs), np.concatenate(self._targets)))

    def __repr__(self) -> str:
        return f"FunctionMetric({self.function!r}, name={self.name!r}, greater_is_better={self.greater_is_better})"


METRICS: dict[str, type[Metric]] = {kind.name: kind for kind in (Accuracy, MeanSquaredError, MeanAbsoluteError, R2)}


def get(metric: MetricLike) -> Metric:
    """The metric for a name, an object or a callable.

    Raises:
        ValueError: No metric has this name; the nearest one is suggested.
        TypeError: It is none of them.

    Example:
        >>> get("accuracy")
        Accuracy()
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        return lookup("metric", metric, METRICS)()
    if isinstance(metric, type) or not callable(metric):
        raise TypeError(
            f"expected a metric as a name, an object of bpnative.metrics or a callable(output, target), got "
            f"{metric!r}; known names: {', '.join(map(repr, METRICS))}"
        )
    return FunctionMetric(metric)
