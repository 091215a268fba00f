"""Optimizers: how a gradient g changes a weight w. Specifications only; the updates are native.

A learning rate is a number, or a ``callable(step)`` that gives one for each step, such as a schedule of
`bpnative.schedules`; steps count from 0 over the whole life of a trainer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from .names import lookup
from .schedules import Schedule
from .specification import Specification, check_flag, check_number

LearningRate: TypeAlias = float | Callable[[int], float]


@dataclasses.dataclass(frozen=True, repr=False)
class Optimizer(Specification):
    """Base of the optimizers: each has a `learning_rate`, and settings of its own."""

    learning_rate: LearningRate

    def __post_init__(self) -> None:
        if not callable(self.learning_rate):
            rate = check_number(self.learning_rate, f"learning_rate of {type(self).__name__}", "[0, inf)")
            object.__setattr__(self, "learning_rate", rate)

    def settings(self) -> dict[str, float]:
        """All numbers but the learning rate, by name, as the native side takes them."""
        fields = (f.name for f in dataclasses.fields(self) if f.name != "learning_rate")
        return {name: float(getattr(self, name)) for name in fields}

    def learning_rates(self, first_step: int, count: int) -> npt.NDArray[np.float64]:
        """The learning rate of each of `count` steps from `first_step` on.

        Raises:
            ValueError: A callable gave a negative or a non-finite rate.
            TypeError: A callable gave something that is no number.

        Example:
            >>> SGD(learning_rate=lambda step: 1.0 / (1 + step)).learning_rates(0, 2).tolist()
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


@dataclasses.dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's form of it.

    v ← momentum·v + g;  w ← w - learning_rate·v, or with nesterov w ← w - learning_rate·(g + momentum·v).

    Sources: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Sutskever, Martens, Dahl
    & Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013; in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        momentum: In [0, 1]; 0 is plain gradient descent and keeps no state.
        nesterov: Look ahead along the momentum; needs momentum above 0.

    Example:
        >>> SGD(learning_rate=0.1, momentum=0.9)
        SGD(learning_rate=0.1, momentum=0.9)
    """

    learning_rate: LearningRate = 1e-2
    momentum: float = 0.0
    nesterov: bool = False
    name: ClassVar[str] = "sgd"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("momentum", "[0, 1]")
        object.__setattr__(self, "nesterov", check_flag(self.nesterov, "nesterov of SGD"))
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov=True needs momentum above 0, got momentum=0.0; try momentum=0.9")


@dataclasses.dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Adaptive moment estimation, t counting updates from 1.

    m ← β₁·m + (1 - β₁)·g;  v ← β₂·v + (1 - β₂)·g²;
    w ← w - learning_rate / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + epsilon).

    Source: Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        beta1: β₁ in [0, 1), the decay of the mean of gradients.
        beta2: β₂ in [0, 1), the decay of the mean of squared gradients.
        epsilon: Above 0; keeps the denominator away from zero.

    Example:
        >>> Adam(learning_rate=3e-4)
        Adam(learning_rate=0.0003)
    """

    learning_rate: LearningRate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    name: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta1", "[0, 1)")
        self._check("beta2", "[0, 1)")
        self._check("epsilon", "(0, inf)")


OPTIMIZERS: dict[str, type[SGD] | type[Adam]] = {kind.name: kind for kind in (SGD, Adam)}


def get(optimizer: str | Optimizer) -> Optimizer:
    """The specification for a name or a specification.

    Raises:
        ValueError: No optimizer has this name; the nearest one is suggested.
        TypeError: It is neither a name nor a specification.

    Example:
        >>> get("adam")
        Adam()
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        return lookup("optimizer", optimizer, OPTIMIZERS)()
    raise TypeError(
        f"expected optimizer as a name or an object such as bpnative.Adam(learning_rate=1e-3), got {optimizer!r} "
        f"({type(optimizer).__name__}); known names: {', '.join(map(repr, OPTIMIZERS))}"
    )
