"""The column to predict: which task it asks for, and its values as a network learns them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .columns import present
from .inference import quoted
from .parsing import STYLES, find_style, to_numbers

Array: TypeAlias = npt.NDArray[Any]

TASKS = ("classification", "regression")
MOST_CLASSES = 1000
FEW = 20  # whole numbers with at most so many values are classes, if rows are many


@dataclasses.dataclass(frozen=True)
class Target:
    """The column to predict.

    Args:
        name: Its name.
        task: "classification" or "regression".
        classes: The labels, sorted; empty for regression.
        style: How numbers are written, see `find_style`.
        mean: Of the numbers to learn from; regression learns (y - mean) / scale.
        scale: Their standard deviation.
    """

    name: str
    task: str
    classes: tuple[str, ...] = ()
    style: str = "point"
    mean: float = 0.0
    scale: float = 1.0

    def labels(self, texts: Sequence[str], separator: str = ",") -> Array:
        """Classes as numbers from 0, or the numbers themselves, float64; NaN where there is none or an unknown one.

        Example:
            >>> Target("y", "classification", ("a", "b")).labels(["b", "a", "", "c"]).tolist()
            [1.0, 0.0, nan, nan]
        """
        there = present(texts)
        if self.task == "regression":
            known = [text for text, is_there in zip(texts, there, strict=True) if is_there]
            style, _ = find_style(known, separator, self.style)
            return to_numbers([text or "nan" for text in texts], style)
        code = {label: float(index) for index, label in enumerate(self.classes)}
        names = canonical(texts, self.style)
        values = [code.get(name, np.nan) if is_there else np.nan for name, is_there in zip(names, there, strict=True)]
        return np.array(values, np.float64)

    def learned(self, labels: Array) -> Array:
        """What the network learns for labels: class numbers (n,), or scaled numbers (n, 1)."""
        if self.task == "classification":
            return labels.astype(np.int64)
        return (labels / self.scale - self.mean / self.scale)[:, None]

    @property
    def outputs(self) -> int:
        """Outputs of the network."""
        return len(self.classes) if self.task == "classification" else 1

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, given: Any) -> Target:
        """A target from what `to_json` gave.

        Raises:
            ValueError: It is none.
        """
        try:
            target = cls(**{**given, "classes": tuple(given["classes"])})
            numbers = float(target.mean), float(target.scale)
            good = type(target.name) is str and target.task in TASKS and bool(np.isfinite(numbers).all())
            good = good and target.scale > 0 and all(isinstance(label, str) for label in target.classes)
            good = good and (len(target.classes) >= 2) == (target.task == "classification")
        except (TypeError, ValueError, KeyError):
            good = False
        if not good:
            raise ValueError("the file describes no target that this version knows")
        return target


def canonical(texts: Sequence[str], style: str) -> list[str]:
    """Labels as they are compared: "1", "1.0" and "01" are one class where `style` says numbers.

    Example:
        >>> canonical(["1.0", "2", "x"], "point"), canonical(["1.0", "x"], "text")
        (['1', '2', 'x'], ['1.0', 'x'])
    """
    if style == "text":
        return list(texts)
    numbers = to_numbers([text or "nan" for text in texts], style)
    return [
        text if np.isnan(number) else str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
        for text, number in zip(texts, map(float, numbers), strict=True)
    ]


def find_target(
    name: str, texts: Sequence[str], separator: str = ",", task: str | None = None, decimal: str | None = None
) -> tuple[Target, list[str]]:
    """The target of a column, without mean and scale, and what was decided, as sentences.

    Args:
        name: The column's name.
        texts: Its cells.
        separator: Of the file.
        task: "classification" or "regression" where the user knows.
        decimal: "." or "," where the user knows.

    Raises:
        ValueError: There is nothing to learn: no values, one value, or texts where numbers were asked for.

    Example:
        >>> find_target("y", ["yes", "no", "yes"])[0].classes
        ('no', 'yes')
    """
    there = [text for text, known in zip(texts, present(texts), strict=True) if known]
    notes = []
    if not there:
        raise ValueError(f"the target {name!r} is empty in every row: nothing to learn")
    if len(there) < len(texts):
        notes.append(f"{len(texts) - len(there):,} rows without a target are left out.")
    style, certain = find_style(there, separator)
    if decimal is not None:
        style, certain = ("comma" if decimal == "," else "thousands" if style != "point" else "point"), True
    numbers = to_numbers(there, style)
    bad = [text for text, number in zip(there, numbers, strict=True) if np.isnan(number)]
    if task == "regression" and bad:
        what = f"{len(bad):,} of {len(there):,} values of the target {name!r} are no numbers: {quoted(*bad)}"
        if len(bad) > 0.1 * len(there):
            raise ValueError(f"{what}. Regression needs numbers; leave out --task regression to predict classes")
        notes.append(f"{what}; these rows are left out.")
    if not bad and not certain:
        notes.append(f"Its numbers are read with {STYLES[style]}, which is not certain (--decimal says otherwise).")
    distinct = len(np.unique(numbers[np.isfinite(numbers)])) if not bad or task == "regression" else len(set(there))
    if distinct < 2:
        raise ValueError(f"the target {name!r} is {there[0]!r} in every row that has one: nothing to learn")
    if task is None:
        whole = not bad and bool(np.all(numbers == np.floor(numbers)))
        few = distinct == 2 or (whole and distinct <= FEW and distinct <= 0.1 * len(there))
        task = "classification" if bad or few else "regression"
        if bad:
            why = f"its values are texts ({quoted(*sorted(set(bad)))})"
        else:
            why = (
                f"it has {distinct} different numbers"
                if few
                else f"it has {distinct:,} different numbers, too many for classes"
            )
        other = TASKS[task == "classification"]
        notes.append(f"The task is {task}: {why}." + ("" if bad else f" (--task {other} says otherwise)"))
    if task == "regression":
        return Target(name, task, (), style), notes
    style = "text" if bad else style
    labels = sorted(set(canonical(there, style)), key=_as_people_sort)
    if len(labels) > MOST_CLASSES or (len(labels) > 20 and len(labels) > 0.5 * len(there)):
        raise ValueError(
            f"the target {name!r} has {len(labels):,} different values in {len(there):,} rows, too many for classes: "
            "is it the right column? Numbers can be predicted with --task regression"
        )
    return Target(name, task, tuple(labels), style), notes


def _as_people_sort(label: str) -> tuple[bool, float, str]:
    number = float(to_numbers([label])[0])
    return (bool(np.isnan(number)), 0.0 if np.isnan(number) else number, label)
