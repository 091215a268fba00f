"""The kernels of optimizers as functions on NumPy arrays: fresh state, one update, one step of an average of weights.

They are part of `bpnative.kernels`, whose module says what `isa` and the errors are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _bpnative, optimizers
from .kernel_arguments import check_isa, flat_views
from .optimizers import Optimizer
from .specification import check_count, check_number

Array = npt.NDArray[Any]


def optimizer_state(optimizer: str | Optimizer, weight: Array) -> dict[str, Array]:
    """The state that an optimizer begins with: new arrays like weight, by name.

    Args:
        optimizer: A name or an object of `bpnative.optimizers`, where the formulas are.
        weight: float32 or float64, any shape.

    Example:
        >>> optimizer_state("amsgrad", np.ones(2))
        {'m': array([0., 0.]), 'v': array([0., 0.]), 'v_max': array([0., 0.])}
    """
    chosen = optimizers.get(optimizer)
    flat_views(weight, weight)
    kept = _bpnative.optimizer_states(chosen.native_name, chosen.settings())
    return {name: np.full_like(weight, initial) for name, initial in kept}


def optimizer_update(
    optimizer: str | Optimizer,
    weight: Array,
    gradient: Array,
    state: Mapping[str, Array],
    step: int,
    *,
    isa: str = "",
) -> None:
    """One update by any optimizer, in place: the kernel that training runs.

    Args:
        optimizer: A name or an object of `bpnative.optimizers`, where the formulas are. A learning rate that is a
            callable is asked for ``step - 1``, as training counts.
        weight: w, changed in place, any shape.
        gradient: g, of the same shape.
        state: As `optimizer_state` makes it, changed in place: keep it from step to step.
        step: 1 for the first update.
        isa: See the module.

    Raises:
        TypeError: An array is none of float32 or float64.
        ValueError: Shapes or dtypes differ, a state is missing or unknown, or an array is not writable.

    Example:
        >>> w, optimizer = np.array([1.0, -1.0]), optimizers.Lion(learning_rate=0.25)
        >>> optimizer_update(optimizer, w, np.array([3.0, -0.5]), optimizer_state(optimizer, w), step=1)
        >>> w.tolist()
        [0.75, -0.75]
    """
    chosen = optimizers.get(optimizer)
    count = check_count(step, "step")
    rate = chosen.learning_rates(count - 1, 1).item()
    run_update(chosen.native_name, weight, gradient, state, chosen.settings(), count, rate, isa)


def average_update(mean: Array, weight: Array, fraction: float, *, isa: str = "") -> None:
    """One step of a running average of weights, in place: mean ← mean + fraction·(weight - mean); 1 copies.

    Args:
        mean: Changed in place, any shape.
        weight: Of the same shape.
        fraction: In [0, 1]: 1 - decay for `bpnative.EMA`, 1 / n for the n-th weights of `bpnative.SWA`.
        isa: See the module.

    Example:
        >>> mean = np.array([1.0, 2.0])
        >>> average_update(mean, np.array([3.0, 2.0]), 0.25)
        >>> mean.tolist()
        [1.5, 2.0]
    """
    part = check_number(fraction, "fraction", "[0, 1]")
    flat = flat_views(mean, weight)  # named as in an update: what is written, what is read
    _bpnative.average_update(flat["weight"], flat["gradient"], part, check_isa(isa))


def run_update(
    name: str,
    weight: Array,
    gradient: Array,
    state: Mapping[str, Array | None],
    settings: Mapping[str, float],
    step: int,
    learning_rate: float,
    isa: str,
) -> None:
    """Check the arrays and call the kernel; settings are the native ones.

    Example:
        >>> w = np.ones(1)
        >>> run_update("sgd", w, w.copy(), {}, {"momentum": 0, "nesterov": 0, "weight_decay": 0}, 1, 0.5, "")
        >>> w.tolist()
        [0.5]
    """
    kept = [part for part, _ in _bpnative.optimizer_states(name, settings)]
    if set(state) != set(kept):
        raise ValueError(f"expected the state of {name} as {kept}, got {list(state)}: make it with optimizer_state")
    flat = flat_views(weight, gradient, **state)
    parts = [flat[part] for part in kept]
    _bpnative.optimizer_update(
        name, flat["weight"], flat["gradient"], parts, settings, step, learning_rate, check_isa(isa)
    )
