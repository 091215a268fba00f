"""Activations as ONNX nodes of opset 17: written by `to_onnx`, recognised by `from_onnx`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..activations import Activation


class Node(NamedTuple):
    """One node: its operator, its inputs (a name, or a number for a constant), its output and attributes."""

    op: str
    inputs: tuple[Any, ...]
    output: str
    attributes: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Hole(NamedTuple):
    """Where a number or an array of a layer's own stands in a form: written from its settings, found when read."""

    name: str


Nodes: TypeAlias = list[Node]


def _single(op: str, **attributes: Any) -> Callable[[Any], Nodes]:
    return lambda p: [Node(op, ("x",), "y", attributes)]


def _alpha(op: str) -> Callable[[Any], Nodes]:
    return lambda p: [Node(op, ("x",), "y", {"alpha": p})]


def _gelu_tanh(p: Any) -> Nodes:
    return [
        Node("Mul", ("x", "x"), "a"),
        Node("Mul", ("a", "x"), "b"),
        Node("Mul", ("b", 0.044715), "c"),
        Node("Add", ("x", "c"), "d"),
        Node("Mul", ("d", math.sqrt(2 / math.pi)), "e"),
        Node("Tanh", ("e",), "f"),
        Node("Add", ("f", 1.0), "g"),
        Node("Mul", ("x", "g"), "h"),
        Node("Mul", ("h", 0.5), "y"),
    ]


def _softplus(p: Any) -> Nodes:
    if p == 1.0:
        return [Node("Softplus", ("x",), "y")]
    return [Node("Mul", ("x", p), "a"), Node("Softplus", ("a",), "b"), Node("Div", ("b", p), "y")]


