"""Agreement with scikit-learn's perceptrons: same start, same order of samples, so the same weights to rounding."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

neural_network = pytest.importorskip(
    "sklearn.neural_network", reason="scikit-learn is not installed: pip install 'bpnative[sklearn]'"
)

import sklearn.datasets  # noqa: E402
from sklearn.preprocessing import scale  # noqa: E402
from sklearn.utils.fixes import parse_version  # noqa: E402

import bpnative.sklearn  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Of scikit-learn's own call, where SciPy is newer than it.
    pytest.mark.filterwarnings("ignore:scipy.optimize. The `disp` and `iprint`:DeprecationWarning"),
]

NATIVE = ("adam", "sgd")
# Older ones fail with labels that are strings and early stopping, and do not see a validation set of one sample.
OLD = parse_version(sklearn.__version__) < parse_version("1.7")


def data(task: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(8)
    X, label = sklearn.datasets.load_iris(return_X_y=True)
    X = scale(X)
    targets = {
        "multiclass": label,
        "binary": np.array(["no", "yes"])[(label == 1).astype(int)],
        "multilabel": np.stack([label == 0, label > 0, X[:, 1] > 0.3], axis=1).astype(int),
        "one number": X[:, 0] * X[:, 1] + 0.1 * rng.standard_normal(len(X)),
        "three numbers": np.stack([X[:, 0] * X[:, 1], np.sin(X[:, 2]), X[:, 3] ** 2], axis=1),
    }
    return X, targets[task]


TASKS = {
    "multiclass": "MLPClassifier",
    "binary": "MLPClassifier",
    "multilabel": "MLPClassifier",
    "one number": "MLPRegressor",
    "three numbers": "MLPRegressor",
}
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {"max_iter": 20},
    "adam": {"max_iter": 12, "batch_size": 32, "hidden_layer_sizes": (16, 8), "activation": "tanh", "beta_1": 0.8},
    "large epsilon": {"max_iter": 8, "batch_size": 32, "epsilon": 0.1},
    "in order": {"max_iter": 12, "batch_size": 50, "shuffle": False, "activation": "logistic"},
    "sgd": {"solver": "sgd", "max_iter": 12, "batch_size": 32, "activation": "relu"},
    "momentum": {"solver": "sgd", "max_iter": 12, "batch_size": 32, "nesterovs_momentum": False},
    "plain": {"solver": "sgd", "max_iter": 12, "batch_size": 32, "momentum": 0.0, "activation": "identity"},
    "invscaling": {"solver": "sgd", "max_iter": 12, "batch_size": 32, "learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": {
        "solver": "sgd", "max_iter": 60, "batch_size": 32, "learning_rate": "adaptive", "tol": 0.05,
        "n_iter_no_change": 2,
    },
    "early stopping": {"max_iter": 40, "batch_size": 32, "early_stopping": True, "n_iter_no_change": 3},
    "no hidden layer": {"max_iter": 12, "batch_size": 32, "hidden_layer_sizes": ()},
}  # fmt: skip


def distance(ours: Any, theirs: Any) -> float:
    """Largest difference of a weight, relative to the largest weight."""
    pairs = list(zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True))
    for mine, other in pairs:
        assert mine.shape == other.shape
    return max(np.abs(mine - other).max() for mine, other in pairs) / max(np.abs(other).max() for _, other in pairs)


def both(kind: str, **settings: Any) -> tuple[Any, Any]:
    return tuple(getattr(module, kind)(**settings) for module in (bpnative.sklearn, neural_network))


def compare(ours: Any, theirs: Any, X: Any, y: Any, limit: float = 1e-11) -> None:
    assert distance(ours, theirs) < limit
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("loss_curve_", "loss_", "best_loss_", "validation_scores_", "best_validation_score_"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (mine is None) == (other is None), name
        if other is not None:
            np.testing.assert_allclose(mine, other, rtol=1e-9, err_msg=name)
    if hasattr(theirs, "classes_"):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-10)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        assert ours.predict(X).dtype == theirs.predict(X).dtype
    else:
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-10)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-9)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("task", TASKS)
def test_same_weights(task: str, settings: dict[str, Any]) -> None:
    X, y = data(task)
    if OLD and y.dtype.kind == "U" and settings.get("early_stopping"):
        y = (y == "yes").astype(int)
    ours, theirs = both(TASKS[task], random_state=3, alpha=0.0, **settings)
    compare(ours.fit(X, y), theirs.fit(X, y), X, y)


@pytest.mark.parametrize("solver", NATIVE)
@pytest.mark.parametrize("task", TASKS)
def test_same_weights_with_a_penalty(task: str, solver: str) -> None:
    X, y = data(task)
    ours, theirs = both(TASKS[task], random_state=3, alpha=0.5, solver=solver, batch_size=32, max_iter=12)
    ours.fit(X, y), theirs.fit(X, y)
    assert distance(ours, theirs) < 1e-11
    # Of several numbers the value of scikit-learn's loss and its gradient differ by a factor, of the penalty not: our
    # curve there takes the penalty's mean over an epoch from its two ends.
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-3 if task == "three numbers" else 1e-9)


@pytest.mark.skipif(OLD, reason="scikit-learn has loss='poisson' from 1.7 on")
@pytest.mark.parametrize("solver", [*NATIVE, "lbfgs"])
def test_same_weights_for_counts(solver: str) -> None:
    X, _ = data("one number")
    y = np.random.default_rng(2).poisson(np.exp(0.5 * X[:, 0])).astype(float)
    ours, theirs = both("MLPRegressor", loss="poisson", random_state=3, alpha=0.1, solver=solver, max_iter=8)
    if "poisson" not in bpnative.losses.LOSSES:
        with pytest.raises(NotImplementedError, match="poisson"):
            ours.fit(X, y)
        return
    ours.fit(X, y), theirs.fit(X, y)
    assert distance(ours, theirs) < 1e-8
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-7)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-7)


@pytest.mark.parametrize("task", TASKS)
def test_same_optimum_with_lbfgs(task: str) -> None:
    X, y = data(task)
    ours, theirs = both(TASKS[task], random_state=3, alpha=0.3, solver="lbfgs", max_iter=8)
    ours.fit(X, y), theirs.fit(X, y)
    if task != "three numbers":  # there scikit-learn's value is not the integral of its gradient
        assert distance(ours, theirs) < 1e-8
    assert ours.loss_ < theirs.loss_ * 1.05
    assert ours.n_iter_ == theirs.n_iter_ or task == "three numbers"


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel", "one number"])
def test_same_weights_with_sample_weight(task: str, solver: str, alpha: float) -> None:
    X, y = data(task)
    weight = np.random.default_rng(1).integers(1, 5, len(X)).astype(float)
    ours, theirs = both(TASKS[task], random_state=3, alpha=alpha, solver=solver, batch_size=32, max_iter=8)
    try:
        theirs.fit(X, y, sample_weight=weight)
    except TypeError:
        pytest.skip("scikit-learn's perceptrons take sample_weight from 1.7 on")
    before = weight.copy()
    ours.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(weight, before)
    assert distance(ours, theirs) < 1e-8
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-8)


@pytest.mark.parametrize("solver", NATIVE)
@pytest.mark.parametrize("task", TASKS)
def test_same_weights_by_partial_fit(task: str, solver: str) -> None:
    X, y = data(task)
    ours, theirs = both(TASKS[task], random_state=3, alpha=0.0, solver=solver, batch_size=20)
    first = {"classes": np.unique(y) if y.ndim == 1 else np.arange(3)} if TASKS[task] == "MLPClassifier" else {}
    for at in range(0, 120, 40):
        for model in (ours, theirs):
            model.partial_fit(X[at : at + 40], y[at : at + 40], **first)
        first = {}
    assert distance(ours, theirs) < 1e-11
    assert ours.n_iter_ == theirs.n_iter_ == 1
    assert ours.t_ == theirs.t_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


# With early stopping scikit-learn goes on training the very arrays it keeps as the best: there we differ on purpose.
@pytest.mark.parametrize("settings", [{}, {"solver": "sgd"}], ids=str)
def test_same_weights_from_a_warm_start(settings: dict[str, Any]) -> None:
    X, y = data("multiclass")
    ours, theirs = both("MLPClassifier", random_state=3, alpha=0.0, warm_start=True, max_iter=5, **settings)
    for _ in range(3):
        ours.fit(X, y), theirs.fit(X, y)
        compare(ours, theirs, X, y)


@pytest.mark.parametrize("solver", NATIVE)
def test_float32_follows_closely(solver: str) -> None:
    X, y = data("multiclass")
    X = X.astype(np.float32)
    ours, theirs = both("MLPClassifier", random_state=3, alpha=0.0, solver=solver, batch_size=32, max_iter=10)
    ours.fit(X, y), theirs.fit(X, y)
    assert ours.coefs_[0].dtype == ours.predict_proba(X).dtype == theirs.coefs_[0].dtype == np.float32
    assert distance(ours, theirs) < 1e-4


def printed(model: Any, X: Any, y: Any, capsys: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return [*capsys.readouterr().out.splitlines(), *(f"{w.category.__name__}: {w.message}" for w in caught)]


@pytest.mark.parametrize(
    "settings",
    [
        {"max_iter": 3},
        {"max_iter": 400, "learning_rate_init": 0.1, "batch_size": 1000},
        {"max_iter": 60, "early_stopping": True, "n_iter_no_change": 2},
        {"max_iter": 90, "solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
    ],
    ids=["not converged", "clipped batch", "early stopping", "adaptive"],
)
def test_same_messages(settings: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    X, y = data("multiclass")
    ours, theirs = both("MLPClassifier", random_state=3, alpha=0.0, verbose=True, **settings)
    assert printed(ours, X, y, capsys) == printed(theirs, X, y, capsys)


WRONG: dict[str, tuple[dict[str, Any], Any]] = {
    "alpha": ({"alpha": -1.0}, None),
    "hidden_layer_sizes": ({"hidden_layer_sizes": (3, -1)}, None),
    "batch_size": ({"batch_size": 0}, None),
    "validation_fraction": ({"early_stopping": True, "validation_fraction": 0.001}, None),
    "one of a class": ({"early_stopping": True}, np.r_[0, np.ones(149)]),
    "continuous labels": ({}, np.linspace(0, 1, 150)),
    "short y": ({}, np.zeros(3)),
}


@pytest.mark.parametrize("name", WRONG)
def test_same_errors(name: str) -> None:
    if OLD and name == "validation_fraction":
        pytest.skip("scikit-learn looks at the size of the validation set from 1.7 on")
    X, y = data("multiclass")
    settings, other = WRONG[name]
    messages = []
    for model in both("MLPClassifier", **settings):
        with pytest.raises(ValueError, match=r".") as caught:
            model.fit(X, y if other is None else other)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_same_constructor() -> None:
    for kind in ("MLPClassifier", "MLPRegressor"):
        ours, theirs = both(kind)
        mine, other = ours.get_params(), theirs.get_params()
        assert set(other) <= set(mine)
        assert {name: mine[name] for name in other} == other
        order = list(type(ours).__init__.__code__.co_varnames)
        other_order = [name for name in type(theirs).__init__.__code__.co_varnames if name in other]
        assert [name for name in order if name in other] == other_order
