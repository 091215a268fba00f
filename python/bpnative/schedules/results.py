"""Schedules that go by what happened, by epochs or results. What they remember lives in the trainer, see `Rates`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..specification import check_count, specification
from .base import Schedule, State, Values
from .cycles import as_schedule, rates_of


@specification
class PerEpoch(Schedule):
    """Another schedule that counts epochs instead of steps: rate = s(epoch), the same in all steps of an epoch.

    Epochs count from 0 over the whole life of a trainer: those that `fit` has finished. A single `Trainer.step` belongs
    to the epoch that would come next.

    Sources: PyTorch's ``scheduler.step()`` once an epoch; Keras' LearningRateScheduler.

    Args:
        schedule: A schedule, or a callable of the epoch.

    Example:
        >>> import bpnative as bp
        >>> schedule = PerEpoch(lambda epoch: 0.5**epoch)
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), "mse", optimizer=bp.SGD(learning_rate=schedule))
        >>> history = trainer.fit([[1.0], [2.0]], [1.0, 2.0], epochs=3, batch_size=1)
        >>> trainer.step_count, trainer.schedule_state
        (6, {'epoch': 3.0})
    """

    schedule: Any
    name: ClassVar[str] = "per_epoch"
    follows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        inner = as_schedule(self.schedule, "schedule of PerEpoch")
        if isinstance(inner, Schedule) and inner.follows:
            raise ValueError(f"expected a schedule that counts steps in PerEpoch, got {inner!r}: leave PerEpoch out")
        self._set("schedule", inner)

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rate of this epoch, at each step."""
        return np.repeat(rates_of(self.schedule, np.array([state["epoch"]]), {}), len(steps))

    def momentum_at(self, steps: Values, state: Mapping[str, float]) -> Values | None:
        """The momentum of this epoch, at each step."""
        inner = self.schedule
        momenta = inner.momentum_at(np.array([state["epoch"]]), {}) if isinstance(inner, Schedule) else None
        return None if momenta is None else np.repeat(momenta, len(steps))

    def begin(self) -> State:
        """No epoch is done."""
        return {"epoch": 0.0}

    def follow(self, state: Mapping[str, float], logs: Mapping[str, float]) -> State:
        """One more is."""
        return {"epoch": state["epoch"] + 1}


