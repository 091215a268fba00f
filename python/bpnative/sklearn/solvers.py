"""Optimizers that take scikit-learn's steps: the same formulas as bpnative's, with other conventions.

scikit-learn's Adam adds epsilon to √v before the bias is corrected, bpnative's after it. Where the counter of steps
starts so late that bias corrections are 1, only the learning rate is left to correct, and that is an array of a run:
so `SklearnAdam` counts from `first_step` on. scikit-learn's momentum holds learning rates of the past within itself:
where the rate changes, `change_rate` rescales it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..optimizers import SGD, Adam, LearningRate, Optimizer
from ..specification import specification
from ..trainer import Trainer


@specification
class SklearnAdam(Adam):
    """Adam with epsilon where scikit-learn has it: w ← w - rateₜ·m / (√v + epsilon).

    rateₜ = learning_rate·√(1 - β₂ᵗ) / (1 - β₁ᵗ), t counting updates from 1. Source: Kingma & Ba, "Adam: a method for
    stochastic optimization", ICLR 2015, the form at the end of section 2.
    """

    @functools.cached_property
    def first_step(self) -> int:
        """A step so late that native bias corrections are 1 to the last bit."""
        return 1 << min(52, math.ceil(math.log2(64 / (1 - max(self.beta1, self.beta2)))))

    def learning_rates(self, first_step: int, count: int) -> npt.NDArray[np.float64]:
        """The learning rate of each of `count` steps, corrected for the bias of m and v."""
        first_step = max(0, first_step - self.first_step)
        # One scalar formula for any count: NumPy's vectors may round otherwise, and time decides how many steps come.
        beta1, beta2, rate = self.beta1, self.beta2, self.learning_rate
        steps = range(first_step + 1, first_step + 1 + count)
        if not callable(rate):
            return np.array([rate * (math.sqrt(1 - beta2**t) / (1 - beta1**t)) for t in steps])
        rates = super().learning_rates(first_step, count)
        rates *= [math.sqrt(1 - beta2**t) / (1 - beta1**t) for t in steps]
        return rates


@dataclasses.dataclass(frozen=True)
class Scaled:
    """A schedule times a constant, for losses that differ by a constant.

    Example:
        >>> Scaled(lambda step: 0.1 * step, 2.0)(3) == 0.6000000000000001
        True
    """

    schedule: Callable[[int], float]
    factor: float

    def __call__(self, step: int) -> float:
        """The learning rate of a step."""
        return self.factor * self.schedule(step)


def make(
    solver: str | Optimizer,
    gradient_scale: float,
    learning_rate: LearningRate,
    momentum: float,
    nesterov: bool,
    betas: tuple[float, float],
    epsilon: float,
) -> Optimizer:
    """The optimizer whose steps down ∇f are the steps that scikit-learn takes down ``gradient_scale · ∇f``.

    Example:
        >>> make("sgd", 0.5, 0.1, 0.9, True, (0.9, 0.999), 1e-8)
        SGD(learning_rate=0.05, momentum=0.9, nesterov=True)
    """
    if isinstance(solver, Optimizer):
        return solver
    if solver == "sgd":
        return SGD(scale_rate(learning_rate, gradient_scale), momentum, bool(nesterov and momentum > 0))
    return SklearnAdam(learning_rate, *betas, epsilon / gradient_scale)


def scale_rate(learning_rate: LearningRate, factor: float) -> LearningRate:
    """A number or a schedule times a constant.

    Example:
        >>> scale_rate(0.1, 0.5)
        0.05
    """
    if not callable(learning_rate):
        return float(learning_rate) * factor
    return learning_rate if factor == 1.0 else Scaled(learning_rate, factor)


def start(trainer: Trainer) -> None:
    """Let the counter of a new trainer begin where its optimizer wants it to."""
    if isinstance(trainer.optimizer, SklearnAdam):
        trainer.step_count = trainer.optimizer.first_step


def change_rate(trainer: Trainer, learning_rate: float) -> None:
    """Change the learning rate as scikit-learn does: what momentum has gathered keeps its old rate."""
    old = trainer.learning_rate
    velocity = trainer.state.get("velocity")
    if velocity is not None and not callable(old):
        velocity *= old / learning_rate
    trainer.learning_rate = learning_rate
