"""Losses that PyTorch lacks, held against scikit-learn and SciPy, and against published or hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp

metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed: pip install 'bpnative[peers]'")
special = pytest.importorskip("scipy.special")
stats = pytest.importorskip("scipy.stats")
distance = pytest.importorskip("scipy.spatial.distance")

RNG = np.random.default_rng(95)
P, T = RNG.standard_normal((2, 50, 3))


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
def test_quantile_is_the_mean_pinball_loss(level: float) -> None:
    ours = bp.kernels.loss(P, T, bp.Quantile(levels=level)).value
    assert ours == pytest.approx(metrics.mean_pinball_loss(T, P, alpha=level), rel=1e-13)


def test_several_levels_are_the_mean_of_each() -> None:
    levels = (0.1, 0.5, 0.9)
    ours = bp.kernels.loss(P, T[:, :1], bp.Quantile(levels=levels)).value
    single = [metrics.mean_pinball_loss(T[:, 0], P[:, i], alpha=level) for i, level in enumerate(levels)]
    assert ours == pytest.approx(np.mean(single), rel=1e-13)


def test_hinge() -> None:
    y = np.sign(T[:, :1])
    ours = bp.kernels.loss(P[:, :1], y, "hinge")
    assert ours.value == pytest.approx(metrics.hinge_loss(y[:, 0], P[:, 0]), rel=1e-13)
    squared = bp.kernels.loss(P[:, :1], y, "squared_hinge")
    np.testing.assert_allclose(squared.losses, ours.losses**2, rtol=1e-13)


def test_log_cosh_cosine_and_divergence() -> None:
    np.testing.assert_allclose(
        bp.kernels.loss(P, T, "log_cosh").losses, np.log(np.cosh(P - T)).mean(axis=1), rtol=1e-12
    )
    angles = [distance.cosine(p, t) for p, t in zip(P, T, strict=True)]
    np.testing.assert_allclose(bp.kernels.loss(P, T, "cosine").losses, angles, rtol=1e-12)
    q = special.softmax(T, axis=1)
    wanted = special.rel_entr(q, special.softmax(P, axis=1)).sum(axis=1)
    np.testing.assert_allclose(bp.kernels.loss(P, q, "kl_divergence").losses, wanted, rtol=1e-11)


def test_likelihoods_are_those_of_the_distributions() -> None:
    """Up to what the losses leave out, log(2 pi) / 2 and log(y!), which no weight changes."""
    z = np.concatenate([P, T], axis=1)
    mean, variance = bp.GaussianNLL().mean_and_variance(z)
    wanted = -stats.norm.logpdf(T, mean, np.sqrt(variance)).mean(axis=1) - np.log(2 * np.pi) / 2
    np.testing.assert_allclose(bp.kernels.loss(z, T, "gaussian_nll").losses, wanted, rtol=1e-12)
    counts = RNG.poisson(3.0, P.shape).astype(float)
    wanted = -(stats.poisson.logpmf(counts, np.exp(P)) + special.gammaln(counts + 1)).mean(axis=1)
    np.testing.assert_allclose(bp.kernels.loss(P, counts, "poisson").losses, wanted, rtol=1e-11)


def test_focal_by_hand() -> None:
    """Lin et al. 2017: at p = 0.9 and gamma = 2 a right answer counts 100 times less than by cross-entropy."""
    z = np.log([[9.0]])
    plain = bp.kernels.loss(z, [[1.0]], "binary_cross_entropy").value
    assert bp.kernels.loss(z, [[1.0]], bp.Focal(alpha=None, gamma=2.0)).value == pytest.approx(plain / 100, rel=1e-12)
    both = bp.kernels.loss(np.array([[np.log(9.0), 0.0]]), [0], bp.CategoricalFocal(gamma=2.0)).value
    assert both == pytest.approx(plain / 100, rel=1e-12)
