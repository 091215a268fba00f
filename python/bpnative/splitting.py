"""Cutting data in two, class by class where there are classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .dlpack import unpacked
from .frames import frame_numbers, is_frame
from .seeds import Seed, check_seed
from .sparse import is_sparse
from .specification import check_number

Rows = npt.NDArray[np.int64]


def split_rows(
    n: int, classes: npt.NDArray[Any] | None, fraction: float, generator: np.random.Generator
) -> tuple[Rows, Rows]:
    """Row numbers of the two parts, each in rising order; the second has round(n · fraction) of the n rows.

    With classes each has its share of the second part: the rows are sorted by class, shuffled within, and every
    (1 / fraction)-th is taken, so that no class is off by more than one row.

    Raises:
        ValueError: One of the parts would be empty.

    Example:
        >>> rest, part = split_rows(8, np.array([0, 0, 0, 0, 0, 0, 1, 1]), 0.5, np.random.default_rng(0))
        >>> len(rest), len(part), int((part >= 6).sum())
        (4, 4, 1)
    """
    size = round(n * fraction)
    if not 0 < size < n:
        raise ValueError(
            f"a fraction of {fraction} of {n} rows leaves {size} and {n - size}: both parts need at least one row"
        )
    order = generator.permutation(n)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    # Positions (i + ½) n / size: as evenly spread over the sorted rows as whole numbers can be.
    chosen = (np.arange(size) * 2 + 1) * n // (2 * size)
    second = np.zeros(n, bool)
    second[order[chosen]] = True
    return np.flatnonzero(~second), np.flatnonzero(second)


def stratified_split(X: Any, y: Any, *, fraction: float = 0.2, seed: Seed = 0) -> tuple[Any, Any]:
    """Cut X and y in two, each class in the same proportion: for validation and test data.

    Args:
        X: An array, frame or sparse matrix of n rows; anything that rows can be taken from.
        y: n class labels or one-hot rows.
        fraction: The share of the second part, between 0 and 1.
        seed: What rows are drawn with; the same seed gives the same parts.

    Returns:
        ``(X, y)`` of the larger part and ``(X, y)`` of the fraction, rows in their old order, as copies.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: Lengths differ, the fraction is out of range, or a part would be empty.

    Example:
        >>> import bpnative as bp
        >>> X, y = bp.datasets.load_digits()
        >>> (X, y), (X_test, y_test) = bp.stratified_split(X, y, fraction=0.2, seed=0)
        >>> len(X), len(X_test), np.bincount(y_test).tolist()
        (1438, 359, [36, 36, 35, 37, 36, 36, 37, 35, 35, 36])
    """
    fraction = check_number(fraction, "fraction", "(0, 1)")
    X, y = unpacked(X, "X"), unpacked(y, "y")
    if is_sparse(X):
        X = X.tocsr()  # the others' rows cannot be taken
    labels = frame_numbers(y, "y") if is_frame(y) else np.asarray(y)
    n = X.shape[0] if is_sparse(X) else len(X)
    if labels.ndim == 0 or n != len(labels):
        raise ValueError(f"expected X and y of the same length, got {n} and {labels.shape}")
    classes = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(len(labels))
    generator = np.random.default_rng(check_seed(seed))
    first, second = split_rows(len(labels), classes, fraction, generator)
    return (_rows(X, first), _rows(y, first)), (_rows(X, second), _rows(y, second))


def _rows(value: Any, rows: Rows) -> Any:
    if hasattr(value, "iloc"):
        return value.iloc[rows]
    return value[rows] if hasattr(value, "shape") else np.asarray(value)[rows]
