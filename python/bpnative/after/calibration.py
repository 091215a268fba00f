"""Calibration: probabilities that mean what they say, by one temperature found on data held out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import as_numbers, check_finite
from ..labels import class_labels
from ..network import Network
from ..specification import check_count
from ..trainer import Trainer
from .task import Array, Task, task_of, to_probabilities

_BLOCK = 2**20  # numbers of float64 work at a time


@dataclasses.dataclass(frozen=True)
class Reliability:
    """How often predictions of each confidence come true, by equally wide bins of confidence; see `reliability`.

    Attributes:
        edges: (bins + 1,), from 0 to 1.
        count: (bins,), predictions in each bin.
        confidence: (bins,), their mean confidence, NaN where there are none.
        accuracy: (bins,), the share of them that is true, NaN where there are none.
        error: The expected calibration error, Σ count/n · |accuracy - confidence|.
    """

    edges: Array
    count: Array
    confidence: Array
    accuracy: Array
    error: float


def reliability(probabilities: npt.ArrayLike, y: npt.ArrayLike, bins: int = 15) -> Reliability:
    """The reliability of probabilities, and their expected calibration error.

    With several columns and class labels or one-hot rows, a prediction is the largest probability of a row, and true
    where that class is the target. With one column, or targets of the same shape whose rows are no distributions, each
    element is a prediction by itself: the probability of yes. A bin holds its upper edge and not its lower one.
    Source: Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017, section 2; the error:
    Naeini, Cooper & Hauskrecht, AAAI 2015.

    Args:
        probabilities: (n, k), or (n,) of yes and no; n at least 1.
        y: Class labels (n,), or numbers from 0 to 1 of the probabilities' shape.
        bins: How many, at least 1.

    Raises:
        TypeError: There are no real numbers.
        ValueError: Shapes do not fit, or values lie outside of 0 to 1.

    Example:
        >>> import bpnative as bp
        >>> table = bp.reliability([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]], [0, 1, 1, 1], bins=10)
        >>> table.count.tolist()
        [0, 0, 0, 0, 0, 0, 0, 1, 3, 0]
        >>> round(table.error, 3)
        0.225
    """
    p = as_numbers(probabilities, "probabilities")
    p = p[:, None] if p.ndim == 1 else p
    if p.ndim != 2 or 0 in p.shape:
        raise ValueError(f"expected probabilities of shape (n, k) or (n,), n at least 1, got shape {p.shape}")
    _check_unit(p, "probabilities")
    target = as_numbers(y, "y")
    if len(target.shape) == 0 or len(target) != len(p):
        raise ValueError(f"expected y with {len(p)} rows, as many as probabilities, got shape {target.shape}")
    if p.shape[1] > 1 and (target.ndim == 1 or target.shape[1:] == (1,)):
        target = class_labels(target.reshape(-1), p.shape[1])
        return _bins(*_largest(p, target), check_count(bins, "bins"))
    target = target[:, None] if target.ndim == 1 else target
    if target.shape != p.shape:
        raise ValueError(f"expected y as labels ({len(p)},) or of shape {p.shape}, got shape {target.shape}")
    _check_unit(target, "y")
    classes = p.shape[1] > 1 and bool(np.allclose(target.sum(axis=1), 1.0, atol=1e-2))
    confidence, true = _largest(p, target) if classes else (p.ravel(), target.ravel())
    return _bins(confidence, true, check_count(bins, "bins"))


def _check_unit(values: Array, what: str) -> None:
    check_finite(values, values, what)
    low, high = values.min(), values.max()
    if low < 0 or high > 1.000001:
        advice = ": pass softmax or sigmoid of logits" if what == "probabilities" else ""
        raise ValueError(f"expected {what} from 0 to 1, got {low} to {high}{advice}")


def _largest(p: Array, target: Array) -> tuple[Array, Array]:
    """The largest probability of each row, and how true it is."""
    rows, answer = np.arange(len(p)), p.argmax(axis=1)
    true = answer == target if target.ndim == 1 else target[rows, answer]
    return p[rows, answer], true


def _bins(confidence: Array, true: Array, bins: int) -> Reliability:
    edges = np.linspace(0.0, 1.0, bins + 1)
    confidence = np.minimum(confidence.astype(np.float64), 1.0)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, confidence, bins) / count
        share = np.bincount(place, true.astype(np.float64), bins) / count
    error = np.nansum(count * np.abs(share - mean)) / len(confidence)
    return Reliability(edges, count, mean, share, float(error))


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A network whose probabilities were calibrated by one temperature: softmax(z / T), or sigmoid(z / T).

    Made by `calibrate`. The answers stay what they were: a temperature changes no order. `predict` asks the network as
    it then is; calibrate again after further training.

    Attributes:
        network: The network.
        temperature: T; above 1 where the network was too sure.
        loss_before: Mean negative log-likelihood of the data, before.
        loss_after: The same, with the temperature.
        error_before: Expected calibration error of the data in 15 bins, before; see `bpnative.reliability`.
        error_after: The same, with the temperature.
        samples: How many samples the temperature was found with.
    """

    network: Network
    temperature: float
    loss_before: float
    loss_after: float
    error_before: float
    error_after: float
    samples: int
    _task: Task = dataclasses.field(repr=False)

    def predict(self, X: npt.ArrayLike) -> Array:
        """Calibrated probabilities, (n, output_size) of the network's dtype.

        Raises:
            TypeError: X holds no real numbers.
            ValueError: X has another number of columns.

        Example:
            >>> import bpnative as bp
            >>> X, y = bp.datasets.load_digits()
            >>> net = bp.mlp([64, 32, 10], activation="relu", seed=0)
            >>> history = bp.Trainer(net, loss="cross_entropy").fit(X[:900], y[:900], epochs=20)
            >>> bp.calibrate(net, X[900:1400], y[900:1400]).predict(X[1400:]).shape
            (397, 10)
        """
        out: Array = self.network.predict(X)
        rows = max(1, _BLOCK // out.shape[1])
        for start in range(0, len(out), rows):
            logits = self._task.logits(out[start : start + rows])
            out[start : start + rows] = to_probabilities(logits / self.temperature, self._task.kind)
        return out


def calibrate(model: Network | Trainer, X: npt.ArrayLike, y: npt.ArrayLike) -> Calibration:
    """Temperature scaling: the one number T that makes a classifier's probabilities most likely, on data held out.

    It minimizes the mean negative log-likelihood -log softmax(z / T)_y, or binary cross-entropy of sigmoid(z / T), over
    T > 0: a convex problem in 1/T, solved to rounding. Accuracy stays the same.
    Source: Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017; Platt, 1999.

    Args:
        model: A network or trainer of classes. A trainer's loss tells softmax from sigmoid; of a network alone the last
            activation does, and linear outputs are logits: one of yes and no, several of classes.
        X: (n, input_size), data that the network was not trained with.
        y: Class labels (n,), or rows of probabilities; for sigmoid 0 or 1 for each output.

    Raises:
        TypeError: The model is neither, or data hold no real numbers.
        ValueError: The network is no classifier, data do not fit it, or no temperature is best, because every answer
            is right or they say less than chance.

    Example:
        >>> import bpnative as bp
        >>> X, y = bp.datasets.load_digits()
        >>> net = bp.mlp([64, 64, 10], activation="relu", seed=0)
        >>> history = bp.Trainer(net, loss="cross_entropy").fit(X[:900], y[:900], epochs=60)
        >>> calibration = bp.calibrate(net, X[900:], y[900:])
        >>> calibration.temperature > 1.0, calibration.loss_after < calibration.loss_before
        (True, True)
    """
    task = task_of(model, y, classifier=True)
    if task.kind == "values":
        raise ValueError(
            "expected a classifier (trained with cross_entropy or binary_cross_entropy), got one of numbers: for "
            "intervals around numbers use bpnative.conformal"
        )
    samples = task.samples(X, y)
    outputs = task.network.predict(samples.x)
    check_finite(outputs, outputs, "the network's outputs")
    likelihood = _Likelihood(task, outputs, samples.y)
    scale = _best_scale(likelihood.slopes)
    probabilities = task.probabilities(outputs)
    calibrated = to_probabilities(task.logits(outputs) * scale, task.kind)
    return Calibration(
        network=task.network,
        temperature=1.0 / scale,
        loss_before=likelihood(1.0),
        loss_after=likelihood(scale),
        error_before=_error(probabilities, samples.y, task.kind),
        error_after=_error(calibrated, samples.y, task.kind),
        samples=len(samples.x),
        _task=task,
    )


def _error(probabilities: Array, target: Array, kind: str) -> float:
    """The expected calibration error of targets as the loss takes them."""
    if kind == "classes":
        return _bins(*_largest(probabilities, target), 15).error
    return _bins(probabilities.ravel(), target.ravel(), 15).error


class _Likelihood:
    """The mean negative log-likelihood of outputs whose logits are multiplied by a scale, and its slopes in it."""

    def __init__(self, task: Task, outputs: Array, target: Array) -> None:
        self._task, self._outputs, self._target = task, outputs, target
        self._rows = max(1, _BLOCK // outputs.shape[1])

    def _mean(self, terms: Callable[[Array, Array], Array]) -> Any:
        total: Any = 0.0
        for start in range(0, len(self._outputs), self._rows):
            block = slice(start, start + self._rows)
            z, target = self._task.logits(self._outputs[block]), self._target[block]
            if self._task.kind == "classes" and target.ndim == 1:
                target = np.eye(z.shape[1])[target]
            total = total + terms(z, target.astype(np.float64))
        return total / (len(self._outputs) if self._task.kind == "classes" else self._outputs.size)

    def __call__(self, scale: float) -> float:
        def terms(z: Array, target: Array) -> Array:
            z = z * scale
            if self._task.kind == "classes":
                top = z.max(axis=1, keepdims=True)
                log_sum = top + np.log(np.exp(z - top).sum(axis=1, keepdims=True))
                return np.asarray((target * (log_sum - z)).sum())
            return np.asarray((np.logaddexp(0.0, z) - target * z).sum())

        return float(self._mean(terms))

    def slopes(self, scale: float) -> tuple[float, float]:
        """First and second derivative in the scale: of classes E[z] - z_y and Var[z] under softmax, by sample."""

        def terms(z: Array, target: Array) -> Array:
            if self._task.kind == "binary":
                p = to_probabilities(z * scale, "binary")
                return np.array([((p - target) * z).sum(), (p * (1 - p) * z * z).sum()])
            z = z - z.max(axis=1, keepdims=True)
            p = to_probabilities(z * scale, "classes")
            mean = (p * z).sum(axis=1, keepdims=True)
            share = target.sum(axis=1, keepdims=True)
            return np.array([(share * mean).sum() - (target * z).sum(), (share * p * (z - mean) ** 2).sum()])

        first, second = self._mean(terms)
        return float(first), float(second)


def _best_scale(slopes: Callable[[float], tuple[float, float]]) -> float:
    """The scale above 0 at which the first slope is 0: Newton's steps, kept inside of a bracket.

    Example:
        >>> round(_best_scale(lambda s: (s - 0.25, 1.0)), 6)
        0.25
    """
    first, second = slopes(0.0)
    if second == 0.0:
        return 1.0  # all outputs are equal: no temperature changes anything
    if first >= 0.0:
        raise ValueError(
            "the network's outputs say less about y than chance, so no temperature calibrates them: check that the "
            "rows of y belong to those of X, and that labels are numbered as in training"
        )
    low, high = 0.0, 1.0
    while (slope := slopes(high))[0] <= 0.0:
        low, high = high, 2.0 * high
        if slope == (0.0, 0.0) or high > 2.0**40:  # nothing is left of any error
            raise ValueError(
                "every answer of the network is right on X, so no temperature is best (the surer, the better): "
                "calibrate with more or harder data that the network was not trained with"
            )
    scale = 0.5 * (low + high)
    for _ in range(200):
        first, second = slopes(scale)
        low, high = (scale, high) if first < 0.0 else (low, scale)
        step = scale - first / second if second > 0.0 else math.nan
        following = step if low < step < high else 0.5 * (low + high)
        if abs(following - scale) <= 1e-14 * scale:
            break
        scale = following
    return scale
