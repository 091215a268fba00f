"""Activations and their derivatives against the oracle: sizes, whole ranges of numbers, extremes, NaN, infinities."""

from __future__ import annotations

import numpy as np
import pytest

from bpnative import _bpnative as native
from compare import Array, assert_close, assert_same_bits
from reference import ACTIVATIONS, LOSSES, OPTIMIZERS
from reference_cases import FMA_ISAS, ISAS, empty, in_both_types, normal, on_every_isa, shapes, wide

SLOPES = (0.0, 0.125, 0.75)


def slopes(name: str) -> tuple[float, ...]:
    """Return settings to try: celu and softplus divide by theirs."""
    return SLOPES[1:] if name in ("celu", "softplus") else SLOPES


every_activation = pytest.mark.parametrize("name", native.activation_names())


def test_every_registered_name_has_its_line_in_the_oracle() -> None:
    assert sorted(native.activation_names()) == sorted(ACTIVATIONS)
    assert sorted(native.loss_names()) == sorted(LOSSES)
    assert sorted(native.optimizer_names()) == sorted(OPTIMIZERS)


def test_the_instruction_sets_tested_are_those_of_the_machine() -> None:
    config = native.config()
    assert ISAS, "no instruction set at all"
    assert config["isa"] in ISAS
    assert set(ISAS) <= set(config["isa_compiled"])


def value(name: str, z: Array, slope: float, isa: str) -> Array:
    """Return the kernel's activation of z."""
    y = empty(z.shape, z.dtype.name)
    native.activation(y, z, name, slope, isa)
    return y


def derivative(name: str, dy: Array, z: Array, slope: float, isa: str) -> Array:
    """Return the kernel's gradient with respect to z."""
    dz = empty(z.shape, z.dtype.name)
    native.activation_derivative(dz, dy, z, name, slope, isa)
    return dz


def value_scale(name: str, y: Array, z: Array) -> Array:
    """Return what a value may err by: a part of itself; softmax also by its sum and by the rounding of z - max(z)."""
    if not ACTIVATIONS[name].mixes_row or not z.size:
        return np.abs(y)
    if name == "log_softmax":  # z - max(z) - log(sum)
        return 1.0 + np.abs(y) + z.shape[-1] / 8
    below = z.max(axis=-1, keepdims=True) - z
    return np.abs(y) * (1.0 + z.shape[-1] / 8 + np.minimum(below, 800.0))


def derivative_scale(name: str, dy: Array, z: Array, slope: float, dtype: str) -> Array:
    """Return what a gradient may err by: derivatives are taken from y, so 1 - y * y errs by a part of 1 (or of f')."""
    kind = np.finfo(dtype)
    activation = ACTIVATIONS[name]
    flushed = float(kind.tiny) / float(kind.eps)  # y below the smallest normal number counts as zero
    y = activation.value(z, slope)
    if name == "exponential":
        return np.abs(dy) * (y + flushed)
    if not activation.mixes_row or not z.size:
        return np.abs(dy)
    if name == "log_softmax":  # e^y errs by the part of itself that y errs by, and the sum of dy by its terms
        share = np.exp(y) * (value_scale(name, y, z) + z.shape[-1] / 8)
        return np.abs(dy) + (share + flushed) * np.abs(dy).sum(axis=-1, keepdims=True)
    return (value_scale(name, y, z) + flushed) * (np.abs(dy) + (np.abs(dy) * y).sum(axis=-1, keepdims=True))


