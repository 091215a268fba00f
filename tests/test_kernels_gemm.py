"""Products against the oracle: every instruction set, both types, sizes around every tile; and equal bits.

A product adds its terms in the order of k by fused multiply-add, so beyond being right within rounding it has the same
bits on every instruction set that has one, and an element has the same bits in whatever matrix it is computed.
"""

from __future__ import annotations

import numpy as np
import pytest

from bpnative import _bpnative as native
from compare import Array, assert_close, assert_product_close, assert_same_bits
from reference import ACTIVATIONS, Activation, dense_backward, dense_forward
from reference_cases import DTYPES, FMA_ISAS, empty, in_both_types, normal, on_every_isa, shapes, wide

every_activation = pytest.mark.parametrize("name", native.activation_names())
SLOPE = 0.125  # of leaky_relu: exact in both types
# Sizes the walk over SIZES does not meet: long sums, strides of powers of two, one row or column of many.
LONG = (
    (3, 784, 5),
    (64, 256, 64),
    (16, 512, 32),
    (1, 1024, 1),
    (130, 2, 257),
    (1, 64, 500),
    (500, 64, 1),
    (65, 2048, 9),
)


def slope_around(activation: Activation, z: Array, rounding: Array) -> Array:
    """Return how much the activation can magnify a rounding error of z: its steepest slope nearby."""
    if activation.mixes_row:  # softmax: a row's errors reach all its outputs, at most half of the largest
        return np.ones_like(z)
    near = [np.abs(activation.backward(np.ones_like(z), z + move * rounding, SLOPE)) for move in (-1.0, 0.0, 1.0)]
    return np.maximum.reduce(near)


