"""One row an epoch in a CSV file."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from ..specification import check_flag
from .base import FLUSH_SECONDS, Callback, Run, last_learning_rate

if TYPE_CHECKING:
    from ..trainer import Trainer


class CSVLogger(Callback):
    """Writes one row an epoch: epoch, step, seconds, learning_rate, and the columns of the history.

    Rows are handed to the system as they come, those of short epochs together every half second: a run that ends by an
    error or Ctrl-C leaves all of them, one that is killed lacks those of its last half second at most. Numbers are
    written with all their digits. Epochs count from 0 in each run, steps over all of a trainer's.

    Args:
        path: The file; its folder must exist.
        append: Whether to go on at the end of a file that is there, with the same columns, instead of replacing it.

    Raises:
        TypeError: An argument has the wrong type.
        OSError: At the start of a run: the file can't be opened.
        ValueError: At the start of a run: the file to append to has other columns.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse", metrics=["mae"])
        >>> _ = trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, callbacks=bp.CSVLogger("run.csv"))
        >>> with open("run.csv") as file:
        ...     lines = file.read().splitlines()
        >>> lines[0], len(lines)
        ('epoch,step,seconds,learning_rate,loss,mae', 3)
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self.path = os.fspath(path)
        if not isinstance(self.path, str):
            raise TypeError(f"expected path of CSVLogger as a string or a Path, got {path!r}")
        self.append = check_flag(append, "append of CSVLogger")
        self._file: TextIO | None = None
        self._flushed, self._waiting = 0.0, False

    def on_train_begin(self, trainer: Trainer) -> None:
        """Open the file and write or check its header."""
        columns = ["epoch", "step", "seconds", "learning_rate", *trainer.history]
        header = self._header() if self.append else None
        if header is not None and header != columns:
            raise ValueError(
                f"CSVLogger appends to {self.path!r} with columns {', '.join(header)}, and this run has "
                f"{', '.join(columns)}: choose another file, or append=False to replace it"
            )
        self._file = open(self.path, "w" if header is None else "a", newline="", encoding="utf-8")  # noqa: SIM115
        self._writer = csv.writer(self._file, lineterminator="\n")
        if header is None:
            self._write(columns)

    def _header(self) -> list[str] | None:
        try:
            with open(self.path, newline="", encoding="utf-8") as file:
                return next(csv.reader(file), None)
        except FileNotFoundError:
            return None

    def _write(self, row: Sequence[object]) -> None:
        self._writer.writerow(row)
        self._waiting = True
        self._flush()

    def _flush(self) -> None:
        now = time.monotonic()
        if self._file is not None and now - self._flushed >= FLUSH_SECONDS:
            self._file.flush()
            self._flushed, self._waiting = now, False

    def on_run_end(self, trainer: Trainer, run: Run) -> None:
        """Hand over the rows of epochs before, once there has been none for a while."""
        if self._waiting:
            self._flush()

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """Write the row."""
        step = trainer.step_count
        rate = last_learning_rate(trainer)
        self._write([epoch, step, trainer.history.seconds[-1], rate, *logs.values()])

    def on_train_end(self, trainer: Trainer) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __repr__(self) -> str:
        return f"CSVLogger({self.path!r}, append={self.append})"
