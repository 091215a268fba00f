"""Losses as users meet them: columns of targets, settings, metrics beside them, and a loss of one's own."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from compare import Array, assert_same_bits
from reference_cases import LOSS_CASES, LossCase, normal

# What a compiled trainer needs beside its loss: an optimizer, the settings of its groups, and no average.
PLAIN = ("sgd", [{"weight_decay": 0.0, "momentum": 0.0, "nesterov": 0.0}], [], None)

ROWS = 40
X = np.random.default_rng(70).standard_normal((ROWS, 5)).astype(np.float32)
T = np.tanh(X[:, :2]).astype(np.float32)
W = np.random.default_rng(71).random(ROWS).astype(np.float32)


def network(outputs: int = 2, dtype: str = "float32", seed: int = 3) -> bp.Network:
    """Return a small network."""
    return bp.mlp([5, 16, outputs], activation="tanh", dtype=dtype, seed=seed)


@pytest.mark.parametrize("case", LOSS_CASES.values(), ids=LOSS_CASES)
def test_every_loss_trains_evaluates_and_pickles(case: LossCase) -> None:
    """Through the trainer: native settings arrive, weights count, evaluation agrees with the kernel."""
    outputs = case.outputs(4)
    loss = case.specification(outputs)
    last = "relu" if case.rates else "linear"
    net = bp.mlp([5, 16, outputs], activation="tanh", output_activation=last, dtype="float64", seed=1)
    rng = np.random.default_rng(72)
    for target in case.targets(rng, ROWS, outputs, "float64").values():
        trainer = bp.Trainer(net, loss=loss, optimizer=bp.Adam(learning_rate=0.01))
        before = trainer.evaluate(X, target, sample_weight=W)["loss"]
        direct = bp.kernels.loss(net.predict(X), target, loss, W.astype(np.float64))
        assert before == pytest.approx(direct.value, rel=1e-12)
        copy = pickle.loads(pickle.dumps(trainer))
        assert copy.loss == loss
        for each in (trainer, copy):
            each.fit(X, target, epochs=20, batch_size=16, sample_weight=W, progress=False)
        assert_same_bits(copy.network.parameters, net.parameters, "a copy trains the same")
        assert trainer.evaluate(X, target, sample_weight=W)["loss"] < before
        assert eval(repr(loss), vars(bp)) == loss


def test_label_smoothing_of_labels_is_that_of_rows() -> None:
    labels = np.random.default_rng(73).integers(0, 4, ROWS)
    loss = bp.CrossEntropy(label_smoothing=0.1, class_weight=[1, 2, 3, 4])
    results = [bp.Trainer(network(4), loss=loss).gradients(X, y) for y in (labels, np.eye(4)[labels])]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5, atol=1e-7)


def test_columns_of_targets() -> None:
    """Two outputs a target for gaussian_nll, all levels of a target beside each other for quantile."""
    trainer = bp.Trainer(network(4), loss="gaussian_nll", optimizer=bp.Adam(learning_rate=0.02), metrics=["mse", "r2"])
    history = trainer.fit(X, T, epochs=200, progress=False)
    assert history["r2"][-1] > 0.9
    assert history["mse"][-1] == pytest.approx(np.mean((trainer.network.predict(X)[:, :2] - T) ** 2), rel=0.5)
    mean, variance = bp.GaussianNLL().mean_and_variance(trainer.network.predict(X))
    assert mean.shape == variance.shape == T.shape
    assert (variance > 0).all()
    loss = bp.Quantile(levels=(0.1, 0.6, 0.9))
    trainer = bp.Trainer(network(6), loss=loss, optimizer=bp.Adam(learning_rate=0.02), metrics=["mae"])
    x = np.random.default_rng(74).standard_normal((2000, 5))
    noisy = np.tanh(x[:, :2]) + np.random.default_rng(75).uniform(-1, 1, (2000, 2))
    trainer.fit(x, noisy, epochs=40, batch_size=100, progress=False)
    levels = trainer.network.predict(x).reshape(2000, 2, 3)
    below = (noisy[:, :, None] < levels).mean(axis=(0, 1))
    np.testing.assert_allclose(below, [0.1, 0.6, 0.9], atol=0.05)
    assert trainer.evaluate(x, noisy)["mae"] == pytest.approx(np.abs(levels[:, :, 1] - noisy).mean(), rel=1e-5)


def test_a_metric_of_ones_own_sees_all_outputs() -> None:
    def width(output: Array, target: Array) -> float:
        return float(output.shape[1] * 10 + target.shape[1])

    trainer = bp.Trainer(network(4), loss="gaussian_nll", metrics=[width])
    assert trainer.evaluate(X, T)["width"] == 42.0


@pytest.mark.parametrize(
    ("loss", "y", "expected"),
    [
        ("hinge", [[1], [-1], [-1], [1]], 0.75),
        ("squared_hinge", [[1], [0], [0], [1]], 0.75),
        ("focal", [[1], [0], [0], [1]], 0.75),
    ],
)
def test_accuracy_of_signs(loss: str, y: list[list[int]], expected: float) -> None:
    net = bp.Network([bp.Dense(1, weight_initializer=[[1.0]])], input_size=1)
    logs = bp.Trainer(net, loss=loss, metrics=["accuracy"]).evaluate([[2.0], [-1.0], [0.25], [0.25]], y)
    assert logs["accuracy"] == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.Trainer(network(3), "gaussian_nll"), "2 units for each target.*got 3 outputs"),
        (lambda: bp.Trainer(network(4), bp.Quantile((0.1, 0.5, 0.9))), "3 units for each target.*got 4 outputs"),
        (lambda: bp.Trainer(network(3), bp.CrossEntropy(class_weight=[1, 2])), "3 numbers, one an output.*got 2"),
        (lambda: bp.Trainer(network(3), bp.CategoricalFocal(class_weight=[1])), "3 numbers.*got 1"),
        (lambda: bp.Trainer(network(3), bp.BinaryCrossEntropy([1, 2])), "positive_weight.*3 numbers.*got 2"),
        (lambda: bp.kernels.loss(X, T, bp.GaussianNLL()), "2 units for each target.*got 5"),
        (lambda: bp.Trainer(bp.mlp([5, 1]), "kl_divergence"), "at least 2"),
        (lambda: bp.Trainer(bp.mlp([5, 2], output_activation="sigmoid"), "hinge"), "outputs of any sign.*'linear'"),
        (
            lambda: bp.Trainer(bp.mlp([5, 2], output_activation="softmax"), "focal"),
            "logits, or the output of a sigmoid",
        ),
        (lambda: bp.Trainer(network(), "hubber"), "did you mean 'huber'"),
        (lambda: bp.Huber(delta=0), r"delta of Huber.*\(0, inf\)"),
        (lambda: bp.Quantile(levels=(0.5, 1.0)), r"levels of Quantile.*\(0, 1\)"),
        (lambda: bp.Quantile(levels=()), "levels of Quantile as a number or several, got none"),
        (lambda: bp.CrossEntropy(label_smoothing=1.0), "label_smoothing"),
        (lambda: bp.CrossEntropy(class_weight=[1, -1]), "class_weight"),
        (lambda: bp.Focal(alpha=1.5), "alpha"),
        (lambda: bp.Focal(gamma=-1), "gamma"),
        (lambda: bp.Trainer(network(), "hinge").fit(X, T), "-1 and 1, or 0 and 1"),
        (lambda: bp.Trainer(network(), "hinge").fit(X, np.sign(T) * (X[:, :1] > 0)), "beside -1"),
        (lambda: bp.Trainer(network(), "poisson").fit(X, T), "at least 0 in y for poisson"),
        (lambda: bp.Trainer(network(), "kl_divergence").fit(X, np.ones((ROWS, 2))), "sum to 1"),
        (lambda: bp.Trainer(network(), "kl_divergence").fit(X, np.ones(ROWS, int)), "loss='cross_entropy'"),
        (lambda: bp.Trainer(network(4), "gaussian_nll").fit(X, X[:, :4]), r"\(40, 2\), for gaussian_nll takes 2 of"),
        (lambda: native.Trainer(network()._native, "huber", {}, *PLAIN), "needs its setting 'delta'"),
        (
            lambda: native.Trainer(network()._native, "mse", {"delta": [1.0]}, *PLAIN),
            "setting that it does not have",
        ),
    ],
)
def test_what_does_not_go_together(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# ---- a loss of one's own -------------------------------------------------------------------------------------------
def squares(output: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Mean squared error, as natively."""
    weights = np.ones(len(output), output.dtype) if weight is None else weight
    error = output - target
    loss = (weights * (error.astype(np.float64) ** 2).mean(axis=1)).mean()
    gradient = 2 * weights[:, None] * error / error.size
    output[...] = target[...] = np.nan  # they are copies
    return loss, gradient


