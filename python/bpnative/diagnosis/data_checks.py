"""What can be wrong with data before a network sees them: each check looks at arrays and returns findings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..losses import Loss
from .report import Finding

Array = npt.NDArray[Any]

ROWS = 20_000  # that means and deviations are taken of
LARGE, HUGE = 10.0, 100.0  # means and deviations of inputs; made for values of about 1
REACH = {  # what an activation can give
    **dict.fromkeys(("sigmoid", "hard_sigmoid", "softmax"), (0.0, 1.0)),
    **dict.fromkeys(("tanh", "hard_tanh", "softsign"), (-1.0, 1.0)),
    **dict.fromkeys(("relu", "softplus", "exponential"), (0.0, np.inf)),
    "relu6": (0.0, 6.0),
    "log_softmax": (-np.inf, 0.0),
}


def not_finite(values: Array, what: str, code: str) -> list[Finding]:
    """NaN and infinities: where the first one is."""
    wrong = np.argwhere(~np.isfinite(values)) if values.dtype.kind == "f" else np.empty((0, 2))
    if not len(wrong):
        return []
    place = ", column ".join(map(str, wrong[0]))
    count = "1 value that is" if len(wrong) == 1 else f"{len(wrong)} values that are"
    text = f"{what} holds {count} NaN or infinite, the first in row {place}."
    advice = (
        "Drop such rows, or fill the gaps, e.g. with the column's median. The rest of this report is about other rows."
    )
    return [Finding(code, "error", text, advice, numbers={"count": len(wrong), "row": int(wrong[0][0])})]


def inputs(x: Array, codes: dict[int, int], is_scaled_inside: bool) -> list[Finding]:
    """Columns that say nothing, and columns of another size than networks are made for."""
    columns = [column for column in range(x.shape[1]) if column not in codes]
    if not columns or len(x) < 2:
        return []
    constant = (x.max(axis=0) == x.min(axis=0))[columns]
    values = x[:: 1 + len(x) // ROWS, columns].astype(np.float64)
    mean, std = np.abs(values.mean(axis=0)), values.std(axis=0)
    found = []
    # A column of zeros does nothing at all; pictures have some. Any other constant shifts every unit.
    disturbing = constant & (mean > 0)
    if constant.mean() > 0.5 or disturbing.any():
        every = bool(constant.all())
        kind = constant if constant.mean() > 0.5 else disturbing
        first = columns[int(np.argmax(kind))]
        text = f"{kind.sum()} of {len(columns)} columns of X are constant, the first is column {first}."
        advice = "They say nothing about a sample: leave them out" + (", and look how X is made." if every else ".")
        where = {"count": int(kind.sum()), "column": first}
        found.append(Finding("inputs_constant", "error" if every else "warning", text, advice, numbers=where))
    if is_scaled_inside or constant.all():
        return found
    largest = np.where(constant, 0.0, np.maximum(mean, std))
    worst = int(largest.argmax())
    size, column = float(largest[worst]), columns[worst]
    advice = "Put bp.Normalize() first in the network, or scale X to mean 0 and deviation 1 by column."
    numbers: dict[str, float] = {"column": column, "mean": float(values[:, worst].mean()), "std": float(std[worst])}
    if size > LARGE:
        count = int((largest > LARGE).sum())
        text = (
            f"Inputs are not scaled: {count} of {len(columns)} columns have a mean or deviation above {LARGE:g}, the "
            f"largest is column {column} with mean {numbers['mean']:.3g} and deviation {numbers['std']:.3g}."
        )
        severity = "error" if size > HUGE else "warning"
        found.append(Finding("inputs_not_scaled", severity, text, advice, numbers=numbers))
    elif size < 1 / HUGE:
        text = f"Inputs are not scaled: no column has a mean or deviation above {size:.2g}."
        found.append(Finding("inputs_not_scaled", "warning", text, advice, numbers=numbers))
    return found


def shifted_labels(y: Array, loss: Loss, n_outputs: int) -> tuple[Array, list[Finding]]:
    """Labels 1 … k where 0 … k-1 are expected: the labels moved down, and the finding."""
    flat = y.reshape(-1) if y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1) else None
    if loss.targets != "classes" or flat is None or not flat.size or not np.isfinite(flat).all():
        return y, []
    lowest, highest = float(flat.min()), float(flat.max())
    numbers = {"lowest": lowest, "highest": highest, "outputs": n_outputs}
    if lowest >= 1 and highest == n_outputs:
        text = f"Labels run from {lowest:g} to {highest:g}, and {n_outputs} outputs stand for 0 to {n_outputs - 1}."
        advice = "Labels are off by one: pass y - 1. The rest of this report is about y - 1."
        return flat - 1, [Finding("labels_off_by_one", "error", text, advice, numbers=numbers)]
    if lowest == 1 and highest == n_outputs - 1 and len(np.unique(flat)) == n_outputs - 1:
        text = f"Labels run from 1 to {highest:g}: output 0 of {n_outputs} never occurs."
        advice = f"Labels may be off by one: pass y - 1, with {n_outputs - 1} outputs."
        return y, [Finding("labels_off_by_one", "warning", text, advice, numbers=numbers)]
    return y, []


def targets(y: Array, loss: Loss, last_activation: str) -> list[Finding]:
    """Targets that are all the same, out of what the last layer can give, or of an unusual size."""
    if loss.targets == "any" or len(y) < 2:
        return []
    if (y == y[:1]).all():
        shown = ", ".join(f"{value:g}" for value in np.ravel(y[0])[:4])
        if loss.targets in ("values", "counts"):
            text, code = f"Every target is {shown}.", "constant_targets"
        else:
            text, code = f"All {len(y)} samples are of one class, {shown}.", "one_class"
        advice = "There is nothing to learn from these: look how y is made, and whether the data are sorted by class."
        return [Finding(code, "error", text, advice, numbers={"samples": len(y)})]
    if loss.targets not in ("values", "counts"):
        return []
    values = y.astype(np.float64)
    low, high = REACH.get(last_activation, (-np.inf, np.inf)) if loss.fused != last_activation else (-np.inf, np.inf)
    outside = float(((values < low) | (values > high)).mean())
    found = []
    if outside:
        text = (
            f"{outside:.0%} of the targets lie outside of what {last_activation} in the last layer can give, "
            f"{low:g} to {high:g}: they run from {values.min():.3g} to {values.max():.3g}."
        )
        advice = "Use activation='linear' in the last layer, or scale the targets into its range."
        found.append(Finding("targets_out_of_reach", "error", text, advice, numbers={"share": outside}))
    mean, std = np.abs(values.mean(axis=0)), values.std(axis=0)
    size = float(np.maximum(mean, std).max())
    if loss.targets == "values" and size > HUGE:
        text = f"Targets are large: mean {values.mean():.3g}, deviation {values.std():.3g}."
        advice = "Train on (y - mean) / deviation, and undo it on predictions: gradients and learning rates then fit."
        numbers = {"mean": float(values.mean()), "std": float(values.std())}
        found.append(Finding("targets_not_scaled", "warning", text, advice, numbers=numbers))
    return found


def duplicates(x: Array, validation: Array) -> list[Finding]:
    """Rows of the validation data that are in the training data, too.

    Example:
        >>> duplicates(np.eye(3), np.eye(3)[:1])[0].numbers["count"]
        1
    """
    seen = set(_digests(x))
    count = sum(digest in seen for digest in _digests(validation))
    share = count / len(validation)
    if share <= 0.01:
        return []
    text = f"{count} of {len(validation)} validation rows ({share:.0%}) are in the training data as well."
    advice = "Validation then measures memory. Remove duplicates before splitting; keep samples of one source together."
    severity = "error" if share > 0.1 else "warning"
    return [Finding("validation_duplicates", severity, text, advice, numbers={"count": count, "share": share})]


def _digests(x: Array) -> Iterator[bytes]:
    """16 bytes that stand for a row."""
    for row in x:
        yield hashlib.blake2b(np.ascontiguousarray(row + 0.0).data, digest_size=16).digest()  # -0.0 becomes 0.0
