"""A few steps on a copy, looked at closely: each layer's outputs, slopes, gradients, updates, and where NaN begins."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..explain.walk import LayerStep, walk
from ..lbfgs import LBFGS
from ..samples import Samples

if TYPE_CHECKING:
    from ..trainer import Trainer

Array = npt.NDArray[Any]

ROWS = 256  # samples that a layer is judged by


@dataclasses.dataclass
class Break:
    """Where numbers stopped being numbers.

    Attributes:
        step: Of the run on the copy, 0 the first.
        layer: Name, None for the loss.
        where: ``"forward"``, ``"loss"``, ``"backward"`` or ``"update"``.
        growth: How many times its first length the largest weight had before that step.
        message: What the loss said, where it is a function of the user's.
    """

    step: int
    layer: str | None
    where: str
    growth: float
    message: str = ""


@dataclasses.dataclass
class Observation:
    """What was seen.

    Attributes:
        first: The layers before the first step.
        last: The layers after the last step, those of `first` where numbers broke.
        losses: Of each step, with penalties.
        ratios: By layer name: length of the update of the weight by its length, for each step.
        broken: Where NaN came up, None where it did not.
    """

    first: list[LayerStep]
    last: list[LayerStep]
    first_loss: float
    losses: list[float] = dataclasses.field(default_factory=list)
    ratios: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    broken: Break | None = None


def part_of(samples: Samples, rows: npt.NDArray[np.int64]) -> Samples:
    """Some rows of checked data."""
    return Samples(samples.x[rows], samples.y[rows], None)


def observe(twin: Trainer, samples: Samples, steps: int, batch_size: int) -> Observation:
    """Run the copy and look. Numbers that overflow are what is looked for, so NumPy is silent about them."""
    generator = np.random.default_rng(0)
    n = len(samples.x)
    shown = part_of(samples, generator.permutation(n)[:ROWS])
    weights = {layer.name: layer.tensors["weight"] for layer in twin.network.walk() if "weight" in layer.tensors}
    with np.errstate(all="ignore"):
        try:
            layers, loss, _ = walk(twin.network, twin.loss, shown)
        except ValueError as error:  # a loss of the user's own that is not finite, which says why
            return Observation([], [], np.nan, broken=Break(0, None, "loss", 1.0, str(error)))
        seen = Observation(layers, layers, loss)
        seen.broken = _break(layers, loss, twin, 0, 1.0)
        if seen.broken is not None or isinstance(twin.optimizer, LBFGS):
            return seen
        lengths = {name: _length(weight) for name, weight in weights.items()}
        begin, order = dict(lengths), np.empty(0, np.int64)
        for step in range(steps):
            if len(order) < min(batch_size, n):
                order = generator.permutation(n)
            batch, order = part_of(samples, order[:batch_size]), order[batch_size:]
            before = twin.network.parameters.copy()
            old = {name: weight.copy() for name, weight in weights.items()}
            message = ""
            try:
                value = twin.step(batch.x, batch.y)
            except ValueError as error:
                value, message = np.nan, str(error)
            if not np.isfinite(value) or not np.isfinite(twin.network.parameters).all():
                growth = max((lengths[name] / begin[name] for name in begin if begin[name]), default=1.0)
                after = twin.network.parameters.copy()
                twin.network.parameters = before
                seen.broken = _find_break(twin, batch, after, step, growth, message)
                return seen
            seen.losses.append(value)
            for name, weight in weights.items():
                if lengths[name] and not np.array_equal(weight, old[name]):
                    seen.ratios.setdefault(name, []).append(_length(weight - old[name]) / lengths[name])
                lengths[name] = _length(weight)
        layers, loss, _ = walk(twin.network, twin.loss, shown)
        if np.isfinite(loss):
            seen.last = layers
    return seen


def _length(values: Array) -> float:
    return float(np.linalg.norm(values.astype(np.float64)))


def _find_break(twin: Trainer, batch: Samples, after: Array, step: int, growth: float, message: str) -> Break:
    if message:
        return Break(step, None, "loss", growth, message)
    layers, loss, _ = walk(twin.network, twin.loss, batch)
    found = _break(layers, loss, twin, step, growth)
    if found is not None:
        return found
    twin.network.parameters = after
    for layer in twin.network.walk():
        if any(not np.isfinite(view).all() for view in layer.tensors.values()):
            return Break(step, layer.name, "update", growth)
    return Break(step, None, "loss", growth)


def _break(layers: list[LayerStep], loss: float, twin: Trainer, step: int, growth: float) -> Break | None:
    most = float(np.finfo(twin.network.dtype).max)

    def bad(values: Array | None) -> bool:
        return values is not None and not bool((np.abs(values) <= most).all())

    for layer in layers:
        if bad(layer.z) or bad(layer.y):
            return Break(step, layer.name, "forward", growth)
    if not np.abs(loss) <= most:
        return Break(step, None, "loss", growth)
    for layer in reversed(layers):
        if bad(layer.dz) or bad(layer.dx) or any(bad(gradient) for gradient in layer.gradients.values()):
            return Break(step, layer.name, "backward", growth)
    return None
