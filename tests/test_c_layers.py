"""The C file of every registered layer: no warnings, no access beside an array, agrees with the network; training."""

from __future__ import annotations

import dataclasses
import functools
import re
import subprocess

import numpy as np
import pytest

import bpnative as bp
from bpnative.io import c_backward, c_program
from bpnative.layers import LAYERS
from c_compilers import COMPILERS, compile_strictly, need, self_test
from layer_cases import ALONE, ODD, assert_refused_without_form, inputs_of, make, random_layers

CASES = [(kind, index) for kind in LAYERS for index in range(len(ALONE[kind]))]
both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both_types
@pytest.mark.parametrize(("kind", "index"), CASES)
def test_every_layer(kind, index, dtype, tmp_path):
    bp.to_c(make(ALONE[kind][index](5), 5, dtype, np.random.default_rng(1)), tmp_path / "net.c")
    assert self_test(tmp_path / "net.c", compiler="checked") == 0
    assert self_test(tmp_path / "net.c", compiler="clang", levels=["-O2"]) == 0


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(seed, tmp_path):
    rng, dtype = np.random.default_rng([2, seed]), ["float32", "float64"][seed % 2]
    bp.to_c(make(random_layers(rng, 5), 5, dtype, rng), tmp_path / "net.c")
    assert self_test(tmp_path / "net.c", compiler="checked") == 0


@pytest.mark.parametrize("layers", ODD, ids=str)
def test_odd_networks(layers, tmp_path):
    bp.to_c(make(layers, 5, "float32", np.random.default_rng(1)), tmp_path / "net.c")
    assert self_test(tmp_path / "net.c", compiler="checked") == 0


def deep(dtype="float32"):
    leaky = [bp.activations.LeakyReLU(0.1), bp.activations.LeakyReLU(0.3)]
    block = [bp.Dense(9, activation=leaky[0]), bp.BatchNorm(), leaky[1], bp.Residual([bp.Dense(9), bp.LayerNorm()])]
    layers = [bp.Normalize(), bp.Embedding({1: 3, 4: 7}), bp.Residual(block, activation="tanh"), bp.RMSNorm()]
    return make([*layers, bp.Dropout(0.5), bp.Dense(3, activation="softmax")], 6, dtype, np.random.default_rng(3))


@both_types
@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_deep_network_everywhere(compiler, dtype, tmp_path):
    bp.to_c(deep(dtype), tmp_path / "deep.c", name="deep")
    assert (tmp_path / "deep.c").read_bytes().isascii()
    assert self_test(tmp_path / "deep.c", "deep", compiler, ["-O0", "-O3"]) == 0


