"""Schedules that rise and fall: cosines, one cycle (with its momentum), and a warm-up before any other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ..specification import check_flag, check_number, specification
from .base import Schedule, State, Values, one_by_one
from .decays import Constant

ScheduleLike: TypeAlias = float | Schedule | Callable[[int], float]


def as_schedule(given: ScheduleLike, what: str) -> Schedule | Callable[[int], float]:
    """A schedule or a callable as it is, a number as `Constant`.

    Raises:
        TypeError: It is something else.

    Example:
        >>> as_schedule(0.1, "schedule of Warmup")
        Constant(0.1)
    """
    if isinstance(given, type):
        raise TypeError(f"expected {what} as an object, got the class {given.__name__}: give it its settings")
    return given if callable(given) else Constant(check_number(given, what, "[0, inf)"))


def rates_of(schedule: Schedule | Callable[[int], float], steps: Values, state: Mapping[str, float]) -> Values:
    """The rates of a schedule or of a plain callable at these steps.

    Example:
        >>> rates_of(lambda step: step / 2, np.array([1.0, 3.0]), {}).tolist()
        [0.5, 1.5]
    """
    if isinstance(schedule, Schedule):
        return schedule.at(steps, state)
    rates = [check_number(schedule(int(step)), f"learning rate of step {int(step)}", "[0, inf)") for step in steps]
    return np.array(rates, np.float64)


def half_cosine(part: Values) -> Values:
    """(1 + cos(π·part)) / 2: from 1 at 0 to 0 at 1.

    Example:
        >>> half_cosine(np.array([0.0, 1.0]))
        array([1., 0.])
    """
    return (1.0 + one_by_one(math.cos, math.pi * part)) / 2.0


@specification
class Cosine(Schedule):
    """rate(t) = minimum + (learning_rate - minimum) · (1 + cos(π · min(t, steps) / steps)) / 2.

    After `steps` the rate stays at the minimum, as in Keras; PyTorch's CosineAnnealingLR would rise again.

    Sources: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, equation 5;
    PyTorch's CosineAnnealingLR (T_max, eta_min).

    Args:
        learning_rate: The first rate, at least 0.
        steps: Steps until the minimum is reached, at least 1.
        minimum: The last rate, at most `learning_rate`.

    Example:
        >>> Cosine(1.0, steps=4).values(0, 6).round(4).tolist()
        [1.0, 0.8536, 0.5, 0.1464, 0.0, 0.0]
    """

    learning_rate: float
    steps: int
    minimum: float = 0.0
    name: ClassVar[str] = "cosine"

    def __post_init__(self) -> None:
        self._number("learning_rate")
        self._count("steps")
        self._number("minimum", f"[0, {self.learning_rate}]")

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps."""
        part = np.minimum(steps, self.steps) / self.steps
        return self.minimum + (self.learning_rate - self.minimum) * half_cosine(part)