@specification
class Adaptive(Schedule):
    """The rate is divided whenever the training loss fails to fall: scikit-learn's ``learning_rate="adaptive"``.

    An epoch fails when its loss is above the best one so far less tol. After more than n_iter_no_change failures in a
    row the rate is divided by divisor, and the count begins anew; where it is no more than minimum by then, the run is
    stopped instead.

    Source: scikit-learn's MLPClassifier (learning_rate_init, tol, n_iter_no_change).

    Args:
        learning_rate: The first rate, at least 0.
        tol: How much the loss must fall, at least 0.
        n_iter_no_change: Failures in a row that are let pass, at least 1.
        divisor: Above 1.
        minimum: A rate so low is not divided any more, but ends the run; at least 0.

    Example:
        >>> schedule = Adaptive(0.1, n_iter_no_change=1)
        >>> state = schedule.begin()
        >>> for loss in (1.0, 1.0, 1.0):
        ...     state = schedule.follow(state, {"loss": loss})
        >>> schedule.values(0, 1, state).tolist()
        [0.02]
    """

    learning_rate: float = 1e-3
    tol: float = 1e-4
    n_iter_no_change: int = 10
    divisor: float = 5.0
    minimum: float = 1e-6
    name: ClassVar[str] = "adaptive"
    follows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._number("learning_rate")
        self._number("tol")
        self._count("n_iter_no_change")
        self._number("divisor", "(1, inf)")
        self._number("minimum")

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rate of now, at each step."""
        return np.full(len(steps), state["learning_rate"])

    def begin(self) -> State:
        """The first rate, and no loss yet."""
        return {"learning_rate": self.learning_rate, "best": math.inf, "failures": 0.0, "stop": 0.0}

    def follow(self, state: Mapping[str, float], logs: Mapping[str, float]) -> State:
        """Compare the loss with the best one; NaN is a failure."""
        rate, best, loss = state["learning_rate"], state["best"], logs["loss"]
        failures, stop = (0.0 if loss <= best - self.tol else state["failures"] + 1), 0.0
        if failures > self.n_iter_no_change:
            failures = 0.0
            if rate <= self.minimum:
                stop = 1.0
            else:
                rate /= self.divisor
        return {"learning_rate": rate, "best": min(best, loss), "failures": failures, "stop": stop}


@specification
class ReduceOnPlateau(Schedule):
    """The rate is lowered when a number has not become better for some epochs.

    An epoch is bad when its number is no better than the best one so far by more than min_delta. After more than
    patience bad epochs in a row: rate ← max(rate · factor, min_lr); then bad epochs do not count for cooldown epochs.

    Source: PyTorch's ReduceLROnPlateau, with threshold=min_delta and threshold_mode="abs" (and without its eps).

    Args:
        learning_rate: The first rate, at least 0.
        monitor: The column of the history to go by; ``"val_loss"`` needs ``validation_data``.
        factor: In (0, 1).
        patience: Bad epochs in a row that are let pass, at least 0.
        min_delta: How much better counts as better, at least 0.
        cooldown: Epochs after a reduction in which bad ones do not count, at least 0.
        min_lr: The rate is never lowered below it.
        mode: ``"min"``, ``"max"``, or ``"auto"``, which knows losses and the metrics of this package.

    Example:
        >>> schedule = ReduceOnPlateau(0.1, monitor="loss", patience=0)
        >>> state = schedule.begin()
        >>> for loss in (1.0, 1.0):
        ...     state = schedule.follow(state, {"loss": loss})
        >>> schedule.values(0, 1, state).round(4).tolist()
        [0.01]
    """

    learning_rate: float
    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0
    mode: str = "auto"
    name: ClassVar[str] = "reduce_on_plateau"
    follows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._number("learning_rate")
        if not isinstance(self.monitor, str):
            raise TypeError(f"expected monitor of ReduceOnPlateau as the name of a column, got {self.monitor!r}")
        self._number("factor", "(0, 1)")
        self._set("patience", check_count(self.patience, "patience of ReduceOnPlateau", 0))
        self._number("min_delta")
        self._set("cooldown", check_count(self.cooldown, "cooldown of ReduceOnPlateau", 0))
        self._number("min_lr")
        if self.mode not in ("auto", "min", "max"):
            raise ValueError(f"expected mode of ReduceOnPlateau as 'auto', 'min' or 'max', got {self.mode!r}")
        self._sign()

    def _sign(self) -> float:
        """1 where less is better, -1 where more is."""
        if self.mode != "auto":
            return 1.0 if self.mode == "min" else -1.0
        from .. import metrics  # imported here: schedules stand below metrics, which know losses

        column = self.monitor.removeprefix("val_")
        if column == "loss":
            return 1.0
        greater = getattr(metrics.METRICS.get(column), "greater_is_better", None)
        if greater is None:
            known = "mode='max' or mode='min'"
            raise ValueError(f"ReduceOnPlateau can't tell whether {column!r} should rise: pass {known}")
        return -1.0 if greater else 1.0

    def at(self, steps: Values, state: Mapping[str, float]) -> Values:
        """The rate of now, at each step."""
        return np.full(len(steps), state["learning_rate"])

    def begin(self) -> State:
        """The first rate, and nothing to compare with."""
        return {"learning_rate": self.learning_rate, "best": self._sign() * math.inf, "bad": 0.0, "cooldown": 0.0}

    def follow(self, state: Mapping[str, float], logs: Mapping[str, float]) -> State:
        """Compare the number with the best one; NaN is never better."""
        rate, best, bad, cooldown = (state[name] for name in ("learning_rate", "best", "bad", "cooldown"))
        value, sign = logs[self.monitor], self._sign()
        if sign * value < sign * best - self.min_delta:
            best, bad = value, 0.0
        else:
            bad += 1
        if cooldown > 0:
            cooldown, bad = cooldown - 1, 0.0
        if bad > self.patience:
            rate = max(rate * self.factor, min(rate, self.min_lr))
            cooldown, bad = float(self.cooldown), 0.0
        return {"learning_rate": rate, "best": best, "bad": bad, "cooldown": cooldown}

    def check_columns(self, columns: Mapping[str, Any]) -> None:
        """The column to go by must be there."""
        if self.monitor not in columns:
            advice = "pass validation_data to fit" if self.monitor.startswith("val_") else "choose one of these"
            names = ", ".join(map(repr, columns))
            raise ValueError(f"ReduceOnPlateau watches {self.monitor!r}, this run has only {names}: {advice}")
