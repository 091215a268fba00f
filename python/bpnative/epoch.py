"""The loop of `Trainer.fit`: epochs, each a few native runs of some tens of milliseconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .around import RUN_OUTPUTS, begin_epoch, end_epoch, running
from .batches import Batches, BatchPosition, train_batches
from .callbacks import Callback, Run
from .checkpoint import Keeper
from .history import History
from .io.values import pack, unpack
from .meter import Meter
from .samples import Order, SampleSource

if TYPE_CHECKING:
    from .trainer import Trainer


class Position:
    """Where an epoch stands: the order of its samples, and the losses and metrics of the steps so far.

    Example:
        >>> import bpnative as bp
        >>> from bpnative.samples import Samples
        >>> samples = Samples(np.ones((5, 1), np.float32), np.ones((5, 1), np.float32), None)
        >>> position = Position(bp.Trainer(bp.mlp([1, 1]), loss="mse"), 0, samples, None, 2)
        >>> position.order.tolist(), len(position.losses), position.done
        ([0, 1, 2, 3, 4], 3, 0)
    """

    def __init__(
        self,
        trainer: Trainer,
        epoch: int,
        samples: SampleSource,
        generator: np.random.Generator | None,
        batch_size: int,
        order: Order | None = None,
    ) -> None:
        self.epoch, self.samples, self.generator = epoch, samples, generator
        self.generator_state = generator.bit_generator.state if generator else None  # as it was before the order
        self.order = samples.order(generator) if order is None else order
        self.done = self.step = 0
        self.losses = np.empty(-(-len(self.order) // (batch_size * trainer.accumulate)))
        self.meter = Meter(trainer.metrics, trainer.loss.compared_columns(trainer.network.output_size))

    @property
    def ended(self) -> bool:
        """Whether every sample was trained on."""
        return self.done >= len(self.order)

    def pack(self, tensors: dict[str, Any]) -> dict[str, Any]:
        """What a checkpoint keeps of it beside its metrics; arrays go into `tensors`."""
        tensors["epoch.losses"] = self.losses[: self.step]
        return {"done": self.done, "generator": pack(self.generator_state, "epoch.generator", tensors)}

    def restore(self, partial: dict[str, Any], tensors: dict[str, Any]) -> None:
        """Move to where a checkpoint's run stood; the order is drawn again, the generator stays as it is now."""
        generator, losses = self.generator, tensors["epoch.losses"]
        if generator is not None:
            now: Any = self.generator_state
            self.generator_state = unpack(partial["generator"], tensors)
            generator.bit_generator.state = unpack(partial["generator"], tensors)
            self.order = self.samples.order(generator)
            generator.bit_generator.state = now
        self.losses[: len(losses)] = losses
        self.step, self.done = len(losses), partial["done"]


def run_epochs(
    trainer: Trainer,
    samples: SampleSource | Batches,
    validation: SampleSource | None,
    epochs: int,
    batch_size: int,
    generator: np.random.Generator | None,
    callbacks: Sequence[Callback],
    keeper: Keeper | None = None,
) -> History:
    """The epochs of one `fit`, on data that were checked: trains, validates, keeps the history, calls the callbacks.

    Example:
        >>> import bpnative as bp
        >>> from bpnative.samples import Samples
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse")
        >>> samples = Samples(np.ones((4, 1), np.float32), np.ones((4, 1), np.float32), None)
        >>> len(run_epochs(trainer, samples, None, epochs=3, batch_size=2, generator=None, callbacks=[])["loss"])
        3
    """
    settings = {"epochs": epochs, "batch_size": batch_size, "shuffle": generator is not None}
    with running(trainer, samples, validation, settings, callbacks), keeper or contextlib.nullcontext():
        for epoch in range(keeper.start() if keeper else 0, epochs):
            if trainer.stop_training:
                break
            start = time.perf_counter()
            if not begin_epoch(trainer, epoch, callbacks):
                break
            if isinstance(samples, Batches):
                batch_position = BatchPosition(trainer, epoch)
                if keeper:
                    keeper.begin_epoch(batch_position)
                logs = train_batches(trainer, batch_position, samples, callbacks, keeper)
            else:
                position = Position(trainer, epoch, samples, generator, batch_size)
                if keeper:
                    keeper.begin_epoch(position)
                logs = train_epoch(trainer, position, batch_size, callbacks, keeper)
            end_epoch(trainer, epoch, logs, validation, start, callbacks)
            if keeper:
                keeper.end_epoch(epoch)
    return trainer.history


