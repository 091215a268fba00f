"""Networks to ONNX and from it: opset 17, IR version 8, any number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import activations
from ..activations import Activation
from ..network import Network
from . import atomic
from .assemble import Part, assemble, take_apart
from .atomic import PathLike
from .onnx_activations import NODES, Node, canonical, nodes_of

Array = npt.NDArray[Any]

OPSET, IR_VERSION = 17, 8
SKIPPED = ("Identity", "Dropout", "Flatten", "Cast")


def _import_onnx(what: str) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ImportError(f"{what} needs the onnx package: pip install 'bpnative[onnx]'") from error
    return onnx


def to_onnx(
    network: Network,
    path: PathLike,
    *,
    mean: npt.ArrayLike | None = None,
    scale: npt.ArrayLike | None = None,
    labels: Sequence[Any] | None = None,
) -> None:
    """Write a network as an ONNX model with the input ``"input"`` (n, input_size) and the output ``"output"``.

    Args:
        network: A network of dense layers.
        path: The file to write, all or nothing.
        mean: (input_size,), subtracted from the input within the model.
        scale: (input_size,), what the input is then divided by.
        labels: Whole numbers or strings, one a class: adds the output ``"label"`` (n,), that of the largest output, or
            with one output the second of two labels where it says yes.

    Raises:
        ImportError: The onnx package is not installed.
        TypeError: An argument has the wrong type.
        ValueError: A layer or activation has no ONNX form, it is named; or mean, scale or labels have the wrong shape.
        OSError: The file can't be written.

    Example:
        >>> import bpnative as bp
        >>> to_onnx(bp.mlp([2, 3, 1], seed=0), "net.onnx")  # doctest: +SKIP
    """
    parts = take_apart(network, "to_onnx")
    onnx = _import_onnx("to_onnx")
    dtype = network.dtype
    nodes: list[Any] = []
    constants: dict[str, Array] = {}

    def constant(name: str, value: npt.ArrayLike, kind: Any = dtype) -> str:
        constants[name] = np.array(value, kind)
        return name

    def add(op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        nodes.append(onnx.helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    at = "input"
    for name, op, values in (("mean", "Sub", mean), ("scale", "Div", scale)):
        if values is not None:
            array = np.asarray(values, np.float64)
            if (
                array.shape != (network.input_size,)
                or not np.isfinite(array).all()
                or (op == "Div" and not array.all())
            ):
                raise ValueError(f"expected {name} of shape ({network.input_size},), finite, scale without 0")
            at = add(op, [at, constant(name, array)], f"input.{name}")
    for index, part in enumerate(parts):
        name = f"layers.{index}"
        inputs = [at, constant(f"{name}.weight", part.weight)]
        if part.bias is not None:
            inputs.append(constant(f"{name}.bias", part.bias))
        at = add("Gemm", inputs, f"{name}.sum", transB=1)
        names = {"x": at}
        for count, node in enumerate(nodes_of(part.activation)):
            given = [
                names[value] if isinstance(value, str) else constant(f"{name}.constant.{count}.{place}", value)
                for place, value in enumerate(node.inputs)
            ]
            names[node.output] = at = add(node.op, given, f"{name}.{node.op.lower()}.{count}", **node.attributes)
    add("Identity", [at], "output")
    element = onnx.TensorProto.FLOAT if dtype == np.float32 else onnx.TensorProto.DOUBLE
    value_info = onnx.helper.make_tensor_value_info
    outputs = [value_info("output", element, ["n", network.output_size])]
    if labels is not None:
        kind = _add_labels(network.output_size, parts[-1].activation.name, list(labels), add, constant, onnx)
        outputs.append(value_info("label", kind, ["n"]))
    graph = onnx.helper.make_graph(
        nodes,
        "bpnative",
        [value_info("input", element, ["n", network.input_size])],
        outputs,
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="bpnative")
    onnx.checker.check_model(model, full_check=True)
    atomic.write(path, [model.SerializeToString()])


def _add_labels(n_outputs: int, last: str, labels: list[Any], add: Any, constant: Any, onnx: Any) -> int:
    """The nodes from the output to the label; the element type of the label."""
    array = np.asarray(labels)
    if len(labels) != max(2, n_outputs) or array.ndim != 1 or array.dtype.kind not in "iuU":
        raise ValueError(f"expected labels as {max(2, n_outputs)} whole numbers or strings, got {labels!r}")
    text = array.dtype.kind == "U"
    if n_outputs > 1:
        chosen = add("ArgMax", ["output"], "label.index", axis=1, keepdims=0)
    else:
        yes = add("Greater", ["output", constant("label.threshold", 0.5 if last == "sigmoid" else 0.0)], "label.yes")
        column = add("Cast", [yes], "label.column", to=onnx.TensorProto.INT64)
        chosen = add("Squeeze", [column, constant("label.axes", [1], np.int64)], "label.index")
    add("Gather", [constant("label.names", array, object if text else np.int64), chosen], "label")
    return int(onnx.TensorProto.STRING if text else onnx.TensorProto.INT64)


def from_onnx(path: PathLike) -> Network:
    """The network of an ONNX model that is a chain of dense layers (Gemm, or MatMul and Add) and activations.

    Args:
        path: The file; written by `to_onnx`, PyTorch or others.

    Raises:
        ImportError: The onnx package is not installed.
        ValueError: It is no ONNX model, or a node has no counterpart; it is named.
        OSError: It can't be read.

    Example:
        >>> import bpnative as bp
        >>> to_onnx(bp.mlp([2, 3, 1], seed=0), "net.onnx")  # doctest: +SKIP
        >>> from_onnx("net.onnx").layers[0].activation  # doctest: +SKIP
        'relu'
    """
    onnx = _import_onnx("from_onnx")
    with open(path, "rb") as file:
        content = file.read()
    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:
        raise ValueError(f"expected an ONNX model: {error}") from None
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    chain = _chain(onnx, model.graph, constants)
    parts: list[Part] = []
    rest: list[Node] = []
    start = ""
    for node in chain:
        bias_of_matmul = node.op == "Add" and parts and not rest and parts[-1].bias is None
        if node.op in ("Gemm", "MatMul"):
            parts = _with_activation(parts, rest, start)
            parts.append(_dense(node))
            rest, start = [], node.output
        elif bias_of_matmul and any(isinstance(part, np.ndarray) for part in node.inputs):
            bias = next(part for part in node.inputs if isinstance(part, np.ndarray))
            parts[-1] = parts[-1]._replace(bias=bias.reshape(-1))
            start = node.output
        elif node.op not in SKIPPED:
            rest.append(node)
        elif node.inputs[0] == start and not rest:
            start = node.output
    return assemble(_with_activation(parts, rest, start), "the ONNX model")


def _chain(onnx: Any, graph: Any, constants: dict[str, Array]) -> list[Node]:
    """The nodes that lead to the output of floats, in order, constants in the place of their names."""
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    outputs = [value.name for value in graph.output if value.type.tensor_type.elem_type in floats]
    if len(outputs) != 1:
        raise ValueError(f"expected an ONNX model with one output of floats, got {outputs}")
    needed, chain = {outputs[0]}, []
    for node in reversed(graph.node):
        if needed.isdisjoint(node.output):
            continue
        if node.op_type == "Constant":
            constants[node.output[0]] = np.asarray(onnx.numpy_helper.to_array(node.attribute[0].t))
            continue
        needed.update(node.input)
        chain.append(node)
    found = []
    for node in reversed(chain):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        attributes = {k: _shortest(np.float32(v)) if isinstance(v, float) else v for k, v in attributes.items()}
        inputs = [constants.get(name, name) for name in node.input]
        plain = tuple(_shortest(v) if isinstance(v, np.ndarray) and v.ndim == 0 else v for v in inputs)
        found.append(Node(node.op_type, plain, node.output[0], attributes))
    return found


def _shortest(value: Any) -> float:
    """The shortest number that rounds to this one: 0.2 and not 0.20000000298, where float32 holds a setting."""
    return float(str(value[()]))


def _dense(node: Node) -> Part:
    weight = node.inputs[1]
    scaled = node.attributes.get("alpha", 1.0) != 1.0 or node.attributes.get("beta", 1.0) != 1.0
    if not isinstance(weight, np.ndarray) or weight.ndim != 2 or scaled or node.attributes.get("transA"):
        raise ValueError(f"from_onnx knows {node.op} of rows with a constant weight; {node.output!r} is another")
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and not isinstance(bias, np.ndarray):
        raise ValueError(f"from_onnx knows {node.op} with a constant bias; {node.output!r} has another")
    weight = weight if node.attributes.get("transB") else weight.T
    return Part(weight, None if bias is None else bias.reshape(-1), activations.get("linear"))


def _with_activation(parts: list[Part], nodes: list[Node], start: str) -> list[Part]:
    if not nodes:
        return parts
    found = _recognized(nodes, start) if parts else None
    if found is None:
        ops = ", ".join(node.op for node in nodes)
        where = f"after layer {len(parts) - 1}" if parts else "before the first dense layer"
        raise ValueError(f"from_onnx knows no layer or activation made of {ops}, {where} (at {nodes[0].output!r})")
    return [*parts[:-1], parts[-1]._replace(activation=found)]


def _recognized(nodes: list[Node], start: str) -> Activation | None:
    """The activation that these nodes compute."""
    if any(isinstance(part, np.ndarray) for node in nodes for part in node.inputs):
        return None
    form = canonical(nodes, start)
    numbers = [part for node in nodes for part in node.inputs if isinstance(part, float)]
    numbers += [value for node in nodes for value in node.attributes.values() if isinstance(value, float)]
    for name, kind in activations.ACTIVATIONS.items():
        plain: Activation = kind()
        candidates = [plain]
        fields = [f for f, v in vars(plain).items() if v == plain.parameter]
        if fields:
            for value in numbers:
                try:
                    candidates.append(kind(**{fields[0]: value}))
                except ValueError:
                    continue
        for candidate in candidates:
            if name in NODES and name != "linear" and canonical(nodes_of(candidate), "x") == form:
                return candidate
    return None
