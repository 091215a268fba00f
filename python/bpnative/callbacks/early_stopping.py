"""Stopping when a number has stopped getting better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ..specification import check_count, check_flag, check_number
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer


_STATE = ("best_epoch", "stopped_epoch", "best_value", "_best", "_best_statistics")


class EarlyStopping(Callback):
    """Stops when a number has not become better for some epochs, and brings the best epoch's weights back.

    Args:
        patience: How many epochs in a row without a better number end the run, at least 1.
        monitor: The column of the history to go by; ``"val_loss"`` needs ``validation_data``.
        min_delta: How much better counts as better, at least 0.
        mode: ``"min"``, ``"max"``, or ``"auto"``, which knows losses and the metrics of this package.
        restore_best: Whether the network ends with the weights of its best epoch, however the run ends.

    Attributes:
        best_epoch: The epoch of the best number, from 0; None before the first epoch ends.
        best_value: That number; NaN is never better.
        stopped_epoch: The epoch after which the run was stopped; None where it was not.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range; at the start of a run: nothing has the name `monitor`.

    Source: Prechelt, "Early stopping - but when?", 1998.

    Example:
        >>> EarlyStopping(patience=3, monitor="val_accuracy")
        EarlyStopping(patience=3, monitor='val_accuracy', min_delta=0.0, mode='auto', restore_best=True)
    """

    def __init__(
        self,
        patience: int = 5,
        monitor: str = "val_loss",
        *,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
    ) -> None:
        self.patience = check_count(patience, "patience of EarlyStopping")
        self.monitor = monitor
        self.min_delta = check_number(min_delta, "min_delta of EarlyStopping", "[0, inf)")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"expected mode of EarlyStopping as 'auto', 'min' or 'max', got {mode!r}")
        self.mode = mode
        self.restore_best = check_flag(restore_best, "restore_best of EarlyStopping")
        self._reset()

    def _reset(self) -> None:
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self.best_value = math.nan
        self._best: npt.NDArray[Any] | None = None
        self._best_statistics: npt.NDArray[Any] | None = None

    def on_train_begin(self, trainer: Trainer) -> None:
        """Find the column to watch, and forget an earlier run."""
        self._reset()
        if self.monitor not in trainer.history:
            advice = "pass validation_data to fit" if self.monitor.startswith("val_") else "choose one of these"
            columns = ", ".join(map(repr, trainer.history))
            raise ValueError(f"EarlyStopping watches {self.monitor!r}, this run has only {columns}: {advice}")
        self._sign = self._direction(trainer)

    def _direction(self, trainer: Trainer) -> float:
        column = self.monitor.removeprefix("val_")
        greater: bool | None = False if column == "loss" else None
        for metric in trainer.metrics:
            if metric.name == column:
                greater = metric.greater_is_better
        if self.mode != "auto":
            greater = self.mode == "max"
        if greater is None:
            raise ValueError(f"EarlyStopping can't tell whether {column!r} should rise: pass mode='max' or mode='min'")
        return -1.0 if greater else 1.0

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """Compare, remember the best weights, stop when patience is at its end."""
        value = logs[self.monitor]
        gain = self._sign * (self.best_value - value)
        if self.best_epoch is None or gain > self.min_delta or (math.isnan(self.best_value) and not math.isnan(value)):
            self.best_epoch, self.best_value = epoch, value
            if self.restore_best:
                self._best = trainer.network.parameters.copy()
                self._best_statistics = trainer.network.statistics.copy()
        elif epoch - self.best_epoch >= self.patience:
            self.stopped_epoch = epoch
            trainer.stop_training = True

    def on_train_end(self, trainer: Trainer) -> None:
        """Bring the best weights back."""
        if self._best is not None:
            trainer.network.parameters[...] = self._best
            trainer.network.statistics[...] = self._best_statistics
            self._best = self._best_statistics = None

    def state(self) -> dict[str, Any]:
        """The best epoch so far, with its weights and statistics."""
        return {name: getattr(self, name) for name in _STATE}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name in _STATE:
            setattr(self, name, state.get(name))

    def __repr__(self) -> str:
        return (
            f"EarlyStopping(patience={self.patience}, monitor={self.monitor!r}, min_delta={self.min_delta}, "
            f"mode={self.mode!r}, restore_best={self.restore_best})"
        )
