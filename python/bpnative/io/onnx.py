"""Networks to ONNX: opset 17, IR version 8, any number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Network
from . import atomic
from .assemble import check_network
from .atomic import PathLike
from .onnx_activations import NODES
from .onnx_layers import LAYERS, Writer

OPSET, IR_VERSION = 17, 8


def import_onnx(what: str) -> Any:
    """The onnx package.

    Raises:
        ImportError: It is not installed.
    """
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
        network: The network. Noise layers, which do nothing in a prediction, are left out. Codes of an `Embedding` are
            columns of the input, as in `Network.predict`. What is no code `Network.predict` refuses, and onnxruntime
            does not always: it cuts fractions off, and counts -1, -2 … from the end of a table.
        path: The file to write, all or nothing.
        mean: (input_size,), subtracted from the input within the model.
        scale: (input_size,), what the input is then divided by.
        labels: Whole numbers or strings, one a class: adds the output ``"label"`` (n,), that of the largest output, or
            with one output the second of two labels where that is above 0.5 of a last layer of sigmoid, else above 0.

    Raises:
        ImportError: The onnx package is not installed.
        TypeError: An argument has the wrong type.
        ValueError: A layer or activation has no ONNX form, it is named; or mean, scale or labels have the wrong shape.
        OSError: The file can't be written.

    Example:
        >>> import bpnative as bp
        >>> to_onnx(bp.mlp([2, 3, 1], seed=0), "net.onnx")  # doctest: +SKIP
    """
    check_network(network, "to_onnx", LAYERS, NODES)
    onnx = import_onnx("to_onnx")
    dtype = network.dtype
    writer = Writer(onnx, dtype)
    at = "input"
    for name, op, values in (("mean", "Sub", mean), ("scale", "Div", scale)):
        if values is not None:
            with np.errstate(over="ignore", under="ignore"):
                array = np.asarray(values, np.float64).astype(dtype)
            wrong = array.shape != (network.input_size,) or not np.isfinite(array).all()
            if wrong or (op == "Div" and not array.all()):
                shape = f"({network.input_size},)"
                raise ValueError(f"expected {name} of shape {shape}, finite in {dtype}, scale without 0")
            at = writer.add(op, [at, writer.constant(name, array)], f"input.{name}")
    writer.add("Identity", [writer.layers(network.layers, at)], "output")
    element = onnx.TensorProto.FLOAT if dtype == np.float32 else onnx.TensorProto.DOUBLE
    value_info = onnx.helper.make_tensor_value_info
    outputs = [value_info("output", element, ["n", network.output_size])]
    if labels is not None:
        kind = _add_labels(writer, network.output_size, network.output_activation.name, list(labels))
        outputs.append(value_info("label", kind, ["n"]))
    graph = onnx.helper.make_graph(
        writer.nodes,
        "bpnative",
        [value_info("input", element, ["n", network.input_size])],
        outputs,
        [onnx.numpy_helper.from_array(value, name) for name, value in writer.constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="bpnative")
    onnx.checker.check_model(model, full_check=True)
    atomic.write(path, [model.SerializeToString()])


def _add_labels(writer: Writer, n_outputs: int, last: str, labels: list[Any]) -> int:
    """The nodes from the output to the label; the element type of the label."""
    add, constant, kinds = writer.add, writer.constant, writer.onnx.TensorProto
    array = np.asarray(labels)
    if len(labels) != max(2, n_outputs) or array.ndim != 1 or array.dtype.kind not in "iuU":
        raise ValueError(f"expected labels as {max(2, n_outputs)} whole numbers or strings, got {labels!r}")
    text = array.dtype.kind == "U"
    if n_outputs > 1:
        chosen = add("ArgMax", ["output"], "label.index", axis=1, keepdims=0)
    else:
        yes = add("Greater", ["output", constant("label.threshold", 0.5 if last == "sigmoid" else 0.0)], "label.yes")
        column = add("Cast", [yes], "label.column", to=kinds.INT64)
        chosen = add("Squeeze", [column, constant("label.axes", [1], np.int64)], "label.index")
    add("Gather", [constant("label.names", array, object if text else np.int64), chosen], "label")
    return int(kinds.STRING if text else kinds.INT64)
