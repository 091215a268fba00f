"""Losses and their gradients against the oracle: kinds of target, weights, sizes, logits of ±1e4, NaN, infinities."""

from __future__ import annotations

import numpy as np
import pytest

from bpnative import _bpnative as native
from compare import Array, assert_close, assert_same_bits
from reference import LOSSES, batch_loss
from reference_cases import FMA_ISAS, empty, in_both_types, normal, on_every_isa, shapes, targets

every_loss = pytest.mark.parametrize("name", native.loss_names())


def evaluate(name: str, z: Array, target: Array, weight: Array | None, isa: str) -> tuple[float, Array, Array]:
    """Return the kernel's mean loss, the losses of the rows, and dz."""
    dz, losses = empty(z.shape, z.dtype.name), empty(len(z), z.dtype.name)
    mean = native.loss(dz, losses, z, target, weight, name, isa)
    assert isinstance(mean, float)
    return mean, losses, dz


def check(name: str, z: Array, target: Array, weight: Array | None, isa: str, what: str) -> None:
    """Compare value and gradient with the oracle.

    A row's loss is a sum over its outputs, of which each rounding of z moves one by the slope there; the value of a
    logarithm errs by a part of 1 even where the loss is nearly 0. A gradient errs by a part of itself and of the
    probability in it, which is at most 1, times the row's share of the mean.
    """
    z64 = z.astype(np.float64)
    weight64 = None if weight is None else weight.astype(np.float64)
    target64 = target if target.ndim == 1 else target.astype(np.float64)
    mean, losses, dz = batch_loss(name, z64, target64, weight64)
    got_mean, got_losses, got_dz = evaluate(name, z, target, weight, isa)
    weights = np.ones(len(z)) if weight64 is None else np.abs(weight64)
    row_slopes = np.abs(LOSSES[name].gradient(z64, np.eye(z.shape[1])[target] if target.ndim == 1 else target64) * z64)
    row_scale = (1.0 + z.shape[1] / 8) * (np.abs(losses) + weights * (row_slopes.sum(axis=-1) + 1.0 / 4))
    assert_rounding(got_losses, losses, row_scale, 8, f"losses of {what}")
    assert_rounding(np.array([got_mean]).astype(z.dtype), np.array([mean]), row_scale.mean(), 8, f"mean of {what}")
    share = weights[:, None] / len(z) / (1 if LOSSES[name].takes_logits_of == "softmax" else z.shape[1])
    assert_rounding(got_dz, dz, (1.0 + z.shape[1] / 8) * (np.abs(dz) + share), 8, f"dz of {what}")


def assert_rounding(got: Array, wanted: Array, scale: Array, epsilons: float, what: str) -> None:
    """Compare, and let a loss of nearly nothing be as near to nothing as rounding allows."""
    if wanted.size and np.abs(wanted).max() < np.min(scale) * epsilons * float(np.finfo(got.dtype).eps):
        scale, wanted, got = 1.0, wanted + 1.0, (got + 1).astype(got.dtype)
    assert_close(got, wanted, scale, epsilons, what)


