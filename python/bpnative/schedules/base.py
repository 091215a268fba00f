"""What all schedules share: a rate for every step, as a number or as an array, checked; and what a trainer remembers.

Cosines and powers are taken one by one from the C library: NumPy's own differ in the last bit between processors, and
the same seed must give the same weights on each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from ..specification import Specification, check_count, check_number, specification

Values: TypeAlias = npt.NDArray[np.float64]
State: TypeAlias = dict[str, float]


@specification
class Schedule(Specification):
    """Base of the schedules. A class of one's own defines ``at(steps, state)``, and is made a frozen dataclass.

    Example:
        >>> import dataclasses
        >>> @specification
        ... class Sawtooth(Schedule):
        ...     learning_rate: float
        ...     def at(self, steps, state):
        ...         return self.learning_rate * (1 - steps % 4 / 4)
        >>> Sawtooth(1.0).values(2, 4)
        array([0.5 , 0.25, 1.  , 0.75])
    """

    # Whether the rate goes by epochs or results and not by the step: a warm-up then scales it instead of delaying it.
    follows: ClassVar[bool] = False

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps: what a schedule is; called by `values`."""
        raise NotImplementedError(f"{type(self).__name__} must define at(steps, state)")

    def momentum_at(self, steps: Values, state: Mapping[str, float]) -> Values | None:
        """The momenta of these steps, for a schedule that moves the momentum too; None leaves it to the optimizer."""
        return None

    def begin(self) -> State:
        """What a trainer remembers for this schedule when it begins: numbers by name."""
        return {}

    def follow(self, state: Mapping[str, float], logs: Mapping[str, float]) -> State:
        """What is remembered after an epoch with these logs; a true ``"stop"`` in it ends the run."""
        return dict(state)

    def check_columns(self, columns: Mapping[str, Any]) -> None:
        """Raise a ValueError where a run with these columns lacks the one that the schedule goes by."""

    def __call__(self, step: int) -> float:
        """The rate of one step, counted from 0.

        Raises:
            TypeError: The step is no whole number.
            ValueError: The step is negative, or the rate is not finite.
        """
        return float(self.values(step, 1)[0])

    def values(self, first_step: int, count: int, state: Mapping[str, float] | None = None) -> Values:
        """The rates of `count` steps from `first_step` on; the values do not depend on where a run is cut.

        Args:
            first_step: At least 0.
            count: At least 0.
            state: What a trainer remembers; None is what it begins with.

        Returns:
            A new float64 array (count,), finite and at least 0.

        Raises:
            TypeError: An argument is no whole number.
            ValueError: An argument is negative; a rate is negative or not finite.

        Example:
            >>> from bpnative.schedules import Exponential
            >>> Exponential(1.0, factor=0.5).values(1, 3).tolist()
            [0.5, 0.25, 0.125]
        """
        steps = self._steps(first_step, count)
        return check_rates(self.at(steps, self.begin() if state is None else state), steps, "learning rate")

    def momentum_values(self, first_step: int, count: int, state: Mapping[str, float] | None = None) -> Values | None:
        """The momenta of `count` steps from `first_step` on, a float64 array (count,); None where it moves none.

        Example:
            >>> from bpnative.schedules import Constant, OneCycle
            >>> OneCycle(0.1, steps=100).momentum_values(0, 1), Constant(0.1).momentum_values(0, 1)
            (array([0.95]), None)
        """
        steps = self._steps(first_step, count)
        return self.momentum_at(steps, self.begin() if state is None else state)

    @staticmethod
    def _steps(first_step: int, count: int) -> Values:
        first = check_count(first_step, "step", 0)
        return np.arange(first, first + check_count(count, "count of steps", 0), dtype=np.float64)

    def _number(self, name: str, interval: str = "[0, inf)") -> None:
        self._set(name, check_number(getattr(self, name), f"{name} of {type(self).__name__}", interval))

    def _count(self, name: str, minimum: int = 1) -> None:
        self._set(name, check_count(getattr(self, name), f"{name} of {type(self).__name__}", minimum))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def is_rate(rates: Values) -> npt.NDArray[np.bool_]:
    """Whether each is finite and at least 0.

    Example:
        >>> is_rate(np.array([0.5, np.nan, -1.0]))
        array([ True, False, False])
    """
    return np.asarray((rates >= 0) & (rates < np.inf))


def check_rates(rates: Values, steps: Values, what: str) -> Values:
    """The rates as they are, all finite and at least 0.

    Raises:
        ValueError: One is not; the error names the first such step.

    Example:
        >>> check_rates(np.array([0.5]), np.array([0.0]), "learning rate")
        array([0.5])
    """
    good = is_rate(rates)
    if not good.all():
        at = int(np.argmin(good))
        raise ValueError(f"expected {what} of step {int(steps[at])} as a finite number in [0, inf), got {rates[at]}")
    return rates


def one_by_one(function: Callable[[float], float], values: Values) -> Values:
    """A function of the C library at each value: the same bits on every processor, wherever a value stands.

    Example:
        >>> import math
        >>> one_by_one(math.cos, np.array([0.0]))
        array([1.])
    """
    return np.fromiter(map(function, values.tolist()), np.float64, len(values))


def powers(base: float, exponents: Values) -> Values:
    """A base to the power of each exponent, infinite where it overflows.

    Example:
        >>> powers(0.5, np.array([0.0, 2.0]))
        array([1.  , 0.25])
    """
    try:
        return one_by_one(base.__pow__, exponents)
    except OverflowError:
        pass

    def power(exponent: float) -> float:
        try:
            return float(base**exponent)
        except OverflowError:
            return math.inf

    return one_by_one(power, exponents)
