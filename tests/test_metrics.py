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


@pytest.mark.parametrize("name", bp.metrics.METRICS)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weights"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "binary_cross_entropy"])
def test_blocks_change_no_bit(name, weight, loss):
    (metric,) = bind_all([name], loss, "linear")
    target = (TARGET > 0).astype(np.float32)
    whole = measure(metric, OUTPUT, target, weight)
    assert np.isfinite(whole)
    for cuts in ([1], [30], [7, 7, 59], list(range(1, 60))):
        assert measure(metric, OUTPUT, target, weight, cuts) == whole


@pytest.mark.parametrize("name", bp.metrics.METRICS)
def test_each_is_reported_by_a_trainer_and_can_be_watched(name):
    numbers = name in ("mse", "rmse", "mae", "r2")
    classes = 2 if name in ("precision", "recall", "f1") else 3
    loss = "mse" if numbers else "cross_entropy"
    target = TARGET[:, :classes] if numbers else np.arange(60) % classes
    trainer = bp.Trainer(bp.mlp([3, classes], seed=0), loss, metrics=[name])
    stopping = bp.EarlyStopping(patience=1, monitor=f"val_{name}")
    history = trainer.fit(OUTPUT, target, epochs=3, validation_data=(OUTPUT, target, WEIGHT), callbacks=stopping)
    assert np.isfinite(history[name] + history[f"val_{name}"]).all()
    best = max if trainer.metrics[0].greater_is_better else min
    assert stopping.best_value == best(history[f"val_{name}"])
    expected = {"loss", name}
    assert set(trainer.evaluate(OUTPUT, target)) == expected


@pytest.mark.parametrize("name", bp.metrics.METRICS)
def test_no_array_of_the_caller_is_written_to(name):
    arrays = OUTPUT.copy(), (TARGET > 0).astype(np.float32), WEIGHT.copy()
    for array in arrays:
        array.flags.writeable = False
    measure(name, *arrays, cuts=[20])


def test_top_k():
    output = np.array([[0.1, 0.5, 0.4], [0.2, 0.2, 0.2], [np.nan, 0.1, 0.2]], np.float32)
    target = np.array([2, 1, 0], np.int32)
    assert [measure(f"top_{k}_accuracy", output, target) for k in (1, 2, 3, 99)] == [0, 2 / 3, 1, 1]
    for loss, outputs in (("binary_cross_entropy", 3), ("mse", 1)):
        (metric,) = bind_all(["top_2_accuracy"], loss, "linear")
        with pytest.raises(ValueError, match=r"needs one class of several a sample.*use 'accuracy'"):
            metric.check(np.ones((2, outputs)), outputs)
    for name in ("top_0_accuracy", "top_k_accuracy", "top_accuracy"):
        with pytest.raises(ValueError, match="did you mean 'top_5_accuracy'"):
            get(name)


def test_a_metric_of_two_classes_says_how_to_average_more():
    trainer = bp.Trainer(bp.mlp([3, 3], seed=0), "cross_entropy", metrics=["f1"])
    with pytest.raises(ValueError, match=r"'f1' is of two classes, and the network has 3 outputs.*'f1_macro', 'f1_mic"):
        trainer.fit(OUTPUT, np.zeros(60, int))
    with pytest.raises(ValueError, match="unknown average of F1 'marco': did you mean 'macro'"):
        bp.metrics.F1("marco")


def test_metrics_of_classes_refuse_numbers():
    for name in ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "f1_macro", "top_2_accuracy"):
        trainer = bp.Trainer(bp.mlp([3, 3], seed=0), "mse", metrics=[name])
        with pytest.raises(ValueError, match=f"'{name}' needs classes.*use 'mae', 'mse' or 'r2'"):
            trainer.evaluate(OUTPUT, TARGET)


def test_log_loss_is_exact_where_probabilities_are_not():
    (metric,) = bind_all(["log_loss"], "cross_entropy", "linear")
    assert measure(metric, np.array([[0.0, 800.0]]), np.array([0])) == 800.0
    (metric,) = bind_all(["log_loss"], "binary_cross_entropy", "linear")
    assert measure(metric, np.array([[800.0], [-800.0]]), np.array([[0.0], [0.0]])) == 400.0


def test_nan_is_seen():
    output = OUTPUT.copy()
    output[7, 1] = np.nan
    for name in ("log_loss", "roc_auc"):
        (metric,) = bind_all([name], "cross_entropy", "linear")
        assert np.isnan(measure(metric, output, np.arange(60) % 3))


def test_a_function_that_takes_weights_sees_them():
    seen = []

    def weighted_error(output, target, sample_weight=None):
        seen.append(sample_weight)
        return 0.0

    trainer = bp.Trainer(bp.mlp([3, 3], seed=0), "mse", metrics=[weighted_error])
    trainer.evaluate(OUTPUT, TARGET)
    trainer.evaluate(OUTPUT, TARGET, sample_weight=WEIGHT)
    assert seen[0] is None
    np.testing.assert_array_equal(seen[1], WEIGHT)


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
    "metric",
    [*bp.metrics.METRICS, Accuracy(threshold=0.25), R2(), FunctionMetric(max, name="m", greater_is_better=True)],
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
