"""What the pieces of a C file are made from: names, constants, numbers for its self-test."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import activations
from ..activations import Activation
from ..network import Network
from .c_functions import in_type, literal

Array = npt.NDArray[Any]


class Source(NamedTuple):
    """What the pieces of the file are made from; ``functions`` are the activations in use, each once."""

    name: str
    dtype: str
    functions: list[Activation]
    parameters: Array
    statistics: Array

    @property
    def real(self) -> str:
        """The C type of all numbers."""
        return f"{self.name}_real"

    def function(self, activation: Activation, kind: str = "value") -> str:
        """The name of an activation in C, or of its derivative; one with other settings has a number."""
        alike = [other for other in self.functions if other.name == activation.name]
        number = alike.index(activation)
        return f"{self.name}_{activation.name}{number or ''}_{kind}"

    def code(self, text: str) -> str:
        """A piece of C with the type and the names of this file: ``@predict`` is ``net_predict``."""
        upper, lower = self.name.upper(), self.name
        text = re.sub("@([A-Za-z])", lambda match: f"{upper if match[1].isupper() else lower}_{match[1]}", text)
        return in_type(text, self.dtype, self.real)

    def array(self, what: str, values: Array) -> str:
        """A constant array; C has none without elements, so that one gets a zero."""
        numbers = [literal(value, self.dtype) for value in values.ravel().tolist()] or [literal(0.0, self.dtype)]
        rows = [", ".join(numbers[i : i + 8]) for i in range(0, len(numbers), 8)]
        return f"static const {self.real} {what}[{len(numbers)}] = {{\n" + ",\n".join(rows) + "\n};\n"


def source_of(network: Network, name: str) -> Source:
    """The names and constants of a network's file.

    Raises:
        ValueError: A weight or a statistic is not finite.
    """
    functions = dict.fromkeys(activations.get(layer.activation) for layer in network.walk())
    source = Source(name, network.dtype.name, list(functions), network.parameters.copy(), network.statistics.copy())
    if not (np.isfinite(source.parameters).all() and np.isfinite(source.statistics).all()):
        raise ValueError("expected a network of finite weights, got NaN or infinity: train it with a lower rate")
    return source


def sample(network: Network) -> tuple[Array, Array]:
    """Inputs for the self-test, of the size and the codes that the network takes, and its outputs."""
    random = np.random.default_rng(0)
    x = random.standard_normal((3, network.input_size)).astype(network.dtype)
    first = network.layers[0].statistics
    if "scale" in first:  # as far from the mean as the inputs that were measured
        x = (first["mean"] + x / np.where(first["scale"] == 0, 1, first["scale"])).astype(network.dtype)
    for column, codes in network.codes.items():
        x[:, column] = random.integers(0, codes, len(x))
    return x, network.predict(x)


def with_parameter(expression: str, activation: Activation, dtype: str) -> str:
    """An expression of `c_functions` with the activation's number in the place of p."""
    return re.sub(r"\bp\b", f"({literal(activation.parameter, dtype)})", expression)
