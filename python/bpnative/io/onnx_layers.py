"""Layers as ONNX nodes of opset 17: written by `to_onnx`; by its form `from_onnx` knows each again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import activations
from ..layers import BatchNorm, Embedding, Layer
from .assemble import NOISE, branches
from .onnx_activations import Hole, Node, Nodes, nodes_of

Array = npt.NDArray[Any]

# From "x" to "y"; a hole is a tensor, a statistic or a setting of the layer.
FORMS: dict[str, Nodes] = {
    "batch_norm": [
        Node(
            "BatchNormalization",
            ("x", *map(Hole, ("weight", "bias", "running_mean", "running_variance"))),
            "y",
            {"epsilon": Hole("epsilon"), "momentum": Hole("kept")},
        )
    ],
    "layer_norm": [
        Node("LayerNormalization", ("x", Hole("weight"), Hole("bias")), "y", {"axis": -1, "epsilon": Hole("epsilon")})
    ],
    "rms_norm": [
        Node("Mul", ("x", "x"), "a"),
        Node("ReduceMean", ("a",), "b", {"axes": [-1], "keepdims": 1}),
        Node("Add", ("b", Hole("epsilon")), "c"),
        Node("Sqrt", ("c",), "d"),
        Node("Div", ("x", "d"), "e"),
        Node("Mul", ("e", Hole("weight")), "y"),
    ],
    "normalize": [Node("Sub", ("x", Hole("mean")), "a"), Node("Mul", ("a", Hole("scale")), "y")],
}
# What others write for the same layers, and `to_onnx` for its mean and scale.
ALSO: list[tuple[str, Nodes]] = [
    ("layer_norm", [Node("LayerNormalization", ("x", Hole("weight")), "y", {"axis": -1, "epsilon": Hole("epsilon")})]),
    ("rms_norm", [Node("RMSNormalization", ("x", Hole("weight")), "y", {"axis": -1, "epsilon": Hole("epsilon")})]),
    ("normalize", [Node("Sub", ("x", Hole("mean")), "a"), Node("Div", ("a", Hole("deviation")), "y")]),
    ("normalize", [Node("Sub", ("x", Hole("mean")), "y")]),
    ("normalize", [Node("Div", ("x", Hole("deviation")), "y")]),
]


class Writer:
    """Collects the nodes and constants of a graph."""

    def __init__(self, onnx: Any, dtype: np.dtype[Any]) -> None:
        self.onnx = onnx
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}

    def constant(self, name: str, value: npt.ArrayLike, kind: Any = None) -> str:
        """Add a constant, of the network's dtype unless said; its name."""
        self.constants[name] = np.array(value, kind or self.dtype)
        return name

    def add(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node with one output; its name."""
        self.nodes.append(self.onnx.helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def fill(self, nodes: Nodes, at: str, name: str, values: dict[str, Any]) -> str:
        """Add the nodes of a form, what comes in at ``at``, holes filled; the name of what comes out."""
        names = {"x": at}
        for count, node in enumerate(nodes):
            given = []
            for place, value in enumerate(node.inputs):
                if isinstance(value, Hole):
                    given.append(self.constant(f"{name}.{value.name}", values[value.name]))
                elif isinstance(value, str):
                    given.append(names[value])
                else:
                    given.append(self.constant(f"{name}.constant.{count}.{place}", value))
            attributes = {k: values[v.name] if isinstance(v, Hole) else v for k, v in node.attributes.items()}
            names[node.output] = at = self.add(node.op, given, f"{name}.{node.op.lower()}.{count}", **attributes)
        return at

    def layers(self, layers: Sequence[Layer], at: str) -> str:
        """Add layers; the name of what comes out."""
        for layer in layers:
            at = LAYERS[layer.specification.name](self, layer, at)
        return at


def _activated(writer: Writer, layer: Layer, at: str) -> str:
    nodes = nodes_of(activations.get(layer.activation), writer.dtype)
    return writer.fill(nodes, at, f"layers.{layer.name}", {})


def _dense(writer: Writer, layer: Layer, at: str) -> str:
    name = f"layers.{layer.name}"
    inputs = [at, *(writer.constant(f"{name}.{tensor}", view) for tensor, view in layer.tensors.items())]
    return _activated(writer, layer, writer.add("Gemm", inputs, f"{name}.sum", transB=1))


def _residual(writer: Writer, layer: Layer, at: str) -> str:
    ends = [writer.layers(branch, at) for branch in branches(layer)]
    return _activated(writer, layer, writer.add("Add", ends, f"layers.{layer.name}.sum"))


def _form(writer: Writer, layer: Layer, at: str) -> str:
    specification = layer.specification
    values = {**layer.tensors, **layer.statistics, **vars(specification)}
    if isinstance(specification, BatchNorm):
        values["kept"] = 1 - specification.momentum
    return writer.fill(FORMS[specification.name], at, f"layers.{layer.name}", values)


def _embedding(writer: Writer, layer: Layer, at: str) -> str:
    specification, name = layer.specification, f"layers.{layer.name}"
    assert isinstance(specification, Embedding)
    numeric = [column for column in range(layer.input_size) if column not in specification.codes]
    parts = []
    if numeric:
        columns = writer.constant(f"{name}.numeric_columns", numeric, np.int64)
        parts.append(writer.add("Gather", [at, columns], f"{name}.numeric", axis=1))
    for column in specification.codes:
        where = writer.constant(f"{name}.column_{column}", column, np.int64)
        values = writer.add("Gather", [at, where], f"{name}.values_{column}", axis=1)
        codes = writer.add("Cast", [values], f"{name}.codes_{column}", to=writer.onnx.TensorProto.INT64)
        table = writer.constant(f"{name}.table_{column}", layer.tensors[f"table_{column}"])
        parts.append(writer.add("Gather", [table, codes], f"{name}.vectors_{column}", axis=0))
    return writer.add("Concat", parts, f"{name}.output", axis=1)


def _nothing(writer: Writer, layer: Layer, at: str) -> str:
    return at


LAYERS: dict[str, Callable[[Writer, Layer, str], str]] = {
    "dense": _dense,
    "activation": _activated,
    **dict.fromkeys(NOISE, _nothing),
    **dict.fromkeys(FORMS, _form),
    "residual": _residual,
    "embedding": _embedding,
}