def train_epoch(
    trainer: Trainer,
    position: Position,
    batch_size: int,
    callbacks: Sequence[Callback],
    keeper: Keeper | None = None,
) -> dict[str, float]:
    """Train on the position's samples from where it stands; the mean loss and the metrics of the epoch.

    Between native calls Python hears Ctrl-C and calls `Callback.on_run_end`; ``trainer.stop_training`` ends the epoch.

    Example:
        >>> import bpnative as bp
        >>> from bpnative.samples import Samples
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse")
        >>> samples = Samples(np.ones((4, 1), np.float32), np.ones((4, 1), np.float32), None)
        >>> list(train_epoch(trainer, Position(trainer, 0, samples, None, 2), 2, []))
        ['loss']
    """
    network = trainer.network
    order, losses, meter, n = position.order, position.losses, position.meter, len(position.order)
    done, step = position.done, position.step
    samples_a_step = batch_size * trainer.accumulate
    most_rows = position.samples.run_rows
    if trainer.metrics:
        most_rows = min(most_rows, RUN_OUTPUTS // network.output_size)
    most_steps = max(1, most_rows // samples_a_step)
    while done < n and not trainer.stop_training:
        steps = min(trainer._pace.steps, most_steps, len(losses) - step)
        part = order[done : done + steps * samples_a_step]
        first_step, part_losses = trainer._native.step_count, losses[step : step + steps]
        outputs = np.empty((len(part), network.output_size), network.dtype) if trainer.metrics else None
        rates, y, weight, rows = native_run(trainer, position.samples, part, batch_size, part_losses, outputs)
        position.done, position.step = done, step = done + len(part), step + steps
        if outputs is not None:
            meter.update(outputs, y[rows], None if weight is None else weight[rows])
        if callbacks:
            run = Run(position.epoch, first_step, part_losses, rates, done, n)
            for callback in callbacks:
                callback.on_run_end(trainer, run)
        if keeper:
            keeper.end_run(position)
    return {"loss": mean_loss(losses[:step], samples_a_step, done), **meter.results()}


def native_run(
    trainer: Trainer,
    samples: SampleSource,
    part: Order,
    batch_size: int,
    losses: npt.NDArray[np.float64],
    outputs: npt.NDArray[Any] | None = None,
    penalty: npt.NDArray[np.float64] | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any], npt.NDArray[Any] | None, Order]:
    """One native call: a step for each of the losses to fill, on the samples of this part of an order.

    Args:
        trainer: What trains.
        samples: Where the samples come from.
        part: Which, in their order.
        batch_size: Samples of a minibatch.
        losses: (steps,), is filled with the mean loss of each step.
        outputs: (len(part), output_size), is filled with the network's outputs; None: not wanted.
        penalty: (steps,), a factor of the layers' penalties for each step; None: 1.

    Returns:
        The learning rate of each step; targets, weights and the rows of both that were trained on.

    Example:
        >>> import bpnative as bp
        >>> from bpnative.samples import Samples
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse", optimizer=bp.SGD(0.5))
        >>> samples = Samples(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32), None)
        >>> native_run(trainer, samples, samples.order(None), 1, np.empty(2))[0]
        array([0.5, 0.5])
    """
    first_step = trainer._native.step_count
    rates, momenta = trainer._rates.of_steps(first_step, len(losses))
    all_rates = trainer._groups.learning_rates(rates, first_step)
    start = time.perf_counter()
    x, y, weight, rows = samples.take(part, batch_size, first_step * trainer.accumulate)
    how = batch_size, *trainer._update, momenta, penalty
    trainer._native.train(losses, outputs, x, y, weight, rows, all_rates, *how)
    trainer._pace.measured(len(losses), time.perf_counter() - start)
    return rates, y, weight, rows


def mean_loss(losses: npt.NDArray[np.float64], samples_a_step: int, done: int) -> float:
    """The mean over the samples of an epoch, whose last step may have fewer than the others.

    One sum over all steps: its bits must not depend on how time cut the epoch into runs.

    Example:
        >>> mean_loss(np.array([1.0, 4.0]), 2, 3)
        2.0
    """
    before = (len(losses) - 1) * samples_a_step
    return (float(losses[:-1].sum()) * samples_a_step + float(losses[-1]) * (done - before)) / done
