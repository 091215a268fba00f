"""Curves for TensorBoard, written by tensorboardX."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .base import Callback, ShowLimit, last_learning_rate

if TYPE_CHECKING:
    from ..trainer import Trainer

# The writer's own thread syncs its file to the disk so often.
SYNC_SECONDS = 5


class TensorBoard(Callback):
    """Writes loss, metrics and learning rate of each epoch where TensorBoard reads: ``tensorboard --logdir runs``.

    Each of the first hundred epochs is written, and then ten a second and the last: an epoch of milliseconds is shorter
    than writing it, and TensorBoard shows a thousand points of a curve. The file is synced every five seconds.

    Needs tensorboardX: ``pip install 'bpnative[tensorboard]'``.

    Args:
        log_dir: The folder of this run; each run needs one of its own, TensorBoard shows all that are in one folder.

    Raises:
        TypeError: It is no path.
        ImportError: tensorboardX is not installed.

    Example:
        >>> TensorBoard("runs/first")  # doctest: +SKIP
        TensorBoard('runs/first')
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self.log_dir = os.fspath(log_dir)
        self._writer: Any = None
        _summary_writer()

    def on_train_begin(self, trainer: Trainer) -> None:
        """Open a file in the folder, and write down the settings of the run."""
        self._writer = _summary_writer()(self.log_dir, flush_secs=SYNC_SECONDS)
        self._limit = ShowLimit()
        self._waiting: tuple[int, Mapping[str, float]] | None = None
        settings = "\n".join(f"    {name}: {value}" for name, value in trainer.history.params.items())
        self._writer.add_text("settings", settings, trainer.step_count)

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """Write the numbers of the epoch."""
        self._waiting = (epoch, logs)
        if self._limit.may_show():
            self._write_waiting(trainer)

    def _write_waiting(self, trainer: Trainer) -> None:
        """One record for all numbers of an epoch."""
        if self._waiting is not None:
            epoch, logs = self._waiting
            numbers = {**logs, "learning_rate": last_learning_rate(trainer)}
            scalar = importlib.import_module("tensorboardX.summary").scalar
            summary, *others = [scalar(name, value) for name, value in numbers.items()]
            for other in others:
                summary.MergeFrom(other)
            self._writer.file_writer.add_summary(summary, epoch)
            self._waiting = None

    def on_train_end(self, trainer: Trainer) -> None:
        """Write the last epoch, if it was left out, and close the file."""
        if self._writer is not None:
            self._write_waiting(trainer)
            self._writer.close()
            self._writer = None

    def __repr__(self) -> str:
        return f"TensorBoard({self.log_dir!r})"


def _summary_writer() -> Any:
    try:
        return importlib.import_module("tensorboardX").SummaryWriter
    except ImportError:
        raise ImportError("TensorBoard needs tensorboardX: pip install 'bpnative[tensorboard]'") from None
