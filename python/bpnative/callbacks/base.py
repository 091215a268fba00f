"""The moments of a run that callbacks are called at, and how they are told of its end."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ..trainer import Trainer

# Files of a run are written through to the system once in so many seconds, not every epoch of milliseconds.
FLUSH_SECONDS = 0.5
# Every epoch is shown, until short epochs would flood what shows them: then ten a second.
AT_ONCE, A_SECOND = 100, 10


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
        samples: Samples of an epoch; 0 in the first epoch over batches whose number is not known yet.
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
        """What a checkpoint keeps of the callback: numbers, strings, lists, dicts, arrays. Define `resume`, too."""
        return {}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; called after `on_train_begin`, before the first epoch that is resumed."""


def end_all(callbacks: Iterable[Callback], trainer: Trainer) -> None:
    """Call every `on_train_end` while an error is on its way; errors of theirs become warnings and must not hide it."""
    for callback in callbacks:
        try:
            callback.on_train_end(trainer)
        except Exception as error:
            warnings.warn(f"on_train_end of {callback!r} failed: {error!r}", RuntimeWarning, stacklevel=3)


class ShowLimit:
    """Which epochs are shown: the first hundred, then ten a second.

    Example:
        >>> limit = ShowLimit()
        >>> all(limit.may_show() for _ in range(100))
        True
    """

    def __init__(self) -> None:
        self._begin, self._shown = time.perf_counter(), 0

    def may_show(self) -> bool:
        """Whether one more may be shown now; it counts as shown then."""
        may = self._shown + 1 <= AT_ONCE + A_SECOND * (time.perf_counter() - self._begin)
        self._shown += may
        return may


def last_learning_rate(trainer: Trainer) -> float:
    """The learning rate of the last step, NaN where there are no steps (`LBFGS`).

    Example:
        >>> import bpnative as bp
        >>> last_learning_rate(bp.Trainer(bp.mlp([1, 1]), loss="mse", optimizer=bp.SGD(learning_rate=0.5)))
        0.5
    """
    if not hasattr(trainer.optimizer, "learning_rates"):
        return math.nan
    return float(trainer._rates.of_step(max(0, trainer.step_count - 1))[0][0])
