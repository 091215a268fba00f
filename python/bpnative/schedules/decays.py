"""Schedules that fall, each by a formula of the step t."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..specification import check_count, specification
from .base import Schedule, Values, one_by_one, powers


@specification
class Constant(Schedule):
    """rate(t) = learning_rate: the same as the plain number; for a warm-up before it.

    Source: PyTorch's ConstantLR with factor 1.

    Example:
        >>> Constant(0.1).values(5, 2).tolist()
        [0.1, 0.1]
    """

    learning_rate: float
    name: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        self._number("learning_rate")

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The same rate at each step."""
        return np.full(len(steps), self.learning_rate)


@specification
class Step(Schedule):
    """rate(t) = learning_rate · factor^⌊t / every⌋: one stair down every so many steps.

    Source: PyTorch's StepLR (step_size, gamma).

    Args:
        learning_rate: The first rate, at least 0.
        every: Steps of a stair, at least 1.
        factor: By which each stair is lower, above 0.

    Example:
        >>> Step(1.0, every=2, factor=0.5).values(0, 5).tolist()
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    learning_rate: float
    every: int
    factor: float = 0.1
    name: ClassVar[str] = "step"

    def __post_init__(self) -> None:
        self._number("learning_rate")
        self._count("every")
        self._number("factor", "(0, inf)")

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps."""
        return self.learning_rate * powers(self.factor, np.floor(steps / self.every))


@specification
class MultiStep(Schedule):
    """rate(t) = learning_rate · factor^n, n the number of milestones m ≤ t.

    Source: PyTorch's MultiStepLR (milestones, gamma).

    Args:
        learning_rate: The first rate, at least 0.
        milestones: Steps, in rising order, at each of which the rate falls.
        factor: By which it falls, above 0.

    Example:
        >>> MultiStep(1.0, [2, 3], factor=0.5).values(0, 5).tolist()
        [1.0, 1.0, 0.5, 0.25, 0.25]
    """

    learning_rate: float
    milestones: tuple[int, ...]
    factor: float = 0.1
    name: ClassVar[str] = "multi_step"

    def __post_init__(self) -> None:
        self._number("learning_rate")
        self._number("factor", "(0, inf)")
        try:
            given = tuple(self.milestones)
        except TypeError:
            raise TypeError(f"expected milestones of MultiStep as a list of steps, got {self.milestones!r}") from None
        marks = tuple(check_count(mark, "each milestone of MultiStep", 0) for mark in given)
        if list(marks) != sorted(marks):
            raise ValueError(f"expected milestones of MultiStep in rising order, got {list(marks)}: sort them")
        self._set("milestones", marks)

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps."""
        passed = np.searchsorted(np.array(self.milestones, np.float64), steps, side="right")
        return self.learning_rate * powers(self.factor, passed.astype(np.float64))


@specification
class Exponential(Schedule):
    """rate(t) = learning_rate · factor^t.

    Source: PyTorch's ExponentialLR (gamma).

    Args:
        learning_rate: The first rate, at least 0.
        factor: By which each step's rate differs from the one before, above 0.

    Example:
        >>> Exponential(1.0, factor=0.5).values(0, 3).tolist()
        [1.0, 0.5, 0.25]
    """

    learning_rate: float
    factor: float
    name: ClassVar[str] = "exponential"

    def __post_init__(self) -> None:
        self._number("learning_rate")
        self._number("factor", "(0, inf)")

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps."""
        return self.learning_rate * powers(self.factor, steps)


@specification
class Polynomial(Schedule):
    """rate(t) = minimum + (learning_rate - minimum) · (1 - min(t, steps) / steps)^power; a straight line for power 1.

    Source: PyTorch's PolynomialLR (total_iters, power), whose minimum is 0; Keras' PolynomialDecay.

    Args:
        learning_rate: The first rate, at least 0.
        steps: Steps until the minimum is reached, where the rate stays; at least 1.
        power: Of the polynomial, at least 0.
        minimum: The last rate, at most `learning_rate`.

    Example:
        >>> Polynomial(1.0, steps=4).values(0, 6).tolist()
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    learning_rate: float
    steps: int
    power: float = 1.0
    minimum: float = 0.0
    name: ClassVar[str] = "polynomial"

    def __post_init__(self) -> None:
        self._number("learning_rate")
        self._count("steps")
        self._number("power")
        self._number("minimum", f"[0, {self.learning_rate}]")

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps."""
        left = one_by_one(lambda part: part**self.power, 1.0 - np.minimum(steps, self.steps) / self.steps)
        return self.minimum + (self.learning_rate - self.minimum) * left


@specification
class InverseScaling(Schedule):
    """rate(t) = learning_rate / (per_step · t + 1)^power, scikit-learn's ``learning_rate="invscaling"``.

    scikit-learn counts samples and changes the rate after each epoch: with n samples, that is
    ``PerEpoch(InverseScaling(learning_rate, power, per_step=n))``.

    Source: scikit-learn's MLPClassifier (learning_rate_init, power_t).

    Args:
        learning_rate: The first rate, at least 0.
        power: At least 0.
        per_step: By how much the divisor's count grows in a step, above 0.

    Example:
        >>> InverseScaling(1.0).values(0, 4).round(4).tolist()
        [1.0, 0.7071, 0.5774, 0.5]
    """

    learning_rate: float
    power: float = 0.5
    per_step: float = 1.0
    name: ClassVar[str] = "inverse_scaling"

    def __post_init__(self) -> None:
        self._number("learning_rate")
        self._number("power")
        self._number("per_step", "(0, inf)")

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rates of these steps."""
        return self.learning_rate / one_by_one(lambda count: count**self.power, self.per_step * steps + 1.0)