# From "x" to "y", by the activation's one number.
NODES: dict[str, Callable[[Any], Nodes]] = {
    "linear": lambda p: [],
    "relu": _single("Relu"),
    "leaky_relu": _alpha("LeakyRelu"),
    "relu6": lambda p: [Node("Clip", ("x", 0.0, 6.0), "y")],
    "hard_tanh": lambda p: [Node("Clip", ("x", -1.0, 1.0), "y")],
    "hard_sigmoid": _single("HardSigmoid", alpha=1 / 6, beta=0.5),
    "tanh": _single("Tanh"),
    "sigmoid": _single("Sigmoid"),
    "softsign": _single("Softsign"),
    "softplus": _softplus,
    "gelu": lambda p: [
        Node("Div", ("x", math.sqrt(2.0)), "a"),
        Node("Erf", ("a",), "b"),
        Node("Add", ("b", 1.0), "c"),
        Node("Mul", ("x", "c"), "d"),
        Node("Mul", ("d", 0.5), "y"),
    ],
    "gelu_tanh": _gelu_tanh,
    "silu": lambda p: [Node("Sigmoid", ("x",), "a"), Node("Mul", ("x", "a"), "y")],
    "mish": lambda p: [Node("Softplus", ("x",), "a"), Node("Tanh", ("a",), "b"), Node("Mul", ("x", "b"), "y")],
    "elu": _alpha("Elu"),
    "selu": _single("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    # ONNX's own Celu is for float32 alone: celu(x) = p elu(x / p).
    "celu": lambda p: [
        Node("Div", ("x", p), "a"),
        Node("Elu", ("a",), "b", {"alpha": 1.0}),
        Node("Mul", ("b", p), "y"),
    ],
    "exponential": _single("Exp"),
    "softmax": _single("Softmax", axis=-1),
    "log_softmax": _single("LogSoftmax", axis=-1),
}


def _softplus_of(z: str) -> Nodes:
    """log(1 + exp(z)) as b, without overflow."""
    return [
        Node("Abs", (z,), "c"),
        Node("Neg", ("c",), "d"),
        Node("Exp", ("d",), "e"),
        Node("Add", ("e", 1.0), "f"),
        Node("Log", ("f",), "g"),
        Node("Max", (z, 0.0), "h"),
        Node("Add", ("h", "g"), "b"),
    ]


def _exponential_unit(alpha: Any, stretch: Any = None, scale: Any = None) -> Nodes:
    """Scale (max(x, 0) + alpha (exp(min(x, 0) / stretch) - 1))."""
    nodes = [Node("Min", ("x", 0.0), "a")]
    if stretch is not None:
        nodes.append(Node("Div", ("a", stretch), "b"))
    nodes += [
        Node("Exp", (nodes[-1].output,), "c"),
        Node("Sub", ("c", 1.0), "d"),
        Node("Mul", ("d", alpha), "e"),
        Node("Max", ("x", 0.0), "f"),
        Node("Add", ("f", "e"), "y"),
    ]
    return nodes if scale is None else [*nodes[:-1], Node("Add", ("f", "e"), "g"), Node("Mul", ("g", scale), "y")]


# For float64: onnxruntime has the operators above for float32 alone, and all of these (but nothing for gelu's Erf).
NODES_OF_FLOAT64: dict[str, Callable[[Any], Nodes]] = {
    "hard_sigmoid": lambda p: [
        Node("Div", ("x", 6.0), "a"),
        Node("Add", ("a", 0.5), "b"),
        Node("Clip", ("b", 0.0, 1.0), "y"),
    ],
    "softsign": lambda p: [Node("Abs", ("x",), "a"), Node("Add", ("a", 1.0), "b"), Node("Div", ("x", "b"), "y")],
    "softplus": lambda p: [Node("Mul", ("x", p), "a"), *_softplus_of("a"), Node("Div", ("b", p), "y")],
    "mish": lambda p: [*_softplus_of("x"), Node("Tanh", ("b",), "t"), Node("Mul", ("x", "t"), "y")],
    "elu": _exponential_unit,
    "selu": lambda p: _exponential_unit(1.6732632423543772, scale=1.0507009873554805),
    "celu": lambda p: _exponential_unit(p, stretch=p),
}
_HALVES = [Node("Erf", ("a",), "b"), Node("Add", ("b", 1.0), "c"), Node("Mul", ("c", 0.5), "d")]
# What others write for the same functions, PyTorch first of all, some of it in later opsets.
ALSO: list[tuple[str, Nodes]] = [
    ("gelu", [Node("Div", ("x", math.sqrt(2.0)), "a"), *_HALVES, Node("Mul", ("x", "d"), "y")]),
    ("gelu", [Node("Gelu", ("x",), "y", {"approximate": "none"})]),
    ("gelu_tanh", [Node("Gelu", ("x",), "y", {"approximate": "tanh"})]),
    (
        "gelu_tanh",
        [
            Node("Pow", ("x", 3.0), "a"),
            Node("Mul", ("a", 0.044715), "b"),
            Node("Add", ("x", "b"), "c"),
            Node("Mul", ("c", math.sqrt(2 / math.pi)), "d"),
            Node("Tanh", ("d",), "e"),
            Node("Add", ("e", 1.0), "f"),
            Node("Mul", ("f", 0.5), "g"),
            Node("Mul", ("x", "g"), "y"),
        ],
    ),
    ("mish", [Node("Mish", ("x",), "y")]),
    ("celu", [Node("Celu", ("x",), "y", {"alpha": Hole("p")})]),
    # From its threshold on softplus is x, to rounding.
    (
        "softplus",
        [
            Node("Softplus", ("x",), "a"),
            Node("Greater", ("x", 20.0), "b"),
            Node("Where", ("b", "x", "a"), "y"),
        ],
    ),
]


def nodes_of(activation: Activation, dtype: npt.DTypeLike = "float32") -> Nodes:
    """The nodes from ``"x"`` to ``"y"``.

    Example:
        >>> import bpnative as bp
        >>> [node.op for node in nodes_of(bp.activations.Tanh())]
        ['Tanh']
    """
    make = NODES[activation.name]
    if np.dtype(dtype) == np.float64:
        make = NODES_OF_FLOAT64.get(activation.name, make)
    return make(activation.parameter)
