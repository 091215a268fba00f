"""The comparator: is a computed array what the oracle says, within the rounding of its type?

A tolerance is a number of epsilons of the type times a scale that the caller derives from the arithmetic: for a product
``a @ b`` the sum of the magnitudes that were added, for a function the size of its value. Nothing is relative to the
difference of two large numbers, and nothing is a decimal fraction that was found by trying.

What fails: another shape or dtype, a NaN on one side alone, an infinity on one side alone or of the other sign, a
difference beyond the tolerance - and a tolerance so wide that zeros or the negated result would pass as well, because
such a comparison proves nothing. test_compare.py tests all of that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def assert_close(got: Array, expected: ArrayLike, scale: ArrayLike, epsilons: float, what: str = "result") -> None:
    """Check |got - expected| <= epsilons * eps(dtype of got) * scale, element by element.

    ``scale`` is a number or an array that broadcasts to the result. Numbers below the smallest normal one count as
    zeros, since native code may flush them.
    """
    assert isinstance(got, np.ndarray), f"{what}: expected an array, got {type(got).__name__}"
    wanted, scales = np.asarray(expected), np.asarray(scale, np.float64)
    assert got.shape == wanted.shape, f"{what}: expected shape {wanted.shape}, got {got.shape}"
    assert got.dtype in (np.float32, np.float64), f"{what}: expected float32 or float64, got {got.dtype}"
    assert wanted.dtype == np.float64, f"{what}: the oracle computes in float64, not {wanted.dtype}"
    exact = got.astype(np.float64)
    _assert_same_nonfinite(exact, wanted, what)

    kind = np.finfo(got.dtype)
    finite = np.isfinite(wanted)
    tolerance = np.broadcast_to(epsilons * float(kind.eps) * scales + float(kind.tiny), wanted.shape)[finite]
    assert np.all(np.isfinite(tolerance) & (tolerance > 0)), f"{what}: a tolerance that is not a positive number"
    size = np.abs(wanted[finite])
    assert not np.any(size > kind.tiny) or np.any(size > tolerance), f"{what}: vacuous: zeros would pass as well"
    error = np.abs(exact[finite] - wanted[finite])
    if np.any(error > tolerance):
        worst = int(np.argmax(error / tolerance))
        place = tuple(int(i) for i in np.argwhere(finite)[worst])
        raise AssertionError(
            f"{what}: {int(np.sum(error > tolerance))} of {got.size} elements differ by more than rounding; the worst "
            f"at {place}: expected {wanted[place]!r}, got {exact[place]!r}, difference {error[worst]:.3g}, "
            f"allowed {tolerance[worst]:.3g} ({got.dtype}, shape {got.shape})"
        )


def _assert_same_nonfinite(got: Array, wanted: Array, what: str) -> None:
    for name, test in (("NaN", np.isnan), ("+infinity", np.isposinf), ("-infinity", np.isneginf)):
        differ = np.argwhere(test(got) != test(wanted))
        assert not len(differ), (
            f"{what}: {name} on one side alone at {len(differ)} of {got.size} elements, first at "
            f"{tuple(int(i) for i in differ[0])}: expected {wanted[tuple(differ[0])]!r}, got {got[tuple(differ[0])]!r}"
        )


def assert_product_close(got: Array, a: Array, b: Array, plus: Array | None = None, what: str = "product") -> None:
    """Check got = a @ b (+ plus), whose rounding is at most eps * terms * (|a| @ |b| + |plus|)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    extra = np.zeros(b.shape[1]) if plus is None else plus.astype(np.float64)
    assert_close(got, a @ b + extra, np.abs(a) @ np.abs(b) + np.abs(extra), a.shape[1] + 1, what)


def assert_same_bits(got: Array, expected: Array, what: str = "result") -> None:
    """Check that two arrays are equal in shape, type and every bit: -0.0 is not 0.0, and a NaN equals itself."""
    assert got.shape == expected.shape, f"{what}: expected shape {expected.shape}, got {got.shape}"
    assert got.dtype == expected.dtype, f"{what}: expected {expected.dtype}, got {got.dtype}"
    bits = np.dtype(f"u{got.dtype.itemsize}")
    ours, theirs = (np.ascontiguousarray(array).view(bits) for array in (got, expected))
    differ = np.argwhere(ours != theirs)
    if len(differ):
        place = tuple(int(i) for i in differ[0])
        raise AssertionError(
            f"{what}: {len(differ)} of {got.size} elements differ in their bits, first at {place}: "
            f"expected {expected[place]!r}, got {got[place]!r}"
        )


def relative_distance(got: Array, expected: Array) -> float:
    """Return ||got - expected|| / ||expected||, the Euclidean distance of two arrays in units of the second."""
    wanted = expected.astype(np.float64)
    return float(np.linalg.norm(got.astype(np.float64) - wanted) / np.linalg.norm(wanted))