def forward_case(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> tuple[Array, Array, Array]:
    """Return x (B, I), weight (O, I), bias (O,)."""
    rows, inputs, outputs = shape
    return normal(rng, (rows, inputs), dtype), normal(rng, (outputs, inputs), dtype), normal(rng, outputs, dtype)


@on_every_isa
@in_both_types
def test_matmul(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(10)
    for m, k, n in (*shapes(200, 3), *LONG):
        a, b, out = normal(rng, (m, k), dtype), normal(rng, (k, n), dtype), empty((m, n), dtype)
        native.matmul(out, a, b, isa)
        assert_product_close(out, a, b, what=f"matmul {m}x{k}x{n}")


@on_every_isa
@in_both_types
@every_activation
def test_dense_forward(name: str, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(11)
    activation, eps = ACTIVATIONS[name], float(np.finfo(dtype).eps)
    for at, shape in enumerate((*shapes(75, 3), *LONG)):
        x, weight, bias = forward_case(rng, shape, dtype)
        weight /= power_near_root(shape[1], dtype)  # sums of the size of 1, where an activation bends
        given, out = None if at % 3 == 0 else bias, empty((shape[0], shape[2]), dtype)
        native.dense_forward(out, x, weight, given, name, SLOPE, isa)
        x64, weight64, bias64 = wide(x, weight, bias if given is not None else np.zeros_like(bias))
        z = dense_forward(x64, weight64, bias64)
        rounding = (shape[1] + 2) * (np.abs(x64) @ np.abs(weight64).T + np.abs(bias64))
        y = activation.value(z, SLOPE)
        if activation.mixes_row and rounding.size:
            rounding = np.broadcast_to(rounding.max(axis=-1, keepdims=True), y.shape)
        # The activation's own rounding: a few units of its value; softmax divides by a sum of as many terms as outputs.
        own = (8 + (shape[2] if activation.mixes_row else 0)) * (np.abs(y) + (name == "log_softmax"))
        assert_close(out, y, slope_around(activation, z, eps * rounding) * rounding + own, 1, f"{name} {shape}")


def power_near_root(size: int, dtype: str) -> Array:
    """Return a power of two near the root of ``size``, so that dividing by it is exact."""
    return np.asarray(2.0 ** round(np.log2(max(size, 1)) / 2), dtype)


@on_every_isa
@in_both_types
@every_activation
def test_dense_backward(name: str, isa: str, dtype: str) -> None:
    """The inputs x = f(z) of the layer are outputs of the activation before it, whose derivative dx takes along."""
    rng = np.random.default_rng(12)
    activation = ACTIVATIONS[name]
    if not activation.from_output:
        one = np.ones((1, 1), dtype)
        with pytest.raises(ValueError, match="does not follow from its output"):
            native.dense_backward(one.copy(), one.copy(), None, one, one, one, name, SLOPE, isa)
        return
    for at, (rows, inputs, outputs) in enumerate((*shapes(75, 3), *LONG)):
        before = rng.standard_normal((rows, inputs))
        x = activation.value(before, SLOPE).astype(dtype)
        dz, weight = normal(rng, (rows, outputs), dtype), normal(rng, (outputs, inputs), dtype)
        dx, dw, db = empty((rows, inputs), dtype), empty((outputs, inputs), dtype), empty(outputs, dtype)
        wants_dx, wants_db = at % 4 != 1, at % 4 != 2
        native.dense_backward(dx if wants_dx else None, dw, db if wants_db else None, dz, x, weight, name, SLOPE, isa)
        what = f"{name} {rows}x{inputs}->{outputs}"
        dz64, x64, weight64 = wide(dz, x, weight)
        dy, dw64, db64 = dense_backward(dz64, x64, weight64)
        assert_product_close(dw, dz.T, x, what=f"dw of {what}")
        if wants_db:
            assert_close(db, db64, np.abs(dz64).sum(axis=0), rows + 1, f"db of {what}")
        if wants_dx:
            sizes = np.abs(dz64) @ np.abs(weight64)
            if name == "exponential":  # whose derivative is x itself
                sizes = sizes * x64
            elif name == "log_softmax" and sizes.size:
                sizes = sizes + np.exp(x64) * (1 + np.abs(x64)) * sizes.sum(axis=-1, keepdims=True)
            elif activation.mixes_row and sizes.size:
                sizes = np.abs(x64) * (sizes + (np.abs(x64) * sizes).sum(axis=-1, keepdims=True))
            scale = (outputs + 8 + (inputs if activation.mixes_row else 0)) * sizes
            assert_close(dx, activation.backward(dy, before, SLOPE), scale, 1, f"dx of {what}")
        assert np.array_equal(dw64.shape, dw.shape)


@in_both_types
def test_every_fma_instruction_set_gives_the_same_bits(dtype: str) -> None:
    if len(FMA_ISAS) < 2:
        pytest.skip(f"this machine has one instruction set with fused multiply-add: {FMA_ISAS}")
    rng = np.random.default_rng(13)
    for rows, inputs, outputs in (*shapes(75, 3), *LONG):
        x, weight, bias = forward_case(rng, (rows, inputs, outputs), dtype)
        dz = normal(rng, (rows, outputs), dtype)
        results = []
        for isa in FMA_ISAS:
            z, dx = empty((rows, outputs), dtype), empty((rows, inputs), dtype)
            dw, db = empty((outputs, inputs), dtype), empty(outputs, dtype)
            product = empty((rows, inputs), dtype)
            native.matmul(product, dz, weight, isa)
            native.dense_forward(z, x, weight, bias, "tanh", 0.0, isa)
            native.dense_backward(dx, dw, db, dz, x, weight, "linear", 0.0, isa)
            results.append((product, z, dx, dw, db))
        for other in results[1:]:
            for name, got, wanted in zip(("product", "y", "dx", "dw", "db"), other, results[0], strict=True):
                assert_same_bits(got, wanted, f"{name} {rows}x{inputs}->{outputs}")


@on_every_isa
@in_both_types
def test_an_element_has_the_same_bits_in_any_product(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(14)
    a, b = normal(rng, (77, 131), dtype), normal(rng, (131, 65), dtype)
    whole = empty((77, 65), dtype)
    native.matmul(whole, a, b, isa)
    for first, last in ((0, 1), (3, 5), (16, 33), (70, 77)):
        rows = empty((last - first, 65), dtype)
        native.matmul(rows, a[first:last], b, isa)
        assert_same_bits(rows, whole[first:last], f"rows {first}:{last}")
    for first, last in ((0, 1), (3, 5), (16, 33), (60, 65)):
        columns = empty((77, last - first), dtype)
        native.matmul(columns, a, np.ascontiguousarray(b[:, first:last]), isa)
        assert_same_bits(columns, whole[:, first:last], f"columns {first}:{last}")


@on_every_isa
@every_activation
def test_a_row_has_the_same_bits_alone_as_in_any_batch(name: str, isa: str) -> None:
    rng = np.random.default_rng(15)
    for dtype in DTYPES:
        for inputs, outputs in ((1, 1), (3, 10), (64, 64), (131, 23), (256, 33)):
            x, weight, bias = forward_case(rng, (70, inputs, outputs), dtype)
            whole = empty((70, outputs), dtype)
            native.dense_forward(whole, x, weight, bias, name, SLOPE, isa)
            for first, last in [(i, i + 1) for i in range(70)] + [(0, 16), (5, 37), (1, 70)]:
                part = empty((last - first, outputs), dtype)
                native.dense_forward(part, x[first:last], weight, bias, name, SLOPE, isa)
                assert_same_bits(part, whole[first:last], f"rows {first}:{last}, {inputs}->{outputs} {dtype}")


@on_every_isa
@in_both_types
def test_nan_and_infinity_are_seen_where_they_belong(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(16)
    for bad in (np.nan, np.inf, -np.inf):
        for m, k, n in ((1, 1, 1), (5, 17, 33), (70, 64, 65), (16, 3, 131)):
            a, b, out = normal(rng, (m, k), dtype), normal(rng, (k, n), dtype), empty((m, n), dtype)
            a[m // 2, k - 1] = bad
            native.matmul(out, a, b, isa)
            with np.errstate(invalid="ignore"):
                wanted = a.astype(np.float64) @ b.astype(np.float64)
            hit = np.arange(m) == m // 2
            np.testing.assert_array_equal(out[hit], wanted[hit].astype(dtype))
            assert np.isfinite(out[~hit]).all()
    # Zero times infinity is NaN, and it must not be skipped because it looks like zero.
    out = empty((1, 1), dtype)
    native.matmul(out, np.zeros((1, 2), dtype), np.array([[np.inf], [1.0]], dtype), isa)
    assert np.isnan(out[0, 0])


@on_every_isa
def test_subnormal_operands_count_as_zeros_at_most(isa: str) -> None:
    for dtype in DTYPES:
        a = np.full((3, 40), np.finfo(dtype).tiny / 8, dtype)
        b, out = np.ones((40, 5), dtype), empty((3, 5), dtype)
        native.matmul(out, a, b, isa)
        assert np.all((out >= 0) & (out <= 41 * np.finfo(dtype).tiny / 8))
        smallest = np.nextafter(np.zeros(1, dtype), np.ones(1, dtype))
        assert smallest + np.zeros(1, dtype) != 0, "outside of native code they are numbers as ever"
