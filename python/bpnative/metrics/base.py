"""What all metrics share: the three moments of a pass, sums whose bits don't depend on blocks, and plain functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

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

    Example:
        >>> import bpnative as bp
        >>> class Bias(bp.metrics.Metric):
        ...     name = "bias"
        ...     def reset(self):
        ...         self.total = self.count = 0
        ...     def update(self, output, target, weight):
        ...         self.total, self.count = self.total + (output - target).sum(), self.count + output.size
        ...     def result(self):
        ...         return float(self.total / self.count)
        >>> net = bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1)
        >>> bp.Trainer(net, loss="mse", metrics=[Bias()]).evaluate([[1.0], [2.0]], [2.0, 6.0])
        {'loss': 2.0, 'bias': -1.0}
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


def added(total: Array, terms: Array) -> Array:
    """The total with the terms of a block added one by one, so that its bits don't depend on where blocks end.

    Example:
        >>> added(np.array([1.0]), np.array([2.0, 3.0]))
        array([6.])
    """
    return np.add.accumulate(np.concatenate([total, terms], dtype=np.float64), axis=0)[-1:]


def row_means(values: Array) -> Array:
    """The mean of each row, by columns where there are few: NumPy reduces short rows at 50 ns a row.

    Example:
        >>> row_means(np.array([[1.0, 3.0], [5.0, 5.0]]))
        array([2., 5.])
    """
    columns = values.shape[1]
    if columns > 16:
        return np.asarray(values.mean(axis=1))
    total = values[:, 0].astype(np.float64)
    for column in range(1, columns):
        total += values[:, column]
    return total / columns if columns > 1 else total


class Mean(Metric):
    """A weighted mean over samples of `score`: Σ wᵢ scoreᵢ / Σ wᵢ, NaN where there is no weight."""

    def reset(self) -> None:
        """Forget what was seen."""
        self._total: Array = np.zeros(1)
        self._weight: Array = np.zeros(1)

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Take in a block."""
        scores = self.score(output, target).astype(np.float64)
        if weight is None:
            self._weight = self._weight + len(scores)
        else:
            scores = scores * weight
            self._weight = added(self._weight, weight)
        self._total = added(self._total, scores)

    def result(self) -> float:
        """The mean of everything seen."""
        return float(self._total[0] / self._weight[0]) if self._weight[0] else float("nan")

    def score(self, output: Array, target: Array) -> Array:
        """One number a sample, shape (n,)."""
        raise NotImplementedError(f"{type(self).__name__} must define score(output, target)")


class FunctionMetric(Metric):
    """A metric from a ``function(output, target) -> float``, such as one of scikit-learn's with its arguments swapped.

    The function is called once, with all outputs and targets of the pass, so that any metric comes out right, also one
    that is no mean over samples; they are held until then. A function with a parameter named ``sample_weight`` is given
    the weights as well (None where there are none); any other does not see them.

    Args:
        function: Takes output (n, k) and target (n,) or (n, k); returns a number.
        name: Its column in the history; the function's own name by default.
        greater_is_better: What EarlyStopping goes by.

    Raises:
        TypeError: It is not callable.

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
        self._weights: list[Array] = []

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Keep a copy of a block."""
        self._outputs.append(output.copy())  # the block is overwritten by the next one
        self._targets.append(target.copy())
        if weight is not None:
            self._weights.append(weight.copy())

    def result(self) -> float:
        """Call the function."""
        arguments: dict[str, Any] = {}
        if takes(self.function, "sample_weight"):
            arguments["sample_weight"] = np.concatenate(self._weights) if self._weights else None
        return float(self.function(np.concatenate(self._outputs), np.concatenate(self._targets), **arguments))

    def __repr__(self) -> str:
        return f"FunctionMetric({self.function!r}, name={self.name!r}, greater_is_better={self.greater_is_better})"


def takes(function: Callable[..., Any], parameter: str) -> bool:
    """Whether a callable has a parameter of this name; one that can't be looked into has not.

    Example:
        >>> takes(lambda output, target: 0.0, "sample_weight")
        False
    """
    try:
        return parameter in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
