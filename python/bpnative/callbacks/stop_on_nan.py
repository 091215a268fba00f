"""Stopping when the loss is no number any more."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..specification import check_flag
from .base import Callback, Run

if TYPE_CHECKING:
    from ..trainer import Trainer


class StopOnNaN(Callback):
    """Ends the run when the loss of a step is NaN or infinite, and says in a RuntimeWarning at which step.

    Args:
        restore: Whether the network and the optimizer's state go back to the end of the last epoch whose losses and
            weights were all finite (or to the start of the run), so that training can go on, for example with a lower
            learning rate. It keeps a copy of both.

    Attributes:
        step: The first step with such a loss, counted as ``trainer.step_count`` counts; None where all were finite.
        epoch: The epoch of that step, from 0, or None.

    Raises:
        TypeError: restore is not True or False.

    Example:
        >>> import bpnative as bp, warnings
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse", optimizer=bp.SGD(learning_rate=1e20))
        >>> guard = bp.StopOnNaN(restore=True)
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     _ = trainer.fit([[1.0], [2.0]], [1.0, 2.0], epochs=100, callbacks=guard)
        >>> print(caught[0].message)
        loss is inf at step 1 (epoch 2 of 100, learning rate 1e+20): training stopped. Try a lower learning rate ...
    """

    def __init__(self, *, restore: bool = False) -> None:
        self.restore = check_flag(restore, "restore of StopOnNaN")
        self.step: int | None = None
        self.epoch: int | None = None
        self._kept: _Kept | None = None

    def on_train_begin(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        self.step = self.epoch = None
        self._kept = _Kept(trainer) if self.restore else None

    def on_run_end(self, trainer: Trainer, run: Run) -> None:
        """Look at the loss of each step."""
        if self.step is not None or np.isfinite(run.losses).all():
            return
        first = int(np.argmin(np.isfinite(run.losses)))
        self.step, self.epoch = run.first_step + first, run.epoch
        trainer.stop_training = True
        epochs = trainer.history.params["epochs"]
        end = "the weights of the last finite epoch come back" if self.restore else "the weights stay as they are"
        warnings.warn(
            f"loss is {run.losses[first]} at step {self.step} (epoch {run.epoch + 1} of {epochs}, learning rate "
            f"{run.learning_rates[first]:.3g}): training stopped. Try a lower learning rate or scaled inputs; {end}",
            RuntimeWarning,
            stacklevel=2,
        )

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """Keep what can be gone back to."""
        if self._kept is not None and self.step is None and np.isfinite(trainer.network.parameters).all():
            self._kept.keep(trainer)

    def on_train_end(self, trainer: Trainer) -> None:
        """Go back where that was asked for."""
        if self._kept is not None and self.step is not None:
            self._kept.restore(trainer)
        self._kept = None

    def __repr__(self) -> str:
        return f"StopOnNaN(restore={self.restore})"


class _Kept:
    """A copy of weights, optimizer state and step count."""

    def __init__(self, trainer: Trainer) -> None:
        self._views = [trainer.network.parameters, trainer.network.statistics, *trainer.state.values()]
        self._copies: list[npt.NDArray[Any]] = [np.empty_like(view) for view in self._views]
        self.keep(trainer)

    def keep(self, trainer: Trainer) -> None:
        self.step_count = trainer.step_count
        for copy, view in zip(self._copies, self._views, strict=True):
            copy[...] = view

    def restore(self, trainer: Trainer) -> None:
        for copy, view in zip(self._copies, self._views, strict=True):
            view[...] = copy
        trainer._native.step_count = self.step_count
