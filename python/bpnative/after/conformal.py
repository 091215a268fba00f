"""Split conformal prediction: intervals and label sets that hold the truth as often as asked, whatever the network."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..data import check_finite
from ..network import Network
from ..specification import check_number
from ..trainer import Trainer
from .calibration import Calibration
from .task import Array, Task, task_of


class Interval(NamedTuple):
    """Lower and upper ends, float64 arrays of the targets' shape (n, k)."""

    lower: Array
    upper: Array


@dataclasses.dataclass(frozen=True)
class IntervalPredictor:
    """Intervals around a network's numbers, made by `conformal`.

    Attributes:
        model: The network.
        coverage: The share of new samples whose target lies inside, at least.
        radius: (k,), half the width of the interval of each output.
        samples: How many samples it was found with.
    """

    model: Network
    coverage: float
    radius: Array
    samples: int
    _columns: list[int] | None = dataclasses.field(repr=False)

    def predict(self, X: npt.ArrayLike) -> Interval:
        """The interval of each output for each row of X: output - radius to output + radius, both ends inside.

        Raises:
            TypeError: X holds no real numbers.
            ValueError: X has another number of columns.

        Example:
            >>> import bpnative as bp
            >>> net = bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1)
            >>> X, y = [[i] for i in range(9)], [2 * i + i / 10 for i in range(9)]
            >>> bp.conformal(net, X, y, coverage=0.8).predict([[10.0]]).upper.round(2).tolist()
            [[20.7]]
        """
        values = _values(self.model.predict(X), self._columns)
        return Interval(values - self.radius, values + self.radius)


@dataclasses.dataclass(frozen=True)
class SetPredictor:
    """Sets of labels, made by `conformal`.

    Attributes:
        model: The network, or the calibrated one.
        coverage: The share of new samples whose label is in the set, at least.
        threshold: A label is in the set where its probability is at least this.
        samples: How many samples it was found with.
    """

    model: Network | Calibration
    coverage: float
    threshold: float
    samples: int
    _task: Task = dataclasses.field(repr=False)

    def predict(self, X: npt.ArrayLike) -> Array:
        """Which labels are in the set of each row of X: bools, (n, classes); of yes and no (n, 2), no first.

        An unsure network's sets are large. A set can be empty: no label of that sample is as likely as true ones are.

        Raises:
            TypeError: X holds no real numbers.
            ValueError: X has another number of columns.

        Example:
            >>> import bpnative as bp
            >>> X, y = bp.datasets.load_digits()
            >>> net = bp.mlp([64, 32, 10], activation="relu", seed=0)
            >>> history = bp.Trainer(net, loss="cross_entropy").fit(X[:900], y[:900], epochs=20)
            >>> sets = bp.conformal(net, X[900:1400], y[900:1400], coverage=0.95).predict(X[1400:])
            >>> sets.shape, sets.dtype.name
            ((397, 10), 'bool')
        """
        return np.asarray(_probabilities(self.model, self._task, self.model.predict(X)) >= self.threshold)


