"""Calibration: the temperature that made a network too sure is found again, the error is its definition's."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import bpnative as bp
from bpnative.after.task import to_probabilities


def identity(k, *, activation="linear", dtype="float64", scale=1.0):
    """A network whose logits are its inputs times a scale."""
    layer = bp.Dense(k, activation=activation, weight_initializer=scale * np.eye(k))
    return bp.Network([layer], input_size=k, dtype=dtype)


def drawn_classes(n, k, seed):
    """Logits, and labels drawn from their softmax: perfectly calibrated."""
    random = np.random.default_rng(seed)
    logits = 2.0 * random.standard_normal((n, k))
    p = to_probabilities(logits, "classes")
    return logits, (p.cumsum(axis=1) < random.random((n, 1))).sum(axis=1)


def drawn_binary(n, k, seed):
    random = np.random.default_rng(seed)
    logits = 2.0 * random.standard_normal((n, k))
    return logits, (random.random((n, k)) < 1 / (1 + np.exp(-logits))).astype(float)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["linear", "softmax", "log_softmax"])
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_the_temperature_of_too_sure_classes_is_recovered(factor, activation, dtype):
    logits, y = drawn_classes(20000, 4, seed=1)
    net = identity(4, activation=activation, dtype=dtype, scale=factor)
    calibration = bp.calibrate(net, logits, y)
    assert calibration.temperature == pytest.approx(factor, rel=0.03)
    assert calibration.loss_after < calibration.loss_before
    assert calibration.error_after < 0.015 < calibration.error_before
    assert calibration.samples == 20000
    p = calibration.predict(logits[:50])
    assert p.dtype == dtype
    expected = to_probabilities(factor * logits[:50] / calibration.temperature, "classes")
    np.testing.assert_allclose(p, expected, atol=1e-5 if dtype == "float32" else 1e-12)
    assert (p.argmax(axis=1) == net.predict(logits[:50]).argmax(axis=1)).all()


@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_temperature_of_too_sure_yes_and_no_is_recovered(outputs, activation):
    logits, y = drawn_binary(20000, outputs, seed=2)
    net = identity(outputs, activation=activation, scale=2.5)
    trainer = bp.Trainer(net, loss="binary_cross_entropy")
    calibration = bp.calibrate(trainer, logits, y)
    assert calibration.temperature == pytest.approx(2.5, rel=0.04)
    assert calibration.error_after < 0.015 < calibration.error_before
    if outputs == 1 or activation == "sigmoid":  # a network alone says it as well
        assert bp.calibrate(net, logits, y).temperature == calibration.temperature


def test_it_is_the_minimum_of_the_likelihood():
    logits, y = drawn_classes(500, 3, seed=3)
    calibration = bp.calibrate(identity(3, scale=4.0), logits, y)

    def loss(temperature):
        p = to_probabilities(4.0 * logits / temperature, "classes")
        return -np.log(p[np.arange(500), y]).mean()

    best = loss(calibration.temperature)
    assert calibration.loss_after == pytest.approx(best, rel=1e-12)
    assert calibration.loss_before == pytest.approx(loss(1.0), rel=1e-12)
    for factor in (0.999, 1.001):
        assert loss(factor * calibration.temperature) > best
    one_hot = bp.calibrate(identity(3, scale=4.0), logits, np.eye(3)[y])
    assert one_hot.temperature == pytest.approx(calibration.temperature, rel=1e-12)
    assert one_hot.error_before == calibration.error_before


def test_a_trained_network_is_too_sure_and_the_held_out_error_falls():
    X, y = bp.datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    y = np.where(np.random.default_rng(1).random(len(y)) < 0.2, (y + 1) % 10, y)  # labels that nobody can be sure of
    net = bp.mlp([64, 64, 10], activation="relu", seed=0)
    trainer = bp.Trainer(net, loss="cross_entropy")
    trainer.fit(X[:300], y[:300], epochs=200)
    before = net.parameters.copy()
    calibration = bp.calibrate(trainer, X[300:1000], y[300:1000])
    assert calibration.temperature > 1.2
    raw, calibrated = trainer.evaluate(X[1000:], y[1000:])["loss"], calibration.predict(X[1000:])
    assert -np.log(calibrated[np.arange(len(calibrated)), y[1000:]]).mean() < 0.95 * raw
    assert bp.reliability(calibrated, y[1000:]).error < 0.5 * calibration.error_before
    assert (net.parameters == before).all()


def test_reliability_is_its_definition():
    random = np.random.default_rng(4)
    p = random.dirichlet(np.ones(5), 400)
    y = random.integers(0, 5, 400)
    table = bp.reliability(p, y, bins=10)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    total = 0.0
    for b in range(10):
        inside = (confidence > b / 10) & (confidence <= (b + 1) / 10)
        assert table.count[b] == inside.sum()
        if inside.any():
            assert table.confidence[b] == pytest.approx(confidence[inside].mean())
            assert table.accuracy[b] == pytest.approx(right[inside].mean())
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
        else:
            assert np.isnan(table.confidence[b])
    assert table.error == pytest.approx(total, rel=1e-12)
    assert bp.reliability(p, np.eye(5)[y], bins=10).error == pytest.approx(total)


def test_reliability_of_yes_and_no_goes_by_the_probability_of_yes():
    table = bp.reliability([0.0, 0.1, 0.1, 1.0], [0, 0, 1, 1], bins=2)
    assert table.count.tolist() == [3, 1]
    assert table.accuracy.tolist() == pytest.approx([1 / 3, 1.0])
    assert table.error == pytest.approx(0.75 * (1 / 3 - 0.2 / 3))


def test_it_is_frozen_and_pickles():
    logits, y = drawn_classes(200, 3, seed=5)
    calibration = bp.calibrate(identity(3, scale=2.0), logits, y)
    with pytest.raises(dataclasses.FrozenInstanceError):
        calibration.temperature = 1.0
    again = pickle.loads(pickle.dumps(calibration))
    assert (again.predict(logits) == calibration.predict(logits)).all()
    assert copy.copy(calibration).temperature == calibration.temperature


LOGITS, LABELS = drawn_classes(50, 3, seed=6)


@pytest.mark.parametrize(
    ("model", "X", "y", "error", "message"),
    [
        ("network", LOGITS, LABELS, TypeError, "Network or bpnative.Trainer, got 'network'"),
        (identity(3), LOGITS, LABELS + 1, ValueError, "labels run 1 to 3"),
        (identity(3), LOGITS[:, :2], LABELS, ValueError, "3 columns"),
        (identity(3), LOGITS, LABELS[:-1], ValueError, "50 rows"),
        (identity(3), LOGITS * np.nan, LABELS, ValueError, "finite numbers in X"),
        (identity(3), LOGITS, LOGITS, ValueError, "targets from 0 to 1"),
        (identity(3), LOGITS, LOGITS.argmax(axis=1), ValueError, "every answer of the network is right"),
        (identity(3), LOGITS, LOGITS.argmin(axis=1), ValueError, "less about y than chance"),
        (identity(3), LOGITS[:0], LABELS[:0], ValueError, "at least one row"),
        (bp.Trainer(identity(3), loss="mse"), LOGITS, LOGITS, ValueError, "bpnative.conformal"),
        (bp.Trainer(identity(3), loss="hinge"), LOGITS, np.sign(LOGITS), ValueError, "probabilities or numbers"),
    ],
)
def test_wrong_inputs(model, X, y, error, message):
    with pytest.raises(error, match=message):
        bp.calibrate(model, X, y)


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        ([[2.0, -1.0]], [0], "from 0 to 1"),
        ([[0.5, 0.5]], [2], "labels 0 to 1"),
        ([[0.5, 0.5]], [0, 1], "1 rows"),
        ([], [], "n at least 1"),
        ([[0.5, 0.5]], [[0.1, 0.2, 0.7]], "of shape"),
        ([[np.nan, 0.5]], [1], "finite"),
    ],
)
def test_wrong_inputs_of_reliability(p, y, message):
    with pytest.raises(ValueError, match=message):
        bp.reliability(p, y)


def test_outputs_that_are_all_equal_need_no_temperature():
    net = identity(3, scale=0.0)
    assert bp.calibrate(net, LOGITS, LABELS).temperature == 1.0


def test_outputs_rounded_to_0_and_1_are_taken():
    net = identity(1, activation="sigmoid", dtype="float32", scale=100.0)
    logits, y = drawn_binary(500, 1, seed=7)
    calibration = bp.calibrate(net, logits, y)
    assert np.isfinite(calibration.loss_before)
    assert calibration.temperature > 1
    assert np.isfinite(calibration.predict(logits)).all()
