"""Curves for TensorBoard, written by tensorboardX."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .base import FLUSH_SECONDS, Callback, last_learning_rate

if TYPE_CHECKING:
    from ..trainer import Trainer


class TensorBoard(Callback):
    """Writes loss, metrics and learning rate of each epoch where TensorBoard reads: ``tensorboard --logdir runs``.

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
        self._writer = _summary_writer()(self.log_dir)
        self._flushed = time.monotonic()
        settings = "\n".join(f"    {name}: {value}" for name, value in trainer.history.params.items())
        self._writer.add_text("settings", settings, trainer.step_count)

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """Write the numbers of the epoch."""
        for name, value in logs.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.add_scalar("learning_rate", last_learning_rate(trainer), epoch)
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._writer.flush()
            self._flushed = time.monotonic()

    def on_train_end(self, trainer: Trainer) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __repr__(self) -> str:
        return f"TensorBoard({self.log_dir!r})"


def _summary_writer() -> Any:
    try:
        return importlib.import_module("tensorboardX").SummaryWriter
    except ImportError:
        raise ImportError("TensorBoard needs tensorboardX: pip install 'bpnative[tensorboard]'") from None
