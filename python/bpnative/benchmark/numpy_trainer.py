"""Backpropagation in pure NumPy, as a good NumPy user writes it: the yardstick that the benchmark measures with.

Everything works in place, in buffers made once for a batch; parameters, gradients and optimizer state are one flat
array apiece, of which every layer holds views; the optimizer walks them in blocks that stay in the cache. The
arithmetic is that of bpnative, so after the same batches both hold the same weights but for rounding.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import numpy_activations
from .workloads import split_parameters

__all__ = ["NumpyTrainer"]

Array: TypeAlias = npt.NDArray[Any]

# Optimizers walk several arrays this many elements at a time: few enough for the cache, and enough to repay the calls.
_BLOCK = 65536


class NumpyTrainer:
    """A fully connected network with its loss and optimizer.

    Args:
        sizes: units of every layer, the input first.
        activation: of the hidden layers: ``"linear"``, ``"relu"``, ``"tanh"`` or ``"gelu"``.
        loss: ``"mse"`` (mean over rows and outputs) or ``"cross_entropy"`` (logits and integer labels, mean over rows).
        optimizer: ``"sgd"`` or ``"adam"``.
        learning_rate: the optimizer's.
        momentum: of ``"sgd"``: v = momentum · v + g; w -= learning_rate · v.
        parameters: the weights to start from, flat as in `parameters` below; copied.
        batch: the most rows that a step will have.
        beta1: of ``"adam"``.
        beta2: of ``"adam"``.
        epsilon: of ``"adam"``.

    Attributes:
        parameters: flat, for each layer its weight (n_out, n_in) and then its bias (n_out,).
        gradients: of the same form. Adam leaves its own scratch values there.
        step_count: updates so far.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        *,
        activation: str,
        loss: Literal["mse", "cross_entropy"],
        optimizer: Literal["sgd", "adam"],
        learning_rate: float,
        parameters: Array,
        batch: int,
        momentum: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        dtype = parameters.dtype
        self.parameters: Array = parameters.copy()
        self.gradients: Array = np.zeros_like(parameters)
        self.step_count = 0
        self._layers = split_parameters(self.parameters, sizes)
        self._layer_gradients = split_parameters(self.gradients, sizes)
        self._apply, self._pull_back, saved = numpy_activations.ACTIVATIONS[activation]
        self._loss = _mse if loss == "mse" else _cross_entropy
        self._optimizer = optimizer
        self._learning_rate, self._momentum = learning_rate, momentum
        self._beta1, self._beta2, self._epsilon = beta1, beta2, epsilon
        self._state = [np.zeros_like(parameters) for _ in range(2 if optimizer == "adam" else 1)]
        self._scratch = np.empty(min(_BLOCK, parameters.size), dtype)
        # By layer: the output, its gradient (which becomes dz in place), and what the activation wants to remember.
        self._outputs = [np.empty((batch, n), dtype) for n in sizes[1:]]
        self._deltas = [np.empty((batch, n), dtype) for n in sizes[1:]]
        self._saved = [[np.empty((batch, n), dtype) for _ in range(saved)] for n in sizes[1:-1]]

    def predict(self, X: Array) -> Array:
        """Return the outputs (logits) of the rows of ``X``: a view of a buffer that the next call overwrites."""
        n = len(X)
        value = X
        last = len(self._layers) - 1
        for i, (weight, bias) in enumerate(self._layers):
            output = self._outputs[i][:n]
            np.matmul(value, weight.T, out=output)
            output += bias
            if i != last:
                self._apply(output, [buffer[:n] for buffer in self._saved[i]])
            value = output
        return value

    def step(self, X: Array, y: Array) -> float:
        """Train on one batch of at most ``batch`` rows and return its mean loss before the update."""
        n = len(X)
        delta = self._deltas[-1][:n]
        loss = self._loss(self.predict(X), y, delta)
        for i in range(len(self._layers) - 1, -1, -1):
            value = self._outputs[i - 1][:n] if i else X
            weight_gradient, bias_gradient = self._layer_gradients[i]
            np.matmul(delta.T, value, out=weight_gradient)
            np.add.reduce(delta, axis=0, out=bias_gradient)
            if i:
                below = self._deltas[i - 1][:n]
                np.matmul(delta, self._layers[i][0], out=below)
                self._pull_back(below, value, [buffer[:n] for buffer in self._saved[i - 1]])
                delta = below
        self.step_count += 1
        self._update()
        return loss

    def fit(self, X: Array, y: Array, *, batch_size: int, order: npt.NDArray[np.int64]) -> Array:
        """Train on the rows of ``X`` in the given order, ``batch_size`` at a time; return the loss of each batch."""
        batch = np.empty((batch_size, X.shape[1]), X.dtype)
        losses = np.empty(-(-len(order) // batch_size))
        for i in range(len(losses)):
            rows = order[i * batch_size : (i + 1) * batch_size]
            # "clip" lets take write into the buffer directly; the indices are in range anyway
            losses[i] = self.step(np.take(X, rows, axis=0, out=batch[: len(rows)], mode="clip"), y[rows])
        return losses

    def _update(self) -> None:
        for start in range(0, self.parameters.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            weight, gradient = self.parameters[block], self.gradients[block]
            scratch = self._scratch[: weight.size]
            state = [array[block] for array in self._state]
            if self._optimizer == "adam":
                self._adam(weight, gradient, state[0], state[1], scratch)
            else:
                self._sgd(weight, gradient, state[0], scratch)

    def _adam(self, weight: Array, gradient: Array, m: Array, v: Array, scratch: Array) -> None:
        # lr / (1 - beta1^t) · m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon), with the root taken out of the fraction
        root = math.sqrt(1 - self._beta2**self.step_count)
        np.multiply(gradient, 1 - self._beta1, out=scratch)
        m *= self._beta1
        m += scratch
        np.multiply(gradient, gradient, out=gradient)
        gradient *= 1 - self._beta2
        v *= self._beta2
        v += gradient
        np.sqrt(v, out=scratch)
        scratch += self._epsilon * root
        np.divide(m, scratch, out=scratch)
        scratch *= self._learning_rate * root / (1 - self._beta1**self.step_count)
        weight -= scratch

    def _sgd(self, weight: Array, gradient: Array, velocity: Array, scratch: Array) -> None:
        if self._momentum:
            velocity *= self._momentum
            velocity += gradient
            gradient = velocity
        np.multiply(gradient, self._learning_rate, out=scratch)
        weight -= scratch


def _mse(output: Array, target: Array, delta: Array) -> float:
    np.subtract(output, target, out=delta)
    flat = delta.reshape(-1)
    loss = float(np.dot(flat, flat)) / flat.size
    delta *= 2 / flat.size
    return loss


def _cross_entropy(logits: Array, labels: Array, delta: Array) -> float:
    n = len(logits)
    rows = np.arange(n)
    np.subtract(logits, np.maximum.reduce(logits, axis=1, keepdims=True), out=delta)
    chosen = delta[rows, labels]
    np.exp(delta, out=delta)
    total = np.add.reduce(delta, axis=1, keepdims=True)
    loss = float((np.log(total[:, 0]) - chosen).mean())
    total *= n
    delta /= total
    delta[rows, labels] -= 1 / n
    return loss
