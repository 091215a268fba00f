"""Data frames and series of pandas and polars as arrays: columns by position, their names kept for messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def is_frame(value: object) -> bool:
    """Whether it is a frame or series of pandas or polars, told without importing either.

    Example:
        >>> is_frame([1, 2])
        False
    """
    return type(value).__module__.partition(".")[0] in ("pandas", "polars") and hasattr(value, "to_numpy")


def frame_numbers(value: Any, what: str) -> Array:
    """The numbers of a frame or series, missing ones as NaN; a column of another kind is an error that names it.

    Raises:
        TypeError: A column holds no numbers.
    """
    pandas = type(value).__module__.partition(".")[0] == "pandas"
    if hasattr(value, "columns"):
        columns = list(zip(value.columns, value.dtypes, strict=True))
    else:
        columns = [(value.name, value.dtype)]
    number = _is_pandas_number if pandas else _is_polars_number
    wrong = [(name, dtype) for name, dtype in columns if not number(dtype)]
    if wrong:
        name, dtype = wrong[0]
        place = f" in column {name!r}" if hasattr(value, "columns") else ""
        more = f" (and {len(wrong) - 1} more such columns)" if len(wrong) > 1 else ""
        encode = "pandas.get_dummies, or .cat.codes" if pandas else "to_dummies, or to_physical() of categories"
        raise TypeError(
            f"expected {what} as real numbers, got dtype {dtype}{place}{more}: drop it or encode it as numbers, for "
            f"example with {encode}"
        )
    if pandas:
        plain = len({dtype for _, dtype in columns}) == 1 and isinstance(columns[0][1], np.dtype)
        return np.asarray(value.to_numpy() if plain else value.to_numpy(dtype=np.float64, na_value=np.nan))
    array = value.to_numpy()
    # Booleans beside numbers, or missing ones, come as objects.
    return np.asarray(array if array.dtype.kind in "buif" else array.astype(np.float64))


def _is_pandas_number(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "buif" and str(dtype) != "category"


def _is_polars_number(dtype: Any) -> bool:
    return bool(dtype.is_integer() or dtype.is_float() or str(dtype) == "Boolean")


def column_name(value: Any, column: int) -> str:
    """The name of a frame's column for a message, with its brackets; nothing where there is no name.

    Example:
        >>> column_name([[1, 2]], 0)
        ''
    """
    return f" ({value.columns[column]!r})" if is_frame(value) and hasattr(value, "columns") else ""
