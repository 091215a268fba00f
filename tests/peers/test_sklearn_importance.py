"""Permutation importance is scikit-learn's where the columns are shuffled in the same orders; reliability its curve."""

import numpy as np
import pytest

import bpnative as bp

base = pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'bpnative[peers]'")
inspection = pytest.importorskip("sklearn.inspection", reason="needs scikit-learn: pip install 'bpnative[peers]'")


class Replayed(np.random.Generator):
    """A generator that hands out the orders that scikit-learn shuffles a column in, feature after feature."""

    def __init__(self, n, features, repeats, seed):
        super().__init__(np.random.PCG64(0))
        drawn = np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1)
        self.orders = []
        for _ in range(features):
            random, index, column = np.random.RandomState(drawn), np.arange(n), np.arange(n)
            for _ in range(repeats):
                random.shuffle(index)
                column = column[index]  # it shuffles what it shuffled before
                self.orders.append(column)

    def permutation(self, n):
        order = self.orders.pop(0)
        assert len(order) == n
        return order


class Estimator(base.RegressorMixin, base.BaseEstimator):
    """What scikit-learn asks for."""

    def __init__(self, net=None):
        self.net = net

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.net.predict(X)[:, 0]


@pytest.mark.parametrize(("metric", "scoring"), [("mae", "neg_mean_absolute_error"), ("r2", "r2")])
def test_same_orders_same_importances(metric, scoring):
    random = np.random.default_rng(0)
    X = random.standard_normal((150, 5))
    y = X @ [1.0, 0.0, -2.0, 0.5, 0.0]
    trainer = bp.Trainer(bp.mlp([5, 16, 1], activation="tanh", dtype="float64", seed=0), loss="mse")
    trainer.fit(X, y, epochs=20)
    theirs = inspection.permutation_importance(
        Estimator(trainer.network), X, y, scoring=scoring, n_repeats=3, random_state=7
    )
    ours = bp.permutation_importance(trainer, X, y, repeats=3, seed=Replayed(150, 5, 3, 7), metric=metric)
    np.testing.assert_allclose(ours.importances, theirs.importances, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.mean, theirs.importances_mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.std, theirs.importances_std, rtol=1e-9, atol=1e-12)


def test_reliability_is_the_calibration_curve():
    calibration = pytest.importorskip("sklearn.calibration")
    random = np.random.default_rng(1)
    p = random.random(500)
    y = (random.random(500) < p**2).astype(int)
    share, mean = calibration.calibration_curve(y, p, n_bins=10)
    ours = bp.reliability(p, y, bins=10)
    np.testing.assert_allclose(ours.accuracy, share)
    np.testing.assert_allclose(ours.confidence, mean)
