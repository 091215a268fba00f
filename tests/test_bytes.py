"""Bytes that native code converts while it gathers: the same bits as the arrays that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative
from child import run
from compare import assert_same_bits

CASES = [  # rows, inputs, batch_size, share of zeros, scale, offset
    (70, 5, 1, 0.0, 1.0, 0.0),
    (70, 33, 31, 0.0, 1 / 255, -0.5),
    (150, 64, 100, 0.5, 1 / 127.5, -1.0),
    (150, 131, 150, 0.9, 1 / 255, 0.0),  # over the elements that are not zero alone
    (150, 131, 64, 0.9, 1 / 255, 0.25),  # none is zero any more
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "inputs", "batch_size", "zeros", "scale", "offset"), CASES)
def test_the_same_bits(n, inputs, batch_size, zeros, scale, offset, dtype):
    rng = np.random.default_rng(inputs)
    stored = np.where(rng.random((n, inputs)) < zeros, 0, rng.integers(0, 256, (n, inputs))).astype(np.uint8)
    converted, y = bp.Scaled(stored, scale, offset).rows(np.arange(n), dtype), rng.standard_normal((n, 2)).astype(dtype)
    order, results = rng.permutation(n), []
    for x in (converted, (stored, scale, offset)):
        net = bp.mlp([inputs, 40, 2], seed=0, dtype=dtype)
        native = bp.Trainer(net, loss="mse")._native
        losses, outputs = np.empty(-(-n // batch_size)), np.empty((n, 2), dtype)
        native.train(losses, outputs, x, y, None, order, np.full(len(losses), 0.01), batch_size)
        gradient, predicted = np.empty_like(net.parameters), np.empty((n, 2), dtype)
        loss = native.gradients(gradient, x, y, None)
        value = native.evaluate(None, x, y, None)
        net._native.predict(predicted, x)
        few = np.empty((3, 2), dtype)
        net._native.predict(few, (x[0][:3], *x[1:]) if isinstance(x, tuple) else x[:3])
        numbers = np.array([loss, value])
        results.append((losses, outputs, net.parameters.copy(), gradient, numbers, predicted, few))
    for mine, other in zip(*results, strict=True):
        assert_same_bits(mine, other, "")
    assert_same_bits(results[1][-1], results[1][-2][:3], "few rows")


@pytest.mark.parametrize("isa", _bpnative.config()["isa_available"])
def test_every_instruction_set(isa, request):
    code = f"""
sys.path.insert(0, {str(request.path.parent)!r})
import test_bytes as tests
for case in tests.CASES:
    for dtype in ("float32", "float64"):
        tests.test_the_same_bits(*case, dtype)
print(bp._bpnative.config()["isa"])
"""
    assert run(code, BPNATIVE_ISA=isa) == isa


def test_what_goes_to_native_code_as_it_is():
    stored = np.arange(12, dtype=np.uint8).reshape(4, 3)
    array, scale, offset = bp.Scaled(stored, 0.5, -1).native()
    assert array is stored
    assert (scale, offset) == (0.5, -1.0)
    for other in (stored.astype(np.int16), np.asfortranarray(stored), stored[:, ::2]):
        assert bp.Scaled(other).native() is None
    assert bp.Scaled(stored, scale=[1, 2, 3]).native() is None
    assert bp.Scaled(stored, offset=[1, 2, 3]).native() is None


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ((np.zeros((4, 6), np.int8), 1.0, 0.0), TypeError, "'x' must have dtype uint8"),
        ((np.zeros((4, 5), np.uint8), 1.0, 0.0), ValueError, r"'x' must have shape \(any, 6\)"),
        ((np.zeros((6, 4), np.uint8).T, 1.0, 0.0), ValueError, "C order"),
        (([0], 1.0, 0.0), TypeError, "bytes must come as an array"),
        ((np.zeros((4, 6), np.uint8), 1.0), TypeError, "three arrays"),
    ],
)
def test_bad_bytes(x, error, message):
    net = bp.mlp([6, 4, 1], seed=0)
    with pytest.raises(error, match=message):
        net._native.predict(np.empty((4, 1), np.float32), x)
