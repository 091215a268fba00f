"""Class labels and probabilities as targets: reading them, and saying what is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .losses import Loss

Array = npt.NDArray[Any]

# How far a row of probabilities may be from a sum of 1: float16 rows of a thousand classes stay within it.
SUM_TOLERANCE = 1e-2


def class_labels(array: Array, n_classes: int, what: str = "y") -> npt.NDArray[np.int32]:
    """Labels 0 … n_classes-1 of shape (n,) as int32, from integers, bools or whole floats.

    Raises:
        ValueError: A label is NaN, not whole, or out of range.

    Example:
        >>> class_labels(np.array([0.0, 2.0]), 3)
        array([0, 2], dtype=int32)
    """
    unsigned = _UNSIGNED.get(array.dtype)
    if array.dtype.kind == "f":
        _check_whole(array, what)
    # Negative labels read as unsigned are large ones, so one reduction finds both ends: a step waits for this.
    if unsigned is None or not len(array) or np.maximum.reduce(array.view(unsigned)) >= n_classes:
        low, high = array.min(), array.max()
        if low < 0 or high >= n_classes:
            raise ValueError(_range_message(int(low), int(high), n_classes, what))
    narrow = np.ascontiguousarray(array, np.int32)
    return narrow if narrow.flags.aligned else narrow.copy()


_UNSIGNED = {np.dtype(f"i{size}"): np.dtype(f"u{size}") for size in (4, 8)}


def _check_whole(array: Array, what: str) -> None:
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~(np.isfinite(array) & (array == np.floor(array))))
    if len(wrong):
        value = array[wrong[0]]
        advice = "drop unlabelled rows" if not np.isfinite(value) else "for numbers use loss='mse'"
        raise ValueError(f"expected class labels in {what} as whole numbers, got {value} in row {wrong[0]}: {advice}")


def _range_message(low: int, high: int, n_classes: int, what: str) -> str:
    expected = f"expected labels 0 to {n_classes - 1} in {what} (the network has {n_classes} outputs)"
    if low == 1 and high == n_classes:
        advice = f"labels run 1 to {n_classes}: pass {what} - 1"
    elif (low, high) == (-1, 1):
        advice = f"for labels -1 and 1 pass ({what} > 0)"
    elif low < 0:
        advice = f"renumber them with np.unique({what}, return_inverse=True)[1]"
    else:
        advice = (
            f"give the last layer {high + 1} units, or renumber labels with np.unique({what}, return_inverse=True)[1]"
        )
    return f"{expected}, got {low} to {high}: {advice}"


def check_probabilities(target: Array, rows_sum_to_one: bool, what: str = "y") -> None:
    """Targets lie between 0 and 1; with `rows_sum_to_one` each row is one-hot or a distribution.

    Raises:
        ValueError: A target is outside, or a row does not sum to 1.

    Example:
        >>> check_probabilities(np.array([[0.0, 1.0]]), True)
    """
    low, high = target.min(), target.max()
    if low < 0 or high > 1:
        advice = "scale or encode them"
        if (low, high) == (-1, 1):
            advice = f"for labels -1 and 1 pass ({what} > 0)"
        elif (low, high) == (1, 2):
            advice = f"for labels 1 and 2 pass {what} - 1"
        raise ValueError(f"expected targets from 0 to 1 in {what}, got {low} to {high}: {advice}")
    if not rows_sum_to_one:
        return
    sums = target.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero(np.abs(sums - 1.0) > SUM_TOLERANCE)
    if len(wrong):
        raise ValueError(
            f"expected one-hot rows or probabilities that sum to 1 in {what}, got the sum {sums[wrong[0]]:.4g} in row "
            f"{wrong[0]}: for several labels a sample use loss='binary_cross_entropy'"
        )


def check_values(loss: Loss, target: Array, what: str = "y") -> None:
    """Targets are of the kind that the loss takes.

    Raises:
        ValueError: A target is out of its range, or a row does not sum to 1.

    Example:
        >>> from bpnative.losses import Hinge
        >>> check_values(Hinge(), np.array([[-1.0], [1.0]]))
    """
    if loss.targets in ("binary", "classes", "distributions"):
        check_probabilities(target, loss.targets != "binary", what)
    elif loss.targets == "counts" and target.min() < 0:
        raise ValueError(f"expected targets of at least 0 in {what} for {loss.name}, got {target.min()}")
    elif loss.targets == "signs":
        negative = -1.0 if target.min() < 0 else 0.0
        wrong = target[(target != negative) & (target != 1.0)]
        if len(wrong):
            raise ValueError(
                f"expected targets -1 and 1, or 0 and 1, in {what} for {loss.name}, got {wrong[0]}"
                + (" beside -1" if negative else "")
            )


def shape_advice(loss: Loss, shape: tuple[int, ...], n: int, columns: int, what: str, n_outputs: int) -> str:
    """The message for targets whose shape does not go with the loss and the network."""
    if loss.targets == "classes":
        return (
            f"expected {what} as integer labels of shape ({n},), or one-hot rows or probabilities of shape "
            f"({n}, {columns}), got shape {shape}"
        )
    if loss.targets == "distributions":
        return f"expected {what} as distributions of shape ({n}, {columns}), got shape {shape}" + (
            "; for class labels use loss='cross_entropy'" if len(shape) == 1 else ""
        )
    accepted = f"({n},) or ({n}, 1)" if columns == 1 else f"({n}, {columns})"
    advice = ""
    if columns > 1 and len(shape) == 1:
        advice = "; for class labels use loss='cross_entropy', for one number a sample a last layer of 1 unit"
    counted = "one column an output of the network"
    if columns != n_outputs:
        counted = f"for {loss.name} takes {n_outputs // columns} of the network's {n_outputs} outputs for each column"
    return f"expected {what} of shape {accepted}, {counted}, got shape {shape}{advice}"
