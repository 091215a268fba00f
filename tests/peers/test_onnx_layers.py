"""ONNX files of every registered layer: checked, run by onnxruntime, read again with the same bits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import bpnative as bp
from bpnative.io import onnx_layers
from bpnative.layers import LAYERS
from layer_cases import ALONE, ODD, assert_refused_without_form, inputs_of, make, random_layers

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
Unimplemented = runtime.capi.onnxruntime_pybind11_state.NotImplemented

CASES = [(kind, index) for kind in LAYERS for index in range(len(ALONE[kind]))]
both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run(path, x):
    """What onnxruntime computes, or onnx itself of gelu in float64: onnxruntime has Erf for float32 alone."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return session.run(None, {"input": x})[0]
    except Unimplemented as error:
        if x.dtype == np.float32 or "Erf" not in str(error):
            raise
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(str(path)).run(None, {"input": x})[0]


def check(network, path, rng):
    bp.to_onnx(network, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    back = bp.from_onnx(path)
    assert (back.dtype, back.input_size, back.output_size) == (network.dtype, network.input_size, network.output_size)
    np.testing.assert_array_equal(back.parameters, network.parameters, strict=True)
    np.testing.assert_array_equal(back.statistics, network.statistics, strict=True)
    for rows in (1, 9):
        x = inputs_of(network, rng, rows)
        expected, found = network.predict(x), run(path, x)
        assert found.dtype == network.dtype
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)
        np.testing.assert_allclose(back.predict(x), expected, rtol=1e-6, atol=1e-6 * scale)
    return back


@both_types
@pytest.mark.parametrize(("kind", "index"), CASES)
def test_every_layer(kind, index, dtype, tmp_path):
    rng = np.random.default_rng(1)
    check(make(ALONE[kind][index](5), 5, dtype, rng), tmp_path / "net.onnx", rng)


@both_types
@pytest.mark.parametrize("seed", range(30))
def test_random_networks(seed, dtype, tmp_path):
    rng = np.random.default_rng([2, seed])
    check(make(random_layers(rng, 5), 5, dtype, rng), tmp_path / "net.onnx", rng)


@pytest.mark.parametrize("layers", ODD, ids=str)
def test_odd_networks(layers, tmp_path):
    rng = np.random.default_rng(1)
    check(make(layers, 5, "float32", rng), tmp_path / "net.onnx", rng)


def test_settings_come_back(tmp_path):
    block = [bp.Dense(9), bp.BatchNorm(momentum=0.3, epsilon=1e-3), "relu", bp.Residual([bp.Dense(9), bp.LayerNorm()])]
    layers = [
        *(bp.Normalize(), bp.Embedding({1: 3, 4: 7}, size={1: 2, 4: 3})),
        *(bp.Dense(4, activation=bp.activations.ELU(0.3)), bp.Residual(block, activation="tanh")),
        *(bp.RMSNorm(epsilon=0.2), bp.Residual([bp.Dense(9)], projection=True), bp.BatchNorm(0.01)),
    ]
    back = check(make(layers, 6, "float32", np.random.default_rng(3)), tmp_path / "net.onnx", np.random.default_rng(4))
    expected = repr([layer.specification for layer in bp.Network(layers, 6).layers])
    found = repr([layer.specification for layer in back.layers])
    found = found.replace(", weight_initializer='zeros'", "").replace(", initializer_of_tables='zeros'", "")
    # An activation behind a norm stays a layer; one behind a dense layer or a block is its own.
    assert found == expected


def test_noise_vanishes(tmp_path):
    layers = [bp.Dense(4), bp.Dropout(0.5), bp.GaussianNoise(1.0), "tanh", bp.AlphaDropout(0.5), bp.Dense(2)]
    bp.to_onnx(bp.Network(layers, 3, seed=0), tmp_path / "net.onnx")
    operators = [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node]
    assert operators == ["Gemm", "Tanh", "Gemm", "Identity"]
    assert [layer.activation for layer in bp.from_onnx(tmp_path / "net.onnx").layers] == ["tanh", "linear"]


def test_preparation_comes_back_as_normalize(tmp_path):
    net, x = bp.mlp([3, 4, 2], seed=0), np.float32([[1.0, 50.0, -3.0], [4.0, 20.0, 0.0]])
    for mean, scale in (([2.0, 30.0, -1.0], [0.5, 8.0, 3.0]), ([2.0, 30.0, -1.0], None), (None, [0.5, 8.0, 3.0])):
        bp.to_onnx(net, tmp_path / "net.onnx", mean=mean, scale=scale)
        back = bp.from_onnx(tmp_path / "net.onnx")
        assert back.layers[0].specification == bp.Normalize()
        np.testing.assert_array_equal(back.parameters, net.parameters)
        np.testing.assert_allclose(back.predict(x), run(tmp_path / "net.onnx", x), rtol=1e-5, atol=1e-5)
    scaled = make([bp.Normalize(), bp.Dense(1)], 3, "float32", np.random.default_rng(0))
    bp.to_onnx(scaled, tmp_path / "net.onnx", mean=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="Normalize scales raw inputs: put it first"):
        bp.from_onnx(tmp_path / "net.onnx")


def test_codes_outside_of_a_table_are_refused_by_onnxruntime(tmp_path):
    net = bp.Network([bp.Embedding({0: 3}), bp.Dense(1)], 1, seed=0)
    bp.to_onnx(net, tmp_path / "net.onnx")
    with pytest.raises(runtime.capi.onnxruntime_pybind11_state.InvalidArgument, match="indices element out of"):
        run(tmp_path / "net.onnx", np.float32([[3.0]]))


