"""An epoch of a stochastic solver: native runs whose batches have weights and a penalty of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..callbacks import Callback, Run
from ..data import as_contiguous
from ..epoch import mean_loss, native_run
from ..network import Network
from ..samples import Order, Samples
from ..sources import Source
from ..sparse import SparseRows
from ..trainer import Trainer
from . import architecture
from .objective import Objective

Array = npt.NDArray[Any]


def samples_of(X: Array | SparseRows, y: Array, weight: Array | None, network: Network) -> Samples | Source:
    """What native runs take their batches from: arrays and sparse rows, as they are where the network can take them."""
    dtype = network.dtype
    if isinstance(X, SparseRows):  # of its own dtype, where the network is one of another fit
        rows = X if X.dtype == dtype else SparseRows(X, dtype, "X")
        return Source(rows, y, weight, None, dtype, forms=network.native_forms)
    return Samples(as_contiguous(X, dtype), y, weight)


class Steps:
    """Native training on one set of samples: an epoch at a time, each batch with weights and penalty of its own.

    The loss of a batch is Σ wᵢ·lossᵢ / S + alpha/2·|W|² / S with S = Σ wᵢ over the batch, as scikit-learn has it.
    Native code divides by the number of samples and holds the penalty of a batch of S = batch_size: so weights are
    scaled batch by batch, and each step has a factor for its penalty. Small tables make epochs of some tens of
    microseconds: what stands around a native call is what every epoch needs, and nothing else.
    """

    def __init__(
        self, trainer: Trainer, objective: Objective, samples: Samples | Source, alpha: float, batch_size: int
    ) -> None:
        self._trainer, self._objective, self._batch_size = trainer, objective, batch_size
        self._layers = architecture.dense_layers(trainer.network)
        self._l2 = alpha / (batch_size * objective.gradient_scale)
        architecture.set_l2(self._layers, self._l2)
        self._weight = samples.weight
        self._constant = objective.constant(samples.y, samples.weight)
        if samples.weight is not None:
            samples = samples_of(samples.x, samples.y, np.empty_like(samples.weight), trainer.network)  # type: ignore[arg-type]
        self._samples = samples
        self._most_steps = max(1, samples.run_rows // batch_size)
        self._sizes = np.diff(np.arange(0, samples.n, batch_size), append=samples.n)
        self._factors = batch_size / self._sizes if alpha else None
        # Where the loss that is reported scales as the one that is gone down, so does its penalty.
        self._corrects = bool(alpha) and objective.loss_scale != objective.gradient_scale

    def epoch(self, number: int, order: Order, callbacks: Sequence[Callback]) -> float:
        """Train on the samples in this order; the mean loss as scikit-learn reports it."""
        objective = self._objective
        factors = self._factors if self._weight is None else self._weigh(order)
        if not self._corrects:
            return self._run(order, factors, number, callbacks) * objective.loss_scale + self._constant
        # The penalty's mean over the steps, by its ends, to second order.
        before = self._penalty(factors)
        loss = self._run(order, factors, number, callbacks)
        penalty = (before + self._penalty(factors)) / 2
        return objective.loss_scale * (loss - penalty) + objective.gradient_scale * penalty + self._constant

    def _run(self, order: Order, factors: Array | None, epoch: int, callbacks: Sequence[Callback]) -> float:
        """Native calls of some tens of milliseconds that train on the samples of this order; their mean loss."""
        trainer, batch_size, n = self._trainer, self._batch_size, len(order)
        count, step, done = len(self._sizes), 0, 0
        losses = np.empty(count)
        while step < count and not trainer.stop_training:
            steps, first_step = min(trainer._pace.steps, self._most_steps, count - step), trainer._native.step_count
            part = order[done : done + steps * batch_size]
            of_part, penalty = losses[step : step + steps], None if factors is None else factors[step : step + steps]
            rates, *_ = native_run(trainer, self._samples, part, batch_size, of_part, None, penalty)
            step, done = step + steps, done + len(part)
            for callback in callbacks:
                callback.on_run_end(trainer, Run(epoch, first_step, of_part, rates, done, n))
        return losses.item(0) if step == 1 else mean_loss(losses[:step], batch_size, done)

    def _penalty(self, factors: Array | None) -> float:
        """The mean penalty of the samples of an epoch with the weights as they are."""
        square = sum(float(np.vdot(layer.weight, layer.weight)) for layer in self._layers)
        share = 1.0 if factors is None else float(np.dot(factors, self._sizes)) / self._samples.n
        return 0.5 * self._l2 * share * square

    def _weigh(self, order: Order) -> Array | None:
        """Scale the weights of each batch of the order to a mean of 1; the factor of each batch's penalty.

        A batch whose weights are all 0 has no gradient, nor a penalty: only what momentum has gathered moves on.
        """
        assert self._weight is not None
        assert self._samples.weight is not None
        weight = self._weight[order]
        sums = np.add.reduceat(weight, np.arange(0, len(order), self._batch_size), dtype=np.float64)
        inverse = np.divide(1.0, sums, out=np.zeros(len(sums)), where=sums > 0)
        self._samples.weight[order] = weight * np.repeat(self._sizes * inverse, self._sizes).astype(weight.dtype)
        return None if self._factors is None else self._batch_size * inverse