@on_every_isa
@in_both_types
@every_activation
def test_values_and_derivatives_at_every_size(name: str, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(20)
    for at, shape in enumerate(shapes(75, 2)):
        slope = slopes(name)[at % len(slopes(name))]
        z, dy = normal(rng, shape, dtype) * 3, normal(rng, shape, dtype)
        z64, dy64 = wide(z, dy)
        y = ACTIVATIONS[name].value(z64, slope)
        assert_close(value(name, z, slope, isa), y, value_scale(name, y, z64), 8, f"{name} {shape}")
        wanted = ACTIVATIONS[name].backward(dy64, z64, slope)
        scale = derivative_scale(name, dy64, z64, slope, dtype)
        assert_close(derivative(name, dy, z, slope, isa), wanted, scale, 16, f"{name}' {shape}")


@on_every_isa
@in_both_types
@every_activation
def test_the_whole_range_of_numbers(name: str, isa: str, dtype: str) -> None:
    """Steps so fine that no stretch of a polynomial is missed, then powers of ten up to ±1e4 and down to ±1e-30."""
    steps = np.linspace(-110.0, 110.0, 40_001)
    powers = 10.0 ** np.linspace(-30, 4, 1_001)
    highest = 80.0 if name == "exponential" else np.inf  # e^88.8 is infinite in float32
    for z in (np.minimum(steps, highest), np.minimum(np.concatenate([powers, -powers]), highest)):
        rows = z.astype(dtype)[:, None] if ACTIVATIONS[name].mixes_row else z.astype(dtype)[None, :]
        rows = np.hstack([rows, np.zeros_like(rows)]) if ACTIVATIONS[name].mixes_row else rows
        dy = normal(np.random.default_rng(21), rows.shape, dtype)
        rows64, dy64 = wide(rows, dy)
        y = ACTIVATIONS[name].value(rows64, 0.125)
        assert_close(value(name, rows, 0.125, isa), y, value_scale(name, y, rows64), 8, name)
        wanted = ACTIVATIONS[name].backward(dy64, rows64, 0.125)
        scale = derivative_scale(name, dy64, rows64, 0.125, dtype)
        assert_close(derivative(name, dy, rows, 0.125, isa), wanted, scale, 16, f"{name}'")


@on_every_isa
@in_both_types
def test_functions_stay_within_their_bounds(isa: str, dtype: str) -> None:
    z = np.concatenate([np.linspace(-120, 120, 9_999), [1e4, -1e4, 1e30, -1e30, np.inf, -np.inf]]).astype(dtype)[None]
    assert np.all(np.abs(value("tanh", z, 0.0, isa)) <= 1)
    sigmoid = value("sigmoid", z, 0.0, isa)
    assert np.all((sigmoid >= 0) & (sigmoid <= 1))
    assert np.all(value("relu", z, 0.0, isa) >= 0)
    np.testing.assert_array_equal(value("tanh", -z, 0.0, isa), -value("tanh", z, 0.0, isa))
    np.testing.assert_array_equal(value("tanh", z, 0.0, isa)[0, -2:], [1, -1])
    np.testing.assert_array_equal(sigmoid[0, -2:], [1, 0])
    np.testing.assert_array_equal(value("relu", z, 0.0, isa)[0, -2:], [np.inf, 0])


LIMITS = {  # f(-inf), f(inf); f'(-inf), f'(inf)
    "linear": (-np.inf, np.inf, 1, 1),
    "relu": (0, np.inf, 0, 1),
    "leaky_relu": (-np.inf, np.inf, 0.5, 1),
    "relu6": (0, 6, 0, 0),
    "hard_tanh": (-1, 1, 0, 0),
    "hard_sigmoid": (0, 1, 0, 0),
    "elu": (-0.5, np.inf, 0, 1),
    "selu": (-1.7580993408473766, np.inf, 0, 1.0507009873554805),
    "celu": (-0.5, np.inf, 0, 1),
    "exponential": (0, np.inf, 0, np.inf),
    "tanh": (-1, 1, 0, 0),
    "sigmoid": (0, 1, 0, 0),
    "softsign": (-1, 1, 0, 0),
    "softplus": (0, np.inf, 0, 1),
    "gelu": (0, np.inf, 0, 1),
    "gelu_tanh": (0, np.inf, 0, 1),
    "silu": (0, np.inf, 0, 1),
    "mish": (0, np.inf, 0, 1),
}


@on_every_isa
@in_both_types
def test_limits(isa: str, dtype: str) -> None:
    """At infinities, and already at numbers of such a size."""
    assert sorted(LIMITS) == sorted(name for name in native.activation_names() if not ACTIVATIONS[name].mixes_row)
    largest, one = float(np.finfo(dtype).max) / 2, np.ones((1, 2), dtype)
    for name, (low, high, low_slope, high_slope) in LIMITS.items():
        wanted, slope = np.array([[low, high]], dtype), np.array([[low_slope, high_slope]], dtype)
        for end in (np.inf, largest):
            z = np.array([[-end, end]], dtype)
            y = value(name, z, 0.5, isa)
            y = np.where(np.abs(y) > 1e30, np.copysign(np.inf, y), y)
            assert_close(y.astype(dtype), wanted.astype(np.float64), np.abs(wanted), 2, f"{name}({end})")
            got = derivative(name, one, z, 0.5, isa)
            # selu's and elu's y + alpha, where y is -alpha but for rounding
            assert_close(got, slope.astype(np.float64), 1.0, 2, f"{name}'({end})")


@on_every_isa
@in_both_types
def test_slopes_that_are_kept_have_all_their_digits(isa: str, dtype: str) -> None:
    """Far from zero as well, where 1 - y would have lost them."""
    z = np.concatenate([np.linspace(-80, 20, 5_001), -(10.0 ** np.linspace(-20, 1.9, 301))]).astype(dtype)[None]
    dy, z64 = np.ones_like(z), z.astype(np.float64)
    for name in ("softplus", "softsign"):
        wanted = ACTIVATIONS[name].backward(np.ones_like(z64), z64, 0.75)
        assert_close(derivative(name, dy, z, 0.75, isa), wanted, wanted, 4, name)


@on_every_isa
@in_both_types
def test_derivatives_at_the_corner(isa: str, dtype: str) -> None:
    """At z = 0 a corner takes the slope of its left side: relu' is 0 there, leaky_relu' its slope."""
    z, dy = np.array([[0.0, -0.0, 1e-30, -1e-30]], dtype), np.full((1, 4), 2.0, dtype)
    np.testing.assert_array_equal(derivative("relu", dy, z, 0.0, isa), [[0, 0, 2, 0]])
    np.testing.assert_array_equal(derivative("leaky_relu", dy, z, 0.25, isa), [[0.5, 0.5, 2, 0.5]])
    np.testing.assert_array_equal(derivative("relu6", dy, z, 0.0, isa), [[0, 0, 2, 0]])
    for name in ("elu", "celu"):  # whose left side has the slope alpha, and 1
        left = 0.5 if name == "elu" else 2
        np.testing.assert_array_equal(derivative(name, dy, z, 0.25, isa), [[left, left, 2, left]])
    ends = {"relu6": (0, 6, 2.0), "hard_tanh": (-1, 1, 2.0), "hard_sigmoid": (-3, 3, 2.0 / 6)}
    for name, (low, high, inside) in ends.items():
        z = np.array([[low, low + 0.001, high - 0.001, high]], dtype)
        wanted = np.array([[0, inside, inside, 0]], dtype)
        np.testing.assert_array_equal(derivative(name, dy, z, 0.0, isa), wanted, name)


@on_every_isa
@in_both_types
def test_softmax_of_extreme_rows(isa: str, dtype: str) -> None:
    rows = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4], [0, -np.inf, 0], [3, 3, 3]], dtype)
    third = 1.0 / 3.0
    wanted = np.array([[1, 0, 0], [third] * 3, [third] * 3, [0.5, 0, 0.5], [third] * 3])
    assert_close(value("softmax", rows, 0.0, isa), wanted, 1.0, 4)
    assert_close(value("softmax", rows[:, :1] + 0, 0.0, isa), np.ones((5, 1)), 1.0, 4, "a single output")
    half = -np.log(2)
    logs = np.array([[0, -2e4, -1e4], [-np.log(3)] * 3, [-np.log(3)] * 3, [half, -np.inf, half], [-np.log(3)] * 3])
    assert_close(value("log_softmax", rows, 0.0, isa), logs, 1.0 + np.where(np.isfinite(logs), np.abs(logs), 0), 4)
    gradient = derivative("log_softmax", np.ones_like(rows), rows, 0.0, isa)
    assert_close(gradient, 1 - 3 * wanted, 3.0, 8)


