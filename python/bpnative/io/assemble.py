"""A network of dense layers from weights of elsewhere, and the dense layers of a network for elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import activations
from ..activations import Activation
from ..layers import Dense
from ..network import Network

Array = npt.NDArray[Any]


class Part(NamedTuple):
    """A dense layer: weight (n_out, n_in), bias (n_out,) or None, activation, and whether it is trainable."""

    weight: Array
    bias: Array | None
    activation: Activation
    trainable: bool = True


def assemble(parts: Sequence[Part], what: str) -> Network:
    """The network of these layers, with their weights to the bit; float16 widens to float32.

    Raises:
        ValueError: There are no layers, or they don't fit one another.

    Example:
        >>> assemble([Part(np.ones((1, 2), np.float32), None, activations.Tanh())], "the model")
        Network([Dense(1, activation='tanh', bias=False, weight_initializer='zeros')], input_size=2)
    """
    if not parts:
        raise ValueError(f"{what} has no dense layer")
    size = parts[0].weight.shape[1]
    for index, part in enumerate(parts):
        fits = part.weight.ndim == 2 and part.weight.shape[1] == size
        if not fits or (part.bias is not None and part.bias.shape != part.weight.shape[:1]):
            raise ValueError(
                f"layer {index} of {what} has the weight {part.weight.shape} and the bias "
                f"{None if part.bias is None else part.bias.shape}, and {size} inputs come in"
            )
        size = part.weight.shape[0]
    dtype = "float64" if any(part.weight.dtype == np.float64 for part in parts) else "float32"
    layers = [
        Dense(
            len(part.weight),
            activation=part.activation,
            bias=part.bias is not None,
            weight_initializer="zeros",
            trainable=part.trainable,
        )
        for part in parts
    ]
    network = Network(layers, parts[0].weight.shape[1], dtype=dtype)
    for layer, part in zip(network.layers, parts, strict=True):
        layer.weight = part.weight
        if part.bias is not None:
            layer.bias = part.bias
    return network


def take_apart(network: Network, what: str) -> list[Part]:
    """The dense layers of a network; dropout, which does nothing in a prediction, is left out.

    Raises:
        TypeError: It is no network.
        ValueError: Another layer is in it; it is named.
    """
    if not isinstance(network, Network):
        raise TypeError(f"expected a bpnative.Network for {what}, got {network!r} ({type(network).__name__})")
    parts = []
    for index, layer in enumerate(network.layers):
        if layer.specification.name == "dropout":
            continue
        if layer.specification.name != "dense":
            raise ValueError(f"{what} knows dense layers; layer {index} is {layer.specification!r}")
        parts.append(Part(layer.weight, layer.bias, activations.get(layer.activation), layer.trainable))
    return parts


def activation_named(name: str, **settings: float) -> Activation | None:
    """The activation of this name with these settings, None where this version has none."""
    kind: Any = activations.ACTIVATIONS.get(name)
    return None if kind is None else kind(**settings)
