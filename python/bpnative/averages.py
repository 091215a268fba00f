"""Averages of weights: a smoother network than the last step's, kept beside the weights while they are trained."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from . import _bpnative
from .layers import assign
from .network import Network
from .specification import Specification, check_count, check_number, specification

if TYPE_CHECKING:
    from .losses_function import FunctionTrainer

__all__ = ["EMA", "SWA", "Average", "Averaged"]


@specification
class Average(Specification):
    """Base of the averages; they count steps over the whole life of a trainer."""

    def settings(self) -> dict[str, float]:
        """All numbers by name, as the native side takes them."""
        return {field.name: float(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @property
    def first_step(self) -> int:
        """The step, counted from 1, whose weights are the first to go into the average."""
        return 1


@specification
class EMA(Average):
    """Exponential moving average of the weights: a ← w after the first step, then a ← a + (1 - decay)·(w - a).

    It looks back over about 1 / (1 - decay) steps.

    Source: Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992, with exponential weights
    as in Tarvainen & Valpola, "Mean teachers are better role models", NeurIPS 2017; in PyTorch's form.

    Args:
        decay: In [0, 1).

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse", average=bp.EMA(decay=0.9))
        >>> history = trainer.fit([[0.0], [1.0]], [1.0, 3.0], epochs=5)
        >>> with trainer.averaged():
        ...     results = trainer.evaluate([[0.0], [1.0]], [1.0, 3.0])
    """

    decay: float = 0.999
    name: ClassVar[str] = "ema"

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", check_number(self.decay, "decay of EMA", "[0, 1)"))


@specification
class SWA(Average):
    """Stochastic weight averaging: the mean of the weights after steps start + every, start + 2·every and so on.

    Usually over the last quarter of a run, with a constant learning rate, once an epoch. Statistics that layers gather
    from the data, such as batch normalization's, are those of the last step, not of the average.

    Source: Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018.

    Args:
        start: Steps to leave out, at least 0.
        every: Steps from one weight vector that goes in to the next, at least 1.

    Example:
        >>> SWA(start=1000, every=100).first_step
        1100
    """

    start: int = 0
    every: int = 1
    name: ClassVar[str] = "swa"

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", check_count(self.start, "start of SWA", 0))
        object.__setattr__(self, "every", check_count(self.every, "every of SWA"))
        if max(self.start, self.every) > 2**53:
            raise ValueError(f"expected start and every of SWA up to 2^53, got {self.start} and {self.every}")

    @property
    def first_step(self) -> int:
        """The step, counted from 1, whose weights are the first to go into the average."""
        return self.start + self.every


def check_average(average: object) -> Average | None:
    """The average as given, None for none.

    Raises:
        TypeError: It is something else.

    Example:
        >>> check_average(EMA())
        EMA()
    """
    if average is None or isinstance(average, Average):
        return average
    raise TypeError(
        f"expected average as bpnative.EMA(decay=0.999), bpnative.SWA(start=1000, every=100) or None, got {average!r} "
        f"({type(average).__name__})"
    )


class Averaged:
    """The part of a trainer that looks after its average of weights."""

    network: Network
    _native: _bpnative.Trainer | FunctionTrainer
    _average: Average | None
    _averaged = False

    @property
    def average(self) -> npt.NDArray[Any] | None:
        """The average as a writable flat view, laid out as ``network.parameters``; None where none is kept.

        Until the first step that goes into it, it holds the weights that the network had when the trainer was made.
        """
        return self._native.average

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The averaged weights in the network for the length of a ``with`` block, then its own again, whatever happens.

        Evaluate, predict or save in the block; training in it is an error.

        Raises:
            ValueError: No average is kept, none has begun yet, or the averaged weights are in the network already.

        Example:
            >>> import bpnative as bp
            >>> net = bp.mlp([1, 1], seed=0)
            >>> trainer = bp.Trainer(net, loss="mse", average=bp.SWA())
            >>> losses = [trainer.step([[1.0]], [3.0]) for _ in range(3)]
            >>> last = net.parameters.copy()
            >>> with trainer.averaged():
            ...     (net.parameters == last).any()
            np.False_
            >>> (net.parameters == last).all()
            np.True_
        """
        self._check_begun("averaged()")
        self._native.swap_average()
        self._averaged = True
        try:
            yield
        finally:
            self._averaged = False
            self._native.swap_average()

    def use_average(self) -> None:
        """Copy the averaged weights into the network for good; the average itself stays, and training can go on.

        Raises:
            ValueError: No average is kept, none has begun yet, or a block of `averaged` is open.

        Example:
            >>> import bpnative as bp
            >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse", average=bp.EMA(decay=0.5))
            >>> loss = trainer.step([[1.0]], [3.0])
            >>> trainer.use_average()
        """
        self._check_begun("use_average()")
        self.network.parameters[:] = self.average

    def _check_begun(self, what: str) -> None:
        if self._average is None:
            raise ValueError(f"expected a trainer with an average for {what}: make it with average=bpnative.EMA()")
        self._check_not_averaged(what)
        done, first = self._native.step_count, self._average.first_step
        if done < first:
            raise ValueError(f"expected {what} after step {first}, the first that {self._average!r} takes, got {done}")

    def _check_not_averaged(self, what: str) -> None:
        if self._averaged:
            raise ValueError(f"expected {what} outside of a block of averaged(): the network holds averaged weights")

    def _average_state(self) -> npt.NDArray[Any] | None:
        """A copy of the average, for pickling."""
        self._check_not_averaged("pickling")
        view = self.average
        return None if view is None else view.copy()

    def _set_average_state(self, values: object) -> None:
        view = self.average
        if (view is None) != (values is None):
            raise ValueError("expected a pickled average of weights where the trainer keeps one, and none elsewhere")
        if view is not None:
            assign(view, np.asarray(values), "average of weights")
