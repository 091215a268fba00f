"""Sparse matrices given to the estimators: the results of their dense forms, in the memory of a batch."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'bpnative[sklearn]'")

import scipy.sparse
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

import bpnative as bp
from bpnative.sklearn import MLPClassifier, MLPRegressor
from child import needs_linux, run

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = scale(IRIS)
SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (16,), "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0}
SPARSE = np.where(np.abs(IRIS) > 0.5, IRIS, 0.0)
FORMATS = ["csr", "csc", "coo", "lil"]


@pytest.mark.parametrize("kind", [f"{name}_{kind}" for name in FORMATS for kind in ("matrix", "array")])
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"solver": "lbfgs", "max_iter": 20}], ids=str)
def test_sparse(kind: str, settings: dict[str, Any]) -> None:
    X = getattr(scipy.sparse, kind)(SPARSE)
    weight = np.random.default_rng(0).random(150)
    dense = MLPClassifier(**{**SETTINGS, **settings}).fit(SPARSE, SPECIES, weight)
    sparse = MLPClassifier(**{**SETTINGS, **settings}).fit(X, SPECIES, weight)
    np.testing.assert_array_equal(sparse.predict_proba(X), dense.predict_proba(SPARSE))
    assert sparse.score(X, SPECIES) == dense.score(SPARSE, SPECIES)


def test_sparse_sets_of_ones_own() -> None:
    X = scipy.sparse.csr_array(SPARSE)
    models = []
    for train in (X, SPARSE):
        model = MLPRegressor(**SETTINGS).fit(train, IRIS[:, 3], X_val=train[:20], y_val=IRIS[:20, 3])
        models.append(model.partial_fit(train, IRIS[:, 3]))
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(SPARSE))
    assert models[0].validation_scores_ == models[1].validation_scores_
    # float32 beside a network of float64, and the other way round
    np.testing.assert_array_equal(models[0].predict(X.astype(np.float32)), models[1].predict(SPARSE.astype("f4")))
    for kind in (np.float32, np.float64):
        small = MLPRegressor(**SETTINGS).fit(X.astype(kind), IRIS[:, 3], X_val=X[:20], y_val=IRIS[:20, 3])
        assert small.predict(X.astype(kind)).dtype == kind


@pytest.mark.parametrize("first", ["float32", "float64"])
@pytest.mark.parametrize("call", ["fit", "warm start", "partial_fit", "lbfgs"])
def test_sparse_of_another_dtype_than_the_fit_before(call: str, first: str) -> None:
    second = "float64" if first == "float32" else "float32"
    models = []
    for form in (np.asarray, scipy.sparse.csr_array):
        model = MLPRegressor(**SETTINGS, warm_start=call == "warm start", callbacks=[bp.Callback()])
        if call == "lbfgs":
            model.set_params(solver="lbfgs", warm_start=True, max_iter=5)
        fit = model.partial_fit if call == "partial_fit" else model.fit
        held_out = {"X_val": form(IRIS), "y_val": IRIS[:, 0]} if call in ("fit", "warm start") else {}
        fit(form(SPARSE.astype(first)), IRIS[:, 3])
        fit(form(SPARSE.astype(second)), IRIS[:, 3], **held_out)
        models.append(model)
    np.testing.assert_array_equal(models[0].network_.parameters, models[1].network_.parameters)
    if call != "lbfgs":
        assert models[0].validation_scores_ == models[1].validation_scores_
    wide = np.full((1, 4), 1e300)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(models[0].predict(wide), models[1].predict(scipy.sparse.csr_array(wide)))


@pytest.mark.parametrize("settings", [{"batch_size": 100}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
def test_sparse_in_the_memory_of_a_batch(settings: dict[str, Any]) -> None:
    rows, columns = (20_000 if settings.get("batch_size") else 4000), 50_000  # dense 8 GB, and 1.6 GB
    rng = np.random.default_rng(0)
    entries = rows * columns // 10_000
    places = rng.integers(0, rows, entries), rng.integers(0, columns, entries)
    X = scipy.sparse.coo_array((np.ones(entries), places), shape=(rows, columns)).tocsr()
    y = X[:, :1000].sum(axis=1) > 0
    tracemalloc.start()
    try:
        MLPClassifier((2,), max_iter=1, random_state=0).set_params(**settings).fit(X, y).predict(X[:4000])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 400e6


@needs_linux
def test_sparse_lbfgs_in_blocks_of_wide_layers() -> None:
    """Rows of one element: what the layers make of all of them at once would be over a gigabyte."""
    code = """
import resource, scipy.sparse
from bpnative.sklearn import MLPRegressor
bp.set_num_threads(2)
n = 600_000
X = scipy.sparse.csr_array((np.ones(n), np.arange(n) % 50, np.arange(n + 1)), shape=(n, 50))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
warnings.simplefilter("ignore")
model = MLPRegressor(hidden_layer_sizes=(100,), solver="lbfgs", max_iter=1, max_fun=1, random_state=0)
model.fit(X, np.arange(n) % 3.0)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    assert int(run(code)) < 400  # MiB
