"""Losses and their gradients against the oracle: kinds of target, weights, sizes, logits of ±1e4, NaN, infinities."""

from __future__ import annotations

import numpy as np
import pytest

from bpnative import _bpnative as native
from compare import Array, assert_close, assert_same_bits
from reference import LOSSES, as_rows, batch_loss
from reference_cases import (
    FMA_ISAS,
    LOSS_CASES,
    LossCase,
    empty,
    in_both_types,
    normal,
    on_every_isa,
    shapes,
)

every_loss = pytest.mark.parametrize("case", LOSS_CASES.values(), ids=LOSS_CASES)
SIGNED = ("poisson", "gaussian_nll")  # losses that may be below 0
# Up to which size of outputs a loss is a number at all: the rate of poisson is e^z.
LARGEST = {"poisson": 30.0}


def evaluate(case: LossCase, z: Array, target: Array, weight: Array | None, isa: str) -> tuple[float, Array, Array]:
    """Return the kernel's mean loss, the losses of the rows, and dz."""
    dz, losses = empty(z.shape, z.dtype.name), empty(len(z), z.dtype.name)
    mean = native.loss(dz, losses, z, target, weight, case.name, case.native_settings(z.shape[1]), isa)
    assert isinstance(mean, float)
    return mean, losses, dz


def terms(case: LossCase, z: Array, target: Array) -> tuple[Array | float, Array | float]:
    """Return how large the terms are of which a row's loss, and an element of dz, is the difference.

    1 where outputs and targets are about 1 and slopes at most 1; more where an exponential, a small variance or a short
    vector makes large ones.
    """
    if case.name == "poisson":
        rate = z + case.specification(z.shape[1]).epsilon if case.rates else np.exp(z)
        size = np.abs(target * z) + target * np.abs(np.log(np.abs(rate))) + np.abs(rate)
        return size.mean(axis=-1), (1 + target / rate if case.rates else rate + target)
    if case.name == "gaussian_nll":
        mean, raw = np.split(z, 2, axis=-1)
        variance = np.logaddexp(0, raw) + case.specification(z.shape[1]).epsilon
        excess = (mean - target) ** 2 / variance
        size = np.abs(np.log(variance)) + excess
        slopes = np.concatenate([np.abs(mean - target) / variance, (1 + excess) / variance], axis=-1)
        return size.mean(axis=-1), slopes
    if case.name == "cosine":
        length = np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), case.specification(z.shape[1]).epsilon)
        return 1.0, z.shape[1] / length
    if case.name == "kl_divergence":
        return 1 - (target * np.log(np.where(target == 0, 1.0, target))).sum(axis=-1), 1.0
    if "class_weight" in case.settings_of(1) or "positive_weight" in case.settings_of(1):
        return 2.5, 2.5
    return 1.0, 1.0


def check(case: LossCase, z: Array, target: Array, weight: Array | None, isa: str, what: str) -> None:
    """Compare value and gradient with the oracle.

    A row's loss is a sum over its outputs, of which each rounding of z moves one by the slope there; the value of a
    logarithm errs by a part of 1 even where the loss is nearly 0. A gradient errs by a part of itself and of the
    terms in it, which are probabilities or about 1, times the row's share of the mean.
    """
    z64, settings = z.astype(np.float64), case.settings_of(z.shape[1])
    weight64 = None if weight is None else weight.astype(np.float64)
    target64 = as_rows(target, z.shape[1]).astype(np.float64)
    mean, losses, dz = batch_loss(case.name, z64, target64, weight64, **settings)
    got_mean, got_losses, got_dz = evaluate(case, z, target, weight, isa)
    weights = np.ones(len(z)) if weight64 is None else np.abs(weight64)
    value_terms, slope_terms = terms(case, z64, target64)
    row_slopes = np.abs(LOSSES[case.name].gradient(z64, target64, **settings) * z64)
    row_scale = (1.0 + z.shape[1] / 8) * (np.abs(losses) + weights * (row_slopes.sum(axis=-1) + value_terms / 4))
    assert_rounding(got_losses, losses, row_scale, 8, f"losses of {what}")
    assert_rounding(np.array([got_mean]).astype(z.dtype), np.array([mean]), row_scale.mean(), 8, f"mean of {what}")
    by_row = LOSSES[case.name].takes_logits_of == "softmax" or case.name == "cosine"
    share = slope_terms * weights[:, None] / len(z) / (1 if by_row else z.shape[1])
    assert_rounding(got_dz, dz, (1.0 + z.shape[1] / 8) * (np.abs(dz) + share), 8, f"dz of {what}")


