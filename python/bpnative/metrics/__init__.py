"""Metrics: what to report beside the loss. Each is streamed over blocks, in float64, and never alters training.

A metric is a name (``"accuracy"``), an object of this module, or a ``callable(output, target) -> float``. Outputs are
the network's, after the last activation, shape (n, k); targets are class labels (n,), or numbers (n, k). All take
sample weights. Values are those of scikit-learn's metrics of the same names.

By name: ``accuracy``, ``top_5_accuracy`` (any number), ``balanced_accuracy``, ``precision``, ``recall`` and ``f1`` (of
class 1; ``f1_macro``, ``f1_micro`` and ``f1_weighted`` for more classes), ``roc_auc``, ``log_loss``, ``mse``, ``rmse``,
``mae``, ``r2``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from ..names import lookup
from .accuracy import Accuracy, TopKAccuracy
from .answers import ClassMetric
from .base import Array, FunctionMetric, Metric, MetricFunction, MetricLike
from .confusion import AVERAGES, F1, BalancedAccuracy, Precision, Recall
from .probability import ROCAUC, LogLoss
from .regression import R2, MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError

__all__ = [
    "F1",
    "METRICS",
    "R2",
    "ROCAUC",
    "Accuracy",
    "Array",
    "BalancedAccuracy",
    "ClassMetric",
    "FunctionMetric",
    "LogLoss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "MetricFunction",
    "MetricLike",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "get",
]

_PLAIN: tuple[Callable[[], Metric], ...] = (
    Accuracy,
    TopKAccuracy,
    BalancedAccuracy,
    *(partial(kind, average) for kind in (Precision, Recall, F1) for average in AVERAGES),
    ROCAUC,
    LogLoss,
    MeanSquaredError,
    RootMeanSquaredError,
    MeanAbsoluteError,
    R2,
)
METRICS: dict[str, Callable[[], Metric]] = {make().name: make for make in _PLAIN}


def get(metric: MetricLike) -> Metric:
    """The metric for a name, an object or a callable.

    Raises:
        ValueError: No metric has this name; the nearest one is suggested.
        TypeError: It is none of them.

    Example:
        >>> get("accuracy"), get("f1_macro"), get("top_3_accuracy")
        (Accuracy(), F1(average='macro'), TopKAccuracy(3))
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        guesses = re.fullmatch(r"top_([1-9]\d*)_accuracy", metric)
        return TopKAccuracy(int(guesses[1])) if guesses else lookup("metric", metric, METRICS)()
    if isinstance(metric, type) or not callable(metric):
        raise TypeError(
            f"expected a metric as a name, an object of bpnative.metrics or a callable(output, target), got "
            f"{metric!r}; known names: {', '.join(map(repr, METRICS))}"
        )
    return FunctionMetric(metric)
