"""The oracle: backpropagation once more, in plain float64 NumPy, with nothing clever in it.

Read this file to learn how a network is trained; the three modules it imports hold one line for each activation, loss
and optimizer. The compiled library is held against it by the tests, and it is itself proven by complex-step derivatives
in test_reference.py, for which every function here also runs on complex numbers.

One step of training, in the order in which it happens:

1. forward: each layer makes weighted sums of its inputs and bends them,   z = x @ weight.T + bias,   y = f(z);
2. the loss compares the last y with the target and tells its gradient,   dy = d loss / d y;
3. backward, from the last layer to the first, by the chain rule,         dz = dy * f'(z);
   the gradient of the weights, of the biases, and of the layer's inputs  dweight = dz.T @ x,   dbias = sum of dz,
   (which are the outputs of the layer before)                            dx = dz @ weight;
4. the optimizer moves every weight and bias against its gradient.

Letters: n rows (samples) in a batch, I inputs of a layer, O outputs of a layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reference_activations import ACTIVATIONS, Activation, Array, sigmoid, softmax
from reference_losses import LOSSES, Loss, as_rows, batch_loss
from reference_optimizers import OPTIMIZERS, State, adam, sgd

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "OPTIMIZERS",
    "Activation",
    "Array",
    "Dense",
    "Loss",
    "Network",
    "Training",
    "adam",
    "as_rows",
    "batch_loss",
    "dense_backward",
    "dense_forward",
    "sgd",
    "sigmoid",
    "softmax",
]


def dense_forward(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Weighted sums z (n, O) of inputs x (n, I): each output has its row of weight (O, I) and one bias (O,)."""
    z = x @ weight.T
    return z if bias is None else z + bias


def dense_backward(dz: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Gradients dx (n, I), dweight (O, I), dbias (O,) from dz (n, O).

    A weight carries one input to one sum, so its gradient is that input times the sum's gradient, added over the rows;
    a bias goes into its sum as it is; an input goes into every sum, by the weight that leads there.
    """
    return dz @ weight, dz.T @ x, dz.sum(axis=0)


@dataclass
class Dense:
    """A dense layer: weight (O, I), bias (O,) or None, and the activation that bends its sums."""

    weight: Array
    bias: Array | None = None
    activation: str = "linear"
    slope: float = 0.01
    trainable: bool = True


@dataclass
class Network:
    """Dense layers one after another."""

    layers: list[Dense]

    def forward(self, x: Array) -> tuple[list[Array], list[Array]]:
        """Return the weighted sums of every layer, and the values between layers: x and the y of each layer."""
        sums, values = [], [x]
        for layer in self.layers:
            z = dense_forward(values[-1], layer.weight, layer.bias)
            sums.append(z)
            values.append(ACTIVATIONS[layer.activation].value(z, layer.slope))
        return sums, values

    def predict(self, x: Array) -> Array:
        """Return the outputs of the last layer, (n, O)."""
        return self.forward(x)[1][-1]

    def backward(
        self, sums: list[Array], values: list[Array], dy: Array | None = None, dz: Array | None = None
    ) -> tuple[Array, Array]:
        """Carry the gradient of the last outputs, dy, or of the last sums, dz, back to the first layer's inputs.

        Returns dx (n, I) and the gradients of all parameters in one flat array, in the order of `parameters`; those of
        a frozen layer are zeros.
        """
        gradients: list[Array] = []
        for layer, z, x in zip(reversed(self.layers), reversed(sums), reversed(values[:-1]), strict=True):
            if dz is None:
                assert dy is not None, "backward needs dy or dz"
                dz = ACTIVATIONS[layer.activation].backward(dy, z, layer.slope)
            dy, dweight, dbias = dense_backward(dz, x, layer.weight)
            dz = None
            pieces = [dweight.ravel()] + ([] if layer.bias is None else [dbias])
            gradients[:0] = pieces if layer.trainable else [np.zeros_like(piece) for piece in pieces]
        assert dy is not None
        return dy, np.concatenate(gradients)

    def last_fuses_with(self, loss: str) -> bool:
        """Say whether the loss contains the last layer's activation, so that it works on the sums before it."""
        return self.layers[-1].activation == LOSSES[loss].takes_logits_of

    def loss(self, x: Array, target: Array, loss: str, weight: Array | None = None) -> Array:
        """Return the mean loss of a batch: forward only."""
        sums, values = self.forward(x)
        return batch_loss(loss, sums[-1] if self.last_fuses_with(loss) else values[-1], target, weight)[0]

    def loss_gradients(
        self, x: Array, target: Array, loss: str, weight: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """Return the mean loss of a batch, the flat gradients of all parameters, and the gradient of x."""
        sums, values = self.forward(x)
        if self.last_fuses_with(loss):
            mean, _, dz = batch_loss(loss, sums[-1], target, weight)
            dx, gradients = self.backward(sums, values, dz=dz)
        else:
            mean, _, dy = batch_loss(loss, values[-1], target, weight)
            dx, gradients = self.backward(sums, values, dy=dy)
        return mean, gradients, dx

    def tensors(self) -> Iterator[tuple[Dense, Array]]:
        """Yield weight and bias of each layer, beside the layer, in the order in which the flat arrays hold them."""
        for layer in self.layers:
            yield layer, layer.weight
            if layer.bias is not None:
                yield layer, layer.bias

    @property
    def parameters(self) -> Array:
        """All parameters in one flat array (a copy)."""
        return np.concatenate([tensor.ravel() for _, tensor in self.tensors()])

    @property
    def trainable(self) -> Array:
        """For each parameter, whether training may move it, in the order of `parameters`."""
        return np.concatenate([np.full(tensor.size, layer.trainable) for layer, tensor in self.tensors()])

    def with_parameters(self, flat: Array) -> Network:
        """Return the same network with other parameters, of whatever type ``flat`` has."""
        at, layers = 0, []
        for layer in self.layers:
            weight = flat[at : at + layer.weight.size].reshape(layer.weight.shape)
            at += layer.weight.size
            bias = None if layer.bias is None else flat[at : at + layer.bias.size]
            at += 0 if layer.bias is None else layer.bias.size
            layers.append(Dense(weight, bias, layer.activation, layer.slope, layer.trainable))
        return Network(layers)


@dataclass
class Training:
    """A network under training: minibatch after minibatch, one update each."""

    network: Network
    loss: str
    optimizer: str
    learning_rate: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: State = field(default_factory=dict)
    steps: int = 0

    def step(self, x: Array, target: Array, weight: Array | None = None) -> Array:
        """Update the network once; return the loss before the update."""
        mean, gradients, _ = self.network.loss_gradients(x, target, self.loss, weight)
        self.steps += 1
        before, optimizer = self.network.parameters, OPTIMIZERS[self.optimizer]
        after = optimizer(before, gradients, self.state, self.steps, self.learning_rate, **self.settings)
        self.network = self.network.with_parameters(np.where(self.network.trainable, after, before))
        return mean