@on_every_isa
@in_both_types
@every_activation
def test_a_nan_is_seen_and_stays_in_its_place(name: str, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(22)
    for shape in ((1, 1), (3, 5), (17, 33), (64, 10)):
        z, dy = normal(rng, shape, dtype), np.abs(normal(rng, shape, dtype)) + 1
        z = np.abs(np.tanh(z))  # where relu' and hard_tanh' are 1: a NaN that they drop was no part of the result
        place = (shape[0] // 2, shape[1] - 1)
        hit = np.zeros(shape, bool)
        hit[place[0] if ACTIVATIONS[name].mixes_row else place] = True
        bad_z, bad_dy = z.copy(), dy.copy()
        bad_z[place] = bad_dy[place] = np.nan
        np.testing.assert_array_equal(np.isnan(value(name, bad_z, 0.125, isa)), hit, f"value {shape}")
        np.testing.assert_array_equal(np.isnan(derivative(name, bad_dy, z, 0.125, isa)), hit, f"dy {shape}")
        if name != "linear" and not ACTIVATIONS[name].corners:  # whose derivatives are constants
            np.testing.assert_array_equal(np.isnan(derivative(name, dy, bad_z, 0.125, isa)), hit, f"z {shape}")


@on_every_isa
@in_both_types
@every_activation
def test_a_result_may_be_written_over_its_argument(name: str, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(23)
    z, dy = normal(rng, (33, 17), dtype), normal(rng, (33, 17), dtype)
    y, dz, over_z, over_dy = value(name, z, 0.125, isa), derivative(name, dy, z, 0.125, isa), z.copy(), dy.copy()
    native.activation(over_z, over_z, name, 0.125, isa)
    assert_same_bits(over_z, y, name)
    native.activation_derivative(over_dy, over_dy, z, name, 0.125, isa)
    assert_same_bits(over_dy, dz, f"{name}'")


@on_every_isa
@in_both_types
@every_activation
def test_a_row_has_the_same_bits_alone_as_in_any_batch(name: str, isa: str, dtype: str) -> None:
    z = normal(np.random.default_rng(24), (70, 23), dtype)
    dy = normal(np.random.default_rng(25), (70, 23), dtype)
    y, dz = value(name, z, 0.125, isa), derivative(name, dy, z, 0.125, isa)
    for first, last in [(i, i + 1) for i in range(70)] + [(3, 20), (1, 65)]:
        assert_same_bits(value(name, z[first:last], 0.125, isa), y[first:last], f"{name} {first}:{last}")
        part = derivative(name, dy[first:last], z[first:last], 0.125, isa)
        assert_same_bits(part, dz[first:last], f"{name}' {first}:{last}")


@in_both_types
@every_activation
def test_every_fma_instruction_set_gives_the_same_bits(name: str, dtype: str) -> None:
    if len(FMA_ISAS) < 2:
        pytest.skip(f"this machine has one instruction set with fused multiply-add: {FMA_ISAS}")
    z = np.linspace(-100.0, 100.0, 70 * 131).reshape(70, 131).astype(dtype)
    dy = normal(np.random.default_rng(26), z.shape, dtype)
    for isa in FMA_ISAS[1:]:
        assert_same_bits(value(name, z, 0.125, isa), value(name, z, 0.125, FMA_ISAS[0]), f"{name} {isa}")
        got = derivative(name, dy, z, 0.125, isa)
        assert_same_bits(got, derivative(name, dy, z, 0.125, FMA_ISAS[0]), f"{name}' {isa}")
