"""The learning rate range test: a short run on a copy, with a rate that grows step by step."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..specification import check_count, check_number
from .base import Callback, Run

if TYPE_CHECKING:
    from ..trainer import Trainer

Array = npt.NDArray[np.float64]

# A loss so many times the best one has diverged: going on would only cost time.
DIVERGED = 4.0
# Weight of the past in the running mean of losses.
SMOOTHING = 0.9


@dataclasses.dataclass(frozen=True, eq=False)
class RateCurve:
    """What `LearningRateFinder` found.

    Attributes:
        learning_rates: The rate of each step, growing.
        losses: The loss of each step, before its update.
        smoothed: Their running mean.
        suggestion: The rate at which the smoothed loss falls fastest; None where it never falls.
    """

    learning_rates: Array
    losses: Array
    smoothed: Array
    suggestion: float | None

    def __repr__(self) -> str:
        if not len(self.learning_rates):
            return "RateCurve(no finite loss)"
        low, high = self.learning_rates[0], self.learning_rates[-1]
        suggestion = "none: the loss never fell" if self.suggestion is None else f"{self.suggestion:.2g}"
        return f"RateCurve({len(self.losses)} steps, rates {low:.2g} to {high:.2g}, suggestion {suggestion})"


class LearningRateFinder:
    """Finds a learning rate: trains a copy with a growing rate, and looks where the loss falls fastest.

    At step t of n the rate is low·(high/low)^(t/(n-1)). The test ends when the loss is 4 times the best one. Network,
    optimizer state, history and the order of samples of the trainer itself stay as they are, bit for bit.

    Args:
        low: The first rate, above 0.
        high: The last rate, above low.
        steps: How many steps to make at most, at least 2.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range.

    Source: Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3.

    Example:
        >>> import bpnative as bp
        >>> X, y = bp.datasets.load_digits()
        >>> trainer = bp.Trainer(bp.mlp([64, 64, 10], seed=0), loss="cross_entropy", optimizer="adam")
        >>> curve = bp.LearningRateFinder(low=1e-5, high=10).find(trainer, X, y, batch_size=64)
        >>> 1e-4 < curve.suggestion < 0.1
        True
        >>> trainer.learning_rate = curve.suggestion
    """

    def __init__(self, low: float = 1e-7, high: float = 10.0, steps: int = 200) -> None:
        self.low = check_number(low, "low of LearningRateFinder", "(0, inf)")
        self.high = check_number(high, "high of LearningRateFinder", "(0, inf)")
        if self.high <= self.low:
            raise ValueError(f"expected high of LearningRateFinder above low, got low {low!r} and high {high!r}")
        self.steps = check_count(steps, "steps of LearningRateFinder", 2)

    def find(self, trainer: Trainer, X: object, y: object = None, **settings: Any) -> RateCurve:
        """The curve of losses over rates, and a suggestion.

        Args:
            trainer: What to find a rate for; it is copied.
            X: As of `Trainer.fit`.
            y: As of `Trainer.fit`.
            settings: Further arguments of `Trainer.fit`, such as batch_size and sample_weight.

        Raises:
            TypeError: As of `Trainer.fit`.
            ValueError: As of `Trainer.fit`.
        """
        trial = copy.deepcopy(trainer)
        # Absolute steps: schedules count from the first step that a trainer ever made.
        begin, ratio = trial.step_count, math.log(self.high / self.low) / (self.steps - 1)
        trial.learning_rate = lambda step: self.low * math.exp(ratio * min(max(step - begin, 0), self.steps - 1))
        record = _Record(self.steps)
        trial.fit(X, y, **{"epochs": self.steps, "progress": False, **settings, "callbacks": [record]})
        return self._curve(np.array(record.learning_rates), np.array(record.losses))

    def _curve(self, rates: Array, losses: Array) -> RateCurve:
        finite = len(losses) if np.isfinite(losses).all() else int(np.argmin(np.isfinite(losses)))
        finite = min(finite, self.steps)
        smoothed = smooth(losses[:finite])
        diverged = np.flatnonzero(smoothed > DIVERGED * np.minimum.accumulate(smoothed))
        end = int(diverged[0]) + 1 if len(diverged) else finite
        rates, losses, smoothed = rates[:end], losses[:end], smoothed[:end]
        return RateCurve(rates, losses, smoothed, _steepest(rates, smoothed))

    def __repr__(self) -> str:
        return f"LearningRateFinder(low={self.low!r}, high={self.high!r}, steps={self.steps})"


class _Record(Callback):
    """Notes losses and rates, and stops when there are enough or the loss has diverged."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[float] = []
        self.learning_rates: list[float] = []

    def on_run_end(self, trainer: Trainer, run: Run) -> None:
        self.losses += run.losses.tolist()
        self.learning_rates += run.learning_rates.tolist()
        finite = np.isfinite(self.losses).all()
        if len(self.losses) >= self.steps or not finite or self.losses[-1] > 10 * DIVERGED * min(self.losses):
            trainer.stop_training = True


def smooth(losses: Array) -> Array:
    """Running mean mₜ = β mₜ₋₁ + (1 - β) lossₜ, divided by 1 - βᵗ so that the first losses count fully.

    Example:
        >>> smooth(np.array([2.0, 2.0, 2.0])).round(9).tolist()
        [2.0, 2.0, 2.0]
    """
    mean, means = 0.0, []
    for step, loss in enumerate(losses.tolist(), 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        means.append(mean / (1 - SMOOTHING**step))
    return np.array(means)


def _steepest(rates: Array, smoothed: Array) -> float | None:
    """The rate of the steepest fall before the minimum; the first tenth is noise of the running mean's start."""
    lowest = int(np.argmin(smoothed)) if len(smoothed) else 0
    begin = min(len(smoothed) // 10, lowest)
    if lowest - begin < 2:
        return None
    slope = np.diff(smoothed[begin : lowest + 1])
    return float(rates[begin + int(np.argmin(slope))]) if slope.min() < 0 else None
