"""How good predictions are, what guessing without looking at the columns gives, and which columns matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .preparation import Preparation

Array: TypeAlias = npt.NDArray[Any]

GREATER_IS_BETTER = {
    "accuracy": True, "balanced accuracy": True, "AUC": True, "log loss": False,
    "R²": True, "RMSE": False, "MAE": False,
}  # fmt: skip


def score(task: str, predicted: Array, labels: Array) -> dict[str, float]:
    """The metrics of a task.

    Accuracy is the share of right classes, balanced accuracy its mean over the classes, log loss
    -mean(log p of the right class), AUC (two classes) the chance that a row of the second class is ranked above one of
    the first. RMSE is √mean((p - y)²), MAE mean(|p - y|), R² 1 - Σ(p - y)²/Σ(y - mean(y))².

    Args:
        task: "classification" or "regression".
        predicted: Probabilities (n, classes), or numbers (n,).
        labels: Classes as numbers, or numbers, (n,).

    Example:
        >>> score("regression", np.array([1.0, 3.0]), np.array([1.0, 2.0]))["MAE"]
        0.5
        >>> score("classification", np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 1]))["accuracy"]
        1.0
    """
    if task == "regression":
        errors = predicted.astype(np.float64) - labels
        size = float(np.abs(errors).max(initial=0.0)) or 1.0
        spread = float(np.sum(((labels - labels.mean()) / size) ** 2))
        squares = float(np.mean((errors / size) ** 2))
        r2 = 1.0 - squares * len(labels) / spread if spread > 0 else float("nan")
        return {"RMSE": size * squares**0.5, "MAE": float(np.mean(np.abs(errors))), "R²": r2}
    classes = labels.astype(np.int64)
    right = predicted.argmax(axis=1) == classes
    chances = np.clip(predicted[np.arange(len(classes)), classes].astype(np.float64), 1e-15, 1.0)
    metrics = {
        "accuracy": float(right.mean()),
        "balanced accuracy": float(np.mean([right[classes == k].mean() for k in np.unique(classes)])),
        "log loss": float(-np.log(chances).mean()),
    }
    if predicted.shape[1] == 2 and len(np.unique(classes)) == 2:
        metrics["AUC"] = area(predicted[:, 1], classes)
    return metrics


def area(scores: Array, classes: Array) -> float:
    """The area under the ROC curve, ties counted half, from ranks (Mann & Whitney, 1947).

    Example:
        >>> area(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        0.75
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    positive = int(classes.sum())
    negative = len(classes) - positive
    return float((ranks[classes == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def baseline(task: str, known: Array, n: int, classes: int) -> Array:
    """What guesses, without looking at the columns: the classes' shares, or the mean, of the rows to learn from.

    Example:
        >>> baseline("classification", np.array([0, 0, 0, 1]), 1, 2).tolist()
        [[0.75, 0.25]]
    """
    if task == "regression":
        return np.full(n, known.mean())
    shares = np.bincount(known.astype(np.int64), minlength=classes) / len(known)
    return np.tile(shares, (n, 1))


def importance(
    preparation: Preparation,
    predict: Callable[[Array], Array],
    X: Array,
    labels: Array,
    generator: np.random.Generator,
    *,
    repeats: int = 5,
    most_rows: int = 2000,
) -> dict[str, float]:
    """How much worse log loss or RMSE becomes when one column is shuffled: its importance by permutation.

    Source: Breiman, "Random forests", Machine Learning 45, 2001; Fisher, Rudin & Dominici, arXiv:1801.01489.

    Args:
        preparation: Says which features belong to which column.
        predict: Predictions for features.
        X: Features of rows held out.
        labels: Their labels.
        generator: Shuffles.
        repeats: Shuffles a column, averaged.
        most_rows: So many of the rows are used.

    Returns:
        By column, the largest first.
    """
    task = preparation.target.task
    metric = "RMSE" if task == "regression" else "log loss"
    if len(X) > most_rows:
        chosen = np.sort(generator.choice(len(X), most_rows, replace=False))
        X, labels = X[chosen], labels[chosen]
    known = score(task, predict(X), labels)[metric]
    owners = [name for name, _ in preparation.features]
    found = {}
    for column in preparation.columns:
        own = [index for index, owner in enumerate(owners) if owner == column.name]
        losses = []
        for _ in range(repeats):
            shuffled = X.copy()
            shuffled[:, own] = X[generator.permutation(len(X))][:, own]
            losses.append(score(task, predict(shuffled), labels)[metric] - known)
        found[column.name] = float(np.mean(losses))
    return dict(sorted(found.items(), key=lambda item: -item[1]))
