"""ONNX files of others, damaged ones and such as are made to harm: a right network or a clear error, soon."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from layer_cases import make

onnx = pytest.importorskip("onnx")


def model_of(path, nodes, shape=("n", 2), constants=(), domains=(), opset=17):
    """Write a model of nodes from "input" to "output"."""
    info, helper = onnx.helper.make_tensor_value_info, onnx.helper
    named = [onnx.numpy_helper.from_array(value, name) for name, value in constants]
    inputs, outputs = [info("input", 1, shape)], [info("output", 1, ["n", "m"])]
    graph = helper.make_graph([helper.make_node(*node[:3], **node[3]) for node in nodes], "g", inputs, outputs, named)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([("Flatten", ["input"], ["f"], {"axis": 0}), ("Tanh", ["f"], ["output"], {})], "ends in the Flatten"),
        ([("Celu", ["input"], ["output"], {"alpha": -1.0})], "ends in the Celu"),
        ([("Sub", ["input", "three"], ["output"], {})], "ends in the Sub"),
        ([("Add", ["input", "three"], ["output"], {})], "ends in the Add"),
        ([("Gather", ["input", "two"], ["output"], {"axis": 1})], "ends in the Gather"),
        ([("Gemm", ["input", "input"], ["output"], {"transB": 1})], "Gemm of rows with a constant weight"),
        ([("Gemm", ["input", "square"], ["output"], {"alpha": 2.0})], "Gemm of rows with a constant weight"),
        ([("Tanh", ["three"], ["output"], {})], "ends in the Tanh|beside them"),
        # Somebody's own operator; numbers for each sample; nothing finite.
        ([("Relu", ["input"], ["output"], {"domain": "mine"})], r"ends in the mine\.Relu"),
        ([("Gemm", ["input", "square", "column"], ["output"], {})], r"constants that are one row, got .* \(2, 1\)"),
        ([("MatMul", ["input", "square"], ["a"], {}), ("Add", ["a", "column"], ["output"], {})], "that are one row"),
        ([("Sub", ["input", "column"], ["output"], {})], "ends in the Sub"),
        ([("Div", ["input", "zero"], ["output"], {})], "ends in the Div"),
        ([("MatMul", ["input", "wrong"], ["output"], {})], "has the weight.* and 2 inputs come in"),
        ([("MatMul", ["input", "whole"], ["output"], {})], "as floating-point numbers"),
        (
            [("Add", ["input" if i == 0 else f"a{i}", "input"], [f"a{i + 1}"], {}) for i in range(3000)]
            + [("Identity", ["a3000"], ["output"], {})],
            "too deeply nested",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_broken_and_foreign_models_are_refused(nodes, message, tmp_path):
    constants = [
        *(("three", np.ones(3, np.float32)), ("two", np.array([0, 1])), ("square", np.ones((2, 2), np.float32))),
        *(("column", np.float32([[1], [2]])), ("zero", np.float32([0, 2]))),
        *(("wrong", np.ones((3, 2), np.float32)), ("whole", np.ones((2, 2), np.int64))),
    ]
    model_of(tmp_path / "net.onnx", nodes, constants=constants, domains=["mine"])
    with pytest.raises(ValueError, match=message):
        bp.from_onnx(tmp_path / "net.onnx")


def test_a_sum_of_old_files_over_the_samples(tmp_path):
    nodes = [("MatMul", ["input", "w"], ["a"], {}), ("Add", ["a", "b"], ["output"], {"axis": 0, "broadcast": 1})]
    constants = [("w", np.eye(2, dtype=np.float32)), ("b", np.ones(2, np.float32))]
    model_of(tmp_path / "net.onnx", nodes, (2, 2), constants, opset=6)
    with pytest.raises(ValueError, match="ends in the Add"):
        bp.from_onnx(tmp_path / "net.onnx")


def test_other_shapes_than_rows(tmp_path):
    """Softmax over axis 1 of (n, 3, 2) is none of rows; images that are flattened first are rows."""
    path, weight = tmp_path / "net.onnx", ("w", np.eye(6, dtype=np.float32)[:, :4])
    softmax = ("Softmax", ["a"], ["output"], {"axis": 1})
    for shape in (("n", 3, 6), (6,), ()):
        model_of(path, [("MatMul", ["input", "w"], ["a"], {}), softmax], shape, [weight])
        with pytest.raises(ValueError, match=rf"rows, \(n, columns\), or Flatten first, got {len(shape)} axes"):
            bp.from_onnx(path)
    flat = [("Flatten", ["input"], ["f"], {}), ("MatMul", ["f", "w"], ["a"], {}), softmax]
    model_of(path, flat, ("n", 1, 2, 3), [weight])
    assert bp.from_onnx(path).input_size == 6


def test_a_small_file_makes_no_large_network(tmp_path):
    path, weight = tmp_path / "net.onnx", ("w", np.eye(400, dtype=np.float32))
    model_of(path, [("Sub", ["input", "one"], ["output"], {})], ("n", 2**31 - 2), [("one", np.float32(1))])
    with pytest.raises(ValueError, match="holds 4 bytes of numbers, and a network of it 17,179,869,168"):
        bp.from_onnx(path)
    for count in (5, 300):
        names = ["input", *(f"a{i}" for i in range(1, count)), "output"]
        nodes = [("MatMul", [names[i], "w"], [names[i + 1]], {}) for i in range(count)]
        model_of(path, nodes, ("n", 400), [weight])
        if count == 5:  # layers of the same weights are fine
            assert len(bp.from_onnx(path).layers) == 5
        else:
            with pytest.raises(ValueError, match="each layer has its own weights here"):
                bp.from_onnx(path)


def test_blocks_that_could_be_cut_in_many_ways_are_refused_soon(tmp_path):
    """Each sum may begin at its skip or before the skip's projection: 2^40 ways of 40 sums, none of which fits."""
    count = 40
    nodes = [("MatMul", [f"n{i - 1}" if i else "input", "w"], [f"n{i}"], {}) for i in range(count)]
    nodes.append(("Sin", [f"n{count - 1}"], [f"y{count}"], {}))
    for i in reversed(range(count)):
        nodes.append(("Add", [f"y{i + 1}", f"n{i}"], [f"y{i}" if i else "output"], {}))
    model_of(tmp_path / "net.onnx", nodes, constants=[("w", np.eye(2, dtype=np.float32))])
    with pytest.raises(ValueError, match="ends in the Sin"):
        bp.from_onnx(tmp_path / "net.onnx")


def test_damaged_files_are_refused_or_read(tmp_path):
    """A byte changed or the end cut off: a network comes back, or a ValueError, nothing else."""
    rng, path = np.random.default_rng(9), tmp_path / "net.onnx"
    layers = [bp.Normalize(), bp.Embedding({1: 3}), bp.Residual([bp.Dense(4), bp.BatchNorm(), "gelu"]), bp.RMSNorm()]
    bp.to_onnx(make(layers, 4, "float32", rng), path)
    whole = path.read_bytes()
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(damaged if rng.random() < 0.9 else whole[: rng.integers(len(whole))])
        try:
            bp.from_onnx(path)
        except ValueError:
            refused += 1
    assert 50 < refused < 300
