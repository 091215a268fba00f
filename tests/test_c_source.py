"""The C file: no warnings, agrees with the network, learns as the trainer does, on other processors too."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bpnative as bp
from bpnative import activations
from bpnative.io import c_functions
from c_compilers import COMPILERS, compile_strictly, self_test

X = np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32)


def trainer(activation="relu", loss="mse", optimizer="adam", dtype="float32", last="linear"):
    layers = [bp.Dense(9, activation=activation), bp.Dense(5, activation="tanh", bias=False)]
    net = bp.Network([*layers, bp.Dense(3, activation=last)], 6, dtype=dtype, seed=1)
    made = bp.Trainer(net, loss=loss, optimizer=optimizer)
    target = {"values": X[:, :3], "classes": np.arange(30) % 3, "binary": (X[:, :3] > 0).astype(float)}
    made.fit(X, target[made.loss.targets], epochs=3, batch_size=10, progress=False)
    return made


@pytest.mark.parametrize("compiler", [name for name in COMPILERS if name != "checked"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_agrees_with_the_network(compiler, dtype, tmp_path):
    made = trainer(dtype=dtype)
    bp.to_c(made.network, tmp_path / "predict.c")
    assert self_test(tmp_path / "predict.c", "net", compiler, ["-O0", "-O3"]) == 0
    bp.to_c(made, tmp_path / "train.c", training=True, name="my_net")
    assert self_test(tmp_path / "train.c", "my_net", compiler, ["-O0", "-O3"]) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [kind() for kind in activations.ACTIVATIONS.values()], ids=repr)
@pytest.mark.parametrize("place", ["hidden", "last"])
def test_every_activation(activation, dtype, place, tmp_path):
    # Squares of differences go with every last layer.
    made = trainer(**{"activation" if place == "hidden" else "last": activation}, dtype=dtype)
    bp.to_c(made, tmp_path / "net.c", training=True)
    assert self_test(tmp_path / "net.c", alone=place == "hidden") == 0  # the code of the activation is the same


@pytest.mark.parametrize("loss", sorted(set(bp.losses.LOSSES) & set(c_functions.LOSSES)))
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    "optimizer",
    [bp.SGD(0.1), bp.SGD(0.1, momentum=0.9), bp.SGD(0.1, momentum=0.9, nesterov=True), bp.Adam(0.01, 0.8, 0.9, 1e-5)],
    ids=repr,
)
def test_every_loss_and_optimizer(loss, fused, optimizer, tmp_path):
    made = trainer(loss=loss, optimizer=optimizer, last=(fused and bp.losses.LOSSES[loss].fused) or "linear")
    made.network.layers[1].trainable = False
    bp.to_c(made, tmp_path / "net.c", training=True)
    assert self_test(tmp_path / "net.c") == 0


def test_every_optimizer_has_a_form_or_is_named(tmp_path):
    """Whatever its settings: a form that a file has agrees with the trainer's steps."""
    written = set()
    for kind in bp.optimizers.OPTIMIZERS.values():
        fields = [field for field in dataclasses.fields(kind) if field.default is False and field.name != "nesterov"]
        for settings in ({}, *({field.name: True} for field in fields)):
            made = trainer(optimizer=kind(**settings))
            try:
                bp.to_c(made, tmp_path / "net.c", training=True)
            except ValueError as error:
                assert f"no C form of the optimizer {made.optimizer!r}" in str(error)  # noqa: PT017 - either is right
            else:
                assert self_test(tmp_path / "net.c", alone=True) == 0
                written.add(repr(made.optimizer))
    assert written == {"SGD()", "Adam()"}


def test_a_learning_rate_that_is_a_function(tmp_path):
    bp.to_c(trainer(optimizer=bp.SGD(lambda step: 0.1 / (1 + step))), tmp_path / "net.c", training=True)
    assert self_test(tmp_path / "net.c") == 0


def test_the_self_test_can_fail(tmp_path):
    path = tmp_path / "net.c"
    bp.to_c(trainer(), path, training=True)
    text = path.read_text()
    for array in ("net_test_y", "net_test_losses", "net_test_learned"):
        wrong = re.sub(rf"({array}\[\d+\] = {{\n)[^,]+", r"\g<1>0x1p+9f", text)
        assert wrong != text
        path.write_text(wrong)
        assert self_test(path) == 1


def test_the_weights_are_the_same_bits(tmp_path):
    for dtype in ("float32", "float64"):
        net = trainer(dtype=dtype).network
        net.parameters[:3] = [0.0, np.finfo(dtype).tiny, -np.finfo(dtype).max]
        bp.to_c(net, tmp_path / "net.c")
        found = re.search(r"net_parameters\[\d+\] = {(.*?)}", (tmp_path / "net.c").read_text(), re.DOTALL)[1]
        values = np.array([float.fromhex(part.strip().rstrip("f")) for part in found.split(",")])
        np.testing.assert_array_equal(values.astype(dtype).view(np.uint8), net.parameters.view(np.uint8))


