"""bpnative.kernels as its users meet it: shapes, dtypes, results in NumPy's terms, errors. Accuracy: test_kernels_*."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from bpnative import kernels

RNG = np.random.default_rng(0)
X, W, B = RNG.standard_normal((5, 3)), RNG.standard_normal((4, 3)), RNG.standard_normal(4)
DZ = RNG.standard_normal((5, 4))
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def close(got, expected):
    tolerance = 1e-5 if got.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@DTYPES
def test_matmul(dtype):
    out = kernels.matmul(X.astype(dtype), W.T.astype(dtype))
    assert out.dtype == dtype
    close(out, X @ W.T)


@DTYPES
def test_dense(dtype):
    x, w, b, dz = (array.astype(dtype) for array in (X, W, B, DZ))
    close(kernels.dense_forward(x, w), X @ W.T)
    y = kernels.dense_forward(x, w, b, "relu")
    assert y.dtype == dtype
    close(y, np.maximum(X @ W.T + B, 0))
    gradients = kernels.dense_backward(dz, x, w)
    close(gradients.dx, DZ @ W)
    close(gradients.dweight, DZ.T @ X)
    close(gradients.dbias, DZ.sum(axis=0))
    close(kernels.dense_backward(dz, np.tanh(x), w, "tanh").dx, (DZ @ W) * (1 - np.tanh(X) ** 2))


@DTYPES
def test_activations(dtype):
    z, dy = X.astype(dtype), X[::-1].astype(dtype)
    slope = bp.activations.LeakyReLU(0.5)
    close(kernels.activation(z, slope), np.where(X > 0, X, 0.5 * X))
    close(kernels.activation_derivative(dy, z, slope), np.where(X > 0, 1, 0.5) * X[::-1])
    close(kernels.activation(z, "softmax").sum(axis=1), np.ones(5))


@DTYPES
def test_losses(dtype):
    z, w = X.astype(dtype), np.arange(5).astype(dtype)
    target = np.array([0, 1, 2, 1, 0])
    by_label = kernels.loss(z, target, "cross_entropy", w)
    by_row = kernels.loss(z, np.eye(3, dtype=dtype)[target], "cross_entropy", w)
    close(by_label.dz, by_row.dz)
    assert by_label.value == pytest.approx(by_row.value, rel=1e-6)
    assert by_label.losses.dtype == dtype
    expected = -np.log(np.exp(X) / np.exp(X).sum(axis=1, keepdims=True))[np.arange(5), target] * w
    close(by_label.losses, expected)
    assert by_label.value == pytest.approx(expected.mean(), rel=1e-5)
    value, dz, _ = kernels.loss(z, np.zeros((5, 3), dtype), bp.MSE())
    assert value == pytest.approx((X**2).mean(), rel=1e-5)
    close(dz, 2 * X / 15)


@DTYPES
def test_updates_work_in_place_on_any_shape(dtype):
    w, g, v = (np.full((2, 3), value, dtype) for value in (1.0, 2.0, 0.5))
    kept = w
    assert kernels.sgd_update(w, g, v, learning_rate=0.1, momentum=0.5) is None
    assert w is kept
    close(v, np.full((2, 3), 2.25))
    close(w, np.full((2, 3), 1 - 0.225))
    w, m, v = np.ones(3, dtype), np.zeros(3, dtype), np.zeros(3, dtype)
    kernels.adam_update(w, np.ones(3, dtype), m, v, step=1, learning_rate=0.25, epsilon=1e-20)
    close(w, np.full(3, 0.75))
    close(m, np.full(3, 0.1))
    read_only = g.copy()
    read_only.flags.writeable = False
    kernels.sgd_update(kept, read_only, learning_rate=0.1)


def test_dtypes_of_what_says_none():
    assert kernels.matmul([[1, 2]], [[3], [4]]).dtype == np.float64
    assert kernels.matmul(np.ones((1, 2), np.float32), [[3], [4]]).dtype == np.float32
    assert kernels.matmul(np.ones((1, 2), np.float16), np.ones((2, 1), ">f4")).dtype == np.float32
    assert kernels.activation(np.ones((2, 2), ">f8"), "relu").dtype == np.dtype("float64")


def test_inputs_of_any_layout():
    close(kernels.dense_forward(np.asfortranarray(X), W[:, ::-1][:, ::-1], B), X @ W.T + B)


def test_nothing_to_do_is_done():
    assert kernels.matmul(np.ones((0, 2)), np.ones((2, 3))).shape == (0, 3)
    np.testing.assert_array_equal(kernels.matmul(np.ones((2, 0)), np.ones((0, 3))), np.zeros((2, 3)))
    assert kernels.activation(np.ones((0, 3)), "tanh").shape == (0, 3)


def test_every_instruction_set_can_be_asked_for():
    for isa in bp.show_config("dict")["isa_available"]:
        close(kernels.matmul(X, W.T, isa=isa), X @ W.T)


ONE = np.ones(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kernels.matmul(X, W), ValueError, r"expected b of shape \(3, any\), got \(4, 3\)"),
        (lambda: kernels.matmul(X[0], W.T), ValueError, r"expected a of shape \(any, any\), got \(3,\)"),
        (lambda: kernels.matmul(X, W.T.astype(np.float32)), TypeError, "one dtype.*a float64, b float32.*astype"),
        (lambda: kernels.matmul(X * 1j, W.T), TypeError, "a as real numbers"),
        (lambda: kernels.matmul(X.astype(np.longdouble), W.T.astype(np.longdouble)), TypeError, "float32 or float64"),
        (lambda: kernels.matmul(X, W.T, isa="x86-64-v9"), ValueError, "unknown instruction set.*Known"),
        (lambda: kernels.dense_forward(X, W.T), ValueError, r"expected weight of shape \(any, 3\), got \(3, 4\)"),
        (lambda: kernels.dense_forward(X, W, B[:2]), ValueError, r"expected bias of shape \(4,\), got \(2,\)"),
        (lambda: kernels.dense_forward(X, W, B, "rleu"), ValueError, "did you mean 'relu'"),
        (lambda: kernels.dense_backward(DZ, X[:2], W), ValueError, r"expected x of shape \(5, any\)"),
        (lambda: kernels.dense_backward(DZ, X, W[:2]), ValueError, r"expected weight of shape \(4, 3\)"),
        (lambda: kernels.dense_backward(DZ, X, W, "softmax"), ValueError, "activation_derivative"),
        (lambda: kernels.activation_derivative(X, DZ, "relu"), ValueError, r"expected dy of shape \(5, 4\)"),
        (lambda: kernels.loss(X, [0, 1, 2, 3, 0], "cross_entropy"), ValueError, "labels 0 to 2 in target"),
        (lambda: kernels.loss(X, [0, 1], "cross_entropy"), ValueError, r"target of shape \(5,\)"),
        (lambda: kernels.loss(X, X[:, :2], "mse"), ValueError, r"target of shape \(5, 3\)"),
        (lambda: kernels.loss(X, X, "mse", [1.0]), ValueError, r"sample_weight of shape \(5,\)"),
        (lambda: kernels.loss(X[:0], X[:0], "mse"), ValueError, "at least one row"),
        (lambda: kernels.loss(X, X, "msr"), ValueError, "did you mean 'mse'"),
        (lambda: kernels.sgd_update([1.0], ONE), TypeError, "weight as an array of float32 or float64, got list"),
        (lambda: kernels.sgd_update(np.ones(3, int), ONE), TypeError, "got int"),
        (lambda: kernels.sgd_update(ONE, ONE[:2]), ValueError, r"gradient as weight, shape \(3,\).*got \(2,\)"),
        (lambda: kernels.sgd_update(ONE, ONE.astype(np.float32)), ValueError, "float32"),
        (lambda: kernels.sgd_update(np.ones(6)[::2], ONE), ValueError, "weight writable and C-contiguous"),
        (lambda: kernels.sgd_update(np.broadcast_to(ONE, 3), ONE), ValueError, "weight writable"),
        (lambda: kernels.sgd_update(ONE.astype(">f8"), ONE), TypeError, "weight as an array"),
        (lambda: kernels.sgd_update(ONE, ONE, momentum=0.9), ValueError, "needs a velocity"),
        (lambda: kernels.sgd_update(ONE, ONE, learning_rate=np.nan), ValueError, "learning_rate"),
        (lambda: kernels.adam_update(ONE, ONE, ONE, ONE, step=0), ValueError, "step of at least 1"),
        (lambda: kernels.adam_update(ONE, ONE, ONE, ONE[:1], step=1), ValueError, "expected v as weight"),
        (lambda: kernels.adam_update(ONE, ONE, ONE, ONE, step=1, beta1=1.0), ValueError, "beta1"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert ONE.tolist() == [1, 1, 1]
