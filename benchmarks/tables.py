"""bpnative.sklearn beside scikit-learn's own perceptrons on five real tables: quality by cross-validation, time of fit.

Equal settings, folds, scaled inputs (float64) and epochs, one thread, the two by turns. The time is of `fit` alone;
ratios are medians over pairs of fits of the same fold, and a fit of each warms both up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

import bpnative
import bpnative.sklearn
from bpnative.cli.text import table

TABLES = {
    "breast_cancer": (datasets.load_breast_cancer, "MLPClassifier"),
    "digits": (datasets.load_digits, "MLPClassifier"),
    "iris": (datasets.load_iris, "MLPClassifier"),
    "wine": (datasets.load_wine, "MLPClassifier"),
    "diabetes": (datasets.load_diabetes, "MLPRegressor"),
}
LIBRARIES = (bpnative.sklearn, sklearn.neural_network)


def folds(X: Any, y: Any, numbers: bool, seed: int) -> Iterator[tuple[Any, Any, Any, Any]]:
    """X and y to train on and X and y to score with, five times, scaled by what is trained on."""
    splitter = (KFold if numbers else StratifiedKFold)(5, shuffle=True, random_state=seed)
    for train, test in splitter.split(X, y):
        scaler, targets = StandardScaler().fit(X[train]), y
        if numbers:
            targets = ((y - y[train].mean()) / y[train].std()).ravel()
        yield scaler.transform(X[train]), targets[train], scaler.transform(X[test]), targets[test]


def measure(name: str, settings: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Scores, seconds of a fit and epochs of both libraries on one table."""
    load, kind = TABLES[name]
    X, y = load(return_X_y=True)
    results: list[list[tuple[float, float, int]]] = [[], []]
    for library in LIBRARIES:  # warm up: caches, and what is made at first use
        getattr(library, kind)(**{**settings, "max_iter": 5}).fit(X, y)
    for seed in range(rounds):
        for number, (train, target, test, truth) in enumerate(folds(X, y, kind == "MLPRegressor", seed)):
            for which in (0, 1) if number % 2 else (1, 0):
                model = getattr(LIBRARIES[which], kind)(random_state=seed, **settings)
                start = time.perf_counter()
                model.fit(train, target)
                seconds = time.perf_counter() - start
                results[which].append((model.score(test, truth), seconds, model.n_iter_))
    ours, theirs = (np.array(one) for one in results)
    row: dict[str, Any] = {"table": name, "rows": len(X), "columns": X.shape[1]}
    for suffix, (score, seconds, epochs) in (("", ours.T), ("_sklearn", theirs.T)):
        row["score" + suffix] = score.mean()
        row["epochs" + suffix] = int(epochs.sum())
        row["ms" + suffix] = float(np.median(seconds)) * 1e3
        row["us_an_epoch" + suffix] = float(np.median(seconds / epochs)) * 1e6
    return row | {"ratio": float(np.median(theirs[:, 1] / ours[:, 1]))}


COLUMNS = {"score": ".4f", "epochs": "d", "ms": ".1f", "us_an_epoch": ".0f"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="cross-validations of five folds, each with another seed")
    parser.add_argument("--solver", default="adam", choices=["adam", "sgd", "lbfgs"])
    parser.add_argument("--tables", default=",".join(TABLES), help="which of them, with commas between")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    unknown = sorted(set(options.tables.split(",")) - set(TABLES))
    if unknown or options.rounds < 1:
        parser.error(f"no table {unknown[0]!r}: have {', '.join(TABLES)}" if unknown else "--rounds must be at least 1")
    settings = {"hidden_layer_sizes": (100,), "solver": options.solver, "max_iter": 200}
    rows = [measure(name, settings, options.rounds) for name in options.tables.split(",")]
    median = statistics.median(row["ratio"] for row in rows)
    config = bpnative.show_config("dict")
    machine = {"processor": config["processor"], "isa": config["isa"], "threads": config["threads"]}
    if options.json:
        versions = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
        print(json.dumps({**machine, **versions, "settings": settings, "rows": rows, "median": median}, indent=2))
        return
    print(f"{config['processor']}, {config['isa']}, {config['threads']} thread; scikit-learn {sklearn.__version__}")
    print(f"{settings}; beside each number scikit-learn's")
    cells = [["table", *(heading for name in COLUMNS for heading in (name, "")), "ratio"]]
    for row in rows:
        pairs = [f"{row[name + of]:{form}}" for name, form in COLUMNS.items() for of in ("", "_sklearn")]
        cells.append([row["table"], *pairs, f"{row['ratio']:.1f}"])
    print("\n".join(table(cells, "<" + ">" * (len(cells[0]) - 1))))
    print(f"median ratio of fit times: {median:.1f}")


ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BPNATIVE_NUM_THREADS")}

if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):  # read when libraries are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})
    warnings.simplefilter("ignore")  # that 200 epochs have not converged
    main()
