"""Every registered layer as a PyTorch module and back: in eval and in train mode, weights and settings to the bit."""

from __future__ import annotations

import concurrent.futures
import copy
import io
import threading
import time

import numpy as np
import pytest

import bpnative as bp
from bpnative.io import pytorch, torch_modules
from bpnative.layers import LAYERS
from layer_cases import ALONE, ODD, assert_refused_without_form, inputs_of, make, random_layers

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'bpnative[peers]'")
nn = torch.nn

CASES = [(kind, index) for kind in LAYERS for index in range(len(ALONE[kind]))]
NOISE = ("dropout", "alpha_dropout", "gaussian_noise")
both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(autouse=True)
def _one_thread_of_pytorch():
    torch.set_num_threads(1)


def outputs(module, x):
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


def close(found, expected, dtype):
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


def settings(network):
    """Each layer with its settings, without what its values once started from."""
    plain = {"weight_initializer": None, "initializer_of_tables": None, "l1": 0.0, "l2": 0.0}
    found = []
    for layer in network.walk():
        made = layer.specification
        own = {name: value for name, value in vars(made).items() if name not in {*plain, "layers", "projection"}}
        if made.name == "embedding":
            own["size"] = made.sizes
        if made.name == "residual":  # learns while one inside does
            own["trainable"] = layer.trainable
        found.append((layer.name, made.name, own))
    return found


def joined(layers):
    """Layers, of which an activation behind a dense layer or a block is that layer's own, as `from_torch` reads it."""
    found = []
    for layer in bp.layers.as_layers(layers):
        if layer.name == "residual":
            layer = bp.Residual(joined(layer.layers), layer.activation, layer.projection, layer.trainable)
        last = found[-1] if found else layer
        if layer.name == "activation" and last.name in ("dense", "residual") and last.activation == "linear":
            found[-1] = type(last)(**{**vars(last), "activation": layer.function})
            continue
        found.append(layer)
    return found


def check(network, rng):
    dtype = network.dtype.name
    module = bp.to_torch(network).eval()
    x = inputs_of(network, rng, 9)
    close(outputs(module, x), network.predict(x), dtype)
    back = bp.from_torch(module)
    assert settings(back) == settings(network)
    np.testing.assert_array_equal(back.parameters, network.parameters, strict=True)
    np.testing.assert_array_equal(back.statistics, network.statistics, strict=True)
    if any(layer.specification.name in NOISE for layer in network.walk()):
        return
    # While training: the same outputs, gradients of the same parameters, the same running statistics.
    module.train()
    frozen = [layer for layer in network.walk() if not layer.trainable]
    got = module(torch.from_numpy(x))
    close(got.detach().numpy(), network.forward(x, training=True), dtype)
    dy = rng.standard_normal(got.shape).astype(dtype)
    network.backward(dy)
    learners = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if learners:
        got.backward(torch.from_numpy(dy))
    ours = [
        view for layer in network.walk() if layer not in frozen for view in (layer.gradients[n] for n in layer.tensors)
    ]
    for parameter, view in zip(learners, ours, strict=True):
        scale = float(np.abs(network.gradients).max(initial=1.0))
        np.testing.assert_allclose(
            parameter.grad.numpy(), view, rtol=1e-4, atol=(3e-5 if dtype == "float32" else 1e-11) * scale
        )
    close(bp.from_torch(module).statistics, network.statistics, dtype)


@both_types
@pytest.mark.parametrize(("kind", "index"), CASES)
def test_every_layer(kind, index, dtype):
    rng = np.random.default_rng(1)
    # Behind them one that tells how many columns they take, as a network of noise alone does not.
    check(make(joined([*ALONE[kind][index](5), bp.RMSNorm()]), 5, dtype, rng), rng)


@both_types
@pytest.mark.parametrize("seed", range(30))
def test_random_networks(seed, dtype):
    rng = np.random.default_rng([2, seed])
    check(make(joined([*random_layers(rng, 5), bp.Dense(2)]), 5, dtype, rng), rng)