@pytest.mark.parametrize("weight", [None, W])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_of_ones_own_trains_as_the_native_one(dtype: str, weight: Array | None) -> None:
    trainers = [
        bp.Trainer(network(dtype=dtype), loss=loss, optimizer=bp.Adam(learning_rate=0.01), metrics=["mae"])
        for loss in (squares, "mse")
    ]
    eps = float(np.finfo(dtype).eps)
    data = {"sample_weight": weight, "validation_data": (X, T)}
    target = T.astype(dtype).copy()
    histories = [trainer.fit(X, target, epochs=5, batch_size=12, progress=False, **data) for trainer in trainers]
    np.testing.assert_array_equal(target, T)
    for name in ("loss", "mae", "val_loss", "val_mae"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e4 * eps, err_msg=name)
    steps = [trainer.step(X[:7], T[:7]) for trainer in trainers]
    assert steps[0] == pytest.approx(steps[1], rel=1e4 * eps)
    results = [trainer.gradients(X, T, weight) for trainer in trainers]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e4 * eps)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=0, atol=1e4 * eps * np.abs(results[1][1]).max())
    assert trainers[0].step_count == trainers[1].step_count == 21
    np.testing.assert_allclose(trainers[0].network.parameters, trainers[1].network.parameters, atol=1e4 * eps)
    assert sorted(trainers[0].state) == ["m", "v"]
    copy = pickle.loads(pickle.dumps(trainers[0]))
    assert copy.step(X, T) == trainers[0].step(X, T)
    assert_same_bits(copy.network.parameters, trainers[0].network.parameters, "after a pickle")


