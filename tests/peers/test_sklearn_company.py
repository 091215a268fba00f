"""The estimators in scikit-learn's company: pipelines, searches, calibration, routing, pickles, clones, threads."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'bpnative[sklearn]'")

import joblib
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, load_linnerud
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.validation import check_is_fitted

import bpnative as bp
from bpnative.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = scale(IRIS)
SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (16,), "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0}


def test_in_a_pipeline() -> None:
    X, names = load_iris().data, load_iris().target_names[SPECIES]
    model = make_pipeline(StandardScaler(), MLPClassifier(**SETTINGS)).fit(X, names)
    assert model.score(X, names) > 0.95
    assert set(model.predict(X)) == {"setosa", "versicolor", "virginica"}
    assert model[-1].n_features_in_ == 4


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_in_a_grid_search_of_two_jobs(backend: str) -> None:
    grid = {"alpha": [0.0, 1e-3], "hidden_layer_sizes": [(8,), (16,)], "activation": ["tanh", "relu"]}
    search = GridSearchCV(MLPClassifier(**SETTINGS), grid, cv=3, n_jobs=2, error_score="raise")
    with joblib.parallel_backend(backend, n_jobs=2):
        search.fit(IRIS, SPECIES)
    alone = GridSearchCV(MLPClassifier(**SETTINGS), grid, cv=3, error_score="raise").fit(IRIS, SPECIES)
    assert search.best_score_ > 0.93
    # The same bits in another process or beside another thread.
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(search.predict_proba(IRIS), alone.predict_proba(IRIS))


def test_in_cross_validation() -> None:
    assert cross_val_score(MLPClassifier(**SETTINGS), IRIS, SPECIES, cv=5).mean() > 0.93
    results = cross_validate(MLPRegressor(**SETTINGS), IRIS[:, :3], IRIS[:, 3], cv=3, scoring=["r2"], n_jobs=2)
    assert results["test_r2"].shape == (3,)


def test_calibrated() -> None:
    model = CalibratedClassifierCV(MLPClassifier(**SETTINGS), cv=3).fit(IRIS, SPECIES)
    np.testing.assert_allclose(model.predict_proba(IRIS).sum(axis=1), 1.0)
    assert model.score(IRIS, SPECIES) > 0.9


def test_in_an_ensemble_with_set_output() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y = load_linnerud(return_X_y=True, as_frame=True)
    pipe = make_pipeline(StandardScaler(), MLPRegressor(**SETTINGS)).set_output(transform="pandas").fit(X, y["Weight"])
    assert list(pipe[-1].feature_names_in_) == list(X.columns)
    assert isinstance(pipe[:-1].transform(X), pandas.DataFrame)
    assert BaggingRegressor(MLPRegressor(**SETTINGS), n_estimators=3).fit(X, y["Weight"]).predict(X).shape == (20,)


def test_feature_names_without_frames() -> None:
    model = MLPClassifier(**SETTINGS).fit(IRIS, SPECIES)
    assert not hasattr(model, "feature_names_in_")


def test_metadata_routing() -> None:
    weight = np.where(SPECIES == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(**SETTINGS).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        results = cross_validate(model, IRIS, SPECIES, params={"sample_weight": weight}, return_estimator=True)
        assert "X_val" in model.get_metadata_routing().fit.requests
    for fitted in results["estimator"]:
        assert not (fitted.predict(IRIS[SPECIES == 0]) == 0).any(), "the weights of 0 did not reach fit"


@pytest.mark.parametrize("kind", ["pickle", "joblib", "deepcopy"])
def test_kept_and_brought_back(kind: str, tmp_path: Path) -> None:
    model = MLPClassifier(**{**SETTINGS, "max_iter": 5}).fit(IRIS, SPECIES)
    if kind == "joblib":
        joblib.dump(model, tmp_path / "model")
        again = joblib.load(tmp_path / "model")
    else:
        again = pickle.loads(pickle.dumps(model)) if kind == "pickle" else __import__("copy").deepcopy(model)
    np.testing.assert_array_equal(again.predict_proba(IRIS), model.predict_proba(IRIS))
    assert again.get_params() == model.get_params()
    for each in (model, again):  # goes on where it was, moments of Adam included
        each.partial_fit(IRIS, SPECIES)
    np.testing.assert_array_equal(again.predict_proba(IRIS), model.predict_proba(IRIS))


def test_clone() -> None:
    model = MLPClassifier(
        (8, 4), activation=["tanh", bp.activations.get("relu")], solver=bp.SGD(0.1, momentum=0.9),
        loss=bp.CrossEntropy(), class_weight={0: 2.0}, callbacks=[bp.EarlyStopping(monitor="loss")],
    )  # fmt: skip
    copy = clone(model.fit(IRIS, SPECIES))
    assert not hasattr(copy, "coefs_")
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    with pytest.raises(NotFittedError):
        copy.predict(IRIS)
    assert copy.callbacks[0] is not model.callbacks[0]
    assert repr(copy) == repr(model)
    copy.fit(IRIS, SPECIES)


def test_weights_are_views() -> None:
    model = MLPClassifier(**SETTINGS).fit(IRIS, SPECIES)
    for weight, bias in zip(model.coefs_, model.intercepts_, strict=True):
        weight[...] = 0.0
        bias[...] = 0.0
    np.testing.assert_allclose(model.predict_proba(IRIS), 1 / 3)
    model.coefs_ = [np.ones((4, 16)), np.ones((16, 3))]
    model.intercepts_ = [np.zeros(16), np.zeros(3)]
    assert model.network_.layers[0].weight.sum() == 64


def test_data_is_not_written() -> None:
    X, y, weight = IRIS.copy(), SPECIES.copy(), np.ones(150)
    for array in (X, y, weight):
        array.flags.writeable = False
    MLPClassifier(**SETTINGS).fit(X, y, weight, X_val=X, y_val=y).predict(X)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    results = []
    for threads in (1, 2, 3):
        bp.set_num_threads(threads)
        results.append(MLPClassifier((64, 64), max_iter=5, random_state=0).fit(IRIS, SPECIES).predict_proba(IRIS))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
