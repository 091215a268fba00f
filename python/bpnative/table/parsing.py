"""Numbers and dates from texts, column by column: how a column writes them is found once and then kept."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

DATE_SHARE = 0.9  # of the cells that are there: a column with so many dates is one of dates
SYMBOLS = "$€£¥%"
COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[. \u00a0']\d{3})+)?(?:,\d+)?(?:[eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
SPACED = re.compile(r"(?<=\d)[ \u00a0\u202f'](?=\d{3}(?!\d))")  # 12 000
STYLES = {
    "point": "decimal point",
    "comma": "decimal comma",
    "thousands": "decimal point and commas between thousands",
}
TIME = r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?)?\s*(?:Z|UTC|[+-]\d\d:?\d\d)?"
YEAR_FIRST = re.compile(r"(?P<year>\d{4})(?P<mark>[-/.])(?P<a>\d{1,2})(?P=mark)(?P<b>\d{1,2})" + TIME)
YEAR_LAST = re.compile(r"(?P<a>\d{1,2})(?P<mark>[-/.])(?P<b>\d{1,2})(?P=mark)(?P<year>\d{4})" + TIME)
ORDERS = {"year": "year-month-day", "day": "day-month-year", "month": "month-day-year"}


def find_style(texts: Sequence[str], separator: str = ",", default: str | None = None) -> tuple[str, bool]:
    """How numbers are written in a column, and whether that is certain.

    Args:
        texts: Cells that are not missing.
        separator: Of the file: where it is the comma, one in a cell is less likely a decimal comma.
        default: What to take where the texts leave it open.

    Example:
        >>> find_style(["1.5", "-2"]), find_style(["1,5", "2"]), find_style(["1,234.5", "2"])
        (('point', True), ('comma', True), ('thousands', True))
        >>> find_style(["1,234"])
        ('thousands', False)
    """
    with_comma = [text.strip(SYMBOLS + " ") for text in texts if "," in text][:1000]
    if not with_comma:
        return ("comma" if default == "comma" and _dots_are_thousands(texts) else "point"), True
    as_comma = sum(COMMA.fullmatch(text) is not None for text in with_comma)
    as_thousands = sum(THOUSANDS.fullmatch(text) is not None for text in with_comma)
    if as_comma != as_thousands:
        return ("comma" if as_comma > as_thousands else "thousands"), True
    if as_comma == 0:
        return "point", True
    if any(re.search(r"\d\.(\d{1,2}|\d{4,})$", text.strip(SYMBOLS + " ")) for text in texts if "." in text):
        return "thousands", True
    return (default if default in ("comma", "thousands") else "thousands" if separator == "," else "comma"), False


def _dots_are_thousands(texts: Sequence[str]) -> bool:
    dotted = [text for text in texts if "." in text]
    return bool(dotted) and all(re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+", text) for text in dotted)


def to_numbers(texts: Sequence[str], style: str = "point") -> Array:
    """The numbers of texts as float64, NaN where a text is no finite number.

    Example:
        >>> to_numbers(["1.5", "x", "2e3", "$4"]).tolist()
        [1.5, nan, 2000.0, 4.0]
        >>> to_numbers(["1.234,5", "7"], "comma").tolist()
        [1234.5, 7.0]
    """
    try:
        if style != "point" or any("_" in text for text in texts):
            raise ValueError
        numbers = np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        read = functools.lru_cache(1 << 16)(functools.partial(_number, style=style))
        numbers = np.fromiter(map(read, texts), np.float64, len(texts))
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _number(text: str, style: str) -> float:
    text = SPACED.sub("", text.strip(SYMBOLS + " "))
    if style == "comma":
        if not text or not COMMA.fullmatch(text):
            if "," in text or "." not in text:
                return float("nan")
        else:
            text = re.sub(r"[. \u00a0']", "", text).replace(",", ".")
    elif style == "thousands" and THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    try:
        return float(text) if "_" not in text else float("nan")
    except ValueError:
        return float("nan")


def find_order(texts: Sequence[str], day_first: bool | None = None) -> tuple[str, bool] | None:
    """The order of a column's dates, and whether that is certain; None where they are no dates.

    Example:
        >>> find_order(["2024-01-31"]), find_order(["31.01.2024"]), find_order(["01/31/2024"])
        (('year', True), ('day', True), ('month', True))
        >>> find_order(["01/02/2024"]), find_order(["red"])
        (('month', False), None)
    """
    sample = texts[:: max(1, len(texts) // 1000)]
    if not sample:
        return None
    if sum(YEAR_FIRST.fullmatch(text) is not None for text in sample) >= DATE_SHARE * len(sample):
        return "year", True
    matches = [match for text in sample if (match := YEAR_LAST.fullmatch(text))]
    if len(matches) < DATE_SHARE * len(sample):
        return None
    if day_first is not None:
        return ("day" if day_first else "month"), True
    all_matches = [match for text in set(texts) if (match := YEAR_LAST.fullmatch(text))]
    first, second = (max(int(match[part]) for match in all_matches) for part in ("a", "b"))
    if first > 12 or second > 12:
        return ("day" if first > 12 else "month"), True
    return ("day", True) if matches[0]["mark"] == "." else ("month", False)


def to_seconds(texts: Sequence[str], order: str) -> Array:
    """Dates as seconds since 1970-01-01 (float64), NaN where a text is none; zones are ignored.

    Example:
        >>> to_seconds(["1970-01-02", "1970-01-01 00:01", "1970-02-30"], "year").tolist()
        [86400.0, 60.0, nan]
    """
    read = functools.lru_cache(1 << 16)(functools.partial(_seconds, order=order))
    return np.fromiter(map(read, texts), np.float64, len(texts))


def _seconds(text: str, order: str) -> float:
    match = YEAR_FIRST.fullmatch(text)
    if match:
        month, day = match["a"], match["b"]
    else:
        match = YEAR_LAST.fullmatch(text)
        if not match:
            return float("nan")
        day, month = (match["a"], match["b"]) if order == "day" else (match["b"], match["a"])
    try:
        hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
        moment = datetime.datetime(int(match["year"]), int(month), int(day), hour, minute, second)
    except ValueError:
        return float("nan")
    return (moment - datetime.datetime(1970, 1, 1)).total_seconds()


def date_parts(seconds: Array) -> dict[str, Array]:
    """Year, month, day of the week (Monday is 0), hour and days since 1970-01-01; NaN stays NaN.

    Example:
        >>> {name: values.tolist() for name, values in date_parts(np.array([86400.0 * 31.5])).items()}
        {'year': [1970.0], 'month': [2.0], 'day of week': [6.0], 'hour': [12.0], 'days': [31.5]}
    """
    known = np.isfinite(seconds)
    stamps = np.where(known, seconds, 0.0).astype("datetime64[s]")
    days = stamps.astype("datetime64[D]")
    months = stamps.astype("datetime64[M]").astype(np.int64)
    parts = {
        "year": months // 12 + 1970.0,
        "month": months % 12 + 1.0,
        "day of week": (days.astype(np.int64) + 3) % 7 + 0.0,
        "hour": (stamps - days).astype(np.int64) // 3600 + 0.0,
        "days": np.where(known, seconds, 0.0) / 86400.0,
    }
    return {name: np.where(known, values, np.nan) for name, values in parts.items()}
