"""What all optimizers share: a learning rate, settings with checks, and the numbers that native code takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .schedules import Schedule
from .specification import Specification, check_flag, check_number, specification

LearningRate: TypeAlias = float | Callable[[int], float]


@specification
class Optimizer(Specification):
    """Base of the optimizers: each has a `learning_rate`, and settings of its own."""

    learning_rate: LearningRate = 1e-3

    def __post_init__(self) -> None:
        if not callable(self.learning_rate):
            rate = check_number(self.learning_rate, f"learning_rate of {type(self).__name__}", "[0, inf)")
            object.__setattr__(self, "learning_rate", rate)

    @property
    def native_name(self) -> str:
        """The name of the kernel that does it; it may depend on a setting, as ``Adam(amsgrad=True)`` shows.

        Example:
            >>> import bpnative as bp
            >>> bp.Adam().native_name, bp.Adam(amsgrad=True).native_name
            ('adam', 'amsgrad')
        """
        return self.name

    def settings(self) -> dict[str, float]:
        """All numbers but the learning rate, by name, as the native side takes them.

        Example:
            >>> import bpnative as bp
            >>> bp.SGD(momentum=0.9).settings()
            {'momentum': 0.9, 'nesterov': 0.0, 'weight_decay': 0.0}
        """
        fields = (f.name for f in dataclasses.fields(self) if f.name != "learning_rate")
        return {name: float(getattr(self, name)) for name in fields}

    def learning_rates(self, first_step: int, count: int) -> npt.NDArray[np.float64]:
        """The learning rate of each of `count` steps from `first_step` on.

        Raises:
            ValueError: A callable gave a negative or a non-finite rate.
            TypeError: A callable gave something that is no number.

        Example:
            >>> import bpnative as bp
            >>> bp.SGD(learning_rate=lambda step: 1.0 / (1 + step)).learning_rates(0, 2).tolist()
            [1.0, 0.5]
        """
        if not callable(self.learning_rate):
            rates = np.empty(count)
            rates.fill(self.learning_rate)  # a fifth of np.full's time, and on the way of every step
            return rates
        rate = self.learning_rate
        if isinstance(rate, Schedule):
            return rate.values(first_step, count)
        steps = range(first_step, first_step + count)
        return np.array([check_number(rate(step), f"learning rate of step {step}", "[0, inf)") for step in steps])

    def _check(self, name: str, interval: str) -> None:
        number = check_number(getattr(self, name), f"{name} of {type(self).__name__}", interval)
        object.__setattr__(self, name, number)

    def _check_flag(self, name: str) -> None:
        object.__setattr__(self, name, check_flag(getattr(self, name), f"{name} of {type(self).__name__}"))
