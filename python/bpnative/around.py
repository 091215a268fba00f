"""What stands around the epochs of a run: its history and callbacks, the pace of native calls, evaluation in blocks."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _bpnative
from ._version import __version__
from .callbacks import Callback, end_all
from .history import History
from .meter import Meter
from .samples import SampleSource

if TYPE_CHECKING:
    from .batches import Batches
    from .trainer import Trainer

Array = npt.NDArray[Any]

# A native call runs for about so long: often enough to hear Ctrl-C, seldom enough that Python costs nothing.
RUN_SECONDS = 0.04
# The most outputs of one native call that are kept for metrics.
RUN_OUTPUTS = 2**20
# The most inputs of one native call of an evaluation: data may be gathered for it.
BLOCK_INPUTS = 2**21


class Pace:
    """How many steps the next native call makes, by the time the last one took; no result depends on it.

    Example:
        >>> pace = Pace()
        >>> pace.steps
        1
        >>> pace.measured(steps=1, seconds=0.001)
        >>> pace.steps
        40
    """

    def __init__(self) -> None:
        self.steps = 1

    def measured(self, steps: int, seconds: float) -> None:
        """Take in how long a call of so many steps took; one odd measurement changes the pace by 64 times at most."""
        wanted = int(steps * RUN_SECONDS / max(seconds, 1e-6))
        self.steps = max(1, min(wanted, 64 * steps))


@contextlib.contextmanager
def running(
    trainer: Trainer,
    samples: SampleSource | Batches,
    validation: SampleSource | None,
    settings: dict[str, Any],
    callbacks: Sequence[Callback],
) -> Iterator[History]:
    """What stands around the epochs of a run: its history, and the callbacks' beginning and end, however it ends.

    Raises:
        RuntimeError: The trainer has a run already, whose history and stand this one would take away.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse")
        >>> from bpnative.samples import Samples
        >>> samples = Samples(np.ones((4, 1), np.float32), np.ones((4, 1), np.float32), None)
        >>> with running(trainer, samples, None, {"epochs": 1}, []) as history:
        ...     list(history)
        ['loss']
    """
    if trainer._fitting.locked():
        raise RuntimeError("this trainer is being fitted: train copy.deepcopy(trainer) in a callback or another thread")
    with trainer._fitting:
        names = ["loss", *(metric.name for metric in trainer.metrics)]
        columns = names if validation is None else [*names, *(f"val_{name}" for name in names)]
        trainer._rates.check(dict.fromkeys(columns))
        trainer.history = history = History(columns, settings | _params(trainer, samples))
        trainer.stop_training = False
        begun: list[Callback] = []
        try:
            for callback in callbacks:
                callback.on_train_begin(trainer)
                begun.append(callback)
            yield history
            while begun:
                begun.pop(0).on_train_end(trainer)
        except BaseException:
            trainer.history.interrupted = True  # a checkpoint brought another history
            end_all(begun, trainer)
            raise


def begin_epoch(trainer: Trainer, epoch: int, callbacks: Sequence[Callback]) -> bool:
    """Let an epoch begin; False where a callback has stopped the run.

    Example:
        >>> import bpnative as bp
        >>> begin_epoch(bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse"), 0, [])
        True
    """
    for callback in callbacks:
        callback.on_epoch_begin(trainer, epoch)
    return not trainer.stop_training


def end_epoch(
    trainer: Trainer,
    epoch: int,
    logs: dict[str, float],
    validation: SampleSource | None,
    start: float,
    callbacks: Sequence[Callback],
) -> None:
    """What stands at the end of an epoch: validation, the history, the schedule, the callbacks.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse")
        >>> end_epoch(trainer, 0, {"loss": 0.5}, None, time.perf_counter(), [])
        >>> trainer.history
        {'loss': [0.5]}
    """
    if validation is not None:
        logs |= {f"val_{name}": value for name, value in evaluate(trainer, validation).items()}
    trainer.history.append(epoch, logs, time.perf_counter() - start)
    trainer._rates.end_epoch(trainer, logs)
    for callback in callbacks:
        callback.on_epoch_end(trainer, epoch, logs)


def _params(trainer: Trainer, samples: SampleSource | Batches) -> dict[str, Any]:
    """Settings and versions of a run, for its history."""
    native = _bpnative.config()
    return {
        "samples": samples.n,
        "network": repr(trainer.network),
        "loss": repr(trainer.loss),
        "optimizer": repr(trainer.optimizer),
        "first_step": trainer.step_count,
        "isa": native["isa"],
        "threads": native["threads"],
        "bpnative": __version__,
        "numpy": np.__version__,
        "python": sys.version.split()[0],
    }


def evaluate(trainer: Trainer, samples: SampleSource) -> dict[str, float]:
    """The mean loss and the metrics over the samples, without an update.

    Example:
        >>> import bpnative as bp
        >>> from bpnative.samples import Samples
        >>> trainer = bp.Trainer(bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1), loss="mse")
        >>> evaluate(trainer, Samples(np.ones((4, 1), np.float32), np.ones((4, 1), np.float32), None))
        {'loss': 1.0}
    """
    network = trainer.network
    meter = Meter(trainer.metrics, trainer.loss.compared_columns(network.output_size))
    total, n = 0.0, samples.n
    rows = min(network._block_rows, max(256, BLOCK_INPUTS // network.input_size))
    for start in range(0, n, rows):
        x, y, weight = samples.native_block(start, start + rows)
        outputs = np.empty((len(y), network.output_size), network.dtype) if trainer.metrics else None
        total += trainer._native.evaluate(outputs, x, y, weight) * len(y)
        if outputs is not None:
            meter.update(outputs, y, weight)
    return {"loss": total / n, **meter.results()}
