"""An epoch of a stochastic solver: native runs whose batches have weights and a penalty of their own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..callbacks import Callback, Run
from ..data import as_contiguous
from ..samples import Order, Samples
from ..sources import Source
from ..sparse import SparseRows
from ..trainer import Trainer
from . import architecture
from .objective import Objective

Array = npt.NDArray[Any]


def samples_of(X: Array | SparseRows, y: Array, weight: Array | None, dtype: np.dtype[Any]) -> Samples | Source:
    """What native runs take their batches from: arrays as they are, sparse rows made dense batch by batch."""
    if isinstance(X, SparseRows):
        return Source(X, y, weight, None, dtype)
    return Samples(as_contiguous(X, dtype), y, weight)


class Steps:
    """Native training on one set of samples: an epoch at a time, each batch with weights and penalty of its own.

    The loss of a batch is Σ wᵢ·lossᵢ / S + alpha/2·|W|² / S with S = Σ wᵢ over the batch, as scikit-learn has it.
    Native code divides by the number of samples and holds one penalty for a call: so weights are scaled batch by batch,
    and a batch whose S differs is a call of its own. Small tables make epochs of some tens of microseconds: so what
    stands around a native call is what every epoch needs, and nothing else.
    """

    def __init__(
        self, trainer: Trainer, objective: Objective, samples: Samples | Source, alpha: float, batch_size: int
    ) -> None:
        self._trainer, self._objective, self._batch_size = trainer, objective, batch_size
        self._alpha = alpha
        self._layers = architecture.dense_layers(trainer.network)
        self._l2 = -1.0  # none that was set
        if not alpha:  # a penalty that comes or goes costs a new plan: never for nothing
            self._set_l2(0.0)
        self._weight = samples.weight
        if samples.weight is not None:
            samples = samples_of(samples.x, samples.y, np.empty_like(samples.weight), trainer.network.dtype)  # type: ignore[arg-type]
        self._samples = samples
        self._most_steps = max(1, samples.run_rows // batch_size)
        self._constant = objective.constant(samples.y, samples.weight)
        # Where the loss that is reported scales as the one that is gone down, so does its penalty.
        self._corrects = bool(alpha) and objective.loss_scale != objective.gradient_scale

    def epoch(self, number: int, order: Order, callbacks: Sequence[Callback]) -> float:
        """Train on the samples in this order; the mean loss as scikit-learn reports it."""
        total, done, objective = 0.0, 0, self._objective
        for part, weight_sum in self._calls(order):
            l2 = self._alpha / (weight_sum * objective.gradient_scale)
            self._set_l2(l2)
            before = self._penalty(l2) if self._corrects else 0.0
            loss = self._run(part, number, callbacks)
            if self._corrects:
                # The penalty's mean over the steps, by its ends, to second order.
                penalty = (before + self._penalty(l2)) / 2
                loss = objective.loss_scale * (loss - penalty) + objective.gradient_scale * penalty
            else:
                loss *= objective.loss_scale
            total, done = total + loss * len(part), done + len(part)
            if self._trainer.stop_training:
                break
        return total / done + self._constant

    def _run(self, order: Order, epoch: int, callbacks: Sequence[Callback]) -> float:
        """Native calls of some tens of milliseconds that train on the samples of this order; their mean loss."""
        trainer, batch_size, n = self._trainer, self._batch_size, len(order)
        native, pace = trainer._native, trainer._pace
        count, step, done = -(-n // batch_size), 0, 0
        losses = np.empty(count)
        while step < count and not trainer.stop_training:
            steps, first_step = min(pace.steps, self._most_steps, count - step), native.step_count
            part = order[done : done + steps * batch_size]
            rates, momenta = trainer._rates.of_steps(first_step, steps)
            of_part = losses[step : step + steps]
            start = time.perf_counter()
            x, y, weight, rows = self._samples.take(part, batch_size, first_step)
            native.train(of_part, None, x, y, weight, rows, rates, batch_size, *trainer._update, momenta)
            pace.measured(steps, time.perf_counter() - start)
            step, done = step + steps, done + len(part)
            for callback in callbacks:
                callback.on_run_end(trainer, Run(epoch, first_step, of_part, rates, done, n))
        if step == 1:
            return losses.item(0)
        # One sum over all: its bits must not depend on how time cut them into runs.
        before = (step - 1) * batch_size
        return (float(np.add.reduce(losses[: step - 1])) * batch_size + losses.item(step - 1) * (done - before)) / done

    def _set_l2(self, l2: float) -> None:
        if l2 != self._l2:
            architecture.set_l2(self._layers, l2)
            self._l2 = l2

    def _penalty(self, l2: float) -> float:
        return 0.5 * l2 * sum(float(np.vdot(layer.weight, layer.weight)) for layer in self._layers)

    def _calls(self, order: Order) -> list[tuple[Order, float]]:
        """Parts of the order that one native call each can do, and the sum of weights of each batch in them."""
        n, batch = len(order), self._batch_size
        if self._weight is None:
            full = n - n % batch
            if not self._alpha or full == n:
                return [(order, float(batch))]
            parts = [(order[:full], float(batch)), (order[full:], float(n - full))]
            return parts if full else parts[1:]
        starts = np.arange(0, n, batch)
        weight = self._weight[order]
        sums, counts = np.add.reduceat(weight, starts, dtype=np.float64), np.diff(starts, append=n)
        scale = np.divide(counts, sums, out=np.zeros(len(sums)), where=sums > 0)
        assert self._samples.weight is not None
        self._samples.weight[order] = weight * np.repeat(scale, counts).astype(weight.dtype)
        if not self._alpha:
            return [(order, float(batch))]
        pieces = zip(starts, starts + counts, sums, strict=True)
        return [(order[start:end], max(float(total), 1e-300)) for start, end, total in pieces]
