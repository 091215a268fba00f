"""The metrics of a trainer, and of one pass over data."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from .metrics import Metric, MetricLike, get

Array = npt.NDArray[Any]


def bind_all(metrics: Iterable[MetricLike], loss: str, last_activation: str) -> tuple[Metric, ...]:
    """The metrics of a trainer, each bound to its loss and network.

    Raises:
        ValueError: A name is unknown, given twice, or that of the loss's own column.
        TypeError: One of them is no metric, or they are no sequence.

    Example:
        >>> bind_all(["accuracy"], "cross_entropy", "linear")
        (Accuracy(),)
    """
    if isinstance(metrics, (str, Metric)) or callable(metrics):
        metrics = [metrics]
    bound = tuple(get(metric).bind(loss, last_activation) for metric in metrics)
    seen = {"loss"}
    for metric in bound:
        if metric.name in seen:
            raise ValueError(
                f"expected metrics with different names, none of them 'loss', got {metric.name!r} twice: give one a "
                f"name, for example bpnative.metrics.FunctionMetric(function, name='mine')"
            )
        seen.add(metric.name)
    return bound


class Meter:
    """The metrics of one pass over data: its own copies, so that training and validation don't mix.

    Args:
        metrics: What is copied.
        compared: The columns of outputs that are compared with those of targets; None: all.

    Example:
        >>> import numpy as np
        >>> meter = Meter(bind_all(["mae"], "mse", "linear"))
        >>> meter.update(np.ones((2, 1)), np.zeros((2, 1)), None)
        >>> meter.results()
        {'mae': 1.0}
    """

    def __init__(self, metrics: Iterable[Metric], compared: list[int] | None = None) -> None:
        self.compared = compared
        self.metrics = [copy.copy(metric) for metric in metrics]
        for metric in self.metrics:
            metric.reset()

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Take in a block."""
        columns = output if self.compared is None else output[:, self.compared]
        for metric in self.metrics:
            metric.update(columns if metric.compares else output, target, weight)

    def results(self) -> dict[str, float]:
        """Each metric by name."""
        return {metric.name: metric.result() for metric in self.metrics}
