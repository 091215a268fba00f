"""One batch through a network and back, every number in between kept: NumPy for the sums, in float64.

A dense layer is walked by hand: z = x @ weight.T + bias, y = f(z), and back by the chain rule. Any other layer is asked
alone: a network of this one layer, in float64, gives its outputs and gradients. Activations and losses are the compiled
ones. What comes out is held against the gradients of the whole network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import activations, kernels
from ..activations import Activation
from ..layer_base import LayerSpecification
from ..layer_views import Layer
from ..layers import Dense, Dropout, GaussianNoise, Residual
from ..losses import FunctionLoss, Loss
from ..network import Network
from ..samples import Samples

Array = npt.NDArray[Any]


@dataclasses.dataclass
class LayerStep:
    """What one layer did in one step, float64; rows are samples.

    Attributes:
        name: Where the layer stands, as in `bpnative.layers.Layer`.
        specification: What it is.
        function: Its activation; where the loss computes the last activation itself, that one, and `fused` is True.
        fused: Whether the loss takes this layer's weighted sums z.
        x: What goes in, (n, n_in).
        z: Weighted sums, (n, n_out); None for a layer that is none of dense and activation.
        y: What comes out, (n, n_out).
        slope: f'(z), (n, n_out); None where outputs depend on several sums, and where there is no z.
        dy: Derivative of the loss in y; where `fused`, there is none, and dy is dz.
        dz: Derivative of the loss in z: the delta of the layer.
        dx: Derivative of the loss in x.
        parameters: Before the update, by name.
        gradients: By name, with the penalties of the layer.
        updated: After the update, by name; empty where there was none.
        trainable: Whether the update changes it.
    """

    name: str
    specification: LayerSpecification
    function: Activation
    fused: bool
    x: Array
    z: Array | None
    y: Array
    slope: Array | None = None
    dy: Array | None = None
    dz: Array | None = None
    dx: Array | None = None
    parameters: dict[str, Array] = dataclasses.field(default_factory=dict)
    gradients: dict[str, Array] = dataclasses.field(default_factory=dict)
    updated: dict[str, Array] = dataclasses.field(default_factory=dict)
    trainable: bool = True
    alone: Network | None = dataclasses.field(default=None, repr=False)

    @property
    def is_dense(self) -> bool:
        """Whether every number of it can be shown with its formula."""
        return isinstance(self.specification, Dense)


def quiet(specification: LayerSpecification) -> LayerSpecification:
    """The same layer without noise: dropout of rate 0, noise of deviation 0.

    Example:
        >>> quiet(Dropout(0.5))
        Dropout(0.0)
    """
    if isinstance(specification, Dropout):
        return dataclasses.replace(specification, rate=0.0)
    if isinstance(specification, GaussianNoise):
        return dataclasses.replace(specification, stddev=0.0)
    if isinstance(specification, Residual):
        return dataclasses.replace(specification, layers=tuple(quiet(layer) for layer in specification.layers))
    return specification


def copy_of(network: Network, dtype: npt.DTypeLike | None = None, *, noise: bool = True) -> Network:
    """A network of the same weights and statistics that shares nothing with the given one.

    Args:
        network: What is copied.
        dtype: Of the copy; None for the same.
        noise: False takes dropout and noise out.

    Example:
        >>> import bpnative as bp
        >>> net = bp.mlp([2, 1], seed=0)
        >>> (copy_of(net, "float64").parameters == net.parameters).all()
        np.True_
    """
    given = [layer.specification.without_values() for layer in network.layers]
    layers = given if noise else [quiet(layer) for layer in given]
    made = Network(layers, network.input_size, dtype=network.dtype if dtype is None else dtype, seed=0)
    made.parameters = network.parameters.astype(made.dtype)
    made.statistics[...] = network.statistics
    made._training_seed = network._training_seed
    made._native.noise_seed = network._native.noise_seed
    for copied, layer in zip(made.walk(), network.walk(), strict=True):
        if layer.name.endswith(".projection"):  # of all others the specification says it
            copied.trainable = layer.trainable
    return made


def trained(layer: Layer) -> Iterator[Layer]:
    """The layers of this one, itself among them, that training changes: a frozen block freezes what is inside.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Residual([bp.Dense(2), bp.Dense(2, trainable=False)])], input_size=2)
        >>> [inner.name for inner in trained(net.layers[0])]
        ['0', '0.0']
    """
    if layer.specification.is_trainable and (layer.layers or layer.parameter_count):
        yield layer
        for inner in layer.layers:
            yield from trained(inner)


def _without_activation(specification: LayerSpecification) -> LayerSpecification:
    field = "function" if specification.name == "activation" else "activation"
    return dataclasses.replace(specification, **{field: "linear"})


def _forward(layer: Layer, x: Array, fused: bool) -> LayerStep:
    specification, function = layer.specification, activations.get(layer.activation)
    parameters: dict[str, Array] = {}
    for inner in layer.walk():
        before = inner.name.partition(".")[2]
        for tensor, view in inner.tensors.items():
            parameters[f"{before}.{tensor}" if before else tensor] = view.astype(np.float64)
    step = LayerStep(layer.name, specification, function, fused, x, None, x, parameters=parameters)
    step.trainable = any(True for _ in trained(layer))
    if isinstance(specification, Dense) or specification.name == "activation":
        z = x
        if "weight" in parameters:
            z = x @ parameters["weight"].T
            if "bias" in parameters:
                z = z + parameters["bias"]
        step.z, step.y = z, kernels.activation(z, function)
        if not function.mixes_outputs:
            step.slope = kernels.activation_derivative(np.ones_like(z), z, function)
        return step
    alone = _without_activation(specification) if fused else specification
    step.alone = Network([quiet(alone.without_values())], layer.input_size, dtype="float64", seed=0)
    for copied, inner in zip(step.alone.walk(), layer.walk(), strict=True):
        for tensor, view in inner.tensors.items():
            copied.tensors[tensor][...] = view
        for tensor, view in inner.statistics.items():
            copied.statistics[tensor][...] = view
    step.y = step.alone.forward(x, training=True)
    if fused:
        step.z, step.y = step.y, kernels.activation(step.y, function)
    return step


def _backward(step: LayerStep, dy: Array) -> Array:
    step.dy = dy
    if step.z is None or step.alone is not None:
        assert step.alone is not None
        step.dz = dy if step.fused else None
        step.dx = step.alone.backward(dy)
        for layer in step.alone.walk():
            before = layer.name.partition(".")[2]
            for tensor, view in layer.gradients.items():
                key = f"{before}.{tensor}" if before else tensor
                step.gradients[key] = view + _penalty(layer.specification, tensor, step.parameters[key])
        return step.dx
    step.dz = dy if step.fused else kernels.activation_derivative(dy, step.z, step.function)
    if not step.is_dense:
        step.dx = step.dz
        return step.dx
    weight = step.parameters["weight"]
    step.gradients["weight"] = step.dz.T @ step.x + _penalty(step.specification, "weight", weight)
    if "bias" in step.parameters:
        step.gradients["bias"] = step.dz.sum(axis=0)
    step.dx = step.dz @ weight
    return step.dx


def _penalty(specification: LayerSpecification, tensor: str, values: Array) -> Array | float:
    """What a layer's l1 and l2 add to the gradient of its weight."""
    if tensor != "weight" or not isinstance(specification, Dense):
        return 0.0
    return specification.l1 * np.sign(values) + specification.l2 * values


