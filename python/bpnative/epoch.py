"""The loop of `Trainer.fit`: epochs, each a few native runs of some tens of milliseconds; and evaluation in blocks."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _bpnative
from ._version import __version__
from .callbacks import Callback, Run, end_all
from .data import Samples, sample_order
from .history import History
from .meter import Meter

if TYPE_CHECKING:
    from .trainer import Trainer

Array = npt.NDArray[Any]

# A native call runs for about so long: often enough to hear Ctrl-C, seldom enough that Python costs nothing.
RUN_SECONDS = 0.04
# The most outputs of one native call that are kept for metrics.
RUN_OUTPUTS = 2**20


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


def run_epochs(
    trainer: Trainer,
    samples: Samples,
    validation: Samples | None,
    epochs: int,
    batch_size: int,
    generator: np.random.Generator | None,
    callbacks: Sequence[Callback],
) -> History:
    """The epochs of one `fit`, on data that were checked: trains, validates, keeps the history, calls the callbacks.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse")
        >>> samples = Samples(np.ones((4, 1), np.float32), np.ones((4, 1), np.float32), None)
        >>> len(run_epochs(trainer, samples, None, epochs=3, batch_size=2, generator=None, callbacks=[])["loss"])
        3
    """
    names = ["loss", *(metric.name for metric in trainer.metrics)]
    columns = names if validation is None else [*names, *(f"val_{name}" for name in names)]
    settings = {"epochs": epochs, "batch_size": batch_size, "shuffle": generator is not None}
    trainer.history = history = History(columns, settings | _params(trainer, samples))
    trainer.stop_training = False
    begun: list[Callback] = []
    try:
        for callback in callbacks:
            callback.on_train_begin(trainer)
            begun.append(callback)
        for epoch in range(epochs):
            start = time.perf_counter()
            for callback in callbacks:
                callback.on_epoch_begin(trainer, epoch)
            order = sample_order(len(samples.x), generator)
            logs = train_epoch(trainer, epoch, samples, order, batch_size, callbacks)
            if validation is not None:
                logs |= {f"val_{name}": value for name, value in evaluate(trainer, validation).items()}
            history.append(epoch, logs, time.perf_counter() - start)
            for callback in callbacks:
                callback.on_epoch_end(trainer, epoch, logs)
            if trainer.stop_training:
                break
    except BaseException:
        history.interrupted = True
        end_all(begun, trainer)
        raise
    for callback in callbacks:
        callback.on_train_end(trainer)
    return history


def _params(trainer: Trainer, samples: Samples) -> dict[str, Any]:
    """Settings and versions of a run, for its history."""
    native = _bpnative.config()
    return {
        "samples": len(samples.x),
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


def train_epoch(
    trainer: Trainer,
    epoch: int,
    samples: Samples,
    order: npt.NDArray[np.int64],
    batch_size: int,
    callbacks: Sequence[Callback],
) -> dict[str, float]:
    """Train on the samples in this order; the mean loss and the metrics of what was seen.

    Between native calls Python hears Ctrl-C and calls `Callback.on_run_end`; ``trainer.stop_training`` ends the epoch.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse")
        >>> samples = Samples(np.ones((4, 1), np.float32), np.ones((4, 1), np.float32), None)
        >>> list(train_epoch(trainer, 0, samples, np.arange(4), 2, []))
        ['loss']
    """
    native, network = trainer._native, trainer.network
    n, done, step = len(order), 0, 0
    samples_a_step = batch_size * trainer.accumulate
    losses = np.empty(-(-n // samples_a_step))
    meter = Meter(trainer.metrics)
    most_steps = max(1, RUN_OUTPUTS // (samples_a_step * network.output_size)) if trainer.metrics else len(losses)
    while done < n and not trainer.stop_training:
        steps = min(trainer._pace.steps, most_steps, len(losses) - step)
        part = order[done : done + steps * samples_a_step]
        first_step = native.step_count
        rates = trainer.optimizer.learning_rates(first_step, steps)
        all_rates = trainer._groups.learning_rates(rates, first_step)
        part_losses = losses[step : step + steps]
        outputs = np.empty((len(part), network.output_size), network.dtype) if trainer.metrics else None
        start = time.perf_counter()
        native.train(
            part_losses, outputs, samples.x, samples.y, samples.weight, part, all_rates, batch_size, *trainer._update
        )
        trainer._pace.measured(steps, time.perf_counter() - start)
        done, step = done + len(part), step + steps
        if outputs is not None:
            meter.update(outputs, samples.y[part], None if samples.weight is None else samples.weight[part])
        if callbacks:
            run = Run(epoch, first_step, part_losses, rates, done, n)
            for callback in callbacks:
                callback.on_run_end(trainer, run)
    # One sum over the whole epoch: its bits must not depend on how time cut the epoch into runs.
    before = (step - 1) * samples_a_step
    total = float(losses[: step - 1].sum()) * samples_a_step + float(losses[step - 1]) * (done - before)
    return {"loss": total / done, **meter.results()}


def evaluate(trainer: Trainer, samples: Samples) -> dict[str, float]:
    """The mean loss and the metrics over the samples, without an update.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1), loss="mse")
        >>> evaluate(trainer, Samples(np.ones((4, 1), np.float32), np.ones((4, 1), np.float32), None))
        {'loss': 1.0}
    """
    network = trainer.network
    meter, total, n = Meter(trainer.metrics), 0.0, len(samples.x)
    rows = network._block_rows
    for start in range(0, n, rows):
        x, y = samples.x[start : start + rows], samples.y[start : start + rows]
        weight = None if samples.weight is None else samples.weight[start : start + rows]
        outputs = np.empty((len(x), network.output_size), network.dtype) if trainer.metrics else None
        total += trainer._native.evaluate(outputs, x, y, weight) * len(x)
        if outputs is not None:
            meter.update(outputs, y, weight)
    return {"loss": total / n, **meter.results()}
