"""`Trainer.explain`: one step of training, every number of it, on a copy."""

from __future__ import annotations

import copy
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data import as_numbers
from ..lbfgs import LBFGS
from ..losses import FunctionLoss, Loss
from ..samples import Samples
from .walk import LayerStep, copy_of, trained, walk

if TYPE_CHECKING:
    from ..network import Network
    from ..trainer import Trainer

Array = npt.NDArray[Any]

MOST_UNITS, MOST_SAMPLES = 8, 4  # shown in full up to here


@dataclasses.dataclass(frozen=True, repr=False)
class Explanation:
    """One step of training: forward, error, backward, update. ``print`` it, or `save` it as a page with a drawing.

    Attributes:
        layers: What each layer did, see `bpnative.explain.LayerStep`: x, z, y, dy, dz, dx, parameters, gradients.
        x: The samples, (n, input_size).
        target: As the loss takes it.
        output: Of the network, (n, output_size), from the compiled code.
        loss: The mean loss of the batch with the penalties of layers, from the compiled code.
        penalty: What the penalties of layers, l1 and l2, add to the loss.
        loss_gradient: Derivative of the loss in each output, or in each logit where the loss takes logits.
        loss_after: The loss of the same samples after the update, None where there was none.
        learning_rate: Of this step; None where there was none.
        difference: The largest difference between a gradient worked out here and the compiled code's, relative to the
            largest gradient.
        notes: What this explanation leaves out or does otherwise.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1)
        >>> explanation = bp.Trainer(net, loss="mse", optimizer=bp.SGD(0.5)).explain([[3.0]], [5.0])
        >>> explanation.layers[0].gradients["weight"].tolist(), explanation.layers[0].updated["weight"].tolist()
        ([[6.0]], [[-1.0]])
    """

    network: Network
    loss_function: Loss
    optimizer: str
    layers: list[LayerStep]
    x: Array
    target: Array
    output: Array
    loss: float
    penalty: float
    loss_gradient: Array
    loss_after: float | None
    learning_rate: float | None
    difference: float
    notes: list[str]

    @property
    def is_full(self) -> bool:
        """Whether every number is shown: layers of at most 8 units, at most 4 samples."""
        widest = max(self.x.shape[1], *(step.y.shape[1] for step in self.layers))
        return widest <= MOST_UNITS and len(self.x) <= MOST_SAMPLES

    def __str__(self) -> str:
        from .text import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"Explanation of {len(self.x)} samples through {len(self.layers)} layers: print it, or save('page.html')"

    def to_html(self) -> str:
        """The page as a string: one file, no scripts, nothing loaded from elsewhere."""
        from .page import as_page

        return as_page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, UTF-8.

        Raises:
            OSError: The file cannot be written.

        Example:
            >>> import bpnative as bp
            >>> explanation = bp.Trainer(bp.mlp([2, 3, 1], seed=0), loss="mse").explain([[0.5, 1.0]], [1.0])
            >>> explanation.save("step.html")
        """
        Path(path).write_text(self.to_html(), encoding="utf-8")


def twin_of(trainer: Trainer, *, noise: bool = True) -> Trainer:
    """A trainer that goes on from the same state and shares nothing with the given one.

    Args:
        trainer: What is copied.
        noise: False takes dropout and noise out of the copy's network.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse")
        >>> twin_of(trainer).step([[1.0]], [3.0]) == trainer.step([[1.0]], [3.0])
        True
    """
    state = trainer.__getstate__()
    network, history = state.pop("network"), state.pop("history")
    # Losses, metrics and schedules may hold callables that cannot be copied; they are shared as far as they must.
    state = {name: _copied(value) for name, value in state.items()}
    made = type(trainer).__new__(type(trainer))
    made.__setstate__(state | {"network": copy_of(network, noise=noise), "history": type(history)()})
    return made


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def _one_or_more(trainer: Trainer, x: object, y: object) -> Samples:
    """The batch, checked; a single sample may come without its batch dimension."""
    rows = as_numbers(x, "x")
    if rows.ndim == 1 and len(rows) == trainer.network.input_size:
        target = as_numbers(y, "y")
        one = target.ndim == 0 or (target.ndim == 1 and len(target) != 1)
        return trainer._data.batch(rows[None, :], target[None] if one else target)
    return trainer._data.batch(x, y)


def _penalty(network: Network) -> float:
    total = 0.0
    for layer in network.walk():
        l1, l2 = (float(getattr(layer.specification, name, 0.0)) for name in ("l1", "l2"))
        if l1 or l2:
            weight = layer.weight.astype(np.float64)
            total += l1 * np.abs(weight).sum() + l2 / 2 * np.square(weight).sum()
    return float(total)


def explain(trainer: Trainer, x: object, y: object) -> Explanation:
    """What `Trainer.explain` does; see there."""
    samples = _one_or_more(trainer, x, y)
    network, notes = trainer.network, []
    steps, _, loss_gradient = walk(network, trainer.loss, samples)
    twin = twin_of(trainer, noise=False)
    loss, _ = twin.gradients(samples.x, samples.y)
    flat = twin.network.gradients.copy()
    difference = _use_native(steps, twin.network)
    output = twin.network.forward(samples.x, training=True)
    rate: float | None = None
    loss_after: float | None = None
    if isinstance(trainer.optimizer, LBFGS):
        notes.append("L-BFGS takes its steps from all data, by a line search: there is no update of this batch alone.")
    else:
        rate = float(np.ravel(twin._rates.of_step(twin.step_count)[0])[0])
        twin.step(samples.x, samples.y)
        loss_after = twin.gradients(samples.x, samples.y)[0]
        for step, layer in zip(steps, twin.network.layers, strict=True):
            for inner in layer.walk():
                for name, view in inner.tensors.items():
                    step.updated[_key(inner.name, name)] = view.astype(np.float64)
    if any("dropout" in layer.specification.name or "noise" in layer.specification.name for layer in network.walk()):
        notes.append("Dropout and noise are switched off here, so that the numbers are those of the formulas.")
    if any(layer.specification.name == "batch_norm" for layer in network.walk()):
        notes.append("BatchNorm normalizes with mean and variance of these few samples alone, as in any step.")
    if trainer.clip_norm is not None or trainer.clip_value is not None:
        length = float(np.linalg.norm(flat.astype(np.float64)))
        notes.append(f"Gradients, of length {length:.6g}, are shown before clipping; the update is made with it.")
    if isinstance(trainer.loss, FunctionLoss):
        notes.append("The loss and its derivative come from your function.")
    return Explanation(
        network=copy_of(network),
        loss_function=trainer.loss,
        optimizer=repr(trainer.optimizer),
        layers=steps,
        x=samples.x.copy(),
        target=samples.y.copy(),
        output=output,
        loss=loss,
        penalty=_penalty(network),
        loss_gradient=loss_gradient,
        loss_after=loss_after,
        learning_rate=rate,
        difference=difference,
        notes=notes,
    )


def _key(layer_name: str, tensor: str) -> str:
    inside = layer_name.partition(".")[2]
    return f"{inside}.{tensor}" if inside else tensor


def _use_native(steps: list[LayerStep], network: Network) -> float:
    """Put the compiled code's gradients into the steps; return how far those worked out here lie from them."""
    largest = float(np.abs(network.gradients).max(initial=0.0))
    farthest = 0.0
    for step, layer in zip(steps, network.layers, strict=True):
        changing = set(trained(layer))
        for inner in layer.walk():
            for name, view in inner.gradients.items():
                key = _key(inner.name, name)
                native = view.astype(np.float64)
                if inner in changing:  # of frozen layers the compiled code has none
                    farthest = max(farthest, float(np.abs(step.gradients[key] - native).max(initial=0.0)))
                step.gradients[key] = native
    return farthest / largest if largest else farthest