def assert_rounding(got: Array, wanted: Array, scale: Array, epsilons: float, what: str) -> None:
    """Compare, and let a loss of nearly nothing be as near to nothing as rounding allows."""
    if wanted.size and np.abs(wanted).max() < np.min(scale) * epsilons * float(np.finfo(got.dtype).eps):
        scale, wanted, got = 1.0, wanted + 1.0, (got + 1).astype(got.dtype)
    assert_close(got, wanted, scale, epsilons, what)


@on_every_isa
@in_both_types
@every_loss
def test_values_and_gradients_at_every_size(case: LossCase, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(30)
    for rows, columns in shapes(96, 2, smallest=1):
        outputs = case.outputs(columns)
        z = case.outputs_like(3 * normal(rng, (rows, outputs), dtype))
        for kind, target in case.targets(rng, rows, outputs, dtype).items():
            for weight in (None, rng.random(rows).astype(dtype)):
                weighted = "" if weight is None else ", weighted"
                check(case, z, target, weight, isa, f"{case.name} {rows}x{outputs}, {kind}{weighted}")


@on_every_isa
@in_both_types
@every_loss
def test_large_numbers_neither_overflow_nor_lose_the_loss(case: LossCase, isa: str, dtype: str) -> None:
    rng, outputs = np.random.default_rng(31), case.outputs(5)
    for size in (30.0, 100.0, 1e3, 1e4):
        if size > LARGEST.get(case.name, size) and not case.rates:
            continue
        z = (size * rng.choice([-1.0, 1.0], (17, outputs)) + rng.standard_normal((17, outputs))).astype(dtype)
        z = case.outputs_like(z)
        for kind, target in case.targets(rng, 17, outputs, dtype).items():
            check(case, z, target, None, isa, f"{case.name} of ±{size:g}, {kind}")
            mean, losses, dz = evaluate(case, z, target, None, isa)
            assert np.isfinite(mean)
            assert np.isfinite(losses).all()
            assert np.isfinite(dz).all()
            assert case.name in SIGNED or (losses >= 0).all()


@on_every_isa
@in_both_types
@every_loss
def test_zeros_and_targets_at_the_borders(case: LossCase, isa: str, dtype: str) -> None:
    """Outputs and targets of nothing but zeros or ones, single samples, outputs that meet their targets."""
    for rows in (1, 20):
        outputs = case.outputs(4)
        columns = outputs // case.outputs_a_target
        zeros, ones = np.zeros((rows, columns), dtype), np.ones((rows, columns), dtype)
        given = {"zeros": zeros, "ones": ones}
        if LOSSES[case.name].takes_logits_of == "softmax":
            given = {"first": as_rows(np.zeros(rows, int), outputs).astype(dtype), "even": ones / columns}
        for kind, target in given.items():
            repeated = np.repeat(target, case.outputs_a_target, axis=1)
            for z in (np.zeros((rows, outputs), dtype), repeated):
                z = case.outputs_like(z)
                mean, losses, dz = evaluate(case, z, target, None, isa)
                wanted_mean, wanted, wanted_dz = batch_loss(
                    case.name, z.astype(np.float64), target.astype(np.float64), **case.settings_of(outputs)
                )
                assert mean == pytest.approx(wanted_mean, rel=1e-5, abs=1e-6), kind
                np.testing.assert_allclose(losses, wanted, rtol=1e-5, atol=1e-6, err_msg=kind)
                np.testing.assert_allclose(dz, wanted_dz, rtol=1e-5, atol=1e-6, err_msg=kind)


@on_every_isa
@in_both_types
def test_rates_beyond_all_numbers_are_seen(isa: str, dtype: str) -> None:
    """e^z of poisson runs over, a rate below 0 has no logarithm, and neither hides."""
    z, t = np.array([[1e4], [-1e4], [0.0]], dtype), np.array([[2.0], [2.0], [0.0]], dtype)
    _, losses, dz = evaluate(LOSS_CASES["poisson"], z, t, None, isa)
    np.testing.assert_array_equal(losses, [np.inf, 2e4, 1.0])
    assert_close(dz, np.array([[np.inf], [-2 / 3], [1 / 3]]), 1.0, 4)
    _, losses, _ = evaluate(LOSS_CASES["poisson, rates"], np.array([[-1.0], [1.0]], dtype), t[:2], None, isa)
    np.testing.assert_array_equal(np.isnan(losses), [True, False])


@on_every_isa
@in_both_types
def test_small_numbers_keep_their_digits_in_log_cosh_and_cosine(isa: str, dtype: str) -> None:
    e = (2.0 ** np.arange(-40, 1, 0.5)).astype(dtype)[:, None]
    _, losses, _ = evaluate(LOSS_CASES["log_cosh"], e, np.zeros_like(e), None, isa)
    wide_e = e[:, 0].astype(np.float64)
    wanted = np.log1p(2 * np.sinh(wide_e / 2) ** 2)
    assert_close(losses, wanted, wanted, 8)
    angle = (2.0 ** np.arange(-12.0, 0)).astype(dtype)
    z = np.stack([np.ones_like(angle), np.tan(angle)], axis=1)
    _, losses, _ = evaluate(LOSS_CASES["cosine"], z, np.eye(2, dtype=dtype)[np.zeros(len(z), int)], None, isa)
    wanted = 2 * np.sin(np.arctan(z[:, 1].astype(np.float64)) / 2) ** 2
    assert_close(losses, wanted, wanted + float(np.finfo(dtype).eps), 64)


@on_every_isa
@in_both_types
def test_sure_and_right_or_sure_and_wrong(isa: str, dtype: str) -> None:
    z = np.array([[1e4, -1e4], [-1e4, 1e4], [0.0, 0.0]], dtype)
    ones = np.array([[1, 0], [1, 0], [1, 0]], dtype)
    labels = np.zeros(3, np.int32)
    log2 = np.log(2.0)
    for name, target, wanted in (
        ("cross_entropy", labels, [0.0, 2e4, log2]),
        ("cross_entropy", ones, [0.0, 2e4, log2]),
        ("binary_cross_entropy", ones, [0.0, 1e4, log2]),
    ):
        mean, losses, dz = evaluate(LOSS_CASES[name], z, target, None, isa)
        assert_close(losses, np.array(wanted), np.array(wanted) + 1e-30, 2, name)
        assert mean == pytest.approx(sum(wanted) / 3, rel=4 * float(np.finfo(dtype).eps))
        share = 1 if name == "cross_entropy" else 2
        wanted_dz = np.array([[0, 0], [-1, 1], [-0.5, 0.5]]) / (3 * share)
        assert_close(dz, wanted_dz, np.abs(wanted_dz), 4, f"dz of {name}")


@on_every_isa
@in_both_types
def test_targets_need_not_sum_to_one(isa: str, dtype: str) -> None:
    """The gradient of cross-entropy is softmax * sum(target) - target; for a distribution the sum is 1."""
    rng = np.random.default_rng(36)
    for rows, outputs in ((1, 2), (17, 5), (64, 10), (33, 131)):
        z, target = normal(rng, (rows, outputs), dtype), rng.random((rows, outputs)).astype(dtype)
        check(LOSS_CASES["cross_entropy"], z, target / 4, None, isa, f"{rows}x{outputs}, fractions")
        check(LOSS_CASES["cross_entropy"], z, np.zeros_like(z), None, isa, f"{rows}x{outputs}, no target at all")


@on_every_isa
@in_both_types
def test_small_losses_keep_their_digits(isa: str, dtype: str) -> None:
    """log(1 + e^-z) of a sure and right output is not rounded away by the 1."""
    z = np.linspace(1.0, 80.0, 80).reshape(-1, 1).astype(dtype)
    _, losses, _ = evaluate(LOSS_CASES["binary_cross_entropy"], z, np.ones_like(z), None, isa)
    wanted = np.log1p(np.exp(-z.astype(np.float64)))[:, 0]
    assert_close(losses, wanted, wanted * (1.0 + z[:, 0]), 4)


@on_every_isa
@in_both_types
def test_a_class_ruled_out_costs_nothing(isa: str, dtype: str) -> None:
    z = np.array([[1.0, -np.inf, 1.0], [2.0, 0.0, -np.inf]], dtype)
    for target in (np.array([0, 1], np.int32), np.array([[1, 0, 0], [0, 1, 0]], dtype)):
        _, losses, dz = evaluate(LOSS_CASES["cross_entropy"], z, target, None, isa)
        assert_close(losses, np.array([np.log(2.0), np.log1p(np.exp(2.0))]), 3.0, 4)
        assert np.isfinite(dz).all()
        np.testing.assert_array_equal(dz[[0, 1], [1, 2]], [0, 0])


@on_every_isa
@in_both_types
@every_loss
def test_a_nan_is_seen_and_stays_in_its_row(case: LossCase, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(32)
    for rows, columns in ((1, 1), (3, 5), (17, 10), (64, 3)):
        outputs = case.outputs(columns)
        z, hit = case.outputs_like(normal(rng, (rows, outputs), dtype)), np.arange(rows) == rows // 2
        for kind, target in case.targets(rng, rows, outputs, dtype).items():
            for at, spoiled in (("z", z), ("target", target)):
                if spoiled.dtype == np.int32:
                    continue
                bad = spoiled.copy()
                bad[rows // 2, -1] = np.nan
                given = (bad, target) if at == "z" else (z, bad)
                mean, losses, dz = evaluate(case, *given, None, isa)
                assert np.isnan(mean), f"{kind}, NaN in {at}"
                np.testing.assert_array_equal(np.isnan(losses), hit, f"{kind}, NaN in {at}")
                np.testing.assert_array_equal(np.isnan(dz).any(axis=1), hit, f"{kind}, NaN in {at}")


@on_every_isa
@in_both_types
@every_loss
def test_weights_count(case: LossCase, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(33)
    outputs = case.outputs(4)
    z = case.outputs_like(normal(rng, (33, outputs), dtype))
    for kind, target in case.targets(rng, 33, outputs, dtype).items():
        plain, ones = evaluate(case, z, target, None, isa), evaluate(case, z, target, np.ones(33, dtype), isa)
        assert plain[0] == ones[0], kind
        assert_same_bits(ones[2], plain[2], kind)
        none = evaluate(case, z, target, np.zeros(33, dtype), isa)
        assert none[0] == 0, kind
        assert not none[2].any(), kind


@in_both_types
@every_loss
def test_every_fma_instruction_set_gives_the_same_bits(case: LossCase, dtype: str) -> None:
    if len(FMA_ISAS) < 2:
        pytest.skip(f"this machine has one instruction set with fused multiply-add: {FMA_ISAS}")
    rng = np.random.default_rng(34)
    for rows, columns in shapes(25, 2, smallest=1):
        outputs = case.outputs(columns)
        z = case.outputs_like(3 * normal(rng, (rows, outputs), dtype))
        for kind, target in case.targets(rng, rows, outputs, dtype).items():
            results = [evaluate(case, z, target, None, isa) for isa in FMA_ISAS]
            for mean, losses, dz in results[1:]:
                assert mean == results[0][0], f"{rows}x{outputs} {kind}"
                assert_same_bits(losses, results[0][1], f"{rows}x{outputs} {kind}")
                assert_same_bits(dz, results[0][2], f"{rows}x{outputs} {kind}")