def test_targets_of_ones_own_come_as_they_were_given() -> None:
    seen: list[Array] = []

    def loss(output: Array, target: Array) -> tuple[float, Array]:
        seen.append(target)
        return 1.0, np.zeros_like(output)

    trainer = bp.Trainer(network(), loss=loss)
    before = trainer.network.parameters.copy()
    for y in (
        np.arange(ROWS),
        np.arange(ROWS) % 2 == 0,
        normal(np.random.default_rng(0), (ROWS, 7)),
        list(range(ROWS)),
    ):
        trainer.step(X, y)
        np.testing.assert_allclose(seen[-1], np.asarray(y), rtol=1e-6)
        assert seen[-1].dtype.kind == np.asarray(y).dtype.kind
    assert_same_bits(trainer.network.parameters, before, "a gradient of zero moves nothing")
    trainer.network.layers[0].trainable = False
    assert trainer.evaluate(X, np.arange(ROWS)) == {"loss": 1.0}


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda output: 1.0, TypeError, r"a pair \(loss, output_gradient\) from the loss wrong, got float"),
        (lambda output: (1.0, output, 2), TypeError, "got tuple of 3"),
        (lambda output: (output, output), TypeError, "one real number"),
        (lambda output: (None, output), TypeError, "one real number, got None"),
        (lambda output: (1.0, None), TypeError, "output_gradient of wrong as real numbers"),
        (lambda output: (1.0, output[:1]), ValueError, r"the outputs' shape \(\d+, 2\), got \(1, 2\)"),
        (lambda output: (1.0, output.T), ValueError, r"\(\d+, 2\), got \(2, \d+\)"),
        (lambda output: (np.nan, output), ValueError, "a finite loss from wrong.*outputs were finite"),
        (lambda output: (1.0, output * np.inf), ValueError, "a finite output_gradient"),
    ],
)
def test_what_a_loss_of_ones_own_may_not_return(result, error: type[Exception], message: str) -> None:
    def wrong(output: Array, target: Array) -> object:
        return result(output)

    trainer = bp.Trainer(network(), loss=wrong)
    before = trainer.network.parameters.copy()
    for call in (trainer.step, trainer.gradients, trainer.evaluate, trainer.fit):
        with pytest.raises(error, match=message):
            call(X, T)
    assert_same_bits(trainer.network.parameters, before, "weights")
    assert trainer.step_count == 0
    assert not any(state.any() for state in trainer.state.values())


def test_what_a_loss_of_ones_own_refuses() -> None:
    def plain(output: Array, target: Array) -> tuple[float, Array]:
        return float(output.sum()), np.ones_like(output)

    trainer = bp.Trainer(network(), loss=plain)
    for call in (trainer.step, trainer.gradients):
        with pytest.raises(ValueError, match=r"no sample_weight, for the loss plain takes none.*'weight'"):
            call(X, T, W)
    with pytest.raises(ValueError, match=r"40 rows.*39"):
        trainer.step(X, T[:-1])
    with pytest.raises(ValueError, match="finite numbers in y"):
        trainer.fit(X, T * np.nan)
    with pytest.raises(TypeError, match="expected loss as a name"):
        bp.Trainer(network(), loss=bp.MSE)
    with pytest.raises(TypeError, match="expected name as that of a native loss"):
        bp.kernels.loss(X, X, plain)
    with pytest.raises(ValueError, match="made without a loss"):
        native.Trainer(network()._native, None, {}, *PLAIN).gradients(np.empty(130, np.float32), X, T, None)


def test_an_update_from_the_gradient_buffer_leaves_frozen_layers() -> None:
    trainer = bp.Trainer(network(), loss=squares, optimizer=bp.SGD(learning_rate=0.5))
    trainer.network.layers[0].trainable = False
    before = trainer.network.parameters.copy()
    trainer.step(X, T)
    moved = trainer.network.parameters != before
    assert not moved[:96].any()
    assert moved[96:].all()
