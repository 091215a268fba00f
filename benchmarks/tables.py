"""bpnative.sklearn beside scikit-learn's own perceptrons on five real tables: quality by cross-validation, time of fit.

Equal settings, the same folds, one thread, the two in turns; the time is of `fit` alone, the sum over folds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import warnings
from typing import Any

import sklearn.neural_network
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import KFold, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import bpnative
import bpnative.sklearn

TABLES = {
    "breast_cancer": (datasets.load_breast_cancer, "MLPClassifier"),
    "digits": (datasets.load_digits, "MLPClassifier"),
    "iris": (datasets.load_iris, "MLPClassifier"),
    "wine": (datasets.load_wine, "MLPClassifier"),
    "diabetes": (datasets.load_diabetes, "MLPRegressor"),
}


def scores(module: Any, kind: str, X: Any, y: Any, settings: dict[str, Any], seed: int) -> tuple[float, float]:
    """Mean score over the folds, and seconds of all fits."""
    model = make_pipeline(StandardScaler(), getattr(module, kind)(random_state=seed, **settings))
    if kind == "MLPRegressor":
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    folds = (KFold if kind == "MLPRegressor" else StratifiedKFold)(5, shuffle=True, random_state=seed)
    results = cross_validate(model, X, y, cv=folds, error_score="raise")
    return float(results["test_score"].mean()), float(results["fit_time"].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each cross-validation runs, with other seeds")
    parser.add_argument("--solver", default="adam", choices=["adam", "sgd", "lbfgs"])
    options = parser.parse_args()
    settings = {"hidden_layer_sizes": (100,), "solver": options.solver, "max_iter": 200}
    config = bpnative.show_config("dict")
    print(f"{config['processor']}, {config['isa']}, 1 thread; scikit-learn {sklearn.__version__}; {settings}")
    print(f"{'table':<14} {'score bpnative':>15} {'scikit-learn':>13} {'s a fit':>8} {'':>8} {'ratio':>6}")
    ratios = []
    for name, (load, kind) in TABLES.items():
        X, y = load(return_X_y=True)
        rows = []
        for seed in range(options.rounds):
            ours = scores(bpnative.sklearn, kind, X, y, settings, seed)
            theirs = scores(sklearn.neural_network, kind, X, y, settings, seed)
            rows.append((*ours, *theirs))
        mine, my_time, other, other_time = (statistics.median(column) for column in zip(*rows, strict=True))
        ratios.append(statistics.median(row[3] / row[1] for row in rows))
        print(f"{name:<14} {mine:>15.4f} {other:>13.4f} {my_time / 5:>8.4f} {other_time / 5:>8.4f} {ratios[-1]:>6.1f}")
    print(f"median ratio of fit times: {statistics.median(ratios):.1f}")


ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BPNATIVE_NUM_THREADS")}

if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):  # read when libraries are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})
    warnings.simplefilter("ignore")  # that 200 epochs have not converged
    main()