@on_every_isa
@in_both_types
@every_loss
def test_values_and_gradients_at_every_size(name: str, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(30)
    for rows, outputs in shapes(96, 2, smallest=1):
        z = 3 * normal(rng, (rows, outputs), dtype)
        for kind, target in targets(name, rng, rows, outputs, dtype).items():
            for weight in (None, rng.random(rows).astype(dtype)):
                weighted = "" if weight is None else ", weighted"
                check(name, z, target, weight, isa, f"{name} {rows}x{outputs}, {kind}{weighted}")


@on_every_isa
@in_both_types
@every_loss
def test_large_numbers_neither_overflow_nor_lose_the_loss(name: str, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(31)
    for size in (30.0, 100.0, 1e3, 1e4):
        z = (size * rng.choice([-1.0, 1.0], (17, 5)) + rng.standard_normal((17, 5))).astype(dtype)
        for kind, target in targets(name, rng, 17, 5, dtype).items():
            check(name, z, target, None, isa, f"{name} of ±{size:g}, {kind}")
            mean, losses, dz = evaluate(name, z, target, None, isa)
            assert np.isfinite(mean)
            assert np.isfinite(losses).all()
            assert np.isfinite(dz).all()
            assert (losses >= 0).all()


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
        mean, losses, dz = evaluate(name, z, target, None, isa)
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
        check("cross_entropy", z, target / 4, None, isa, f"{rows}x{outputs}, fractions")
        check("cross_entropy", z, np.zeros_like(z), None, isa, f"{rows}x{outputs}, no target at all")


@on_every_isa
@in_both_types
def test_small_losses_keep_their_digits(isa: str, dtype: str) -> None:
    """log(1 + e^-z) of a sure and right output is not rounded away by the 1."""
    z = np.linspace(1.0, 80.0, 80).reshape(-1, 1).astype(dtype)
    _, losses, _ = evaluate("binary_cross_entropy", z, np.ones_like(z), None, isa)
    wanted = np.log1p(np.exp(-z.astype(np.float64)))[:, 0]
    assert_close(losses, wanted, wanted * (1.0 + z[:, 0]), 4)


@on_every_isa
@in_both_types
def test_a_class_ruled_out_costs_nothing(isa: str, dtype: str) -> None:
    z = np.array([[1.0, -np.inf, 1.0], [2.0, 0.0, -np.inf]], dtype)
    for target in (np.array([0, 1], np.int32), np.array([[1, 0, 0], [0, 1, 0]], dtype)):
        _, losses, dz = evaluate("cross_entropy", z, target, None, isa)
        assert_close(losses, np.array([np.log(2.0), np.log1p(np.exp(2.0))]), 3.0, 4)
        assert np.isfinite(dz).all()
        np.testing.assert_array_equal(dz[[0, 1], [1, 2]], [0, 0])


@on_every_isa
@in_both_types
@every_loss
def test_a_nan_is_seen_and_stays_in_its_row(name: str, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(32)
    for rows, outputs in ((1, 1), (3, 5), (17, 10), (64, 3)):
        z, hit = normal(rng, (rows, outputs), dtype), np.arange(rows) == rows // 2
        for kind, target in targets(name, rng, rows, outputs, dtype).items():
            for at, spoiled in (("z", z), ("target", target)):
                if spoiled.dtype == np.int32:
                    continue
                bad = spoiled.copy()
                bad[rows // 2, outputs - 1] = np.nan
                given = (bad, target) if at == "z" else (z, bad)
                mean, losses, dz = evaluate(name, *given, None, isa)
                assert np.isnan(mean), f"{kind}, NaN in {at}"
                np.testing.assert_array_equal(np.isnan(losses), hit, f"{kind}, NaN in {at}")
                np.testing.assert_array_equal(np.isnan(dz).any(axis=1), hit, f"{kind}, NaN in {at}")


@on_every_isa
@in_both_types
@every_loss
def test_weights_count(name: str, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(33)
    z = normal(rng, (33, 4), dtype)
    for kind, target in targets(name, rng, 33, 4, dtype).items():
        plain, ones = evaluate(name, z, target, None, isa), evaluate(name, z, target, np.ones(33, dtype), isa)
        assert plain[0] == ones[0], kind
        assert_same_bits(ones[2], plain[2], kind)
        none = evaluate(name, z, target, np.zeros(33, dtype), isa)
        assert none[0] == 0, kind
        assert not none[2].any(), kind


@in_both_types
@every_loss
def test_every_fma_instruction_set_gives_the_same_bits(name: str, dtype: str) -> None:
    if len(FMA_ISAS) < 2:
        pytest.skip(f"this machine has one instruction set with fused multiply-add: {FMA_ISAS}")
    rng = np.random.default_rng(34)
    for rows, outputs in shapes(25, 2, smallest=1):
        z = 3 * normal(rng, (rows, outputs), dtype)
        for kind, target in targets(name, rng, rows, outputs, dtype).items():
            results = [evaluate(name, z, target, None, isa) for isa in FMA_ISAS]
            for mean, losses, dz in results[1:]:
                assert mean == results[0][0], f"{rows}x{outputs} {kind}"
                assert_same_bits(losses, results[0][1], f"{rows}x{outputs} {kind}")
                assert_same_bits(dz, results[0][2], f"{rows}x{outputs} {kind}")
