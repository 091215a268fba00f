"""What a trainer is outside of memory: pickle and copy, and its file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from . import trainer_files
from .averages import Averaged
from .io.atomic import PathLike
from .layer_views import assign
from .losses import LossLike
from .metrics import MetricLike
from .optimizers import Optimizer
from .specification import check_count

if TYPE_CHECKING:
    from .trainer import Trainer

T = TypeVar("T", bound="TrainerFiles")

STATE_VERSION = 2


class TrainerFiles(Averaged):
    """The part of `Trainer` that files, pickle and copies use."""

    def save(self, path: PathLike) -> None:
        """Write all of the trainer to a file, all or nothing: `load` goes on from it to the bit.

        Raises:
            OSError: The file can't be written; the old one is untouched.
        """
        trainer_files.save(self, path)  # type: ignore[arg-type]

    @classmethod
    def load(
        cls: type[T],
        path: PathLike,
        *,
        loss: LossLike | None = None,
        optimizer: str | Optimizer | None = None,
        metrics: Iterable[MetricLike] | None = None,
    ) -> T:
        """The trainer of a file that `save`, or `fit` with a checkpoint, wrote; nothing in the file is executed.

        Args:
            path: The file.
            loss: Used instead of the file's; so are the two below. No file holds functions (a learning rate, a metric).
            optimizer: Of the same kind as the file's: its state is the file's.
            metrics: As of `Trainer`.

        Raises:
            ValueError: The file holds no trainer, is damaged, or needs a function that must be passed.
            OSError: It can't be read.
        """
        return trainer_files.load(cls, path, loss, optimizer, metrics)  # type: ignore[type-var]

    def __getstate__(self) -> dict[str, Any]:
        trainer: Trainer = self  # type: ignore[assignment]
        return {
            "version": STATE_VERSION,
            "network": trainer.network,
            "loss": trainer.loss,
            "optimizer": trainer.optimizer,
            "metrics": trainer.metrics,
            "update": (trainer.clip_norm, trainer.clip_value, trainer.accumulate),
            "generator": trainer._generator,
            "history": trainer.history,
            "step_count": trainer.step_count,
            "schedule_state": trainer.schedule_state,
            "state": {name: view.copy() for name, view in trainer.state.items()},
            "groups": trainer.groups,
            "average": self._average,
            "average_state": self._average_state(),
        }

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict) or state.get("version") != STATE_VERSION:
            raise ValueError(f"expected a pickled trainer of version {STATE_VERSION}, got another")
        settings = {"metrics": state["metrics"], "seed": state["generator"]}
        settings |= dict(zip(("clip_norm", "clip_value", "accumulate"), state["update"], strict=True))
        settings |= {name: state[name] for name in ("groups", "average")}
        trainer: Any = self
        trainer.__init__(state["network"], state["loss"], state["optimizer"], **settings)
        views = trainer.state
        if set(views) != set(state["state"]):
            raise ValueError(f"expected pickled optimizer state {sorted(views)}, got {sorted(state['state'])}")
        for name, view in views.items():
            assign(view, state["state"][name], f"optimizer state {name!r}")
        self._set_average_state(state["average_state"])
        trainer._native.step_count = check_count(state["step_count"], "step_count", 0)
        trainer._rates.restore(state.get("schedule_state", trainer._rates.state))
        trainer.history = state["history"]
