"""The whole stack in seconds: if this fails, look nowhere else first."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import bpnative as bp
from compare import assert_same_bits
from reference import LOSSES, Training
from reference_cases import in_both_types, normal, oracle_of


@in_both_types
def test_exclusive_or_is_learned(dtype: str) -> None:
    x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    network = bp.mlp([2, 16, 2], activation="tanh", dtype=dtype, seed=0)
    trainer = bp.Trainer(network, loss="cross_entropy", optimizer=bp.Adam(learning_rate=0.05), metrics=["accuracy"])
    history = trainer.fit(x, y, epochs=100, batch_size=4, progress=False)
    assert history["loss"][-1] < 0.05 < history["loss"][0]
    assert trainer.evaluate(x, y)["accuracy"] == 1.0
    assert network.predict(x).argmax(axis=1).tolist() == y
    assert network.predict(x).dtype == dtype


def test_digits_in_a_second() -> None:
    x, y = bp.datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:1400], order[1400:]
    network = bp.mlp([64, 64, 10], seed=0)
    trainer = bp.Trainer(network, loss="cross_entropy", optimizer=bp.Adam(learning_rate=3e-3), metrics=["accuracy"])
    trainer.fit(x[train], y[train], epochs=20, batch_size=32, progress=False)
    assert trainer.evaluate(x[test], y[test])["accuracy"] > 0.95


@in_both_types
def test_a_line_is_found(dtype: str) -> None:
    rng = np.random.default_rng(1)
    x = normal(rng, (200, 3), dtype)
    y = x @ np.array([1.0, -2.0, 0.5], dtype) + 3
    network = bp.Network([bp.Dense(1)], input_size=3, dtype=dtype, seed=0)
    trainer = bp.Trainer(network, loss="mse", optimizer=bp.SGD(learning_rate=0.1, momentum=0.5))
    trainer.fit(x, y, epochs=30, batch_size=20, progress=False)
    np.testing.assert_allclose(network.layers[0].weight, [[1, -2, 0.5]], atol=1e-5)
    np.testing.assert_allclose(network.layers[0].bias, [3], atol=1e-5)


@pytest.mark.parametrize("loss", bp._bpnative.loss_names())
def test_a_few_steps_follow_the_oracle(loss: str) -> None:
    rng = np.random.default_rng(2)
    network = bp.mlp([5, 24, 3 * LOSSES[loss].outputs_a_target], activation="tanh", dtype="float64", seed=1)
    training = Training(oracle_of(network), loss, "adam", learning_rate=0.01)
    trainer = bp.Trainer(network, loss=loss, optimizer=bp.Adam(learning_rate=0.01))
    for _ in range(5):
        x, y = normal(rng, (17, 5)), rng.integers(0, 3, 17)
        target = y if LOSSES[loss].classes else np.eye(3)[y]
        assert trainer.step(x, target) == pytest.approx(float(training.step(x, target)), rel=1e-12)
    np.testing.assert_allclose(network.parameters, training.network.parameters, rtol=0, atol=1e-12)
    assert trainer.step_count == 5


def test_parameters_are_one_buffer_and_its_views() -> None:
    network = bp.mlp([4, 8, 3], seed=2)
    assert network.parameters.shape == network.gradients.shape == (4 * 8 + 8 + 8 * 3 + 3,)
    for layer in network.layers:
        assert np.shares_memory(layer.weight, network.parameters)
        assert np.shares_memory(layer.bias, network.parameters)
        assert layer.weight.shape == (layer.units, layer.input_size)
    assert network.parameters.ctypes.data % 64 == network.gradients.ctypes.data % 64 == 0
    network.parameters = np.arange(67.0)
    np.testing.assert_array_equal(network.layers[0].weight, np.arange(32.0).reshape(8, 4))
    np.testing.assert_array_equal(network.layers[1].bias, [64, 65, 66])


def test_views_outlive_their_network() -> None:
    weight = bp.mlp([3, 5, 2], seed=3).layers[0].weight
    parameters = bp.mlp([300, 500, 2], seed=3).parameters
    state = bp.Trainer(bp.mlp([30, 50, 2], seed=3), loss="mse", optimizer="adam").state["m"]
    for _ in range(5):
        bp.mlp([300, 500, 2], seed=4)
    assert_same_bits(weight, bp.mlp([3, 5, 2], seed=3).layers[0].weight)
    assert_same_bits(parameters, bp.mlp([300, 500, 2], seed=3).parameters)
    assert not state.any()


def test_a_copy_goes_its_own_way() -> None:
    network = bp.mlp([4, 8, 3], activation="sigmoid", seed=4)
    x = np.ones((2, 4), np.float32)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert_same_bits(other.predict(x), network.predict(x))
        other.parameters += 1
        assert not np.array_equal(other.predict(x), network.predict(x))


def test_a_custom_loss_trains() -> None:
    """Forward, a gradient of one's own, backward, an update of one's own: the median by absolute error."""
    rng = np.random.default_rng(5)
    x, y = normal(rng, (128, 2)), normal(rng, (128, 1))
    network = bp.mlp([2, 16, 1], activation="tanh", dtype="float64", seed=5)
    errors = []
    for _ in range(200):
        output = network.forward(x, training=True)
        errors.append(np.abs(output - y).mean())
        network.backward(np.sign(output - y) / len(x))
        network.parameters -= 0.1 * network.gradients
    assert errors[-1] < 0.95 * errors[0]


def test_the_configuration_can_be_seen() -> None:
    config = bp._bpnative.config()
    assert config["isa"] == config["isa_available"][0] or config["isa_requested"]
    assert config["threads"] == bp.get_num_threads() >= 1
    assert bp.__version__ == config["version"]
