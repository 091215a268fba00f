"""The rates of a trainer's coming steps: what stands between `Trainer` and its optimizer's schedule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Schedule, State, Values, check_rates, is_rate

if TYPE_CHECKING:
    from ..optimizers import LearningRate, Optimizer
    from ..trainer import Trainer

BLOCK = 256  # steps whose rates are made together where a trainer makes single steps


class Rates:
    """Rates and momenta of an optimizer, step by step, and what its schedule remembers; each trainer has one.

    Args:
        optimizer: With a number, a callable or a `Schedule` as its learning rate.

    Raises:
        ValueError: The schedule moves the momentum, and the optimizer has none.

    Example:
        >>> import bpnative as bp
        >>> rates = Rates(bp.SGD(learning_rate=bp.schedules.Step(1.0, every=2, factor=0.5)))
        >>> rates.of_steps(1, 2)
        (array([1. , 0.5]), None)
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        rate = optimizer.learning_rate
        self._schedule = rate if isinstance(rate, Schedule) else None
        self.state: State = self._schedule.begin() if self._schedule else {}
        # What of_step gives where the rate is a number, made once: it is on the way of every single step.
        self.fixed = None if callable(rate) else (optimizer.learning_rates(0, 1), None)
        self._forget()
        if self._momenta(0, 0) is not None:
            _check_momentum(optimizer, rate)

    def _forget(self) -> None:
        self._block: tuple[int, Values, Values | None] = (0, np.empty(0), None)

    def _momenta(self, first_step: int, count: int) -> Values | None:
        return self._schedule.momentum_values(first_step, count, self.state) if self._schedule else None

    def of_steps(self, first_step: int, count: int) -> tuple[Values, Values | None]:
        """The rate of each of these steps, and its momentum, None where the optimizer's own holds."""
        if self._schedule is None:
            return self._optimizer.learning_rates(first_step, count), None
        return self._schedule.values(first_step, count, self.state), self._momenta(first_step, count)

    def of_step(self, step: int) -> tuple[Values, Values | None]:
        """The same of one step; a schedule's are made for some steps at once."""
        if self.fixed is not None:
            return self.fixed
        if self._schedule is None:
            return self._optimizer.learning_rates(step, 1), None
        first, rates, momenta = self._block
        at = step - first
        if not 0 <= at < len(rates):
            steps = self._schedule._steps(step, BLOCK)
            rates = self._schedule.at(steps, self.state)
            good = is_rate(rates)
            if not good.all():  # an error only at the step that it belongs to
                rates = rates[: max(1, int(np.argmin(good)))]
                check_rates(rates, steps, "learning rate")
            momenta = self._momenta(step, BLOCK)
            self._block, at = (step, rates, momenta), 0
        return rates[at : at + 1], None if momenta is None else momenta[at : at + 1]

    def check(self, columns: Mapping[str, Any]) -> None:
        """Raise a ValueError before a run that lacks the column that the schedule goes by."""
        if self._schedule is not None:
            self._schedule.check_columns(columns)

    def replaced(self, learning_rate: LearningRate) -> Optimizer:
        """The same optimizer with another learning rate."""
        return dataclasses.replace(self._optimizer, learning_rate=learning_rate)

    def end_epoch(self, trainer: Trainer, logs: Mapping[str, float]) -> None:
        """Let the schedule follow; it may end the run."""
        if self._schedule is not None:
            self.restore(self._schedule.follow(self.state, logs))
            if self.state.get("stop"):
                trainer.stop_training = True

    def restore(self, state: Mapping[str, float]) -> None:
        """Set what the schedule remembers, for a run that is resumed.

        Raises:
            ValueError: The state is another schedule's.
        """
        if set(state) != set(self.state):
            raise ValueError(f"expected the state of a schedule with {sorted(self.state)}, got {sorted(state)}")
        self.state = {name: float(value) for name, value in state.items()}
        self._forget()


def _check_momentum(optimizer: Optimizer, schedule: object) -> None:
    fields = {field.name for field in dataclasses.fields(optimizer)}
    kind = type(optimizer).__name__
    if not fields & {"momentum", "beta1"}:
        raise ValueError(f"{schedule!r} moves the momentum, {kind} has none: pass cycle_momentum=False")
    if "momentum" in fields and getattr(optimizer, "momentum") == 0:  # noqa: B009 (not every optimizer has one)
        raise ValueError(
            f"{schedule!r} moves the momentum, got {kind} with momentum=0.0: pass any momentum above 0, such as "
            f"momentum=0.9, or cycle_momentum=False"
        )
