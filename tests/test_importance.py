"""What a network goes by: planted features are found, and gradients of inputs are those of finite differences."""

import numpy as np
import pytest

import bpnative as bp


@pytest.fixture(scope="module")
def planted():
    """A network that learned a target of columns 1 and 3 alone, and new data."""
    random = np.random.default_rng(0)
    X = random.standard_normal((1200, 6))
    y = 3 * X[:, 1] + X[:, 3] ** 2
    trainer = bp.Trainer(bp.mlp([6, 32, 1], activation="tanh", seed=0), loss="mse", optimizer=bp.Adam(0.01))
    trainer.fit(X[:900], y[:900], epochs=60)
    return trainer, X[900:], y[900:]


@pytest.mark.parametrize("metric", [None, "loss", "mae", "r2", bp.metrics.MeanSquaredError()])
def test_planted_features_are_found(planted, metric):
    trainer, X, y = planted
    before = X.copy()
    result = bp.permutation_importance(trainer, X, y, repeats=4, seed=1, metric=metric)
    assert result.importances.shape == (6, 4)
    assert result.ranking[:2].tolist() == [1, 3]
    assert result.mean[3] > 10 * max(abs(result.mean[[0, 2, 4, 5]]))
    assert (result.importances[[1, 3]] > 0).all()
    assert (before == X).all()
    assert result.std.shape == (6,)


def test_it_is_the_difference_of_the_metric(planted):
    trainer, X, y = planted
    result = bp.permutation_importance(trainer, X, y, repeats=2, seed=5)
    generator = np.random.default_rng(5)
    assert result.metric == "loss"
    assert result.baseline == trainer.evaluate(X, y)["loss"]
    for feature in range(6):
        for repeat in range(2):
            shuffled = X.copy()
            shuffled[:, feature] = X[generator.permutation(len(X)), feature]
            expected = trainer.evaluate(shuffled, y)["loss"] - result.baseline
            assert result.importances[feature, repeat] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_seed_repeats_it_and_the_first_metric_is_taken():
    X, y = bp.datasets.load_digits()
    trainer = bp.Trainer(bp.mlp([64, 10], seed=0), loss="cross_entropy", metrics=["accuracy"])
    trainer.fit(X, y, epochs=3)
    first, again = (bp.permutation_importance(trainer, X[:200], y[:200], repeats=1, seed=3) for _ in range(2))
    assert first.metric == "accuracy"
    assert (first.importances == again.importances).all()
    alone = bp.permutation_importance(trainer.network, X[:200], y[:200], repeats=1, seed=3, metric="accuracy")
    assert (alone.importances == first.importances).all()
    constant = X.std(axis=0) == 0
    assert constant.any()
    assert (first.importances[constant] == 0).all()


def test_a_function_is_better_the_greater_it_is(planted):
    trainer, X, y = planted
    function = bp.permutation_importance(
        trainer, X, y, repeats=1, seed=0, metric=lambda output, target: -np.abs(output - target).mean()
    )
    named = bp.permutation_importance(trainer, X, y, repeats=1, seed=0, metric="mae")
    np.testing.assert_allclose(function.importances, named.importances, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"repeats": 0}, ValueError, "repeats of at least 1"),
        ({"seed": "0"}, TypeError, "seed"),
        ({"metric": "acuracy"}, ValueError, "did you mean 'accuracy'"),
        ({"metric": 3}, TypeError, "metric"),
        ({"X": np.ones((1, 6)), "y": [1.0]}, ValueError, "at least 2 rows"),
        ({"X": np.ones((4, 5))}, ValueError, "6 columns"),
        ({"model": "net"}, TypeError, "Network or bpnative.Trainer"),
    ],
)
def test_wrong_inputs(planted, change, error, message):
    trainer, X, y = planted
    arguments = {"model": trainer, "X": X, "y": y} | change
    with pytest.raises(error, match=message):
        bp.permutation_importance(**arguments)


