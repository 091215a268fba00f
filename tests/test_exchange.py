"""From and to others without the others: state dicts of arrays, and what is refused before any of them is needed."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

import bpnative as bp
from bpnative import activations, layers
from bpnative.io import assemble, c_program, onnx_activations, onnx_layers, onnx_matching, onnx_reading, pytorch


def test_state_dicts():
    random = np.random.default_rng(0)
    state = {"a.weight": random.random((3, 2)), "a.bias": random.random(3), "b.weight": random.random((1, 3))}
    net = bp.from_torch(state, activation="tanh", output_activation="sigmoid")
    assert repr(net) == repr(bp.Network(
        [bp.Dense(3, activation="tanh", weight_initializer="zeros"),
         bp.Dense(1, activation="sigmoid", bias=False, weight_initializer="zeros")], 2, dtype="float64"))  # fmt: skip
    np.testing.assert_array_equal(net.layers[0].weight, state["a.weight"])
    np.testing.assert_array_equal(net.layers[0].bias, state["a.bias"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bp.from_torch({}), ValueError, "the state dict has no layer"),
        (
            lambda: bp.from_torch({"a.weight": np.ones((2, 2)), "n.running_mean": np.ones(2)}),
            ValueError,
            "running_mean",
        ),
        (lambda: bp.from_torch({"a.weight": np.ones((2, 2), int)}), ValueError, "floating-point"),
        (lambda: bp.from_torch({"a.weight": np.ones((2, 2)), "a.bias": np.ones(3)}), ValueError, r"the bias \(3,\)"),
        (lambda: bp.from_torch({"a.weight": np.ones((2, 2)), "b.weight": np.ones((2, 3))}), ValueError, "2 inputs"),
        (
            lambda: bp.from_torch({0: np.ones((2, 2))}),
            TypeError,
            r"a state dict of tensors by name, got the keys \[0\]",
        ),
        (lambda: bp.from_torch(3), TypeError, "torch.nn.Module or a state dict"),
        (lambda: bp.to_torch(3), TypeError, "expected a bpnative.Network for to_torch"),
        (lambda: bp.to_onnx(3, "x"), TypeError, "expected a bpnative.Network for to_onnx"),
        (lambda: bp.from_sklearn(3), TypeError, "from_sklearn knows MLPClassifier.*got int"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("package", "call", "message"),
    [
        ("onnx", lambda: bp.to_onnx(bp.mlp([1, 1]), "x"), r"pip install 'bpnative\[onnx\]'"),
        ("onnx", lambda: bp.from_onnx("x"), r"pip install 'bpnative\[onnx\]'"),
        ("torch", lambda: bp.to_torch(bp.mlp([1, 1])), "pip install torch"),
    ],
)
def test_a_missing_package_is_named(package, call, message, monkeypatch):
    imported = builtins.__import__

    def without(name, *rest, **more):
        if name == package:
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=message):
        call()


def test_every_registered_activation_has_a_form():
    names = set(activations.ACTIVATIONS)
    assert names <= set(onnx_activations.NODES)
    assert names <= {*pytorch.MODULES, "linear"}


def test_every_registered_layer_has_a_form():
    """Or is refused by name; today every format has every layer."""
    assert set(layers.LAYERS) == set(onnx_layers.LAYERS) == set(pytorch.LAYERS) == set(c_program.LAYERS)


FORMS = [
    *((name, make(number)) for name, make in onnx_activations.NODES.items() for number in (0.7, 1.0)),
    *((name, make(0.7)) for name, make in onnx_activations.NODES_OF_FLOAT64.items()),
]


@pytest.mark.parametrize(("name", "nodes"), [(name, nodes) for name, nodes in FORMS if nodes])
def test_forms_are_told_apart(name, nodes):
    """The first form that fits a graph is that of the activation it was written from."""
    graph = {node.output: node for node in nodes}
    forms = onnx_reading.FORMS[graph["y"].op]
    found = next(kind for kind, form in forms if onnx_matching.match(form, graph.get, "y"))
    assert found == name


def test_settings_that_this_version_lacks_are_none():
    assert assemble.activation_named("no such") is None
