"""Backpropagation against finite differences, for every activation, loss and layer; and planted errors are found."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from test_explain import LAYERS, data_for


@pytest.mark.parametrize("name", bp.activations.ACTIVATIONS)
def test_every_activation(name):
    net = bp.mlp([3, 5, 4, 2], activation=name, seed=2)
    before = net.parameters.copy(), net.gradients.copy()
    comparison = bp.compare_gradients(net, "mse", *data_for(bp.MSE(), 2))
    assert comparison.agrees, comparison
    assert comparison.float32_difference < 2e-6 * abs(comparison.backpropagation).max()
    assert (net.parameters == before[0]).all()
    assert (net.gradients == before[1]).all()


@pytest.mark.parametrize("name", bp.losses.LOSSES)
def test_every_loss(name):
    loss = bp.losses.get(name)
    net = bp.mlp([3, 4, 2], activation="tanh", output_activation=loss.fused or "linear", dtype="float64", seed=2)
    comparison = bp.compare_gradients(net, loss, *data_for(loss, 2))
    assert comparison.agrees, comparison
    assert comparison.float32_difference is None
    assert len(comparison.indices) == net.parameters.size


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name):
    net = bp.Network(LAYERS[name], input_size=3, dtype="float64", seed=4)
    comparison = bp.compare_gradients(net, "binary_cross_entropy", *data_for(bp.BinaryCrossEntropy(), 2))
    assert comparison.agrees, comparison
    frozen = sum(layer.parameter_count for layer in net.layers if not layer.specification.is_trainable)
    assert len(comparison.indices) == net.parameters.size - frozen


def test_a_wrong_gradient_is_found():
    def wrong(output, target):
        return float(((output - target) ** 2).mean()), (output - target) / output.size  # the 2 is missing

    comparison = bp.compare_gradients(bp.mlp([2, 3, 1], "tanh", seed=0), wrong, [[0.5, -1.0]], [[3.0]])
    assert not comparison.agrees
    assert comparison.relative == pytest.approx(1.0, rel=1e-3)
    assert "do not agree" in str(comparison)
    assert comparison.worst.startswith("layer ")


def test_the_worst_parameter_by_name():
    def wrong(output, target):  # right but for the second output
        slope = 2 * (output - target) / output.size
        slope[:, 1] *= 3
        return float(((output - target) ** 2).mean()), slope

    net = bp.Network([bp.Dense(2, weight_initializer=[[0.0, 0.0], [0.0, 0.0]])], input_size=2)
    assert bp.compare_gradients(net, wrong, [[0.5, -7.0]], [[1.0, 1.0]]).worst == "layer 0 weight[1,1]"


def test_the_naive_way_is_slower_the_larger_the_network():
    X, y = bp.datasets.load_digits()
    net = bp.mlp([64, 32, 10], activation="tanh", seed=0)
    comparison = bp.compare_gradients(net, "cross_entropy", X[:8], y[:8], max_parameters=200)
    assert comparison.agrees
    assert len(comparison.indices) == 200
    assert comparison.parameter_count == 2410
    assert comparison.times_slower > 100
    for part in ("2,410 parameters (200 of them compared)", "largest difference", "times as long", "in float32"):
        assert part in str(comparison)


def test_bad_inputs():
    net = bp.mlp([2, 1], seed=0)
    for arguments, message in (
        ((net, "mse", [[1.0]], [1.0]), "expected x with 2 columns"),
        ((net, "msee", [[1.0, 2.0]], [1.0]), "did you mean 'mse'"),
        (("net", "mse", [[1.0, 2.0]], [1.0]), "expected network"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            bp.compare_gradients(*arguments)
    with pytest.raises(ValueError, match="step"):
        bp.compare_gradients(net, "mse", [[1.0, 2.0]], [1.0], step=0)
    net.layers[0].trainable = False
    with pytest.raises(ValueError, match="all frozen"):
        bp.compare_gradients(net, "mse", np.ones((1, 2)), [1.0])