@specification
class CosineRestarts(Schedule):
    """Cosines one after another, each from `learning_rate` down to `minimum`, each `multiplier` times as long.

    rate(t) = minimum + (learning_rate - minimum) · (1 + cos(π · s / T)) / 2, where s counts from the last restart and T
    is the length of this cosine: steps, then steps · multiplier, steps · multiplier², …

    Sources: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017; PyTorch's
    CosineAnnealingWarmRestarts (T_0, T_mult, eta_min).

    Args:
        learning_rate: The rate after each restart, at least 0.
        steps: Length of the first cosine, at least 1.
        multiplier: How many times as long each is as the one before, a whole number, at least 1.
        minimum: What each cosine falls to, at most `learning_rate`.

    Example:
        >>> CosineRestarts(1.0, steps=2, multiplier=2).values(0, 7).round(4).tolist()
        [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 1.0]
    """

    learning_rate: float
    steps: int
    multiplier: int = 1
    minimum: float = 0.0
    name: ClassVar[str] = "cosine_restarts"

    def __post_init__(self) -> None:
        self._number("learning_rate")
        self._count("steps")
        self._count("multiplier")
        self._number("minimum", f"[0, {self.learning_rate}]")

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps."""
        if self.multiplier == 1:
            part = steps % self.steps / self.steps
        else:
            starts, length = [0], self.steps
            while len(steps) and starts[-1] + length <= steps[-1]:
                starts.append(starts[-1] + length)
                length *= self.multiplier
            cycle = np.searchsorted(np.array(starts, np.float64), steps, side="right") - 1
            lengths = np.array([self.steps * self.multiplier**i for i in range(len(starts))], np.float64)
            part = (steps - np.array(starts, np.float64)[cycle]) / lengths[cycle]
        return self.minimum + (self.learning_rate - self.minimum) * half_cosine(part)


@specification
class OneCycle(Schedule):
    """One rise to a high rate and one long fall, while the momentum falls and rises.

    The rate goes from learning_rate / div_factor up to learning_rate at step warmup_fraction · steps - 1, and down to
    learning_rate / (div_factor · final_div_factor) at step steps - 1, where it stays. The momentum (SGD's; beta1 of
    Adam and its family) goes from max_momentum down to base_momentum, and back up, in the same steps. Between two ends
    a and b: b + (a - b) · (1 + cos(π·s)) / 2, or a + (b - a)·s for linear, s the part of the way that is done.

    Sources: Smith & Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018;
    PyTorch's OneCycleLR (max_lr, total_steps, pct_start, anneal_strategy, cycle_momentum, …), step by step.

    Args:
        learning_rate: The highest rate, at least 0.
        steps: Length of the cycle, at least 1.
        warmup_fraction: Part of the steps in which the rate rises, in [0, 1].
        anneal: ``"cos"`` or ``"linear"``.
        cycle_momentum: Whether the momentum moves as well; the optimizer must then have one above 0.
        base_momentum: The lowest momentum, in [0, 1).
        max_momentum: The highest momentum, in [0, 1).
        div_factor: How many times lower the first rate is, above 0.
        final_div_factor: How many times lower than the first the last rate is, above 0.
        three_phase: First fall back to the first rate, as long as the rise was, and then to the last, in a third phase.

    Example:
        >>> cycle = OneCycle(1.0, steps=10, anneal="linear")
        >>> cycle.values(0, 10).round(2).tolist()
        [0.04, 0.52, 1.0, 0.86, 0.71, 0.57, 0.43, 0.29, 0.14, 0.0]
        >>> cycle.momentum_values(0, 10).round(3).tolist()
        [0.95, 0.9, 0.85, 0.864, 0.879, 0.893, 0.907, 0.921, 0.936, 0.95]
    """

    learning_rate: float
    steps: int
    warmup_fraction: float = 0.3
    anneal: str = "cos"
    cycle_momentum: bool = True
    base_momentum: float = 0.85
    max_momentum: float = 0.95
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False
    name: ClassVar[str] = "one_cycle"

    def __post_init__(self) -> None:
        self._number("learning_rate")
        self._count("steps")
        self._set("cycle_momentum", check_flag(self.cycle_momentum, "cycle_momentum of OneCycle"))
        self._set("three_phase", check_flag(self.three_phase, "three_phase of OneCycle"))
        self._number("warmup_fraction", "[0, 0.5]" if self.three_phase else "[0, 1]")
        if self.anneal not in ("cos", "linear"):
            raise ValueError(f"expected anneal of OneCycle as 'cos' or 'linear', got {self.anneal!r}")
        self._number("base_momentum", "[0, 1)")
        self._number("max_momentum", "[0, 1)")
        self._number("div_factor", "(0, inf)")
        self._number("final_div_factor", "(0, inf)")

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps."""
        first = self.learning_rate / self.div_factor
        last = first / self.final_div_factor
        return self._way(steps, [first, self.learning_rate, *([first] if self.three_phase else []), last])

    def momentum_at(self, steps: Values, state: Mapping[str, float]) -> Values | None:
        """The momenta of these steps; None without `cycle_momentum`."""
        if not self.cycle_momentum:
            return None
        high, low = self.max_momentum, self.base_momentum
        return self._way(steps, [high, low, high, *([high] if self.three_phase else [])])

    def _way(self, steps: Values, stations: list[float]) -> Values:
        """From station to station: the ends of the phases are PyTorch's, fractions of steps included."""
        ends = [self.warmup_fraction * self.steps - 1, float(self.steps - 1)]
        if self.three_phase:
            ends.insert(1, 2 * self.warmup_fraction * self.steps - 2)
        steps = np.minimum(steps, self.steps - 1)
        begins = [0.0, *ends[:-1]]
        phase = np.minimum(np.searchsorted(np.array(ends), steps, side="left"), len(ends) - 1)
        if self.three_phase:  # the second end lies before the first where the rise takes less than a step
            phase = np.where(steps <= ends[0], 0, np.where(steps <= ends[1], 1, 2))
        begin, end = np.array(begins)[phase], np.array(ends)[phase]
        part = (steps - begin) / np.where(end == begin, 1.0, end - begin)
        start, goal = np.array(stations[:-1])[phase], np.array(stations[1:])[phase]
        left: Values = half_cosine(part) if self.anneal == "cos" else 1.0 - part
        return np.asarray(goal + (start - goal) * left, np.float64)


