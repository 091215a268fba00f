"""Schedules: the learning rate of every step of a run, given as ``learning_rate=`` of any optimizer.

    >>> import bpnative as bp
    >>> schedule = bp.schedules.Warmup(bp.schedules.Cosine(1e-3, steps=5000), steps=500)
    >>> trainer = bp.Trainer(bp.mlp([4, 8, 1], seed=0), "mse", optimizer=bp.Adam(learning_rate=schedule))

**What is counted.** A schedule counts steps (updates), from 0, over the whole life of a trainer: a second `fit` goes on
where the first one ended, and no length depends on the size of the data. To count epochs instead, as PyTorch users do
who call ``scheduler.step()`` once an epoch, wrap it: ``PerEpoch(Step(0.1, every=30))``; nobody has to say how many
steps an epoch has. `PerEpoch` also takes any function of the epoch, as Keras' LearningRateScheduler does.

**What is remembered.** Schedules are frozen settings. `PerEpoch`, `Adaptive` and `ReduceOnPlateau` go by what happened:
the trainer remembers it for them, in ``trainer.schedule_state``, and carries it along when it is pickled.

Any ``callable(step)`` serves as a learning rate too; a class of one's own derives from `Schedule`.
"""

from __future__ import annotations

from typing import Any

from ..names import lookup
from .base import Schedule, State
from .cycles import Cosine, CosineRestarts, OneCycle, Warmup
from .decays import Constant, Exponential, InverseScaling, MultiStep, Polynomial, Step
from .rates import Rates
from .results import Adaptive, PerEpoch, ReduceOnPlateau

__all__ = [
    "SCHEDULES",
    "Adaptive",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "InverseScaling",
    "MultiStep",
    "OneCycle",
    "PerEpoch",
    "Polynomial",
    "Rates",
    "ReduceOnPlateau",
    "Schedule",
    "State",
    "Step",
    "Warmup",
    "get",
]

SCHEDULES: dict[str, type[Schedule]] = {
    kind.name: kind
    for kind in (
        Constant,
        Step,
        MultiStep,
        Exponential,
        Polynomial,
        InverseScaling,
        Cosine,
        CosineRestarts,
        OneCycle,
        Warmup,
        PerEpoch,
        Adaptive,
        ReduceOnPlateau,
    )
}


def get(name: str, *arguments: Any, **settings: Any) -> Schedule:
    """The schedule of this name, made with these settings: for command lines and configuration files.

    Raises:
        ValueError: No schedule has this name (the nearest one is suggested), or a setting is out of range.
        TypeError: A setting is missing, unknown, or has the wrong type.

    Example:
        >>> get("cosine", 0.1, steps=1000)
        Cosine(0.1, 1000)
    """
    return lookup("schedule", name, SCHEDULES)(*arguments, **settings)
