"""Saving and loading networks: the same bits, every specification, and files that don't fit."""

from __future__ import annotations

import json

import numpy as np
import pytest

import bpnative as bp
from bpnative.io import description, model, safetensors, values
from bpnative.specification import Specification

X = np.random.default_rng(0).standard_normal((9, 4))


def rewrite(path, change):
    """Apply a change to the description and the tensors in a file."""
    tensors, metadata = safetensors.read(path)
    described = json.loads(metadata["bpnative"])
    tensors = change(described, tensors) or tensors
    safetensors.write(path, tensors, {"bpnative": json.dumps(described)})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [kind() for kind in bp.activations.ACTIVATIONS.values()], ids=repr)
def test_a_network_comes_back_to_the_bit(dtype, activation, tmp_path):
    net = bp.Network([bp.Dense(5, activation=activation), bp.Dense(3, bias=False)], 4, dtype=dtype, seed=7)
    net.layers[1].trainable = False
    net.save(tmp_path / "m")
    other = bp.load(tmp_path / "m")
    assert repr(other) == repr(net)
    assert [layer.specification for layer in other.layers] == [layer.specification for layer in net.layers]
    assert other.state()["training_seed"] == net.state()["training_seed"]
    np.testing.assert_array_equal(other.parameters, net.parameters)
    np.testing.assert_array_equal(other(X), net(X))


@pytest.mark.parametrize("kind", sorted(description.known_kinds()))
def test_every_specification_can_be_described_and_built(kind):
    cls = description.known_kinds()[kind]
    try:
        made = cls()
    except TypeError:
        made = {"layer.dense": bp.Dense(3), "initializer.from_array": bp.initializers.FromArray([1.0, 2.0])}.get(kind)
        if made is None:
            pytest.skip("has settings without a default")
    again = description.build(json.loads(json.dumps(description.describe(made, kind))), kind)
    assert again == made
    assert type(again) is type(made)


def test_registered_names_are_known():
    registries = [bp.activations.ACTIVATIONS, bp.losses.LOSSES, bp.optimizers.OPTIMIZERS, bp.initializers.INITIALIZERS]
    known = set(description.known_kinds().values())
    for registry in registries:
        assert set(registry.values()) <= known


def test_classes_of_others_are_not_built():
    class Mine(bp.activations.Activation):
        name = "mine"

    assert issubclass(Mine, Specification)
    assert "activation.mine" not in description.known_kinds()
    with pytest.raises(TypeError, match="can't be written"):
        description.describe(Mine(), "activation")


def test_functions_are_refused_by_name():
    with pytest.raises(TypeError, match="learning_rate of the optimizer can't be written"):
        description.describe(bp.SGD(learning_rate=lambda step: 0.1), "the optimizer")
    described = description.describe(bp.SGD(learning_rate=abs), "the optimizer", function=True)
    with pytest.raises(ValueError, match="was the function 'abs'"):
        description.build(described, "the optimizer")


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-320, float("inf"), 2**70, True, None, "ä", [1, [2.5]], {"a": 1}])
def test_settings_come_back(value):
    again = description.build(json.loads(json.dumps(description.describe(value, "it"))), "it")
    assert again == value
    assert repr(again) == repr(value)


def test_initializers_that_are_arrays_or_functions_are_left_out(tmp_path):
    net = bp.Network([bp.Dense(2, weight_initializer=lambda s, g: g.random(s), bias_initializer=[1, 2])], 3, seed=0)
    net.save(tmp_path / "m")
    np.testing.assert_array_equal(bp.load(tmp_path / "m").parameters, net.parameters)


def put(*path, value):
    def change(described, tensors):
        place = described
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("format_version", value=2), "format version 1 to 1, got 2"),
        (put("format_version", value=True), "format version"),
        (put("network", value=3), "describe a network"),
        (put("network", "layers", value=[]), "at least one layer"),
        (put("network", "layers", value=3), "describe a network"),
        (put("network", "layers", 0, value={"kind": "layer.dens"}), "did you mean 'layer.dense'"),
        (put("network", "layers", 0, value={"kind": "loss.mse"}), "describes no network"),
        (put("network", "layers", 0, "units", value=-1), "Dense refuses"),
        (put("network", "layers", 0, "novelty", value=1), "unknown settings 'novelty'.*later version"),
        (put("network", "layers", 0, "activation", value="rleu"), "did you mean 'relu'"),
        (put("network", "layers", 0, "activation", value={"kind": "os.system"}), "unknown kind"),
        (put("network", "dtype", value="float16"), "unknown dtype"),
        (put("network", "dtype", value="float64"), "expected tensor 'layers.0.weight' as F64"),
        (put("network", "input_size", value=2**80), "expected layers that fit|parameters of shape"),
        (put("network", "seed", value="x"), "seed"),
        (lambda d, t: {**t, "layers.2.weight": t["layers.0.bias"][:0]}, r"surplus \['layers.2.weight'\]"),
        (lambda d, t: {**t, "layers.0.weight": t["layers.0.weight"].T}, "expected tensor 'layers.0.weight'"),
        (lambda d, t: {k: v for k, v in t.items() if k != "layers.0.bias"}, "parameters of shape"),
    ],
)
def test_files_that_describe_no_network(change, message, tmp_path):
    path = tmp_path / "m"
    bp.Network([bp.Dense(3, activation="relu"), bp.Dense(2)], 4, seed=0).save(path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=message):
        bp.load(path)


def test_files_of_others_say_so(tmp_path):
    safetensors.write(tmp_path / "f", {"weight": np.ones(2)}, {"format": "pt"})
    with pytest.raises(ValueError, match="of something else: its metadata holds 'format', no 'bpnative'"):
        bp.load(tmp_path / "f")


def test_the_description_is_small_and_plain():
    described = model.architecture(bp.mlp([2, 3, 1], seed=0))
    assert described["layers"][0] == {
        "kind": "layer.dense",
        "units": 3,
        "activation": "relu",
        "bias": True,
        "weight_initializer": None,
        "bias_initializer": "zeros",
        "trainable": True,
        "l1": 0.0,
        "l2": 0.0,
        "max_norm": None,
    }


# ---- values --------------------------------------------------------------------------------------------------------
def test_plain_values_come_back():
    value = {
        "numbers": [1, 2**80, -0.0, float("nan"), float("inf"), True, None],
        "tuple": (1, ("a", [])),
        "arrays": [np.arange(3, dtype=np.int8), np.ones((2, 0))],
        "scalar": np.float32(0.1),
        3: "whole",
    }
    tensors = {}
    again = values.unpack(json.loads(json.dumps(values.pack(value, "v", tensors))), tensors)
    assert repr(again) == repr(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, {"a": print}, {(1, 2): 3}, np.array(["a"]), 1j])
def test_other_values_are_refused(value):
    with pytest.raises(TypeError, match="can't be written"):
        values.pack(value, "v", {})
