"""What a column holds, from its texts alone; every decision is a sentence for the report."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .parsing import ORDERS, SPACED, STYLES, find_order, find_style, to_numbers, to_seconds
from .reading import is_missing

Array: TypeAlias = npt.NDArray[Any]

IDENTIFIER = re.compile(r"(.*[_\s-])?(id|uuid|guid|key|index|row|rownum|nr|no|number)|.*[a-z]Id|.*ID|column 1", re.I)
NUMERIC_SHARE = 0.9  # of the cells that are there: a column with so many numbers is one of numbers
MOST_CATEGORIES = 10_000
SHOWN = 3
INFINITE = ("inf", "-inf", "+inf", "infinity", "-infinity", "+infinity")


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found in a column, and what becomes of it.

    Args:
        kind: "number", "category", "date", or "dropped".
        how: The style of numbers or the order of dates.
        missing: Cells without a value.
        distinct: Different values.
        decision: A sentence for people; empty where nothing had to be decided.
        warning: Whether the decision might be wrong, so that people should look at it.
    """

    kind: str
    how: str = ""
    missing: int = 0
    distinct: int = 0
    decision: str = ""
    warning: bool = False


def examine(
    name: str,
    texts: Sequence[str],
    separator: str = ",",
    *,
    kind: str | None = None,
    decimal: str | None = None,
    day_first: bool | None = None,
    keep: bool = False,
) -> Finding:
    """What a column holds.

    Args:
        name: The column's name.
        texts: Its cells.
        separator: Of the file.
        kind: "number", "category" or "date" where the user knows.
        decimal: "." or "," where the user knows.
        day_first: For dates such as 01/02/2024, where the user knows.
        keep: Use the column even if it looks like an identifier.

    Example:
        >>> examine("size", ["1,5", "2,25", "", "3"]).kind
        'number'
        >>> examine("id", [str(number) for number in range(50)]).decision
        'left out: every row has another value, it looks like an identifier (--keep uses it)'
    """
    there = [text for text in texts if not is_missing(text)]
    counts = Counter(there)
    missing, distinct = len(texts) - len(there), len(counts)
    if not there:
        return Finding("dropped", "", missing, 0, "left out: it is empty")
    if distinct == 1 and not missing:
        return Finding("dropped", "", 0, 1, f"left out: it is {quoted(there[0])} in every row")
    words = [text for text in counts if text.lower() in INFINITE]
    if kind is None or kind == "number":
        found = _as_number(list(counts), counts, separator, decimal, kind == "number")
        if found is not None:
            style, notes, warning, numbers = found
            unique = distinct == len(there) and len(there) >= 20 and not missing
            whole = bool(np.all(numbers == np.floor(numbers)))
            if unique and whole and not keep and kind is None:
                in_order = float(numbers.max() - numbers.min()) == distinct - 1
                if in_order or IDENTIFIER.fullmatch(name):
                    why = "every row has another value, it looks like an identifier (--keep uses it)"
                    return Finding("dropped", "", missing, distinct, f"left out: {why}")
            if words:
                notes.append(f"infinite values ({quoted(*words)}) count as missing")
            return Finding("number", style, missing, distinct, "; ".join(notes), warning)
        if kind == "number":
            raise ValueError(f"column {name!r} was asked for as numbers, but holds texts such as {quoted(*counts)}")
    if kind is None or kind == "date":
        order = find_order(there, day_first)
        if order is not None:
            seconds = to_seconds(list(counts), order[0])
            bad = [text for text, second in zip(counts, seconds, strict=True) if np.isnan(second)]
            notes = [f"dates, read as {ORDERS[order[0]]}"]
            if not order[1]:
                notes[0] += " though day-month-year is possible (--day-first)"
            if bad:
                notes.append(f"{sum(counts[text] for text in bad):,} cells are no dates ({quoted(*bad)}): missing")
            return Finding("date", order[0], missing, distinct, "; ".join(notes), not order[1] or bool(bad))
        if kind == "date":
            raise ValueError(f"column {name!r} was asked for as dates, but holds texts such as {quoted(*counts)}")
    return _as_category(name, len(there), counts, missing, keep or kind == "category")


def _as_number(
    texts: list[str], counts: Counter[str], separator: str, decimal: str | None, forced: bool
) -> tuple[str, list[str], bool, Array] | None:
    style, certain = find_style(texts, separator)
    if decimal is not None:
        style = "comma" if decimal == "," else "thousands" if style == "thousands" else "point"
        certain = True
        if decimal == "." and any("," in text for text in texts):
            style = "thousands"
    numbers = to_numbers(texts, style)
    if np.isnan(numbers).all():
        return None
    bad = [text for text, number in zip(texts, numbers, strict=True) if np.isnan(number)]
    bad = [text for text in bad if text.lower() not in INFINITE]
    bad_cells = sum(counts[text] for text in bad)
    leading_zeros = any(re.fullmatch(r"0\d+", text) for text in texts)
    if not forced and (leading_zeros or bad_cells > (1 - NUMERIC_SHARE) * sum(counts.values())):
        return None
    notes = []
    if style != "point":
        notes.append(f"numbers with {STYLES[style]}" + ("" if certain else " though that is not certain (--decimal)"))
    if any(text.strip("$€£¥% ") != text for text in texts):
        notes.append("currency and per cent signs are ignored")
    if any(SPACED.search(text) for text in texts):
        notes.append("spaces between thousands are ignored")
    if bad:
        notes.append(f"mixed: {bad_cells:,} cells are no numbers ({quoted(*bad)}) and count as missing")
    return style, notes, not certain or bool(bad), numbers[np.isfinite(numbers)]


def _as_category(name: str, there: int, counts: Counter[str], missing: int, keep: bool) -> Finding:
    distinct = len(counts)
    if not keep and distinct > 0.5 * there and distinct > 20:
        what = "every row has another text" if distinct == there else f"{distinct:,} different texts in {there:,} rows"
        return Finding("dropped", "", missing, distinct, f"left out: {what} such as {quoted(*counts)} (--keep uses it)")
    if any(re.fullmatch(r"0\d+", text) for text in counts):
        return Finding("category", "", missing, distinct, "digits with leading zeros: categories, not numbers")
    once = sum(count == 1 for count in counts.values())
    if distinct > 10 and once:
        note = f"{once:,} of {distinct:,} categories occur once: they share one code with those not seen yet"
        return Finding("category", "", missing, distinct, note)
    if distinct > MOST_CATEGORIES:
        note = f"the {MOST_CATEGORIES:,} most frequent categories are told apart, the others share one code"
        return Finding("category", "", missing, distinct, note, True)
    return Finding("category", "", missing, distinct)


def quoted(*texts: str) -> str:
    """The first few texts for a sentence, cut where they are long.

    Example:
        >>> quoted("a", "b", "c", "d")
        "'a', 'b', 'c', …"
    """
    shown = [repr(text if len(text) <= 30 else text[:29] + "…") for text in texts[:SHOWN]]
    return ", ".join(shown) + (", …" if len(texts) > SHOWN else "")