def test_a_network_needs_a_metric(planted):
    trainer, X, y = planted
    with pytest.raises(TypeError, match="metric='accuracy'"):
        bp.permutation_importance(trainer.network, X, y)
    with pytest.raises(ValueError, match="needs a trainer"):
        bp.permutation_importance(trainer.network, X, y, metric="loss")


# ---- input gradients -----------------------------------------------------------------------------------------------
NETWORKS = {
    "tanh": [bp.Dense(7, activation="tanh"), bp.Dense(3)],
    "softmax": [bp.Dense(7, activation="gelu"), bp.Dense(3, activation="softmax")],
    "noise": [bp.Dense(6), "tanh", bp.Dropout(0.5), bp.GaussianNoise(1.0), bp.AlphaDropout(0.3), bp.Dense(3)],
    "batch_norm": [bp.Normalize(), bp.Dense(6), bp.BatchNorm(), "silu", bp.LayerNorm(), bp.Dense(3)],
    "residual": [bp.Residual([bp.Dense(5, activation="tanh"), bp.BatchNorm(), bp.Dropout(0.5)]), bp.Dense(3)],
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("output", [None, 1, "each"])
def test_input_gradients_are_finite_differences(name, output):
    random = np.random.default_rng(2)
    net = bp.Network(NETWORKS[name], input_size=4, dtype="float64", seed=0)
    X, target = random.standard_normal((9, 4)), random.standard_normal((9, 3))
    bp.Trainer(net, loss="mse").fit(X, target, epochs=3) if name != "softmax" else None
    state = [net.parameters.copy(), net.statistics.copy(), net.gradients.copy()]
    columns = {"each": np.arange(9) % 3, None: net.predict(X).argmax(axis=1)}.get(output, np.full(9, output))
    gradients = bp.input_gradients(net, X, np.arange(9) % 3 if output == "each" else output)
    for feature in range(4):
        ends = []
        for sign in (1, -1):
            moved = X.copy()
            moved[:, feature] += sign * 1e-6
            ends.append(net.predict(moved)[np.arange(9), columns])
        np.testing.assert_allclose(gradients[:, feature], (ends[0] - ends[1]) / 2e-6, rtol=2e-6, atol=1e-8)
    for before, now in zip(state, [net.parameters, net.statistics, net.gradients], strict=True):
        assert (before == now).all()


def test_input_gradients_of_many_rows_and_of_none():
    net = bp.mlp([3, 8, 2], activation="tanh", seed=0)
    X = np.random.default_rng(3).standard_normal((2500, 3)).astype(np.float32)
    whole = bp.input_gradients(net, X, 0)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole[2000:2010], bp.input_gradients(net, X[2000:2010], np.zeros(10, int)))
    assert bp.input_gradients(net, X[:0]).shape == (0, 3)
    assert (bp.input_gradients(bp.Trainer(net, loss="mse"), X, np.int64(0)) == whole).all()


def test_input_gradients_leave_a_forward_to_go_back_through():
    net = bp.mlp([2, 3, 1], seed=0)
    output = net.forward([[1.0, 2.0]])
    bp.input_gradients(net, np.ones((5, 2)))
    assert net.backward(output).shape == (1, 2)


def test_codes_get_no_gradient():
    net = bp.Network([bp.Embedding({0: 5}, size=2), bp.Dense(1)], input_size=2, seed=0)
    gradients = bp.input_gradients(net, [[3, 0.5], [4, 1.0]])
    assert gradients[:, 0].tolist() == [0.0, 0.0]
    assert (gradients[:, 1] != 0).all()


@pytest.mark.parametrize(
    ("output", "error", "message"),
    [
        (2, ValueError, "output from 0 to 1"),
        (-1, ValueError, "at least 0"),
        (True, TypeError, "whole number"),
        (0.5, TypeError, "whole number"),
        ([0], ValueError, r"\(3,\) of them"),
        ([0.0, 1.0, 0.0], ValueError, "float64"),
        ("a", TypeError, "output"),
    ],
)
def test_wrong_outputs(output, error, message):
    with pytest.raises(error, match=message):
        bp.input_gradients(bp.mlp([2, 2], seed=0), np.ones((3, 2)), output)