@pytest.mark.parametrize("layers", ODD, ids=str)
def test_odd_networks(layers):
    rng = np.random.default_rng(1)
    network = make([*layers, bp.Dense(2)], 5, "float64", rng)
    module, x = bp.to_torch(network).eval(), inputs_of(network, rng, 9)
    close(outputs(module, x), network.predict(x), "float64")
    back = bp.from_torch(module)
    np.testing.assert_array_equal(back.parameters, network.parameters, strict=True)
    close(back.predict(x), network.predict(x), "float64")


def deep():
    block = [bp.Dense(9), bp.BatchNorm(momentum=0.3), "relu", bp.Residual([bp.Dense(9, activation="gelu")])]
    layers = [bp.Normalize(), bp.Embedding({1: 3}, size=2), bp.Residual(block, activation="exponential"), bp.RMSNorm()]
    return make([*layers, bp.GaussianNoise(0.1), bp.Dense(2)], 4, "float32", np.random.default_rng(3))


def test_a_state_dict_reads_well():
    assert list(bp.to_torch(deep()).state_dict()) == [
        *("0.mean", "0.scale", "1.tables.1.weight"),
        *("2.block.0.weight", "2.block.0.bias"),
        *(f"2.block.1.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
        *("2.block.3.block.0.weight", "2.block.3.block.0.bias", "2.projection.weight"),
        *("3.weight", "5.weight", "5.bias"),
    ]


def test_modules_are_copied_and_pickled():
    module, x = bp.to_torch(deep()).eval(), inputs_of(deep(), np.random.default_rng(4), 5)
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for other in (copy.deepcopy(module), torch.load(file, weights_only=False)):
        np.testing.assert_array_equal(outputs(other, x), outputs(module, x))
    with torch.no_grad():
        module[5].weight += 1
    assert not np.array_equal(bp.from_torch(module).parameters, deep().parameters)


def test_noise_is_that_of_the_layers():
    """The same values kept and dropped, as often; the same deviation; nothing in eval mode."""
    x = np.ones((200, 100))
    for layer in (bp.Dropout(0.3), bp.AlphaDropout(0.3), bp.GaussianNoise(0.3)):
        net = bp.Network([layer], 100, dtype="float64", seed=0)
        module = bp.to_torch(net)
        torch.manual_seed(0)
        ours, theirs = net.forward(x, training=True), outputs(module.train(), x)
        assert theirs.mean() == pytest.approx(ours.mean(), abs=0.02)
        assert theirs.std() == pytest.approx(ours.std(), rel=0.02)
        if layer.name != "gaussian_noise":
            np.testing.assert_allclose(np.unique(ours.round(6)), np.unique(theirs.round(6)), atol=2e-6)
        np.testing.assert_array_equal(outputs(module.eval(), x), x)


def test_a_frozen_batch_norm_keeps_its_statistics():
    net = make([bp.Dense(4), bp.BatchNorm(trainable=False)], 3, "float64", np.random.default_rng(5))
    module, x = bp.to_torch(net).train(), inputs_of(net, np.random.default_rng(6), 20)
    for _ in range(2):
        close(outputs(module, x), net.predict(x), "float64")
    assert not module[1].training
    assert not module[1].weight.requires_grad
    np.testing.assert_array_equal(module[1].running_mean.numpy(), net.layers[1].statistics["running_mean"])


@pytest.mark.parametrize(
    "activation", [bp.activations.Softplus(beta=1.5), bp.activations.Softplus(), bp.activations.ELU(0.5)], ids=repr
)
def test_activations_far_out(activation):
    """PyTorch's softplus is x from a threshold on, which shows in float64 at its default of 20."""
    net = bp.Network([bp.Dense(1, activation=activation, weight_initializer=[[1.0]])], 1, dtype="float64")
    x = np.linspace(-60, 60, 241)[:, None]
    np.testing.assert_allclose(outputs(bp.to_torch(net), x), net.predict(x), rtol=1e-14, atol=1e-300)


def test_modules_of_others():
    module = nn.Sequential(
        *(nn.LayerNorm(6, elementwise_affine=False), nn.Linear(6, 5), nn.BatchNorm1d(5, eps=0.01, momentum=0.2)),
        *(nn.Dropout(0.25), nn.Sequential(nn.ReLU(), nn.AlphaDropout(0.5), nn.RMSNorm(5)), nn.Linear(5, 2), nn.Tanh()),
    )
    x = np.random.default_rng(7).standard_normal((30, 6)).astype(np.float32)
    module.train()
    outputs(module, x)  # moves the running statistics
    net = bp.from_torch(module)
    close(net.predict(x), outputs(module.eval(), x), "float32")
    assert [layer.specification.without_values() for layer in net.layers[2:5]] == [
        bp.BatchNorm(momentum=0.2, epsilon=0.01),
        bp.Dropout(0.25),
        bp.Activation("relu"),
    ]
    assert net.layers[0].specification == bp.LayerNorm(trainable=False)
    assert net.layers[6].specification.epsilon == np.finfo(np.float32).eps
    assert bp.from_torch(nn.BatchNorm1d(3)).input_size == 3


class Residual(nn.Module):
    """Somebody else's, with a name of ours."""


def derived(kind, *arguments):
    """Of somebody's own class with the name of one of PyTorch, which computes something else."""
    return type(kind.__name__, (kind,), {"forward": lambda self, x: 7 * x})(*arguments)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.Conv1d(1, 1, 1)), r"module\.1 is Conv1d.*take it out, or"),
        (nn.Sequential(nn.Linear(2, 2), Residual()), r"module\.1 is Residual\(\)"),
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout(1.0)), r"can't map module\.1, Dropout.*\[0, 1\)"),
        (nn.Sequential(nn.Linear(2, 2), nn.Softplus(threshold=1.0)), r"module\.1 is Softplus"),
        (nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(-0.5)), r"can't map module\.1, LeakyReLU.*got -0\.5"),
        (nn.Sequential(nn.Linear(2, 2), derived(nn.Linear, 2, 2)), r"module\.1 is Linear"),
        (nn.Sequential(nn.Linear(2, 2), derived(nn.ReLU)), r"module\.1 is ReLU"),
        (derived(nn.Sequential, nn.Linear(2, 2)), "module is Sequential"),
        (nn.Sequential(nn.Flatten(0), nn.Linear(2, 2)), r"module\.0 is Flatten"),
        (nn.Linear(2, 2, device="meta"), "can't map module, Linear.*meta"),
        ({"a.weight": torch.eye(2).to_sparse()}, "dense ones: .*[Ss]parse"),
        (nn.BatchNorm1d(2, affine=False), "make it with affine=True"),
        (nn.BatchNorm1d(2, track_running_stats=False), "track_running_stats=True"),
        (nn.BatchNorm1d(2, momentum=None), "a number as momentum"),
        (nn.LayerNorm((2, 3)), "over 2 dimensions, rows have one"),
        (nn.LayerNorm(2, bias=False), "make it with bias=True"),
        (nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(2)), r"layer 1 .* has the weight \(2,\).* 3 inputs come in"),
        (nn.Sequential(nn.Linear(2, 2), nn.Hardtanh(0.0, 1.0)), r"module\.1 is Hardtanh"),
        (torch_modules.Residual(nn.Sequential(nn.Linear(2, 2)), None, nn.PReLU()), r"module\.activation is PReLU"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_has_no_counterpart_is_named(module, message):
    with pytest.raises(ValueError, match=message):
        bp.from_torch(module)


def test_a_layer_without_a_counterpart_is_refused_by_name(monkeypatch):
    assert_refused_without_form("to_torch", bp.to_torch, pytorch.LAYERS, monkeypatch)
    monkeypatch.delitem(pytorch.MODULES, "tanh")
    with pytest.raises(ValueError, match=r"no form of the activation Tanh\(\) of layer 1\.0: choose another one"):
        bp.to_torch(bp.Network([bp.Dense(2), bp.Residual(["tanh"])], 2))


def test_two_threads_get_the_same_classes(monkeypatch):
    """Which pickle demands; the classes are made at their first use."""
    torch_modules._classes.cache_clear()
    made = threading.Barrier(4)

    def late():
        time.sleep(0.01)  # long enough for the others to come
        return torch

    monkeypatch.setattr(torch_modules, "import_torch", late)

    def first():
        made.wait()
        return torch_modules.Normalize

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        kinds = {future.result() for future in [pool.submit(first) for _ in range(4)]}
    assert len(kinds) == 1
