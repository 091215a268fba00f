"""What becomes of one column: a number, a category or a date, each with all that was fitted, as JSON can hold it.

Features are float64. A number is (x - mean) / scale, the median where it is missing, and, if some were missing, one
more column of 0 and 1 says where. A category is a code for `Embedding`: 0 not seen in training, 1 missing, from 2 on
the known.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from .inference import MOST_CATEGORIES
from .parsing import date_parts, find_style, to_numbers, to_seconds
from .reading import is_missing

Array: TypeAlias = npt.NDArray[Any]

FARTHEST = 10.0  # standard deviations: what lies further out is moved there, so that one outlier can't rule a step
NEW, GONE, FIRST = 0, 1, 2  # codes: not seen in training, missing, the first known category


def present(texts: Sequence[str]) -> Array:
    """True where a cell has a value.

    Example:
        >>> present(["1", "", "NA"]).tolist()
        [True, False, False]
    """
    return np.fromiter((not is_missing(text) for text in texts), bool, len(texts))


def fit_scale(values: Array) -> tuple[float, float, float]:
    """Median, mean and standard deviation (1 where it is 0) of the numbers that are there, missing ones as the median.

    Example:
        >>> fit_scale(np.array([1.0, np.nan, 3.0]))
        (2.0, 2.0, 0.816496580927726)
    """
    known = values[np.isfinite(values)]
    median = float(np.median(known)) if len(known) else 0.0
    filled = np.where(np.isfinite(values), values, median)
    largest = float(np.abs(filled).max(initial=0.0)) or 1.0  # squares of huge numbers must not overflow
    mean = float((filled / largest).mean()) * largest
    spread = float((filled / largest - mean / largest).std()) * largest
    return median, mean, spread if spread > 1e-12 * abs(mean) and np.isfinite(spread) and spread > 0 else 1.0


def scaled(values: Array, median: float, mean: float, scale: float) -> Array:
    """Numbers in standard deviations from the mean, missing ones as the median.

    Example:
        >>> scaled(np.array([3.0, np.nan, 900.0]), 2.0, 2.0, 0.5).tolist()
        [2.0, 0.0, 10.0]
    """
    filled = np.where(np.isfinite(values), values, median)
    return np.clip(filled / scale - mean / scale, -FARTHEST, FARTHEST)


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table that the network reads.

    Args:
        name: Its name in the table.
        indicator: Whether a feature says where it is missing.
    """

    name: str
    indicator: bool
    kind: ClassVar[str] = ""

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return {"kind": self.kind, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class Number(Column):
    """A column of numbers; `style` is how training wrote them, see `find_style`."""

    style: str
    median: float
    mean: float
    scale: float
    kind: ClassVar[str] = "number"

    @classmethod
    def fit(cls, name: str, texts: Sequence[str], style: str) -> Number:
        """Fitted to the rows to learn from."""
        values = numbers_of(texts, style)
        return cls(name, bool(np.isnan(values).any()), style, *fit_scale(values))

    def transform(self, texts: Sequence[str], separator: str) -> tuple[Array, int]:
        """Features (n, 1 or 2), and how many cells were neither missing nor numbers."""
        there = present(texts)
        style, _ = find_style([text for text, known in zip(texts, there, strict=True) if known], separator, self.style)
        values = numbers_of(texts, style)
        parts = [scaled(values, self.median, self.mean, self.scale)]
        parts += [np.isnan(values).astype(np.float64)] if self.indicator else []
        return np.stack(parts, axis=1), int((np.isnan(values) & there).sum())


def numbers_of(texts: Sequence[str], style: str) -> Array:
    """Numbers of cells, NaN where one is missing or none.

    Example:
        >>> numbers_of(["1", "NA", "x"], "point").tolist()
        [1.0, nan, nan]
    """
    return to_numbers([text or "nan" for text in texts], style)


@dataclasses.dataclass(frozen=True)
class Category(Column):
    """A column of categories; those that are not listed, new or rare ones, share code 0."""

    categories: tuple[str, ...]
    kind: ClassVar[str] = "category"

    @classmethod
    def fit(cls, name: str, texts: Sequence[str]) -> Category:
        """Fitted to the rows to learn from: what occurs at least twice, at most the `MOST_CATEGORIES` most frequent."""
        counts = Counter(text for text in texts if not is_missing(text))
        least = 2 if len(counts) > 10 else 1
        often = sorted((-count, text) for text, count in counts.items() if count >= least)[:MOST_CATEGORIES]
        return cls(name, False, tuple(sorted(text for _, text in often)))

    @property
    def codes(self) -> int:
        """The number of codes."""
        return len(self.categories) + FIRST

    def transform(self, texts: Sequence[str], separator: str) -> tuple[Array, int]:
        """Codes (n, 1), and how many cells hold what training has not seen often enough."""
        code = {category: index for index, category in enumerate(self.categories, FIRST)}
        codes = np.fromiter((code.get(text, NEW) for text in texts), np.float64, len(texts))
        codes[(codes == NEW) & ~present(texts)] = GONE
        return codes[:, None], int((codes == NEW).sum())


@dataclasses.dataclass(frozen=True)
class Date(Column):
    """A column of dates: year, month, day of the week, hour and days, those of them that vary, scaled like numbers."""

    order: str
    parts: tuple[str, ...]
    scales: tuple[tuple[float, float, float], ...]
    kind: ClassVar[str] = "date"

    @classmethod
    def fit(cls, name: str, texts: Sequence[str], order: str) -> Date:
        """Fitted to the rows to learn from."""
        seconds = to_seconds(texts, order)
        values = {part: v for part, v in date_parts(seconds).items() if len(np.unique(v[np.isfinite(v)])) > 1}
        scales = tuple(fit_scale(v) for v in values.values())
        return cls(name, bool(np.isnan(seconds).any()), order, tuple(values), scales)

    def transform(self, texts: Sequence[str], separator: str) -> tuple[Array, int]:
        """Features (n, parts or one more), and how many cells were neither missing nor dates."""
        seconds = to_seconds(texts, self.order)
        values = date_parts(seconds)
        parts = [scaled(values[part], *scale) for part, scale in zip(self.parts, self.scales, strict=True)]
        parts += [np.isnan(seconds).astype(np.float64)] if self.indicator or not parts else []
        return np.stack(parts, axis=1), int((np.isnan(seconds) & present(texts)).sum())


AnyColumn: TypeAlias = Number | Category | Date


def from_json(given: Any) -> AnyColumn:
    """A column from what `to_json` gave.

    Raises:
        ValueError: It is none, or a part of it is wrong.

    Example:
        >>> from_json(Category("color", False, ("blue", "red")).to_json())
        Category(name='color', indicator=False, categories=('blue', 'red'))
    """
    kinds: dict[str, type[Any]] = {kind.kind: kind for kind in (Number, Category, Date)}
    kind = kinds.get(str(given.get("kind"))) if isinstance(given, dict) else None
    if kind is None or set(given) != {"kind", *(field.name for field in dataclasses.fields(kind))}:
        raise ValueError(f"the file describes a column that this version does not know: {str(given)[:100]}")
    values = {name: value for name, value in given.items() if name != "kind"}
    try:
        good = isinstance(values["name"], str) and isinstance(values["indicator"], bool)
        if kind is Number:
            numbers = [float(values[name]) for name in ("median", "mean", "scale")]
            values |= dict(zip(("median", "mean", "scale"), numbers, strict=True))
            good = good and isinstance(values["style"], str) and _usable(numbers)
        elif kind is Category:
            values["categories"] = tuple(values["categories"])
            good = good and all(isinstance(category, str) for category in values["categories"])
        else:
            values["parts"] = tuple(values["parts"])
            values["scales"] = tuple(tuple(float(number) for number in scale) for scale in values["scales"])
            good = good and set(values["parts"]) <= set(date_parts(np.zeros(1))) and all(map(_usable, values["scales"]))
            good = (
                good and len(values["parts"]) == len(values["scales"]) and values["order"] in ("year", "day", "month")
            )
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"the file describes column {values.get('name')!r} by values of the wrong kind")
    column: AnyColumn = kind(**values)
    return column


def _usable(numbers: Sequence[float]) -> bool:
    return len(numbers) == 3 and bool(np.isfinite(numbers).all()) and numbers[2] > 0
