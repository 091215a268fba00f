"""What a call of `Trainer.fit` leaves behind: a dict of lists, one number an epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class History(dict[str, list[float]]):
    """Loss and metrics by epoch: ``history["loss"]``, ``history["val_accuracy"]``, each a list with a number an epoch.

    Columns are ``loss`` and the metrics over the training data while it is trained on (the mean over an epoch in which
    the weights change), and, with validation data, ``val_`` and the same names at the end of each epoch.

    Attributes:
        epochs: Numbers of the finished epochs, from 0.
        seconds: How long each took, validation included.
        params: Settings and versions of the run: epochs, batch_size, samples, network, loss, optimizer, isa, threads, …
        interrupted: True where the run was ended by Ctrl-C or an error.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 4, 1], seed=0), loss="mse")
        >>> history = trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3)
        >>> len(history["loss"]), history.epochs, history.interrupted
        (3, [0, 1, 2], False)
    """

    def __init__(self, columns: Iterable[str] = (), params: Mapping[str, Any] | None = None) -> None:
        super().__init__({column: [] for column in columns})
        self.epochs: list[int] = []
        self.seconds: list[float] = []
        self.params: dict[str, Any] = dict(params or {})
        self.interrupted = False

    def append(self, epoch: int, logs: Mapping[str, float], seconds: float) -> None:
        """Add the numbers of a finished epoch; interrupted by Ctrl-C, all of them or none."""
        columns: list[list[Any]] = [self.epochs, self.seconds, *(self.setdefault(column, []) for column in logs)]
        lengths = [len(column) for column in columns]
        try:
            for column, value in zip(columns, [epoch, seconds, *logs.values()], strict=True):
                column.append(value)
        except BaseException:
            for column, length in zip(columns, lengths, strict=True):
                del column[length:]
            raise