def is_fused(network: Network, loss: Loss) -> bool:
    """Whether the loss takes the last weighted sums, and computes the last activation itself.

    Example:
        >>> import bpnative as bp
        >>> is_fused(bp.mlp([2, 3], output_activation="softmax"), bp.CrossEntropy())
        True
    """
    return network.output_activation.name == loss.fused and getattr(loss, "log_input", True)


def walk(network: Network, loss: Loss, samples: Samples) -> tuple[list[LayerStep], float, Array]:
    """Forward, loss and backward: the steps of all layers, the loss without penalties, its derivative.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1)
        >>> samples = Samples(np.array([[3.0]]), np.array([[5.0]]), None)
        >>> steps, loss, slope = walk(net, bp.MSE(), samples)
        >>> loss, slope.tolist(), steps[0].gradients["weight"].tolist()
        (1.0, [[2.0]], [[6.0]])
    """
    fused = is_fused(network, loss)
    x, steps = samples.x.astype(np.float64), []
    for layer in network.layers:
        step = _forward(layer, x, fused and layer is network.layers[-1])
        steps.append(step)
        x = step.y
    compared = steps[-1].z if fused else x
    assert compared is not None
    if isinstance(loss, FunctionLoss):
        value, gradient = loss.evaluate(compared, samples.y, None)
    else:
        target = samples.y.astype(np.float64) if samples.y.dtype.kind == "f" else samples.y
        value, gradient, _ = kernels.loss(compared, target, loss)
    dy = gradient
    for step in reversed(steps):
        dy = _backward(step, dy)
    return steps, float(value), gradient
