"""A network from layers of elsewhere, weights and all; and the questions every exporter asks a network first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import activations
from ..activations import Activation
from ..layers import Activation as ActivationLayer
from ..layers import Dense, Layer, LayerSpecification, Residual
from ..network import Network

Array = npt.NDArray[Any]

NOISE = ("dropout", "alpha_dropout", "gaussian_noise")  # nothing in a prediction


@dataclass(frozen=True)
class Part:
    """A layer: what makes it, its tensors and statistics by name, and the columns it takes (None for any number).

    ``inside`` are the layers of a block, its projection last, as in `bpnative.layers.Layer.layers`.
    """

    specification: LayerSpecification
    values: dict[str, Array] = field(default_factory=dict)
    inputs: int | None = None
    inside: tuple[Part, ...] = ()

    def walk(self) -> Iterator[Part]:
        """This part and those inside, in the order of `bpnative.layers.Layer.walk`."""
        yield self
        for part in self.inside:
            yield from part.walk()


def dense(weight: Array, bias: Array | None, activation: Activation, trainable: bool = True) -> Part:
    """A dense layer: weight (n_out, n_in), bias (n_out,) or None.

    Example:
        >>> dense(np.ones((1, 2)), None, activations.Tanh()).specification
        Dense(1, activation='tanh', bias=False, weight_initializer='zeros')
    """
    made = Dense(
        len(weight),
        activation=activation,
        bias=bias is not None,
        weight_initializer="zeros",
        trainable=trainable,
    )
    values = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    return Part(made, values, weight.shape[-1])


def residual(block: Sequence[Part], projection: Part | None = None) -> Part:
    """A residual block of these layers, with this dense layer as its skip or none.

    Example:
        >>> residual([dense(np.ones((2, 2)), None, activations.Linear())]).inputs
        2
    """
    inside = tuple(block) or (Part(ActivationLayer("linear")),)  # of a block that held noise alone
    inputs = next((part.inputs for part in (*inside, *filter(None, [projection])) if part.inputs is not None), None)
    layers = tuple(part.specification for part in inside)
    made = Residual(layers)
    by_width = inputs is not None and made.output_size(inputs) != inputs
    if by_width != (projection is not None):
        made = Residual(layers, projection=projection is not None)
    return Part(made, {}, inputs, inside if projection is None else (*inside, projection))


def add_activation(parts: list[Part], activation: Activation) -> None:
    """Let the last part apply an activation, or add a layer of it where that part can't.

    Example:
        >>> parts = [dense(np.ones((1, 2)), None, activations.Linear())]
        >>> add_activation(parts, activations.Tanh()), add_activation(parts, activations.ReLU())
        (None, None)
        >>> [part.specification for part in parts]
        [Dense(1, activation='tanh', bias=False, weight_initializer='zeros'), Activation('relu')]
    """
    last = parts[-1].specification if parts else None
    if isinstance(last, (Dense, Residual)) and last.activation == "linear":
        parts[-1] = replace(parts[-1], specification=replace(last, activation=activation))
    else:
        parts.append(Part(ActivationLayer(activation)))


def assemble(
    parts: Sequence[Part], what: str, input_size: int | None = None, dtype: npt.DTypeLike | None = None
) -> Network:
    """The network of these layers, with their weights to the bit; float16 widens to float32.

    Raises:
        ValueError: There are no layers, they don't fit one another, or none tells the number of inputs.

    Example:
        >>> assemble([dense(np.ones((1, 2), np.float32), None, activations.Tanh())], "the model")
        Network([Dense(1, activation='tanh', bias=False, weight_initializer='zeros')], input_size=2)
    """
    if not parts:
        raise ValueError(f"{what} has no layer: expected one with a dense layer at least")
    size = input_size or next((part.inputs for part in parts if part.inputs is not None), None)
    if size is None:
        raise ValueError(f"no layer of {what} tells how many columns it takes: begin with a dense layer")
    leaves = [inner for part in parts for inner in part.walk()]
    arrays = [value for part in leaves for value in part.values.values()]
    if dtype is None:
        dtype = "float64" if any(value.dtype == np.float64 for value in arrays) else "float32"
    check_sizes(parts, size, what)
    network = Network([part.specification for part in parts], size, dtype=np.dtype(dtype).name)
    for layer, part in zip(network.walk(), leaves, strict=True):
        for name, view in {**layer.tensors, **layer.statistics}.items():
            if part.values[name].shape != view.shape or part.values[name].dtype.kind != "f":
                raise ValueError(
                    f"expected {name} of layer {layer.name} of {what} as floating-point numbers of shape {view.shape}, "
                    f"got {part.values[name].dtype} of shape {part.values[name].shape}"
                )
            view[...] = part.values[name]
    return network


def check_sizes(parts: Sequence[Part], size: int, what: str) -> None:
    """Each layer takes as many columns as come in.

    Raises:
        ValueError: One does not.
    """
    for index, part in enumerate(parts):
        weight, bias = part.values.get("weight"), part.values.get("bias")
        fits = part.inputs in (None, size)
        if isinstance(part.specification, Dense) and weight is not None:
            fits = fits and weight.ndim == 2 and (bias is None or bias.shape == weight.shape[:1])
        if not fits:
            shapes = ", ".join(f"the {name} {value.shape}" for name, value in part.values.items())
            taken = shapes or f"{part.inputs} columns"
            raise ValueError(f"layer {index} of {what}, {part.specification!r}, has {taken}, and {size} inputs come in")
        if part.inside:
            block = part.inside[: len(part.specification.children)]
            check_sizes(block, size, f"the block {index} of {what}")
        size = part.specification.output_size(size)


def check_network(network: Network, what: str, layers: Collection[str], functions: Collection[str]) -> None:
    """It is a network, and every layer and activation in it is among those that a format knows.

    Raises:
        TypeError: It is no network.
        ValueError: A layer or an activation is not; it is named.

    Example:
        >>> import bpnative as bp
        >>> check_network(bp.mlp([2, 1]), "to_paper", [], [])
        Traceback (most recent call last):
        ...
        ValueError: to_paper knows no form of layer 0, Dense(1): take it out, or write the network with net.save
    """
    if not isinstance(network, Network):
        raise TypeError(f"expected a bpnative.Network for {what}, got {network!r} ({type(network).__name__})")
    for layer in network.walk():
        if layer.specification.name not in layers:
            reason = f"knows no form of layer {layer.name}, {layer.specification!r}"
            raise ValueError(f"{what} {reason}: take it out, or write the network with net.save")
        activation = activations.get(layer.activation)
        if activation.name not in functions:
            raise ValueError(
                f"{what} knows no form of the activation {activation!r} of layer {layer.name}: choose another one, or "
                "write the network with net.save"
            )


def branches(layer: Layer) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """The layers of a residual block, and those of its skip: its projection, or none.

    Example:
        >>> import bpnative as bp
        >>> block, skip = branches(bp.Network([bp.Residual([bp.Dense(3)])], input_size=2).layers[0])
        >>> [layer.name for layer in block], [layer.name for layer in skip]
        (['0.0'], ['0.projection'])
    """
    count = len(layer.specification.children)
    return layer.layers[:count], layer.layers[count:]


def activation_named(name: str, **settings: float) -> Activation | None:
    """The activation of this name with these settings, None where this version has none."""
    kind: Any = activations.ACTIVATIONS.get(name)
    return None if kind is None else kind(**settings)
