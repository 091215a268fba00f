"""The comparator itself: every kind of wrong result must fail it, and rounding must not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compare import Array, assert_close, assert_product_close, assert_same_bits, relative_distance

DTYPES = (np.float32, np.float64)


def operands(dtype: type, m: int = 7, k: int = 33, n: int = 5) -> tuple[Array, Array]:
    """Return two random matrices to multiply."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)


def product(a: Array, b: Array) -> Array:
    """Return a @ b, rounded once to the type of a."""
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(a.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_right_results_pass(dtype: type) -> None:
    a, b = operands(dtype)
    assert_product_close(product(a, b), a, b)
    assert_product_close(a @ b, a, b)  # as NumPy rounds it
    bias = np.arange(5, dtype=dtype)
    assert_product_close(a @ b + bias, a, b, bias)


def swap_two(c: Array) -> None:
    c[[0, 1]] = c[[1, 0]]


def drop_last_column(c: Array) -> None:
    c[:, -1] = 0


def put(value: float, at: tuple[int, int] = (3, 2)) -> Callable[[Array], None]:
    """Return a fault that sets one element."""

    def fault(c: Array) -> None:
        c[at] = value

    return fault


def negate(c: Array) -> None:
    c *= -1


def negate_one(c: Array) -> None:
    c[3, 2] *= -1


def tiny_wrong(c: Array) -> None:
    c[6, 4] += 200 * np.finfo(c.dtype).eps * abs(c).max()  # eps * 33 * (|a| @ |b|) allows about a hundred


FAULTS = {
    "two rows swapped": swap_two,
    "a column left out": drop_last_column,
    "sign of everything": negate,
    "sign of one element": negate_one,
    "a tiny difference": tiny_wrong,
    "NaN": put(np.nan),
    "infinity": put(np.inf),
    "minus infinity": put(-np.inf),
    "zero": put(0.0),
    "NaN in the last element": put(np.nan, (-1, -1)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_results_fail(dtype: type, fault: str) -> None:
    a, b = operands(dtype)
    c = product(a, b)
    FAULTS[fault](c)
    with pytest.raises(AssertionError, match="product"):
        assert_product_close(c, a, b)


def test_a_missing_last_term_fails() -> None:
    for dtype in DTYPES:
        for k in (2, 8, 33, 131, 784):
            a, b = operands(dtype, k=k)
            with pytest.raises(AssertionError, match="differ by more than rounding"):
                assert_product_close(product(a[:, :-1], b[:-1]), a, b)


def test_both_negative_and_wrong_fails() -> None:
    # A comparator once divided by the larger of the two numbers, which for negative ones never fails.
    with pytest.raises(AssertionError, match="differ by more than rounding"):
        assert_close(np.array([-1.0, -5.0]), np.array([-1.0, -2.0]), scale=5.0, epsilons=8)


@pytest.mark.parametrize("shape", [(5, 7), (7,), (35,), (1, 7, 5), (7, 6), ()])
def test_other_shapes_fail(shape: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError, match="expected shape"):
        assert_close(np.ones(shape), np.ones((7, 5)), scale=1.0, epsilons=8)


def test_other_types_fail() -> None:
    for dtype in (np.float16, np.int32, np.complex128, object):
        with pytest.raises(AssertionError, match="expected float32 or float64"):
            assert_close(np.ones(3, dtype), np.ones(3), scale=1.0, epsilons=8)
    with pytest.raises(AssertionError, match="oracle computes in float64"):
        assert_close(np.ones(3), np.ones(3, np.float32), scale=1.0, epsilons=8)
    with pytest.raises(AssertionError, match="expected an array"):
        assert_close([1.0], np.ones(1), scale=1.0, epsilons=8)  # type: ignore[arg-type]


def test_nonfinite_values_must_agree() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert_close(values, values.copy(), scale=1.0, epsilons=8)
    for other in ([1.0, np.inf, -np.inf, 1.0], [np.nan, -np.inf, -np.inf, 1.0], [np.nan, np.inf, 1e308, 1.0]):
        with pytest.raises(AssertionError, match="on one side alone"):
            assert_close(np.array(other), values, scale=1.0, epsilons=8)
        with pytest.raises(AssertionError, match="on one side alone"):
            assert_close(values, np.array(other), scale=1.0, epsilons=8)


def test_a_tolerance_that_proves_nothing_fails() -> None:
    with pytest.raises(AssertionError, match="vacuous"):
        assert_close(np.array([1e-3], np.float32), np.array([1e-3]), scale=1e5, epsilons=8)
    for scale in (np.nan, np.inf, -1.0):
        with pytest.raises(AssertionError, match="not a positive number"):
            assert_close(np.ones(1), np.ones(1), scale=scale, epsilons=8)
    assert_close(np.zeros(3), np.zeros(3), scale=1.0, epsilons=8)  # nothing but zeros was expected
    with pytest.raises(AssertionError, match="differ by more than rounding"):
        assert_close(np.full(3, 1e-9), np.zeros(3), scale=1.0, epsilons=8)


def test_one_rounding_is_the_limit_of_one_epsilon() -> None:
    for dtype in DTYPES:
        eps = float(np.finfo(dtype).eps)
        one = np.ones(4, dtype)
        assert_close(one * dtype(1 + eps), np.ones(4), scale=1.0, epsilons=1)
        with pytest.raises(AssertionError, match="differ by more than rounding"):
            assert_close(one * dtype(1 + 2 * eps), np.ones(4), scale=1.0, epsilons=1)


def test_flushed_subnormals_pass() -> None:
    assert_close(np.zeros(2, np.float32), np.array([1e-40, -1e-39]), scale=1e-38, epsilons=8)


def test_empty_arrays_pass() -> None:
    assert_product_close(np.zeros((0, 3), np.float32), np.zeros((0, 2)), np.zeros((2, 3)))
    assert_product_close(np.zeros((2, 3), np.float32), np.zeros((2, 0)), np.zeros((0, 3)))


def test_same_bits() -> None:
    values = np.array([[0.0, 1.0, np.nan], [np.inf, -1.0, 2.0]], np.float32)
    assert_same_bits(values, values.copy())
    assert_same_bits(np.asfortranarray(values), values)
    for at, value in (((0, 0), -0.0), ((0, 1), np.float32(1 + 2**-23)), ((0, 2), 0.0), ((1, 1), 1.0)):
        other = values.copy()
        other[at] = value
        with pytest.raises(AssertionError, match="differ in their bits, first at"):
            assert_same_bits(other, values)
    with pytest.raises(AssertionError, match="expected shape"):
        assert_same_bits(values.ravel(), values)
    with pytest.raises(AssertionError, match="expected float32, got float64"):
        assert_same_bits(values.astype(np.float64), values)


def test_relative_distance() -> None:
    assert relative_distance(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0.0
    assert relative_distance(np.array([-3.0, -4.0]), np.array([3.0, 4.0])) == 2.0