def conformal(
    model: Network | Trainer | Calibration, X: npt.ArrayLike, y: npt.ArrayLike, coverage: float = 0.9
) -> IntervalPredictor | SetPredictor:
    """Split conformal prediction: how far a network may be off, measured on data held out.

    With n samples of X and their scores s, the ⌈(n + 1)·coverage⌉-th smallest s is the limit q. For numbers
    s = |y - p|, and the interval is p ± q, for each output by itself. For classes s = 1 - p_y, and the set holds each
    label with p ≥ 1 - q. The truth of a new sample is inside with a probability of at least `coverage`, and at most
    coverage + 1/(n + 1) where no scores are equal, if it comes from where X and y came from: over all of them, not for
    each kind of sample. The network may be as wrong as it likes; a better one gives smaller sets.
    Source: Vovk, Gammerman & Shafer, "Algorithmic learning in a random world", 2005; Lei et al., "Distribution-free
    predictive inference for regression", JASA 2018; sets: Sadinle, Lei & Wasserman, "Least ambiguous set-valued
    classifiers with bounded error levels", JASA 2019.

    Args:
        model: A network, trainer or `Calibration`. A trainer's loss tells classes from numbers; of a network alone the
            last activation does; linear outputs are numbers, or, several of them with one column of y, classes.
        X: (n, input_size), data that the network was not trained with (nor calibrated).
        y: Targets: class labels (n,) or one-hot rows; 0 or 1 for one sigmoid output; or numbers.
        coverage: In (0, 1).

    Returns:
        An `IntervalPredictor` for numbers, a `SetPredictor` for classes: both have ``predict(X)``.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: Data do not fit the network, there are too few of them for the coverage, or the network answers
            several questions of yes and no.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1)
        >>> X, y = [[i] for i in range(9)], [2 * i + i / 10 for i in range(9)]
        >>> bp.conformal(net, X, y, coverage=0.9).radius.round(2).tolist()
        [0.8]
    """
    coverage = check_number(coverage, "coverage", "(0, 1)")
    if isinstance(model, Calibration):
        task = model._task
    else:
        task, model = task_of(model, y), model.network if isinstance(model, Trainer) else model
    samples = task.samples(X, y)
    n, rank = len(samples.x), rank_of(len(samples.x), coverage)
    outputs = model.predict(samples.x)
    check_finite(outputs, outputs, "the network's outputs")
    if task.kind == "values":
        values = _values(outputs, task.columns)
        if values.shape != samples.y.shape:
            raise ValueError(f"expected y of shape {values.shape}, as many columns as outputs, got {samples.y.shape}")
        scores = np.abs(samples.y.astype(np.float64) - values)
        radius = np.partition(scores, rank - 1, axis=0)[rank - 1]
        return IntervalPredictor(task.network, coverage, radius, n, task.columns)
    p = _probabilities(model, task, outputs)
    true = np.partition(p[np.arange(n), _labels(task, samples.y)], n - rank)[n - rank]
    return SetPredictor(model, coverage, float(true), n, task)


def rank_of(n: int, coverage: float) -> int:
    """⌈(n + 1)·coverage⌉, which of n sorted scores is the limit; computed with the decimal that was typed.

    Raises:
        ValueError: It is beyond n: so few samples cannot tell.

    Example:
        >>> rank_of(99, 0.9)
        90
    """
    exact = Fraction(repr(coverage))
    rank = math.ceil((n + 1) * exact)
    if rank > n:
        least = math.ceil(exact / (1 - exact))
        raise ValueError(
            f"expected at least {least} rows in X for a coverage of {coverage}, got {n}: hold out more data, or ask "
            f"for at most {math.floor(1000 * n / (n + 1)) / 1000}"
        )
    return rank


def _values(outputs: Array, columns: list[int] | None) -> Array:
    return np.asarray((outputs if columns is None else outputs[:, columns]).astype(np.float64))


def _probabilities(model: Network | Calibration, task: Task, outputs: Array) -> Array:
    """Probabilities of each label, (n, classes); of yes and no (n, 2)."""
    p = outputs.astype(np.float64) if isinstance(model, Calibration) else task.probabilities(outputs)
    if task.kind == "classes":
        return p
    if p.shape[1] != 1:
        raise ValueError(
            f"expected a network with one sigmoid output, or with a class for each, got {p.shape[1]} outputs of yes "
            f"and no: a set of labels is one of classes that exclude each other"
        )
    return np.hstack([1.0 - p, p])


def _labels(task: Task, target: Array) -> Array:
    """Targets as labels: they themselves, or where the 1 stands in each row."""
    rows = target if target.ndim > 1 else None
    if rows is None:
        return target
    if not ((rows == 0) | (rows == 1)).all():
        raise ValueError(
            "expected y as class labels, one-hot rows or 0 and 1, got probabilities: a sample has one label"
        )
    return np.asarray(rows.argmax(axis=1) if task.kind == "classes" else rows[:, 0].astype(np.intp))
