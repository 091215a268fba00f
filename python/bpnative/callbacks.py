"""Callbacks: what is called while `Trainer.fit` runs, between native calls and only there.

Epochs are numbered from 0, as the lists of a history are; only what is printed for people counts from 1.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .specification import check_count, check_flag, check_number

if TYPE_CHECKING:
    from .trainer import Trainer


@dataclasses.dataclass(frozen=True)
class Run:
    """One native call of `Trainer.fit`: some tens of milliseconds of steps.

    How many steps those are is a matter of time and differs from run to run of a program.

    Attributes:
        epoch: The epoch it belongs to, from 0.
        first_step: Updates that the trainer had made before it.
        losses: Mean loss of each minibatch of the run.
        learning_rates: Learning rate of each step of the run.
        samples_done: Samples of this epoch trained on so far, this run included.
        samples: Samples of an epoch.
    """

    epoch: int
    first_step: int
    losses: npt.NDArray[np.float64]
    learning_rates: npt.NDArray[np.float64]
    samples_done: int
    samples: int


class Callback:
    """Base of the callbacks: define the moments that you need. ``trainer.stop_training = True`` ends the run.

    An exception in a callback ends the run: `on_train_end` of all callbacks is called, the network is intact, the
    history so far is ``trainer.history``.

    Example:
        >>> import bpnative as bp
        >>> class Print(bp.Callback):
        ...     def on_epoch_end(self, trainer, epoch, logs):
        ...         print("epoch", epoch, sorted(logs))
        >>> trainer = bp.Trainer(bp.mlp([1, 4, 1], seed=0), loss="mse", metrics=["mae"])
        >>> _ = trainer.fit([[0.0], [1.0]], [0.0, 1.0], callbacks=[Print()])
        epoch 0 ['loss', 'mae']
    """

    def on_train_begin(self, trainer: Trainer) -> None:
        """Before the first epoch; ``trainer.history.params`` knows the settings."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before each epoch."""

    def on_run_end(self, trainer: Trainer, run: Run) -> None:
        """After each native call, some tens of milliseconds of steps."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """After each epoch and its validation; logs holds loss, metrics and val_ numbers."""

    def on_train_end(self, trainer: Trainer) -> None:
        """After the last epoch, however the run ended."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of the callback: numbers, strings, lists, dicts, arrays. Define `restore`, too."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; called after `on_train_begin`, before the first epoch that is resumed."""


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
        elif epoch - self.best_epoch >= self.patience:
            self.stopped_epoch = epoch
            trainer.stop_training = True

    def on_train_end(self, trainer: Trainer) -> None:
        """Bring the best weights back."""
        if self._best is not None:
            trainer.network.parameters[...] = self._best
            self._best = None

    def state(self) -> dict[str, Any]:
        """The best epoch so far, with its weights."""
        return {name: getattr(self, name) for name in _EARLY_STOPPING_STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name in _EARLY_STOPPING_STATE:
            setattr(self, name, state[name])

    def __repr__(self) -> str:
        return (
            f"EarlyStopping(patience={self.patience}, monitor={self.monitor!r}, min_delta={self.min_delta}, "
            f"mode={self.mode!r}, restore_best={self.restore_best})"
        )


_EARLY_STOPPING_STATE = ("best_epoch", "stopped_epoch", "best_value", "_best")


class EpochLine(Callback):
    """Prints one line an epoch: what `Trainer.fit` does by itself on a terminal.

    Example:
        >>> EpochLine.line(0, 10, 60000, 2.0, {"loss": 0.25, "accuracy": 0.9125})
        'epoch  1/10  loss 0.2500  accuracy 0.9125  2.0 s, 30,000 samples/s'
    """

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """Print the line."""
        params = trainer.history.params
        seconds = time.perf_counter() - self._start
        print(self.line(epoch, params["epochs"], params["samples"], seconds, logs), flush=True)

    @staticmethod
    def line(epoch: int, epochs: int, samples: int, seconds: float, logs: Mapping[str, float]) -> str:
        """The line for an epoch."""
        shown = (f"{value:.4f}" if abs(value) >= 1e-3 else f"{value:.3g}" for value in logs.values())
        numbers = "  ".join(f"{name} {value}" for name, value in zip(logs, shown, strict=True))
        rate = samples / max(seconds, 1e-9)
        return f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}  {numbers}  {seconds:.1f} s, {rate:,.0f} samples/s"


def gather(callbacks: Callback | Iterable[Callback], progress: bool | None) -> list[Callback]:
    """The callbacks of a run, with the printed line where it is wanted.

    Args:
        callbacks: One, or several in the order in which they are called.
        progress: True prints, False doesn't, None does on a terminal.

    Raises:
        TypeError: One is no `Callback`.

    Example:
        >>> gather([], False)
        []
    """
    chosen = [callbacks] if isinstance(callbacks, Callback) else list(callbacks)
    for callback in chosen:
        if not isinstance(callback, Callback):
            raise TypeError(f"expected callbacks as objects of bpnative.Callback, got {callback!r}")
    if progress is None:
        progress = sys.stdout is not None and sys.stdout.isatty()
    return [*chosen, EpochLine()] if check_flag(progress, "progress") else chosen


def end_all(callbacks: Iterable[Callback], trainer: Trainer) -> None:
    """Call every `on_train_end` while an error is on its way; errors of theirs become warnings and must not hide it."""
    for callback in callbacks:
        try:
            callback.on_train_end(trainer)
        except Exception as error:
            warnings.warn(f"on_train_end of {callback!r} failed: {error!r}", RuntimeWarning, stacklevel=3)
