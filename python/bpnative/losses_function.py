"""A loss of one's own: a Python callable that gives loss and gradient of the outputs, trained with as any other."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _bpnative
from .dlpack import unpacked
from .losses_base import Loss
from .samples import NativeRows
from .specification import specification

if TYPE_CHECKING:
    from .network import Network

Array: TypeAlias = npt.NDArray[Any]
LossFunction: TypeAlias = Callable[..., "tuple[float, npt.ArrayLike]"]


@specification
class FunctionLoss(Loss):
    """A loss from a ``function(output, target) -> (loss, output_gradient)``; ``Trainer(loss=function)`` makes one.

    The function gets the outputs of a batch, (n, n_outputs), after the last activation, and the batch's targets as
    they were given: rows of any width, floats in the network's dtype, integers and bools as they are. Both are copies
    that it may write to. It returns the batch's loss, usually a mean, and the derivative of that number in each output,
    of the outputs' shape. Its loss and gradient must be finite. One that has a parameter named ``weight`` gets the
    sample weights there, (n,) or None, and accounts for them; with another one sample weights are refused. What layers
    add to the loss, l1 and l2, comes on top.

    Cost: each step is three calls into native code and one of the function instead of a single call for many steps,
    batches are gathered by NumPy, and the gradients are written to memory and read again: 75 to 117 µs a step more than
    a native loss, the function's own NumPy included (32-64-64-1, batch 32, one thread of a Zen 3 processor, AVX2). On
    larger networks the difference is the same and the share small. `evaluate` calls it once for each block of rows,
    and averages.

    Args:
        function: The callable.

    Shapes: output (n, n_outputs); target as given, n rows; returned gradient (n, n_outputs).
    Source: the chain rule; the same by hand with `Network.forward` and `Network.backward`.

    Example:
        >>> import bpnative as bp
        >>> def quartic(output, target):
        ...     error = output - target
        ...     return (error**4).mean(), 4 * error**3 / error.size
        >>> trainer = bp.Trainer(bp.mlp([1, 8, 1], seed=0), loss=quartic)
        >>> losses = trainer.fit([[0.0], [0.5], [1.0]], [[1.0], [2.0], [3.0]], epochs=300)["loss"]
        >>> losses[-1] < losses[0] / 10
        True
    """

    name: ClassVar[str] = "function"
    targets: ClassVar[str] = "any"
    function: LossFunction

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"expected a callable(output, target) -> (loss, output_gradient), got {self.function!r}")

    @functools.cached_property
    def takes_weight(self) -> bool:
        """Whether the function has a parameter named ``weight``."""
        try:
            return "weight" in inspect.signature(self.function).parameters
        except (TypeError, ValueError):  # some callables of C have no signature
            return False

    def target_columns(self, n_outputs: int) -> int:
        """-1: the function alone knows which targets it takes."""
        return -1

    def check_weighted(self) -> None:
        """Sample weights are given: the function must take them.

        Raises:
            ValueError: It does not.
        """
        if not self.takes_weight:
            raise ValueError(
                f"expected no sample_weight, for the loss {self._called()} takes none: give it a third parameter "
                f"'weight' of shape (n,) and account for it"
            )

    def _called(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def evaluate(self, output: Array, target: Array, weight: Array | None) -> tuple[float, Array]:
        """Call the function on copies; its loss and gradient, checked.

        Raises:
            TypeError: It returns no pair of a number and an array of real numbers.
            ValueError: The gradient has another shape than the output, or loss or gradient are not finite.

        Example:
            >>> loss = FunctionLoss(lambda output, target: (float(output.sum()), np.ones_like(output)))
            >>> loss.evaluate(np.ones((2, 1)), np.zeros((2, 1)), None)[0]
            2.0
        """
        weights = {"weight": None if weight is None else weight.copy()} if self.takes_weight else {}
        result: object = self.function(output.copy(), target.copy(), **weights)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            got = type(result).__name__ + (f" of {len(result)}" if isinstance(result, (tuple, list)) else "")
            raise TypeError(f"expected a pair (loss, output_gradient) from the loss {self._called()}, got {got}")
        value, gradient = (np.asarray(unpacked(part, f"the result of {self._called()}")) for part in result)
        if value.dtype.kind not in "buif" or value.size != 1:
            raise TypeError(f"expected the loss of {self._called()} as one real number, got {result[0]!r}")
        if gradient.dtype.kind not in "buif":
            raise TypeError(
                f"expected output_gradient of {self._called()} as real numbers, got dtype {gradient.dtype} "
                f"({type(result[1]).__name__})"
            )
        if gradient.shape != output.shape:
            raise ValueError(
                f"expected output_gradient of {self._called()} with the outputs' shape {output.shape}, "
                f"got {gradient.shape}"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            slopes = np.ascontiguousarray(gradient, output.dtype)
        loss = float(value.reshape(()))
        if not (math.isfinite(loss) and np.isfinite(slopes).all()):
            where = "loss" if not math.isfinite(loss) else "output_gradient"
            reason = (
                "the network's outputs were finite: look at logarithms and divisions in it"
                if np.isfinite(output).all()
                else "the network's outputs were not finite: lower the learning rate, or look at the data"
            )
            raise ValueError(f"expected a finite {where} from {self._called()}: {reason}")
        return loss, slopes


class FunctionTrainer:
    """What `_bpnative.Trainer` is to a native loss: train, gradients and evaluate, for a `FunctionLoss`.

    Everything else, state and step count, is that of the compiled trainer that it updates with.
    """

    def __init__(self, network: Network, loss: FunctionLoss, native: _bpnative.Trainer) -> None:
        self._network, self._loss, self._native = network, loss, native

    @property
    def state(self) -> dict[str, Array]:
        """The optimizer's state."""
        return self._native.state

    @property
    def average(self) -> Array | None:
        """The average of the weights."""
        return self._native.average

    def swap_average(self) -> None:
        """Exchange weights and their average."""
        self._native.swap_average()

    @property
    def step_count(self) -> int:
        """Number of updates made."""
        return self._native.step_count

    @step_count.setter
    def step_count(self, count: int) -> None:
        self._native.step_count = count

    def _backward(self, x: Array, y: Array, weight: Array | None) -> tuple[float, Array]:
        output = self._network.forward(x, training=True)
        loss, gradient = self._loss.evaluate(output, y, weight)
        self._network.backward(gradient)
        return loss, output

    def train(
        self,
        losses: Array,
        outputs: Array | None,
        x: NativeRows,
        y: Array,
        weight: Array | None,
        order: npt.NDArray[np.int64],
        learning_rate: Array,
        batch_size: int,
        accumulate: int = 1,
        clip_norm: float = 0.0,
        clip_value: float = 0.0,
        momentum: npt.NDArray[np.float64] | None = None,
        penalty: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """One update for each step of the order, which takes `accumulate` minibatches."""
        assert isinstance(x, np.ndarray)  # see Checker.forms
        whole = batch_size * accumulate
        for step, rates in enumerate(learning_rate.reshape(len(learning_rate), -1)):
            end = min((step + 1) * whole, len(order))
            loss, sum_of_gradients = 0.0, np.zeros_like(self._network.gradients) if accumulate > 1 else None
            for start in range(step * whole, end, batch_size):
                part = slice(start, min(start + batch_size, end))
                rows = order[part]
                own, output = self._backward(x[rows], y[rows], None if weight is None else weight[rows])
                share = len(rows) / (end - step * whole)
                loss += share * own
                if sum_of_gradients is not None:
                    sum_of_gradients += share * self._network.gradients
                if outputs is not None:
                    outputs[part] = output
            if sum_of_gradients is not None:
                self._network.gradients = sum_of_gradients
            one = None if momentum is None else momentum[step : step + 1]
            factor = 1.0 if penalty is None else float(penalty[step])
            losses[step] = loss + factor * self._native.penalty()
            self._native.update(np.ascontiguousarray(rates), clip_norm, clip_value, one, factor)

    def gradients(self, gradient: Array, x: NativeRows, y: Array, weight: Array | None) -> float:
        """The loss; its gradient in all parameters goes to `gradient`."""
        assert isinstance(x, np.ndarray)  # see Checker.forms
        loss, _ = self._backward(x, y, weight)
        self._native.add_penalties()
        np.copyto(gradient, self._network.gradients)
        return loss + self._native.penalty()

    def evaluate(self, outputs: Array | None, x: NativeRows, y: Array, weight: Array | None) -> float:
        """The loss, forward only, and the outputs where wanted."""
        assert isinstance(x, np.ndarray)  # see Checker.forms
        output = self._network.predict(x)
        if outputs is not None:
            np.copyto(outputs, output)
        return self._loss.evaluate(output, y, weight)[0] + self._native.penalty()
