"""ONNX Runtime, which predicts only; the model is made with the onnx package."""

from __future__ import annotations

import importlib
from typing import Any

from ..workloads import Data, Workload, split_parameters


class OnnxPeer:
    """`Peer` with an InferenceSession of Gemm and Relu nodes."""

    note = "prediction only"

    def __init__(self, workload: Workload, data: Data, threads: int) -> None:
        runtime: Any = importlib.import_module("onnxruntime")
        if workload.activation != "relu" or workload.task != "predict":
            raise NotImplementedError("the ONNX model of this bench has relu only, and does not train")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(_model(workload, data), options, providers=["CPUExecutionProvider"])
        self._workload, self._data = workload, data

    def reset(self) -> None:
        """Start anew: nothing changes here."""

    def fit(self, epochs: int, shuffle: bool) -> float:
        """Refuse: it cannot train."""
        raise NotImplementedError("onnxruntime does not train")

    def predict(self, calls: int) -> Any:
        """Predict batch after batch."""
        X, batch, run = self._data.X, self._workload.batch, self._session.run
        for start in self._workload.starts(calls):
            output = run(None, {"x": X[start : start + batch]})[0]
        return output


def _model(workload: Workload, data: Data) -> bytes:
    onnx: Any = importlib.import_module("onnx")
    helper, from_array = onnx.helper, onnx.numpy_helper.from_array
    element = helper.np_dtype_to_tensor_dtype(data.X.dtype)
    nodes, tensors, value = [], [], "x"
    pieces = split_parameters(data.parameters, workload.sizes)
    for i, (weight, bias) in enumerate(pieces):
        tensors += [from_array(weight, f"weight{i}"), from_array(bias, f"bias{i}")]
        nodes.append(helper.make_node("Gemm", [value, f"weight{i}", f"bias{i}"], [f"z{i}"], transB=1))
        value = f"z{i}"
        if i < len(pieces) - 1:
            nodes.append(helper.make_node("Relu", [value], [f"y{i}"]))
            value = f"y{i}"
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", element, [workload.batch, workload.sizes[0]])],
        [helper.make_tensor_value_info(value, element, [workload.batch, workload.sizes[-1]])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def build(name: str, workload: Workload, data: Data, threads: int) -> OnnxPeer:
    """Make the peer."""
    return OnnxPeer(workload, data, threads)
