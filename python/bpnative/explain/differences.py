"""Backpropagation held against the naive way to a gradient: nudge each weight, and look how the loss changes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import losses
from ..losses import LossLike
from ..network import Network
from ..optimizers import SGD
from ..specification import check_count, check_number
from .walk import copy_of, trained

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, repr=False)
class GradientComparison:
    """What `compare_gradients` found; ``print`` it.

    Attributes:
        backpropagation: Gradient of the loss in the compared parameters, by backpropagation.
        finite_differences: The same by central differences.
        indices: Which entries of ``network.parameters`` were compared.
        difference: The largest absolute difference.
        relative: That, divided by the largest gradient.
        worst: The parameter of the largest difference, such as ``"layer 0 weight[1,2]"``.
        seconds: Of one gradient by backpropagation.
        naive_seconds: Of one gradient of all parameters by differences: measured, or where only some were compared the
            measured time of one parameter times their number.
        parameter_count: Parameters of the network.
        dtype: Of the network that was given; the comparison is in float64.
        float32_difference: Where the network is of float32, how far its own gradients lie from those of float64.
    """

    backpropagation: Array
    finite_differences: Array
    indices: npt.NDArray[np.int64]
    difference: float
    relative: float
    worst: str
    seconds: float
    naive_seconds: float
    parameter_count: int
    dtype: str
    float32_difference: float | None

    @property
    def agrees(self) -> bool:
        """Whether the two differ by less than a millionth of the largest gradient, what differences can tell."""
        return bool(self.relative < 1e-6)

    @property
    def times_slower(self) -> float:
        """How many times longer the naive way takes."""
        return self.naive_seconds / self.seconds

    def __str__(self) -> str:
        some = "" if len(self.indices) == self.parameter_count else f" ({len(self.indices):,} of them compared)"
        lines = [
            f"{self.parameter_count:,} parameters{some}, in float64",
            f"largest difference   {self.difference:.1e}, {self.relative:.1e} of the largest gradient, in {self.worst}",
            f"backpropagation      {_time(self.seconds)} for the whole gradient",
            f"finite differences   {_time(self.naive_seconds)}, {self.times_slower:,.0f} times as long: two passes for "
            f"each parameter",
        ]
        if self.float32_difference is not None:
            lines.append(f"in {self.dtype}           backpropagation is within {self.float32_difference:.1e} of that")
        if not self.agrees:
            lines.append(
                "They do not agree. At a kink, such as relu's at 0 or a tie, a difference sees both sides: try other "
                "data or a smaller step; with a loss of your own look at its gradient."
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"GradientComparison(difference={self.difference:.1e}, times_slower={self.times_slower:.0f})"


def _time(seconds: float) -> str:
    """A duration for people.

    Example:
        >>> _time(0.0000125), _time(0.25)
        ('12.5 µs', '250 ms')
    """
    factor, unit = (1.0, "s") if seconds >= 1 else (1e3, "ms") if seconds >= 1e-3 else (1e6, "µs")
    return f"{seconds * factor:.3g} {unit}"


def compare_gradients(
    network: Network,
    loss: LossLike,
    x: object,
    y: object,
    *,
    step: float = 1e-6,
    max_parameters: int = 2000,
) -> GradientComparison:
    """Backpropagation against finite differences, on a float64 copy of the network; the network is not changed.

    Central differences: ∂loss/∂w ≈ (loss(w + h) - loss(w - h)) / 2h with h = step·max(1, |w|). Their own error is about
    h² and 1e-16/h, so that with the default step agreement to about 1e-9 is all that can be had. They take two forward
    passes for each parameter; backpropagation gives all at the cost of about three. Penalties of layers count; dropout
    and noise are switched off; parameters of frozen layers are left out.

    Args:
        network: Any network.
        loss: A name, an object of `bpnative.losses` or a callable, as for `Trainer`.
        x: (n, input_size), a few samples.
        y: As the loss takes it.
        step: h, for parameters of at most 1, in (0, 1].
        max_parameters: Of more parameters than this, so many are compared, spread evenly.

    Returns:
        A `bpnative.explain.GradientComparison`.

    Raises:
        TypeError: An argument has the wrong type, or data are no real numbers.
        ValueError: Data are empty or do not fit the network and the loss, or all layers are frozen.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, section 5.3.3.

    Example:
        >>> import bpnative as bp
        >>> comparison = bp.compare_gradients(bp.mlp([2, 8, 1], activation="tanh", seed=0), "mse", [[0.5, -1]], [1])
        >>> comparison.agrees, comparison.relative < 1e-8, comparison.times_slower > 1
        (True, True, True)
    """
    from ..trainer import Trainer

    if not isinstance(network, Network):
        raise TypeError(f"expected network as a bpnative.Network, got {network!r} ({type(network).__name__})")
    step = check_number(step, "step", "(0, 1]")
    most = check_count(max_parameters, "max_parameters")
    chosen = losses.get(loss)
    own = Trainer(copy_of(network, noise=False), chosen, SGD())
    exact = Trainer(copy_of(network, np.float64, noise=False), chosen, SGD())
    samples = exact._data.batch(x, y)
    rows, target = samples.x, samples.y
    places = list(_places(exact.network))
    entries = [np.arange(first, first + size) for _, first, size, changes in places if changes]
    if not entries:
        raise ValueError("expected a network with parameters that training changes, got one without, or all frozen")
    trained_entries = np.concatenate(entries)
    count = min(most, len(trained_entries))
    indices = trained_entries[np.linspace(0, len(trained_entries) - 1, count).round().astype(np.int64)]

    gradient = exact.gradients(rows, target)[1]
    seconds = min(_seconds(lambda: exact.gradients(rows, target)) for _ in range(5))
    # Statistics of the batch belong to the loss that training sees, and only the pass that trains computes them.
    by_batch = any(layer.specification.name == "batch_norm" for layer in exact.network.walk())

    def loss_now() -> float:
        if by_batch:
            return exact.gradients(rows, target)[0]
        return exact._native.evaluate(None, rows, target, None)

    parameters, differences = exact.network.parameters, np.empty(count)
    start = time.perf_counter()
    for place, index in enumerate(indices):
        value = float(parameters[index])
        h = step * max(1.0, abs(value))
        parameters[index] = value + h
        above, high = loss_now(), float(parameters[index])
        parameters[index] = value - h
        below, low = loss_now(), float(parameters[index])
        parameters[index] = value
        differences[place] = (above - below) / (high - low)
    naive = (time.perf_counter() - start) / count * len(trained_entries)

    compared = gradient[indices]
    distance = np.abs(compared - differences)
    worst = int(distance.argmax())
    largest = float(np.abs(gradient).max())
    difference = float(distance[worst])
    rounding = None
    if network.dtype != np.float64:
        rounding = float(np.abs(own.gradients(x, y)[1] - gradient).max())
    return GradientComparison(
        backpropagation=compared,
        finite_differences=differences,
        indices=indices,
        difference=difference,
        relative=difference / largest if largest else difference,
        worst=_name(places, int(indices[worst])),
        seconds=seconds,
        naive_seconds=naive,
        parameter_count=parameters.size,
        dtype=network.dtype.name,
        float32_difference=rounding,
    )


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


Place: TypeAlias = "tuple[tuple[str, str, tuple[int, ...]], int, int, bool]"


def _places(network: Network) -> Iterator[Place]:
    """Of each tensor: its layer, name and shape, where it begins in the parameters, its size, whether it is trained."""
    begin = network.parameters.ctypes.data
    for outer in network.layers:
        changing = set(trained(outer))
        for layer in outer.walk():
            for name, view in layer.tensors.items():
                first = (view.ctypes.data - begin) // view.itemsize
                yield (layer.name, name, view.shape), first, view.size, layer in changing


def _name(places: list[Place], index: int) -> str:
    (layer, tensor, shape), first, *_ = next(place for place in places if place[1] <= index < place[1] + place[2])
    where = ",".join(map(str, np.unravel_index(index - first, shape)))
    return f"layer {layer} {tensor}[{where}]"