def test_the_self_test_can_fail(tmp_path):
    """Another weight, statistic, slope or epsilon than the network's is seen."""
    bp.to_c(deep(), tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    changes = [
        (r"(net_statistics\[\d+\] = {\n)[^,]+", r"\g<1>0x1p+9f"),
        (r"(net_parameters\[\d+\] = {\n)[^,]+", r"\g<1>0x1p+9f"),
        (r"0x1.333334p-2f", "0x1p-9f"),
        (r"(net_rms_norm\(.*), 0x\S+f", r"\g<1>, 0x1p+9f"),
    ]
    for pattern, wrong in changes:
        assert re.search(pattern, text), pattern
        (tmp_path / "net.c").write_text(re.sub(pattern, wrong, text))
        assert self_test(tmp_path / "net.c") == 1


def test_numbers_are_the_same_bits(tmp_path):
    net = deep()
    bp.to_c(net, tmp_path / "net.c")
    for name, expected in (("parameters", net.parameters), ("statistics", net.statistics)):
        found = re.search(rf"net_{name}\[\d+\] = {{(.*?)}}", (tmp_path / "net.c").read_text(), re.DOTALL)[1]
        values = np.array([float.fromhex(part.strip().rstrip("f")) for part in found.split(",")], np.float32)
        np.testing.assert_array_equal(values, expected, strict=True)
    net.statistics[1] = np.inf
    with pytest.raises(ValueError, match="finite weights"):
        bp.to_c(net, tmp_path / "none.c")


@pytest.mark.parametrize(
    ("layers", "numbers"),
    [
        ([bp.Dense(16), bp.BatchNorm(), "relu", bp.LayerNorm(), bp.Dense(4)], 16),  # each over the one before
        ([bp.Residual([bp.Dense(8), "tanh"]), bp.Dense(2)], 8),  # x itself is the skip
        ([bp.Dense(8), bp.Residual([bp.Dense(32), bp.Dense(8)]), bp.Dense(2)], 8 + 32 + 8),
        ([bp.Dense(8), bp.Residual(["tanh"]), bp.Dense(2)], 16),
        ([bp.Dense(4), bp.BatchNorm(), "softmax"], 0),  # all of it in y
        ([bp.Dropout(0.5)], 0),
    ],
    ids=str,
)
def test_scratch_is_no_larger_than_needed(layers, numbers, tmp_path):
    bp.to_c(make(layers, 8, "float32", np.random.default_rng(4)), tmp_path / "net.c")
    assert f"#define NET_SCRATCH {max(1, numbers)}\n" in (tmp_path / "net.c").read_text()
    assert self_test(tmp_path / "net.c", compiler="checked") == 0


def test_what_is_no_code_counts_as_the_nearest(tmp_path):
    need("checked")
    net = bp.Network([bp.Embedding({0: 3}, size=1)], 1, seed=0)
    bp.to_c(net, tmp_path / "net.c")
    assert "are x[i] for i = 0 (0 to 2); others count as the nearest" in (tmp_path / "net.c").read_text()
    (tmp_path / "main.c").write_text(
        '#include "net.c"\n#include <stdio.h>\nint main(void) {\n'
        "    const float x[7] = {0.0f, 2.0f, 2.9f, -1.0f, 1e30f, INFINITY, NAN};\n    float y, scratch;\n    int i;\n"
        '    for (i = 0; i < 7; i++) { net_predict(x + i, &y, &scratch); printf("%a\\n", (double)y); }\n'
        "    return 0;\n}\n"
    )
    compile_strictly(tmp_path / "main.c", tmp_path / "main", "checked", ["-O1"])
    printed = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split()
    table = net.layers[0].tensors["table_0"].ravel()
    assert [float.fromhex(value) for value in printed] == [float(table[code]) for code in (0, 2, 2, 0, 2, 2, 0)]


def test_a_layer_without_a_form_is_refused_by_name_before_anything_is_written(tmp_path, monkeypatch):
    convert = functools.partial(bp.to_c, path=tmp_path / "net.c")
    assert_refused_without_form("to_c", convert, c_program.LAYERS, monkeypatch)
    assert not list(tmp_path.iterdir())


# ---- training --------------------------------------------------------------------------------------------------------
def learn(layers, inputs, dtype, path, optimizer="sgd"):
    """Write the file of a trainer in the middle of its work; what its own steps and the trainer's differ by is a 1."""
    rng = np.random.default_rng(9)
    made = bp.Trainer(make(layers, inputs, dtype, rng), loss="mse", optimizer=optimizer)
    x = inputs_of(made.network, rng, 8)
    made.step(x, rng.standard_normal((8, made.network.output_size)))
    bp.to_c(made, path, training=True)
    return self_test(path, compiler="checked", alone=True)


@both_types
@pytest.mark.parametrize(("kind", "index"), [(kind, index) for kind, index in CASES if kind in c_backward.LEARNED])
def test_learning_of_every_layer_that_can(kind, index, dtype, tmp_path):
    """First, in the middle and last, as far as it may stand there; with what learns before and behind it."""
    layers = plain(ALONE[kind][index](5))
    before = [] if kind in ("normalize", "embedding") else [bp.Dense(5, activation="tanh")]
    for number, chain in enumerate(([*before, *layers], [*before, *layers, bp.Dense(3)], [*layers, bp.Dense(3)])):
        if any(layer.name in ("dense", "residual", "embedding") for layer in chain):
            assert learn(chain, 5, dtype, tmp_path / f"net{number}.c") == 0


def plain(layers):
    """Layers without those that a step of training in C does not know, nor penalties."""
    found = []
    for layer in bp.layers.as_layers(layers):
        if layer.name == "residual":
            inside = plain(layer.layers)
            layer = dataclasses.replace(layer, layers=tuple(inside or [bp.Activation("tanh")]))
        if layer.name == "dense":
            layer = dataclasses.replace(layer, l1=0.0, l2=0.0)
        if layer.name in c_backward.LEARNED:
            found.append(layer)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_learning_of_random_networks(seed, tmp_path):
    rng, dtype = np.random.default_rng([5, seed]), ["float32", "float64"][seed % 2]
    layers = [*plain(random_layers(rng, 5)), bp.RMSNorm(), bp.Dense(3)]
    assert learn(layers, 5, dtype, tmp_path / "net.c", ["sgd", "adam"][seed // 2 % 2]) == 0


def test_wrong_derivatives_are_seen(tmp_path):
    """The self-test of a file with a slip on the way back fails."""
    layers = [bp.Embedding({1: 3}), bp.LayerNorm(), bp.Residual([bp.Dense(6, activation="tanh"), bp.RMSNorm()])]
    assert learn([*layers, bp.Dense(2)], 5, "float64", tmp_path / "net.c") == 0
    text = (tmp_path / "net.c").read_text()
    for right, wrong in (
        ("- sum / (net_real)n", "+ sum / (net_real)n"),
        ("- k * dot / (net_real)n", ""),
        ("- x[i] / r * dot / (net_real)n", ""),
        ("dtable[row * size + i] += dy[i]", "dtable[row * size + i] -= dy[i]"),
        ("db[i] += dy[i]", "db[i] += 0.9 * dy[i]"),
        ("dx[i] += dz[o]", "dx[i] = dz[o]"),
        ("1.0 - y * y", "1.0 - y"),
    ):
        assert text.count(right) == 1, right
        (tmp_path / "net.c").write_text(text.replace(right, wrong))
        assert self_test(tmp_path / "net.c", alone=True) == 1, right


@both_types
def test_training_of_scaled_inputs_and_activations_as_layers(dtype, tmp_path):
    layers = [bp.Normalize(), bp.Dense(9), "relu", bp.Dense(5, activation="gelu", bias=False), bp.Dense(3), "softmax"]
    random = np.random.default_rng(5)
    x, y = 50 + 9 * random.standard_normal((60, 4)), random.integers(0, 3, 60)
    made = bp.Trainer(bp.Network(layers, 4, dtype=dtype, seed=1), loss="cross_entropy", optimizer=bp.Adam(0.01))
    made.fit(x, y, epochs=3, batch_size=10, progress=False)
    bp.to_c(made, tmp_path / "net.c", training=True)
    assert self_test(tmp_path / "net.c", compiler="checked") == 0
    text = (tmp_path / "net.c").read_text()
    size = np.dtype(dtype).itemsize
    # x scaled, z and y of two layers, z of the last; and two derivatives of the widest layer.
    numbers = 4 * made.network.parameters.size + (4 + 9 + 9 + 5 + 5 + 3) + (9 + 9)
    assert f"Memory of a learner: {numbers * size + 8} bytes" in text


@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind not in c_backward.LEARNED])
def test_training_of_other_layers_is_refused_by_name(kind, tmp_path):
    for inside in (False, True):
        layers = ALONE[kind][0](4)
        made = bp.Trainer(bp.Network([bp.Residual(layers) if inside else layers[0], bp.Dense(4)], 4), loss="mse")
        name = "0.0" if inside else "0"
        with pytest.raises(ValueError, match=rf"training=True knows no form of layer {name}, .*training=False"):
            bp.to_c(made, tmp_path / "net.c", training=True)
    assert not list(tmp_path.iterdir())
    bp.to_c(made, tmp_path / "net.c")  # which can predict all the same


def test_training_needs_something_to_train(tmp_path):
    for layers in ([bp.Normalize()], ["tanh"], [bp.Residual([bp.Dense(2)], trainable=False)]):
        with pytest.raises(ValueError, match="a layer that is trainable, got none"):
            bp.to_c(bp.Trainer(bp.Network(layers, 2), loss="mse"), tmp_path / "net.c", training=True)
