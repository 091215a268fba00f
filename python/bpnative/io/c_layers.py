"""The layers of a network as `to_c` writes them: names, constants, calls."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import activations
from ..activations import Activation
from ..layers import Dense
from ..network import Network
from .c_functions import ELEMENTWISE, ROWS, in_type, literal

Array = npt.NDArray[Any]


class DenseLayer(NamedTuple):
    """A dense layer, with where its weight and bias (or None) stand among all parameters."""

    n_in: int
    n_out: int
    activation: Activation
    weight: int
    bias: int | None
    trainable: bool


class Source(NamedTuple):
    """What the pieces of the file are made from."""

    name: str
    dtype: str
    layers: list[DenseLayer]
    parameters: Array

    @property
    def real(self) -> str:
        """The C type of all numbers."""
        return f"{self.name}_real"

    def function(self, index: int, kind: str = "value") -> str:
        """The name of a layer's activation in C, or of its derivative."""
        layer = self.layers[index]
        same = [i for i, other in enumerate(self.layers) if other.activation == layer.activation]
        return f"{self.name}_{layer.activation.name}{same[0] if same[0] else ''}_{kind}"

    def code(self, text: str) -> str:
        """A piece of C with the type and the names of this file: ``@predict`` is ``net_predict``."""
        upper, lower = self.name.upper(), self.name
        text = re.sub("@([A-Za-z])", lambda match: f"{upper if match[1].isupper() else lower}_{match[1]}", text)
        return in_type(text, self.dtype, self.real)

    def array(self, what: str, values: Array) -> str:
        """A constant array."""
        numbers = [literal(value, self.dtype) for value in values.ravel().tolist()]
        rows = [", ".join(numbers[i : i + 8]) for i in range(0, len(numbers), 8)]
        return f"static const {self.real} {what}[{len(numbers)}] = {{\n" + ",\n".join(rows) + "\n};\n"


def read_layers(network: Network) -> list[DenseLayer]:
    """The dense layers of a network; layers that do nothing in a prediction are left out.

    Raises:
        ValueError: A layer or an activation has no C form.
    """
    found, offset = [], 0
    for index, layer in enumerate(network.layers):
        specification = layer.specification
        if specification.name in ("dropout", "alpha_dropout", "gaussian_noise"):
            continue
        if not isinstance(specification, Dense):
            raise ValueError(f"to_c knows dense layers; layer {index} is {specification!r}")
        activation = activations.get(specification.activation)
        if activation.name not in ELEMENTWISE and activation.name not in ROWS:
            raise ValueError(f"to_c knows no C form of the activation {activation!r} of layer {index}")
        weight, bias = network.tensors[f"layers.{index}.weight"], network.tensors.get(f"layers.{index}.bias")
        place = offset + weight.size if bias is not None else None
        n_out, n_in = weight.shape
        found.append(DenseLayer(n_in, n_out, activation, offset, place, layer.trainable))
        offset += weight.size + (0 if bias is None else bias.size)
    if offset != network.parameters.size:
        raise ValueError("to_c knows parameters of dense layers only, and this network has others")
    return found


def sample(network: Network) -> tuple[Array, Array]:
    """Inputs for the self-test, and the network's outputs."""
    x = np.random.default_rng(0).standard_normal((3, network.input_size)).astype(network.dtype)
    return x, network.predict(x)


def with_parameter(expression: str, activation: Activation, dtype: str) -> str:
    """An expression of `c_functions` with the activation's number in the place of p."""
    return re.sub(r"\bp\b", f"({literal(activation.parameter, dtype)})", expression)


def dense_call(source: Source, index: int, w: str, x: str, z: str) -> str:
    """The call that computes the weighted sums of a layer."""
    layer = source.layers[index]
    bias = "NULL" if layer.bias is None else f"{w} + {layer.bias}"
    return f"@dense({w} + {layer.weight}, {bias}, {x}, {z}, {layer.n_in}, {layer.n_out});"


def activation_call(source: Source, index: int, z: str) -> str:
    """The statement that applies a layer's activation in place."""
    layer = source.layers[index]
    if layer.activation.name == "linear":
        return ""
    if layer.activation.name in ROWS:
        return f"    {source.function(index)}({z}, {layer.n_out});\n"
    return f"    for (i = 0; i < {layer.n_out}; i++) {z}[i] = {source.function(index)}({z}[i]);\n"
