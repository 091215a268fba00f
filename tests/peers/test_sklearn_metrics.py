"""Each metric by name against scikit-learn's: random cases, ties, absent classes, weights, blocks of any length."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from bpnative.meter import Meter, bind_all
from bpnative.metrics import METRICS

peer = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")

N, K = 211, 4
AVERAGES = ("macro", "micro", "weighted")


def measure(name, loss, activation, output, target, weight):
    """The metric of a pass in uneven blocks."""
    (metric,) = bind_all([name], loss, activation)
    metric.check(target, output.shape[1])
    meter = Meter([metric])
    for part in np.split(np.arange(len(output)), [1, 64, 200]):
        meter.update(output[part], target[part], None if weight is None else weight[part])
    return meter.results()[name]


def assert_agrees(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


def softmax(z):
    e = np.exp(z.astype(np.float64) - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture(params=range(3), ids="seed {}".format)
def rng(request):
    return np.random.default_rng(request.param)


@pytest.fixture(params=["plain", "weights", "weights with zeros"])
def weight(request, rng):
    if request.param == "plain":
        return None
    return rng.random(N).astype(np.float32) if request.param == "weights" else rng.integers(0, 3, N).astype(np.float32)


@pytest.fixture(params=["random", "ties", "absent"])
def case(request, rng):
    """Logits (N, K) and labels: all different; from few values; or with classes that never occur."""
    logits = rng.standard_normal((N, K)).astype(np.float32)
    labels = rng.integers(0, K, N).astype(np.int32)
    if request.param == "ties":
        logits = rng.integers(0, 2, (N, K)).astype(np.float32)
    if request.param == "absent":
        labels[labels == 2] = 1
        logits[:, 3] = -9
    return logits, labels


def expected_of_classes(name, logits, labels, weight):
    answer, p = logits.argmax(axis=1), softmax(logits)
    average = name.rpartition("_")[2]
    if name == "accuracy":
        return peer.accuracy_score(labels, answer, sample_weight=weight)
    if name.startswith("top_"):
        k = int(name.split("_")[1])
        return peer.top_k_accuracy_score(labels, logits, k=k, labels=range(K), sample_weight=weight)
    if name == "balanced_accuracy":
        return peer.balanced_accuracy_score(labels, answer, sample_weight=weight)
    if name == "log_loss":
        return peer.log_loss(labels, p, labels=range(K), sample_weight=weight)
    if name == "roc_auc":
        present = [c for c in range(K) if (labels == c).any()]
        return np.mean([peer.roc_auc_score(labels == c, p[:, c], sample_weight=weight) for c in present])
    function = getattr(peer, name.split("_")[0] + "_score")
    return function(labels, answer, average=average, sample_weight=weight, zero_division=0)


OF_CLASSES = [
    "accuracy",
    "balanced_accuracy",
    "log_loss",
    "roc_auc",
    *(f"top_{k}_accuracy" for k in (1, 2, 3)),
    *(f"{kind}_{average}" for kind in ("precision", "recall", "f1") for average in AVERAGES),
]


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize("one_hot", [False, True], ids=["labels", "one-hot"])
def test_classes(name, one_hot, case, weight):
    logits, labels = case
    target = np.eye(K, dtype=np.float32)[labels] if one_hot else labels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of absent classes
        expected = expected_of_classes(name, logits, labels, weight)
    assert_agrees(measure(name, "cross_entropy", "linear", logits, target, weight), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_of_a_softmax_layer(rng, weight, dtype):
    labels = np.tile(np.arange(K), N)[:N].astype(np.int32)
    p = rng.dirichlet(np.ones(K), N).astype(dtype)
    p[:5] = np.eye(K)[[0, 1, 2, 3, 0]]  # certain, also of what is wrong
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows of float32 don't sum to one in float64
        epsilon = np.finfo(dtype).eps  # scikit-learn would take logarithms in float32
        expected = peer.log_loss(labels, p.astype(float).clip(epsilon, 1 - epsilon), sample_weight=weight)
        areas = peer.roc_auc_score(np.eye(K)[labels], p, multi_class="ovr", average="macro", sample_weight=weight)
    assert_agrees(measure("log_loss", "cross_entropy", "softmax", p, labels, weight), expected)
    assert_agrees(measure("roc_auc", "cross_entropy", "softmax", p, labels, weight), areas)


OF_TWO = [
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "f1_macro",
    "recall_weighted",
    "precision_micro",
]


@pytest.mark.parametrize("network", ["one logit", "one sigmoid", "two logits"])
@pytest.mark.parametrize("kind", ["random", "ties", "never yes", "one class"])
def test_two_classes(network, kind, rng, weight):
    labels = rng.integers(0, 2, N) if kind != "one class" else np.ones(N, int)
    score = rng.standard_normal(N) if kind != "ties" else rng.integers(-1, 2, N) + 0.5
    if kind == "never yes":
        score = -np.abs(score) - 0.1
    score = score.astype(np.float32)
    if network == "two logits":
        loss, activation, output = "cross_entropy", "linear", np.stack([np.zeros(N, np.float32), score], axis=1)
        target = labels.astype(np.int32)
    else:
        activation = "linear" if network == "one logit" else "sigmoid"
        output = score[:, None] if activation == "linear" else (1 / (1 + np.exp(-score)))[:, None]
        loss, target = "binary_cross_entropy", labels[:, None].astype(np.float32)
    answer = (score > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in OF_TWO:
            plain, _, average = name.partition("_")
            if name in ("accuracy", "balanced_accuracy"):
                expected = getattr(peer, f"{name}_score")(labels, answer, sample_weight=weight)
            else:
                average = average or "binary"
                function = getattr(peer, f"{plain}_score")
                expected = function(labels, answer, average=average, sample_weight=weight, zero_division=0)
            assert_agrees(measure(name, loss, activation, output, target, weight), expected)
    area = measure("roc_auc", loss, activation, output, target, weight)
    if kind == "one class":
        assert np.isnan(area)
    else:
        assert_agrees(area, peer.roc_auc_score(labels, output[:, -1], sample_weight=weight))
    p = output[:, 0] if network == "one sigmoid" else 1 / (1 + np.exp(-score.astype(np.float64)))
    if network != "one sigmoid":  # float32 has its own rounding in 1 - p
        expected = peer.log_loss(labels, p, labels=[0, 1], sample_weight=weight)
        assert_agrees(measure("log_loss", loss, activation, output, target, weight), expected)


@pytest.mark.parametrize("kind", ["precision", "recall", "f1"])
@pytest.mark.parametrize("average", AVERAGES)
def test_several_labels_a_sample(kind, average, case, weight):
    logits, labels = case
    target = ((labels[:, None] + np.arange(K)) % 3 == 0).astype(np.float32)
    target[:, 1] = 0  # a label that never occurs
    function = getattr(peer, f"{kind}_score")
    expected = function(target, logits > 0, average=average, sample_weight=weight, zero_division=0)
    ours = measure(f"{kind}_{average}", "binary_cross_entropy", "linear", logits, target, weight)
    assert_agrees(ours, expected)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("kind", ["random", "constant", "far from zero"])
def test_numbers(outputs, kind, rng, weight):
    target = rng.standard_normal((N, outputs))
    if kind == "constant":
        target[:, 0] = 0.75
    if kind == "far from zero":
        target += 1000
    output = target + 0.3 * rng.standard_normal((N, outputs))
    for name, function in {
        "mse": peer.mean_squared_error,
        "rmse": peer.root_mean_squared_error,
        "mae": peer.mean_absolute_error,
        "r2": peer.r2_score,
    }.items():
        assert_agrees(
            measure(name, "mse", "linear", output, target, weight), function(target, output, sample_weight=weight)
        )


def test_every_registered_metric_is_compared():
    compared = {*OF_CLASSES, *OF_TWO, "mse", "rmse", "mae", "r2"}
    assert set(METRICS) - compared == {"top_5_accuracy"}  # any k: 1, 2 and 3 are compared
