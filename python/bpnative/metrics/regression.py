"""Metrics of numbers: MSE, RMSE, MAE and R², each over samples and outputs."""

from __future__ import annotations

import numpy as np

from .base import Array, Mean, Metric, added, row_means


def check_same_shape(name: str, target: Array, n_outputs: int) -> None:
    """Reject class labels.

    Raises:
        ValueError: The targets are class labels.

    Example:
        >>> check_same_shape("mse", np.zeros((3, 1)), 1)
    """
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


class MeanSquaredError(Mean):
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
        check_same_shape(self.name, target, n_outputs)

    def score(self, output: Array, target: Array) -> Array:
        """Mean square over outputs."""
        return row_means(np.square(output - target.astype(np.float64)))


class RootMeanSquaredError(Metric):
    """Root of the mean over samples of (p - y)², averaged over outputs, as in scikit-learn.

    With one output it is the root of ``"mse"``; with several, each output's root is taken before the mean over them.

    Example:
        >>> metric = RootMeanSquaredError()
        >>> metric.reset()
        >>> metric.update(np.array([[1.0], [7.0]]), np.array([[0.0], [0.0]]), None)
        >>> metric.result()
        5.0
    """

    name = "rmse"
    greater_is_better = False

    def check(self, target: Array, n_outputs: int) -> None:
        """Reject class labels."""
        check_same_shape(self.name, target, n_outputs)

    def reset(self) -> None:
        """Forget what was seen."""
        self._total: Array = np.zeros(1)
        self._weight: Array = np.zeros(1)

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Take in a block."""
        squares = np.square(output - target.astype(np.float64))
        if self._total.ndim == 1:
            self._total = np.zeros((1, squares.shape[1]))
        if weight is None:
            self._weight = self._weight + len(squares)
        else:
            squares *= weight[:, None]
            self._weight = added(self._weight, weight)
        self._total = added(self._total, squares)

    def result(self) -> float:
        """Mean over outputs of the root."""
        return float(np.sqrt(self._total / self._weight[0]).mean()) if self._weight[0] else float("nan")


class MeanAbsoluteError(Mean):
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
        check_same_shape(self.name, target, n_outputs)

    def score(self, output: Array, target: Array) -> Array:
        """Mean difference over outputs."""
        return row_means(np.abs(output - target.astype(np.float64)))


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
        check_same_shape(self.name, target, n_outputs)

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
            totals, terms = added(self._sums[0], w), [w * shifted, w * shifted**2, w * error**2]
        self._sums = [totals, *map(added, self._sums[1:], terms)]

    def result(self) -> float:
        """R² of everything seen."""
        weight, first, second, residual = (total[0] for total in self._sums)
        if self._count < 2 or weight[0] == 0.0:
            return float("nan")
        spread = np.maximum(second - first**2 / weight, 0.0)
        constant = spread == 0.0
        ratio = residual / np.where(constant, 1.0, spread)
        return float(np.where(constant, np.where(residual == 0.0, 1.0, 0.0), 1.0 - ratio).mean())
