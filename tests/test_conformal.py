"""Conformal prediction: coverage is guaranteed, and simulation says so; wrong inputs are refused."""

import math

import numpy as np
import pytest

import bpnative as bp
from bpnative.after.conformal import rank_of

NEW = 200  # test samples a trial
TRIALS = 300


def identity(k, *, activation="linear"):
    layer = bp.Dense(k, activation=activation, weight_initializer=np.eye(k))
    return bp.Network([layer], input_size=k, dtype="float64")


def check_covered(hits, n, coverage):
    """Coverage over trials lies where the theory puts it: each trial's is Beta(rank, n + 1 - rank)-Binomial.

    Its mean is rank/(n + 1); 4.5 standard errors are missed by a right program once in 150,000 seeds.
    """
    rank = math.ceil((n + 1) * coverage - 1e-9)
    mean = rank / (n + 1)
    assert mean >= coverage - 1e-12
    beta = mean * (1 - mean) / (n + 2)
    variance = beta + (mean * (1 - mean) - beta) / NEW
    error = 4.5 * math.sqrt(variance / TRIALS)
    assert abs(np.mean(hits) - mean) < error
    return error


@pytest.mark.parametrize(("n", "coverage"), [(19, 0.9), (50, 0.8), (199, 0.95)])
def test_intervals_cover_as_promised(n, coverage):
    random, net, hits = np.random.default_rng(n), identity(2), []
    for _ in range(TRIALS):
        x = random.standard_normal((n + NEW, 2))
        y = np.abs(x) + random.standard_t(2, (n + NEW, 2)) * (1 + x**2)  # the network is wrong, errors are wild
        predictor = bp.conformal(net, x[:n], y[:n], coverage)
        interval = predictor.predict(x[n:])
        hits.append(((interval.lower <= y[n:]) & (y[n:] <= interval.upper)).mean(axis=0))
    for output in np.transpose(hits):
        check_covered(output, n, coverage)


@pytest.mark.parametrize("kind", ["softmax", "linear", "sigmoid", "calibrated"])
def test_label_sets_cover_as_promised(kind):
    n, coverage, hits = 60, 0.85, []
    random = np.random.default_rng(8)
    k = 1 if kind == "sigmoid" else 4
    net = identity(k, activation="linear" if kind == "calibrated" else kind)
    model = net
    if kind == "calibrated":
        x = random.standard_normal((500, 4))
        model = bp.calibrate(net, x, (x + random.standard_normal((500, 4))).argmax(axis=1))
    for _ in range(TRIALS):
        x = random.standard_normal((n + NEW, k))
        noisy = x + random.standard_normal((n + NEW, k))
        y = noisy.argmax(axis=1) if k > 1 else (noisy[:, 0] > 0).astype(int)
        predictor = bp.conformal(model, x[:n], y[:n], coverage)
        sets = predictor.predict(x[n:])
        assert sets.shape == (NEW, max(k, 2))
        hits.append(sets[np.arange(NEW), y[n:]].mean())
    check_covered(hits, n, coverage)


def test_sets_of_a_sure_network_are_small():
    X, y = bp.datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    net = bp.mlp([64, 64, 10], activation="relu", seed=0)
    trainer = bp.Trainer(net, loss="cross_entropy")
    trainer.fit(X[:900], y[:900], epochs=30)
    sets = bp.conformal(trainer, X[900:1300], y[900:1300], coverage=0.98).predict(X[1300:])
    covered = sets[np.arange(len(sets)), y[1300:]].mean()
    assert 0.95 < covered <= 1.0
    assert sets.sum(axis=1).mean() < 1.5


def test_ends_and_ties_are_inside():
    net = identity(1)
    x = np.zeros((9, 1))
    predictor = bp.conformal(net, x, np.ones(9), 0.9)
    interval = predictor.predict(x)
    assert predictor.radius.tolist() == [1.0]
    assert (interval.lower <= -1.0).all()
    assert (interval.upper >= 1.0).all()
    tied = bp.conformal(identity(2), np.zeros((9, 2)), [0] * 9, 0.9)
    assert tied.predict(np.zeros((1, 2))).tolist() == [[True, True]]


def test_the_rank_uses_the_decimal_that_was_typed():
    assert rank_of(99, 0.07) == 7  # 100 * 0.07 is 7.000000000000001 in floating point
    assert rank_of(9, 0.9) == 9
    assert rank_of(19, 0.9) == 18
    for n in range(1, 60):
        for percent in range(1, 100):
            exact = -(-(n + 1) * percent // 100)
            if exact > n:
                with pytest.raises(ValueError, match="at least"):
                    rank_of(n, percent / 100)
            else:
                assert rank_of(n, percent / 100) == exact


def test_the_advice_for_too_few_samples_is_right():
    with pytest.raises(ValueError, match=r"at least 9 rows in X for a coverage of 0.9, got 8.*at most 0.888"):
        rank_of(8, 0.9)
    assert rank_of(9, 0.9) == 9
    assert rank_of(8, 0.888) == 8


@pytest.mark.parametrize(
    ("loss", "outputs"), [("gaussian_nll", 2), (bp.Quantile([0.1, 0.5, 0.9]), 3), ("mse", 1), ("mae", 1)]
)
def test_intervals_stand_about_the_mean_or_median(loss, outputs):
    net = bp.Network([bp.Dense(outputs, weight_initializer=np.arange(1.0, outputs + 1)[:, None])], input_size=1)
    x = np.arange(1.0, 10.0)[:, None]
    center = net.predict(x)[:, outputs // 2 if outputs == 3 else 0]
    predictor = bp.conformal(bp.Trainer(net, loss=loss), x, center + 0.5, 0.9)
    interval = predictor.predict(x)
    np.testing.assert_allclose(interval.lower[:, 0], center - 0.5)
    np.testing.assert_allclose(interval.upper[:, 0], center + 0.5)


X20 = np.random.default_rng(9).standard_normal((20, 2))


@pytest.mark.parametrize(
    ("model", "X", "y", "coverage", "error", "message"),
    [
        (identity(2), X20, X20, 1.0, ValueError, r"coverage as a finite number in \(0, 1\)"),
        (identity(2), X20, X20, "0.9", TypeError, "coverage"),
        (None, X20, X20, 0.9, TypeError, "Network or bpnative.Trainer, got None"),
        (identity(2), X20, X20[:, :1] * np.nan, 0.9, ValueError, "expected class labels in y"),
        (identity(2), X20, X20[:5], 0.9, ValueError, "20 rows"),
        (identity(2), X20[:5], X20[:5], 0.9, ValueError, "at least 9 rows"),
        (identity(2, activation="sigmoid"), X20, X20 > 0, 0.9, ValueError, "2 outputs of yes and no"),
        (identity(2, activation="softmax"), X20, np.full((20, 2), 0.5), 0.9, ValueError, "a sample has one label"),
        (bp.Trainer(identity(2), loss="poisson"), X20, abs(X20), 0.9, ValueError, "exponential"),
    ],
)
def test_wrong_inputs(model, X, y, coverage, error, message):
    with pytest.raises(error, match=message):
        bp.conformal(model, X, y, coverage)
