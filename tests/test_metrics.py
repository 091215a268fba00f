"""Metrics against their formulas, in blocks and at once, and what they say of targets that they make no sense of."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from bpnative.meter import Meter, bind_all
from bpnative.metrics import R2, Accuracy, FunctionMetric, get

RNG = np.random.default_rng(0)
OUTPUT = RNG.standard_normal((60, 3)).astype(np.float32)
TARGET = (OUTPUT + RNG.standard_normal((60, 3)) / 2).astype(np.float32)
WEIGHT = RNG.random(60).astype(np.float32)


def measure(metric, output, target, weight=None, cuts=()):
    metric = get(metric)
    metric.reset()
    for part in np.split(np.arange(len(output)), cuts):
        metric.update(output[part], target[part], None if weight is None else weight[part])
    return metric.result()


def weighted(values, weight):
    return np.average(values.astype(np.float64), weights=weight)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_formulas(weight):
    error = TARGET.astype(float) - OUTPUT
    assert measure("mse", OUTPUT, TARGET, weight) == pytest.approx(weighted((error**2).mean(1), weight))
    assert measure("mae", OUTPUT, TARGET, weight) == pytest.approx(weighted(abs(error).mean(1), weight))
    w = np.ones(60) if weight is None else weight.astype(float)
    mean = np.average(TARGET.astype(float), axis=0, weights=w)
    r2 = 1 - (w[:, None] * error**2).sum(0) / (w[:, None] * (TARGET - mean) ** 2).sum(0)
    assert measure("r2", OUTPUT, TARGET, weight) == pytest.approx(r2.mean())


@pytest.mark.parametrize("name", ["accuracy", "mse", "mae", "r2"])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_blocks_change_no_bit(name, weight):
    target = (TARGET > 0).astype(np.float32)
    whole = measure(name, OUTPUT, target, weight)
    for cuts in ([1], [30], [7, 7, 59], list(range(1, 60))):
        assert measure(name, OUTPUT, target, weight, cuts) == whole


def test_r2_keeps_its_digits_far_from_zero():
    target = (1e6 + RNG.standard_normal((1000, 1))).astype(np.float64)
    output = target + 0.1 * RNG.standard_normal((1000, 1))
    expected = 1 - ((target - output) ** 2).sum() / ((target - target.mean()) ** 2).sum()
    assert measure("r2", output, target) == pytest.approx(expected, rel=1e-6)


def test_r2_of_constant_targets_and_single_samples():
    ones = np.ones((5, 1))
    assert measure("r2", ones, ones) == 1.0
    assert measure("r2", ones + 1, ones) == 0.0
    assert np.isnan(measure("r2", ones[:1], ones[:1]))
    assert np.isnan(measure("r2", ones, ones, np.zeros(5)))


def test_weights_of_zero_leave_nothing_to_measure():
    assert np.isnan(measure("mse", OUTPUT, TARGET, np.zeros(60)))


@pytest.mark.parametrize(
    ("loss", "activation", "output", "target", "expected"),
    [
        ("cross_entropy", "linear", [[-3, -2], [5, 1]], [1, 1], 0.5),
        ("cross_entropy", "softmax", [[0.2, 0.8], [0.9, 0.1]], [[0, 1], [0.4, 0.6]], 0.5),
        ("binary_cross_entropy", "linear", [[0.3], [-0.3]], [[1], [0]], 1.0),
        ("binary_cross_entropy", "sigmoid", [[0.3], [0.7]], [[1], [1]], 0.5),
        ("binary_cross_entropy", "linear", [[0.3, -1], [0.3, 1]], [[1, 0], [0, 1]], 0.75),
        ("mse", "sigmoid", [[0.3], [0.7]], [[0], [1]], 1.0),
        ("mse", "linear", [[0.3, 0.2], [0.7, 0.9]], [[1, 0], [1, 0]], 0.5),
    ],
)
def test_accuracy_knows_what_outputs_are(loss, activation, output, target, expected):
    (metric,) = bind_all(["accuracy"], loss, activation)
    target = np.array(target, np.int32 if np.ndim(target) == 1 else np.float32)
    metric.check(target, np.shape(output)[1])
    assert measure(metric, np.array(output, np.float32), target) == expected


def test_a_threshold_of_ones_own():
    (metric,) = bind_all([Accuracy(threshold=0.9)], "binary_cross_entropy", "sigmoid")
    assert measure(metric, np.array([[0.8], [0.95]]), np.array([[0.0], [1.0]])) == 1.0


def test_a_function_sees_the_whole_pass_once():
    seen = []

    def worst(output, target):
        seen.append((output.copy(), target.copy()))
        return np.float32(abs(output - target).max())

    trainer = bp.Trainer(bp.mlp([3, 3], seed=0), "mse", metrics=[worst, FunctionMetric(worst, name="again")])
    logs = trainer.evaluate(OUTPUT, TARGET)
    assert list(logs) == ["loss", "worst", "again"]
    assert type(logs["worst"]) is float
    np.testing.assert_array_equal(seen[0][0], trainer.network.predict(OUTPUT))
    np.testing.assert_array_equal(seen[0][1], TARGET)
    history = trainer.fit(OUTPUT, TARGET, batch_size=7, epochs=2)
    assert len(history["worst"]) == 2
    assert len(seen) == 6
    assert sorted(seen[-1][1].ravel().tolist()) == sorted(TARGET.ravel().tolist())


def test_passes_do_not_mix():
    metrics = bind_all(["mae", "r2"], "mse", "linear")
    first, second = Meter(metrics), Meter(metrics)
    first.update(OUTPUT, TARGET, None)
    second.update(OUTPUT, OUTPUT, None)
    assert second.results() == {"mae": 0.0, "r2": 1.0}
    assert first.results()["mae"] > 0


def test_metrics_of_training_are_those_of_the_outputs_trained_on():
    trainer = bp.Trainer(bp.mlp([3, 3], seed=0), "mse", bp.SGD(learning_rate=0.0), metrics=["mae", "r2", "mse"])
    history = trainer.fit(OUTPUT, TARGET, batch_size=7)
    evaluated = trainer.evaluate(OUTPUT, TARGET)
    for name, values in history.items():
        assert values[0] == pytest.approx(evaluated[name], rel=1e-5)
    assert evaluated["mse"] == pytest.approx(evaluated["loss"], rel=1e-6)


@pytest.mark.parametrize(
    "metric", ["accuracy", Accuracy(threshold=0.25), R2(), FunctionMetric(max, name="m", greater_is_better=True)]
)
def test_repr_rebuilds(metric):
    metric = get(metric)
    again = eval(repr(metric).replace(repr(max), "max"), {**vars(bp.metrics), "max": max})
    assert repr(again) == repr(metric)


@pytest.mark.parametrize("metrics", ["accuracy", Accuracy(), ["accuracy"], ("accuracy",)])
def test_one_metric_needs_no_list(metrics):
    assert [metric.name for metric in bind_all(metrics, "cross_entropy", "linear")] == ["accuracy"]


def test_names_are_columns():
    with pytest.raises(ValueError, match="none of them 'loss'"):
        bind_all([FunctionMetric(max, name="loss")], "mse", "linear")
    with pytest.raises(ValueError, match="did you mean 'accuracy'"):
        bind_all(["acuracy"], "mse", "linear")
    with pytest.raises(TypeError, match="callable"):
        FunctionMetric(3)


def test_a_metric_of_ones_own():
    class Bias(bp.metrics.Metric):
        name = "bias"

        def reset(self):
            self.sum = self.count = 0

        def update(self, output, target, weight):
            self.sum += float((output - target).sum())
            self.count += output.size

        def result(self):
            return self.sum / self.count

    trainer = bp.Trainer(bp.mlp([3, 3], seed=0), "mse", metrics=[Bias()])
    expected = float((trainer.network.predict(OUTPUT) - TARGET).mean())
    assert trainer.evaluate(OUTPUT, TARGET)["bias"] == pytest.approx(expected, rel=1e-4)
    with pytest.raises(NotImplementedError, match=r"Metric must define reset\(\)"):
        bp.metrics.Metric().reset()