def changed(network, path, change):
    """Write the network and change its graph."""
    bp.to_onnx(network, path)
    model = onnx.load(path)
    change(model.graph)
    path.write_bytes(model.SerializeToString())


def test_sums_either_way_round(tmp_path):
    """A block and its skip, exchanged, are the same block; so are the factors of a norm."""
    layers = [bp.Dense(4), bp.Residual([bp.Dense(4), "tanh"]), bp.RMSNorm(), bp.Residual([bp.LayerNorm(), bp.Dense(2)])]
    net = make(layers, 3, "float32", np.random.default_rng(5))

    def turn(graph):
        for node in graph.node:
            if node.op_type in ("Add", "Mul"):
                first, second = node.input
                node.input[:] = [second, first]

    changed(net, tmp_path / "net.onnx", turn)
    back = bp.from_onnx(tmp_path / "net.onnx")
    np.testing.assert_array_equal(back.parameters, net.parameters)
    assert len(back.layers) == len(net.layers)


def test_many_projected_blocks_are_read_at_once(tmp_path):
    layers = [bp.Residual([bp.Dense(4), "tanh"], projection=True, activation="relu") for _ in range(40)]
    check(bp.Network(layers, 4, seed=0), tmp_path / "net.onnx", np.random.default_rng(6))


@pytest.mark.parametrize(
    ("layers", "operator", "other", "message"),
    [
        ([bp.Residual([bp.Dense(3), "tanh"])], "Tanh", "Sin", "ends in the Sin that makes 'layers.0.1.tanh.0'"),
        ([bp.Residual([bp.Dense(3), "tanh"])], "Add", "Max", "ends in the Max that makes 'layers.0.sum'"),
        ([bp.RMSNorm()], "Sqrt", "Exp", "ends in the Mul that makes 'layers.0.mul.5'"),
        ([bp.Embedding({1: 3})], "Cast", "Round", "ends in the Concat that makes 'layers.0.output'"),
        ([bp.Dense(3)], "Gemm", "Softmax", "one with a constant|ends in the Softmax"),
    ],
)
def test_what_cannot_be_read_is_named(layers, operator, other, message, tmp_path):
    def change(graph):
        node = next(node for node in graph.node if node.op_type == operator)
        node.op_type = other
        if other in ("Sin", "Round", "Softmax"):
            del node.attribute[:]
        if other == "Softmax":
            del node.input[1:]
            node.attribute.append(onnx.helper.make_attribute("axis", 0))

    changed(make(layers, 3, "float32", np.random.default_rng(7)), tmp_path / "net.onnx", change)
    with pytest.raises(ValueError, match=message):
        bp.from_onnx(tmp_path / "net.onnx")


def test_weights_in_a_file_beside_the_model(tmp_path):
    net = make([bp.Dense(40, activation="tanh"), bp.Dense(2)], 30, "float32", np.random.default_rng(8))
    bp.to_onnx(net, tmp_path / "net.onnx")
    (tmp_path / "other").mkdir()
    path = tmp_path / "other" / "net.onnx"
    settings = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(onnx.load(tmp_path / "net.onnx"), path, **settings)
    assert (tmp_path / "other" / "weights.bin").stat().st_size >= net.parameters.nbytes
    np.testing.assert_array_equal(bp.from_onnx(path).parameters, net.parameters)
    (tmp_path / "other" / "weights.bin").rename(tmp_path / "weights.bin")
    with pytest.raises(ValueError, match="expected an ONNX model"):
        bp.from_onnx(path)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = entry.value.replace("weights.bin", "../weights.bin")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="expected an ONNX model"):
        bp.from_onnx(path)


def test_what_pytorch_writes_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, *layers):
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, x):
            return torch.relu(self.layers(x) + x)

    activations = [
        *(nn.ELU(0.5), nn.Softplus(), nn.Mish(), nn.GELU(approximate="tanh"), nn.Hardtanh(), nn.LeakyReLU(0.2)),
        *(
            nn.SELU(),
            nn.CELU(0.7),
            nn.Softsign(),
            nn.Hardsigmoid(),
            nn.ReLU6(),
            nn.SiLU(),
            nn.Tanh(),
            nn.LogSoftmax(-1),
        ),
    ]
    block = Block(nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 8, bias=False))
    norm = nn.BatchNorm1d(8, momentum=0.2)
    module = nn.Sequential(nn.Linear(6, 8), norm, nn.ReLU(), nn.Dropout(), block, nn.Linear(8, 8), *activations).eval()
    x = torch.randn(5, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is PyTorch's older one; the newer needs another package
        torch.onnx.export(module, (x,), str(tmp_path / "net.onnx"), opset_version=17, dynamo=False)
    net = bp.from_onnx(tmp_path / "net.onnx")
    np.testing.assert_allclose(net.predict(x.numpy()), module(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(net.layers[0].weight, module[0].weight.detach().numpy())
    assert [layer.specification.name for layer in net.layers[:5]] == [
        *("dense", "batch_norm", "activation", "residual", "dense")
    ]
    assert net.layers[1].specification == bp.BatchNorm(momentum=0.2)


def test_a_layer_without_a_form_is_refused_by_name_before_anything_is_written(tmp_path, monkeypatch):
    assert_refused_without_form(
        "to_onnx", lambda net: bp.to_onnx(net, tmp_path / "net.onnx"), onnx_layers.LAYERS, monkeypatch
    )
    assert not list(tmp_path.iterdir())