@specification
class Warmup(Schedule):
    """A straight line up to the first rate of another schedule, which begins after it.

    rate(t) = s(0) · (start + (1 - start) · t / steps) for t < steps, then s(t - steps). A schedule that goes by epochs
    or results is not delayed: it is scaled by the same line in the first steps.

    Sources: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017; PyTorch's LinearLR
    (start_factor, total_iters), before another in a SequentialLR.

    Args:
        schedule: What follows: a schedule, a number, or a callable of the step.
        steps: Steps of the warm-up, at least 1.
        start: The part of the rate to begin with, in [0, 1].

    Example:
        >>> from bpnative.schedules import Step
        >>> Warmup(Step(1.0, every=2, factor=0.5), steps=4, start=0.0).values(0, 8).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.5]
    """

    schedule: Any
    steps: int
    start: float = 1 / 3
    name: ClassVar[str] = "warmup"

    def __post_init__(self) -> None:
        self._set("schedule", as_schedule(self.schedule, "schedule of Warmup"))
        self._count("steps")
        self._number("start", "[0, 1]")

    @property
    def follows(self) -> bool:  # type: ignore[override]
        """Whether what it warms up goes by epochs or results."""
        return isinstance(self.schedule, Schedule) and self.schedule.follows

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps."""
        after = steps if self.follows else np.maximum(steps - self.steps, 0.0)
        line = self.start + (1.0 - self.start) * np.minimum(steps, self.steps) / self.steps
        return np.where(steps < self.steps, line, 1.0) * rates_of(self.schedule, after, state)

    def momentum_at(self, steps: Values, state: Mapping[str, float]) -> Values | None:
        """The momenta of the other schedule: its first one while the rate warms up."""
        if not isinstance(self.schedule, Schedule):
            return None
        return self.schedule.momentum_at(steps if self.follows else np.maximum(steps - self.steps, 0.0), state)

    def begin(self) -> State:
        """What the other schedule begins with."""
        return self.schedule.begin() if isinstance(self.schedule, Schedule) else {}

    def follow(self, state: Mapping[str, float], logs: Mapping[str, float]) -> State:
        """What the other schedule remembers."""
        return self.schedule.follow(state, logs) if isinstance(self.schedule, Schedule) else {}

    def check_columns(self, columns: Mapping[str, Any]) -> None:
        """What the other schedule checks."""
        if isinstance(self.schedule, Schedule):
            self.schedule.check_columns(columns)
