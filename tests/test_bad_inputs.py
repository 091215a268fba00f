"""Bad input: each a clear error that names what was given and what was expected, raised before anything changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from compare import assert_same_bits

ROWS, COLUMNS, CLASSES = 20, 6, 3
X = np.random.default_rng(80).standard_normal((ROWS, COLUMNS)).astype(np.float32)
Y = np.random.default_rng(81).integers(0, CLASSES, ROWS).astype(np.int32)
T = np.random.default_rng(82).random((ROWS, CLASSES)).astype(np.float32)


def with_value(array: np.ndarray[Any, Any], value: Any, dtype: type | None = None) -> np.ndarray[Any, Any]:
    """Return a copy in which one element is wrong."""
    copy = array.astype(dtype) if dtype else array.copy()
    copy[(7,) * copy.ndim if copy.ndim == 1 else (7, 2)] = value
    return copy


# What is passed as X and y, for which loss, the error, and words of its message in this order.
DATA: dict[str, tuple[Any, Any, str, type[Exception], str]] = {
    "a column too few": (X[:, :-1], Y, "cross_entropy", ValueError, r"expected .*6 columns.*input_size.*\(20, 5\)"),
    "a column too many": (np.hstack([X, X[:, :1]]), Y, "cross_entropy", ValueError, r"6 columns.*\(20, 7\)"),
    "one sample flat": (X[0], Y[:1], "cross_entropy", ValueError, r"6 columns.*\(6,\).*\[None, :\]"),
    "three dimensions": (X.reshape(ROWS, 2, 3), Y, "cross_entropy", ValueError, r"6 columns.*\(20, 2, 3\).*reshape"),
    "a number": (3.0, Y, "cross_entropy", ValueError, r"6 columns.*\(\)"),
    "no rows": (X[:0], Y[:0], "cross_entropy", ValueError, r"at least one row.*\(0, 6\)"),
    "no columns": (X[:, :0], Y, "cross_entropy", ValueError, r"6 columns.*\(20, 0\)"),
    "an empty list": ([], [], "cross_entropy", ValueError, r"6 columns.*\(0,\)"),
    "objects": (X.astype(object), Y, "cross_entropy", TypeError, r"expected X as real numbers.*object"),
    "complex numbers": (X.astype(complex), Y, "cross_entropy", TypeError, r"real numbers.*complex128"),
    "strings": (X.astype(str), Y, "cross_entropy", TypeError, r"real numbers.*<U"),
    "dates": (
        np.full(X.shape, "2020-01-01", "datetime64[D]"),
        Y,
        "cross_entropy",
        TypeError,
        r"real numbers.*datetime",
    ),
    "None": (None, Y, "cross_entropy", TypeError, r"real numbers.*object"),
    "rows of unequal length": ([[1.0] * 6, [2.0] * 5], Y[:2], "cross_entropy", ValueError, r"rows of equal length"),
    "a label too few": (X, Y[:-1], "cross_entropy", ValueError, r"20 rows.*19"),
    "no labels": (X, Y[:0], "cross_entropy", ValueError, r"20 rows.*0"),
    "labels from 1": (X, np.arange(ROWS) % CLASSES + 1, "cross_entropy", ValueError, r"0 to 2.*1 to 3.*y - 1"),
    "a label too large": (X, with_value(Y, 3), "cross_entropy", ValueError, r"0 to 2.*3 outputs.*3"),
    "a huge label": (X, with_value(Y, 2**40, np.int64), "cross_entropy", ValueError, r"0 to 2"),
    "a negative label": (X, with_value(Y, -1), "cross_entropy", ValueError, r"0 to 2.*-1"),
    "NaN labels": (X, with_value(Y, np.nan, float), "cross_entropy", ValueError, r"whole numbers.*nan.*row 7"),
    "half labels": (X, with_value(Y, 0.5, float), "cross_entropy", ValueError, r"whole numbers.*0\.5.*row 7"),
    "labels as strings": (X, Y.astype(str), "cross_entropy", TypeError, r"y as real numbers.*unique"),
    "labels as objects": (X, Y.astype(object), "cross_entropy", TypeError, r"y as real numbers.*object"),
    "complex labels": (X, Y.astype(complex), "cross_entropy", TypeError, r"y as real numbers.*complex"),
    "two columns for three": (X, T[:, :2], "cross_entropy", ValueError, r"3.*\(20, 2\)"),
    "three dimensions of y": (X, T[:, :, None], "mse", ValueError, r"\(20, 3\).*\(20, 3, 1\)"),
    "flat numbers for three outputs": (X, T[:, 0], "mse", ValueError, r"\(20, 3\).*\(20,\)"),
}
# The same, found by those who look at every number: fit and evaluate. A single step passes them on.
VALUES: dict[str, tuple[Any, Any, str, type[Exception], str]] = {
    "NaN in X": (with_value(X, np.nan), Y, "cross_entropy", ValueError, r"finite.*X.*nan.*row 7.*column 2"),
    "infinity in X": (with_value(X, np.inf), Y, "cross_entropy", ValueError, r"finite.*inf.*row 7"),
    "too large for the type": (with_value(X, 1e300, float), Y, "cross_entropy", ValueError, r"1e\+300.*row 7.*float32"),
    "rows that sum to 2": (X, 2 * T / T.sum(1, keepdims=True), "cross_entropy", ValueError, r"y"),
    "NaN in y": (X, with_value(T, np.nan), "mse", ValueError, r"finite.*y.*nan.*row 7.*column 2"),
    "infinity in y": (X, with_value(T, -np.inf), "mse", ValueError, r"finite.*y.*-inf.*row 7"),
    "targets above 1": (X, with_value(T, 1.5), "binary_cross_entropy", ValueError, r"0 to 1.*1\.5"),
    "targets below 0": (X, with_value(T, -0.5), "binary_cross_entropy", ValueError, r"0 to 1.*-0\.5"),
}
WEIGHTS: dict[str, tuple[Any, type[Exception], str]] = {
    "one too few": (np.ones(ROWS - 1), ValueError, r"sample_weight.*\(20,\).*\(19,\)"),
    "two dimensions": (np.ones((ROWS, 1)), ValueError, r"sample_weight.*\(20,\).*\(20, 1\)"),
    "negative": (with_value(np.ones(ROWS), -1.0), ValueError, r"sample_weight.*at least 0.*-1.*row 7"),
    "NaN": (with_value(np.ones(ROWS), np.nan), ValueError, r"sample_weight.*nan.*row 7"),
    "strings": (["a"] * ROWS, TypeError, r"sample_weight as real numbers"),
}
SETTINGS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "batch size 0": ({"batch_size": 0}, ValueError, r"batch_size.*at least 1.*0"),
    "a negative batch size": ({"batch_size": -5}, ValueError, r"batch_size.*at least 1.*-5"),
    "half a batch": ({"batch_size": 2.5}, TypeError, r"batch_size.*whole number.*2\.5"),
    "no epochs": ({"epochs": 0}, ValueError, r"epochs.*at least 1.*0"),
    "negative epochs": ({"epochs": -1}, ValueError, r"epochs.*-1"),
    "epochs as text": ({"epochs": "3"}, TypeError, r"epochs.*whole number.*'3'"),
    "validation of other columns": ({"validation_data": (X[:, :4], Y)}, ValueError, r"validation_data.*6 columns.*4"),
    "validation of other length": ({"validation_data": (X, Y[:3])}, ValueError, r"validation_data.*20 rows.*3"),
    "validation of one array": ({"validation_data": X}, TypeError, r"validation_data.*\(X, y\)"),
    "validation labels": ({"validation_data": (X, Y + 1)}, ValueError, r"0 to 2.*validation_data.*1 to 3"),
    "shuffle as text": ({"shuffle": "yes"}, TypeError, r"shuffle.*True or False.*'yes'"),
}


def network() -> bp.Network:
    """Return the network that must stay as it is."""
    return bp.mlp([COLUMNS, 10, CLASSES], activation="tanh", seed=1)


def assert_refused(
    call: Callable[[bp.Trainer], object], error: type[Exception], words: str, loss: str = "cross_entropy"
) -> None:
    """Check the error and its words, and that weights, optimizer and order of samples are as they were."""
    trainer, untouched = (bp.Trainer(network(), loss=loss, metrics=[]) for _ in range(2))
    good = Y if loss == "cross_entropy" else T
    for each in (trainer, untouched):
        each.fit(X, good, epochs=1, batch_size=8, progress=False)
    before = trainer.network.parameters.copy()
    with pytest.raises(error, match=words) as caught:
        call(trainer)
    assert caught.type is error, f"expected {error.__name__} itself, got {caught.type.__name__}"
    assert_same_bits(trainer.network.parameters, before, "weights")
    assert trainer.step_count == untouched.step_count
    for name, state in trainer.state.items():
        assert_same_bits(state, untouched.state[name], f"optimizer state {name}")
    for each in (trainer, untouched):  # it goes on as if nothing had been asked of it
        each.fit(X, good, epochs=1, batch_size=8, progress=False)
    assert_same_bits(trainer.network.parameters, untouched.network.parameters, "weights after going on")


@pytest.mark.parametrize("case", DATA | VALUES)
def test_data(case: str) -> None:
    x, y, loss, error, words = (DATA | VALUES)[case]
    assert_refused(lambda trainer: trainer.fit(x, y, epochs=2, batch_size=8, progress=False), error, words, loss)
    assert_refused(lambda trainer: trainer.evaluate(x, y), error, words, loss)


@pytest.mark.parametrize("case", DATA)
def test_data_of_a_single_step(case: str) -> None:
    x, y, loss, error, words = DATA[case]
    words = words.replace("X", "x")
    assert_refused(lambda trainer: trainer.step(x, y), error, words, loss)
    assert_refused(lambda trainer: trainer.gradients(x, y), error, words, loss)


@pytest.mark.parametrize("case", WEIGHTS)
def test_sample_weights(case: str) -> None:
    weight, error, words = WEIGHTS[case]
    assert_refused(lambda trainer: trainer.fit(X, Y, sample_weight=weight, progress=False), error, words)
    assert_refused(lambda trainer: trainer.step(X, Y, weight), error, words)
    assert_refused(lambda trainer: trainer.gradients(X, Y, weight), error, words)
    assert_refused(lambda trainer: trainer.evaluate(X, Y, sample_weight=weight), error, words)


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_of_fit(case: str) -> None:
    settings, error, words = SETTINGS[case]
    assert_refused(lambda trainer: trainer.fit(X, Y, **{"progress": False, **settings}), error, words)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (X[:, :5], ValueError, r"6 columns.*\(20, 5\)"),
        (X[0], ValueError, r"6 columns.*\(6,\)"),
        (X.astype(complex), TypeError, r"real numbers.*complex"),
        (X.astype(object), TypeError, r"real numbers.*object"),
        ([["a"] * 6], TypeError, r"real numbers"),
    ],
)
def test_predict_and_forward(given: Any, error: type[Exception], words: str) -> None:
    net = network()
    for call in (net.predict, net, net.forward):
        with pytest.raises(error, match=words):
            call(given)
    assert_same_bits(net.parameters, network().parameters)
    assert net.predict(X[:0]).shape == (0, CLASSES)  # nothing in, nothing out


def test_backward() -> None:
    net = network()
    with pytest.raises(ValueError, match=r"forward"):
        net.backward(T)
    net.forward(X, training=False)
    with pytest.raises(ValueError, match=r"forward"):
        net.backward(T)
    net.forward(X, training=True)
    for wrong, words in ((T[:-1], r"20 rows.*19"), (T[:, :2], r"3 columns.*\(20, 2\)"), (T[0], r"3 columns.*\(3,\)")):
        with pytest.raises(ValueError, match=words):
            net.backward(wrong)
    assert net.backward(T).shape == X.shape


MAKING: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "an unknown activation": (lambda: bp.Dense(3, activation="rleu"), ValueError, r"'rleu'.*did you mean 'relu'"),
    "an unknown loss": (lambda: bp.Trainer(network(), loss="crossentropy"), ValueError, r"mean 'cross_entropy'"),
    "an unknown optimizer": (lambda: bp.Trainer(network(), "mse", optimizer="adamm"), ValueError, r"mean 'adam'"),
    "an unknown metric": (lambda: bp.Trainer(network(), "mse", metrics=["acuracy"]), ValueError, r"mean 'accuracy'"),
    "an unknown type": (lambda: bp.mlp([3, 2], dtype="flaot32"), ValueError, r"mean 'float32'"),
    "float16": (lambda: bp.mlp([3, 2], dtype="float16"), ValueError, r"'float16'.*'float32', 'float64'"),
    "an unknown initializer": (
        lambda: bp.Dense(3, weight_initializer="he_unifrom"), ValueError, r"mean 'he_uniform'",
    ),
    "a loss as a number": (lambda: bp.Trainer(network(), loss=3), TypeError, r"loss.*3"),
    "no units": (lambda: bp.Dense(0), ValueError, r"units.*at least 1.*0"),
    "negative units": (lambda: bp.Dense(-3), ValueError, r"units.*-3"),
    "half a unit": (lambda: bp.Dense(2.5), TypeError, r"units.*whole number.*2\.5"),
    "no inputs": (lambda: bp.mlp([0, 3]), ValueError, r"input_size.*at least 1.*0"),
    "negative inputs": (lambda: bp.mlp([-2, 3]), ValueError, r"input_size.*-2"),
    "one size": (lambda: bp.mlp([3]), ValueError, r"at least two.*\[3\]"),
    "no layers": (lambda: bp.Network([], input_size=3), ValueError, r"at least one layer"),
    "a number for a layer": (lambda: bp.Network([3], input_size=3), TypeError, r"layer 0.*3"),
    "sizes that overflow": (lambda: bp.mlp([2**40, 2**40]), ValueError, r"fit in memory"),
    "a size beyond 64 bits": (lambda: bp.mlp([3, 2**70]), ValueError, r"fit in memory"),
    "sizes that overflow in sum": (lambda: bp.mlp([2**31, 2**31, 2**31]), ValueError, r"fit in memory"),
    "a negative seed": (lambda: bp.mlp([3, 2], seed=-1), ValueError, r"seed.*-1"),
    "a seed of text": (lambda: bp.mlp([3, 2], seed="1"), TypeError, r"seed.*'1'"),
    "a negative rate": (lambda: bp.SGD(learning_rate=-0.1), ValueError, r"learning_rate.*-0\.1"),
    "a rate of NaN": (lambda: bp.Adam(learning_rate=float("nan")), ValueError, r"learning_rate.*nan"),
    "momentum of 2": (lambda: bp.SGD(momentum=2.0), ValueError, r"momentum.*2\.0"),
    "beta of 1": (lambda: bp.Adam(beta1=1.0), ValueError, r"beta1.*1\.0"),
    "initial weights of another shape": (
        lambda: bp.Network([bp.Dense(3, weight_initializer=np.ones((3, 5)))], input_size=4),
        ValueError, r"\(3, 4\).*\(3, 5\)",
    ),
    "softmax before another loss": (
        lambda: bp.Trainer(bp.mlp([3, 2], output_activation="sigmoid"), "cross_entropy"), ValueError, r"sigmoid",
    ),
    "one class": (lambda: bp.Trainer(bp.mlp([3, 1]), "cross_entropy"), ValueError, r"at least 2.*1"),
    "no threads": (lambda: bp.set_num_threads(-1), ValueError, r"threads.*-1"),
    "a slope that turns signs around": (
        lambda: bp.activations.LeakyReLU(negative_slope=-0.5), ValueError, r"negative_slope.*-0\.5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MAKING)
def test_making_what_cannot_be(case: str) -> None:
    make, error, words = MAKING[case]
    with pytest.raises(error, match=words) as caught:
        make()
    assert caught.type is error


def test_assigning_to_views() -> None:
    net = network()
    for wrong in (np.ones((10, 5)), np.ones(60), 3.0):
        with pytest.raises(ValueError, match=r"\(10, 6\)"):
            net.layers[0].weight = wrong
    with pytest.raises(ValueError, match=r"\(103,\).*\(5,\)"):
        net.parameters = np.ones(5)
    assert_same_bits(net.parameters, network().parameters)


def test_too_large_for_memory_is_a_memory_error() -> None:
    with pytest.raises(MemoryError):
        bp.mlp([2**20, 2**25])