def test_memory_and_includes_are_as_the_header_says(tmp_path):
    bp.to_c(bp.mlp([8, 16, 4, 12, 2], seed=0), tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    assert "#define NET_SCRATCH 20\n" in text
    assert "80 bytes of scratch" in text
    assert re.findall(r"#include <(.*)>", text) == ["math.h", "stddef.h", "stdint.h"]
    assert "alloc" not in text.replace("no allocation", "")
    symbols = subprocess.run(
        "gcc -std=c99 -Os -c net.c -o net.o && nm -u net.o && size -A net.o | grep -E '^.(data|bss) '",
        shell=True, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert not re.search(r" U (?!_GLOBAL)", symbols.stdout), "a network of relu needs no library"
    assert re.findall(r"\.(?:data|bss)\s+(\d+)", symbols.stdout) == ["0", "0"]


@pytest.mark.parametrize(
    "activation",
    [
        *(activations.LeakyReLU(1e300), activations.LeakyReLU(1e-50), activations.CELU(1e-50)),
        *(activations.Softplus(1e-50), activations.Softplus(1e6), activations.ELU(1e300)),
    ],
    ids=repr,
)
def test_settings_that_the_type_cannot_hold_round_as_in_the_network(activation, tmp_path):
    bp.to_c(bp.Network([bp.Dense(4, activation=activation)], 3, seed=0), tmp_path / "net.c")
    assert self_test(tmp_path / "net.c") == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_beyond_the_largest_number(dtype, tmp_path):
    net = bp.Network([bp.Dense(2, activation="exponential")], 2, dtype=dtype, seed=0)
    net.layers[0].weight[...] = 1e4
    assert np.isinf(net.predict([[1.0, 1.0]])).all()
    bp.to_c(net, tmp_path / "net.c")
    assert "INFINITY" in (tmp_path / "net.c").read_text()
    assert self_test(tmp_path / "net.c") == 0
    bp.to_c(bp.Trainer(bp.mlp([2, 8, 1], seed=0), "mse", optimizer=bp.SGD(1e30)), tmp_path / "net.c", training=True)
    assert self_test(tmp_path / "net.c") in (0, 1)  # steps that blow up are written, too


@pytest.mark.parametrize("activation", [kind() for kind in activations.ACTIVATIONS.values()], ids=repr)
def test_not_a_number_comes_through(activation, tmp_path):
    """A broken sensor is seen in the outputs, as in those of the network."""
    net = bp.Network([bp.Dense(3, activation=activation, bias=False)], 2, seed=0)
    assert np.isnan(bp.kernels.activation(np.full((1, 3), np.nan, np.float32), activation)).all()
    bp.to_c(net, tmp_path / "net.c")
    (tmp_path / "main.c").write_text(
        '#include "net.c"\nint main(void) {\n    const float x[2] = {1.0f, NAN};\n'
        "    float y[3], scratch[NET_SCRATCH];\n    net_predict(x, y, scratch);\n"
        "    return !(isnan(y[0]) && isnan(y[1]) && isnan(y[2]));\n}\n"
    )
    compile_strictly(tmp_path / "main.c", tmp_path / "main", "gcc", ["-O1"])
    assert subprocess.run([tmp_path / "main"]).returncode == 0


def test_a_softmax_that_is_not_last_is_not_fused_with_the_loss(tmp_path):
    """Cross-entropy takes the outputs of the layer behind it as logits, in the network and in C."""
    net = bp.Network([bp.Dense(3, activation="softmax"), "linear"], 4, seed=0)
    bp.to_c(bp.Trainer(net, "cross_entropy", optimizer=bp.SGD(0.1)), tmp_path / "net.c", training=True)
    assert self_test(tmp_path / "net.c") == 0


def test_scaled_inputs_are_tested_where_they_lie(tmp_path):
    """Of a file that reads times in seconds the self-test sees a difference in what it does with them."""
    net = bp.Network([bp.Normalize(), bp.Dense(8, activation="tanh"), bp.Dense(2)], 1, dtype="float64", seed=0)
    net.layers[0].adapt([[1.7e9], [1.7e9 + 2e3]])
    bp.to_c(net, tmp_path / "net.c")
    assert self_test(tmp_path / "net.c") == 0
    text = (tmp_path / "net.c").read_text()
    wrong = text.replace("- mean[i]) * scale[i]", "- mean[i]) * 0.5 * scale[i]")
    assert wrong != text
    (tmp_path / "net.c").write_text(wrong)
    assert self_test(tmp_path / "net.c") == 1


def test_the_header_names_the_file(tmp_path):
    for file, named in (("digits-v2.c", "digits-v2.c"), ("a b; rm.c", "net.c"), ("ß.c", "net.c")):
        bp.to_c(bp.mlp([2, 1], seed=0), tmp_path / file)
        text = (tmp_path / file).read_bytes().decode("ascii")
        assert f"-DNET_SELF_TEST {named} -lm" in text
        assert "x, y and scratch must not overlap" in text


# ---- the tables ------------------------------------------------------------------------------------------------------
def test_every_registered_activation_has_a_c_form():
    assert set(activations.ACTIVATIONS) <= set(c_functions.ELEMENTWISE) | set(c_functions.ROWS)


def test_every_slope_is_the_derivative_of_its_value(tmp_path):
    """By central differences in double, away from corners: also of those that this version has not registered."""
    lines = ["#include <math.h>", "#include <stdio.h>"]
    for name, (value, slope) in c_functions.ELEMENTWISE.items():
        lines.append(f"static double v_{name}(double z, double p) {{ (void)p; return {value}; }}")
        lines.append(
            f"static double s_{name}(double z, double p) {{ double y = v_{name}(z, p); (void)y; return {slope}; }}"
        )
    lines.append("int main(void) { double z; for (z = -7.3; z < 7; z += 0.31) {")
    for name in c_functions.ELEMENTWISE:
        call = f"(v_{name}(z + 1e-6, 0.7) - v_{name}(z - 1e-6, 0.7)) / 2e-6"
        lines.append(f'printf("{name} %.3f %.9g %.9g\\n", z, s_{name}(z, 0.7), {call});')
    lines.append("} return 0; }")
    (tmp_path / "f.c").write_text("\n".join(lines))
    subprocess.run(["gcc", "-std=c99", "-O1", "f.c", "-o", "f", "-lm"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "f"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(printed) == 47 * len(c_functions.ELEMENTWISE)
    for line in printed:
        _, _, slope, difference = line.split()
        assert float(slope) == pytest.approx(float(difference), abs=1e-7, rel=1e-6), line


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda path: bp.to_c("net", path), TypeError, "expected a bpnative.Network or Trainer"),
        (lambda path: bp.to_c(bp.mlp([2, 1]), path, training=True), TypeError, "expected a bpnative.Trainer"),
        (lambda path: bp.to_c(bp.mlp([2, 1]), path, name="my net"), ValueError, "expected name as a C identifier"),
    ],
)
def test_wrong_arguments(make, error, message, tmp_path):
    with pytest.raises(error, match=message):
        make(tmp_path / "net.c")
    assert not list(tmp_path.iterdir())


def test_what_has_no_c_form_is_named(tmp_path, monkeypatch):
    net = bp.mlp([2, 3, 1], activation="tanh", seed=0)
    net.parameters[0] = np.nan
    with pytest.raises(ValueError, match="finite weights"):
        bp.to_c(net, tmp_path / "net.c")
    made = trainer(loss="mse")
    made.network.layers[0].trainable = made.network.layers[1].trainable = made.network.layers[2].trainable = False
    with pytest.raises(ValueError, match="a layer that is trainable"):
        bp.to_c(made, tmp_path / "net.c", training=True)
    monkeypatch.delitem(c_functions.ELEMENTWISE, "tanh")
    with pytest.raises(ValueError, match=r"no form of the activation Tanh\(\) of layer 1"):
        bp.to_c(trainer().network, tmp_path / "net.c")
    monkeypatch.delitem(c_functions.LOSSES, "mse")
    with pytest.raises(ValueError, match=r"no C form of the loss MSE\(\)"):
        bp.to_c(bp.Trainer(bp.mlp([2, 1]), "mse"), tmp_path / "net.c", training=True)
    monkeypatch.delitem(c_functions.UPDATES, "adam")
    with pytest.raises(ValueError, match=r"no C form of the optimizer Adam\(\)"):
        bp.to_c(bp.Trainer(bp.mlp([2, 2]), "cross_entropy"), tmp_path / "net.c", training=True)
    assert not list(tmp_path.iterdir())


def test_the_example(tmp_path):
    folder = Path(__file__).parent.parent / "examples" / "c"
    for name in ("Makefile", "main.c", "train.py"):
        shutil.copy(folder / name, tmp_path)
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    result = subprocess.run(["make", f"PYTHON={sys.executable}"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"a (\d), read as \1\n", result.stdout)) == 3
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", result.stdout)]
    assert losses[0] > losses[1] > losses[2]
