"""Optimizers: how a gradient g changes a weight w. Specifications only; the updates are native.

A learning rate is a number, or a ``callable(step)`` that gives one for each step, such as a schedule of
`bpnative.schedules`; steps count from 0 over the whole life of a trainer. ``weight_decay`` is added to the gradient,
g ← g + weight_decay·w, except where it is said to be decoupled: then w ← w - learning_rate·weight_decay·w before the
step, which an adaptive step size does not rescale. Layers can have settings of their own, see `bpnative.Group`.
"""

from __future__ import annotations

from typing import ClassVar

from .names import lookup
from .optimizer_base import LearningRate, Optimizer
from .optimizers_adam import Adam, Adamax, AdamW, AMSGrad, NAdam, RAdam
from .optimizers_adaptive import Adadelta, Adagrad, Lion, RMSprop, Rprop
from .specification import specification

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LearningRate",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "get",
]


@specification
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's form of it.

    v ← momentum·v + g;  w ← w - learning_rate·v, or with nesterov w ← w - learning_rate·(g + momentum·v).

    Sources: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Sutskever, Martens, Dahl
    & Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013; in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        momentum: In [0, 1]; 0 is plain gradient descent and keeps no state.
        nesterov: Look ahead along the momentum; needs momentum above 0.
        weight_decay: Added to the gradient, times the weight; at least 0.

    Example:
        >>> SGD(learning_rate=0.1, momentum=0.9)
        SGD(learning_rate=0.1, momentum=0.9)
    """

    learning_rate: LearningRate = 1e-2
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    name: ClassVar[str] = "sgd"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("momentum", "[0, 1]")
        self._check_flag("nesterov")
        self._check("weight_decay", "[0, inf)")
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov=True needs momentum above 0, got momentum=0.0; try momentum=0.9")


OPTIMIZERS: dict[str, type[Optimizer]] = {
    kind.name: kind
    for kind in (SGD, Adam, AdamW, AMSGrad, NAdam, RAdam, Adamax, RMSprop, Adagrad, Adadelta, Lion, Rprop)
}


def get(optimizer: str | Optimizer) -> Optimizer:
    """The specification for a name or a specification.

    Raises:
        ValueError: No optimizer has this name; the nearest one is suggested.
        TypeError: It is neither a name nor a specification.

    Example:
        >>> get("adam")
        Adam()
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        return lookup("optimizer", optimizer, OPTIMIZERS)()
    raise TypeError(
        f"expected optimizer as a name or an object such as bpnative.Adam(learning_rate=1e-3), got {optimizer!r} "
        f"({type(optimizer).__name__}); known names: {', '.join(map(repr, OPTIMIZERS))}"
    )
