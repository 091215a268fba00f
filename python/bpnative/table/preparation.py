"""From raw rows to what a network reads, fitted once and kept in the model file."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .columns import AnyColumn, Category, Date, Number, from_json
from .inference import Finding
from .reading import Table
from .target import Target

Array: TypeAlias = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Rows as a network reads them.

    Args:
        X: Features (n, features), float32; the codes of categories in the last columns.
        unknown: For each column, cells that are neither missing nor what training knows.
        absent: Columns that the table lacks, taken as missing.
        ignored: Columns of the table that the network does not read.
    """

    X: Array
    unknown: dict[str, int]
    absent: list[str]
    ignored: list[str]


@dataclasses.dataclass(frozen=True)
class Preparation:
    """What becomes of each column, and the target.

    Args:
        columns: Those that are read, in the order of the table.
        target: What is predicted.

    Example:
        >>> table = Table.of({"size": [1, 3], "color": ["red", "blue"], "y": [0, 1]})
        >>> found = {"size": Finding("number", "point"), "color": Finding("category")}
        >>> preparation = Preparation.fit(table, found, Target("y", "regression"))
        >>> preparation.transform(Table.of({"color": ["blue", "green", None], "size": [3, None, 1]})).X.tolist()
        [[1.0, 2.0], [0.0, 0.0], [-1.0, 1.0]]
    """

    columns: tuple[AnyColumn, ...]
    target: Target

    @classmethod
    def fit(cls, table: Table, found: Mapping[str, Finding], target: Target) -> Preparation:
        """Fitted to the rows to learn from.

        Args:
            table: These rows.
            found: For each column to read what `examine` found.
            target: What is predicted.
        """
        columns: list[AnyColumn] = []
        for name, finding in found.items():
            texts = table.columns[name]
            if finding.kind == "number":
                columns.append(Number.fit(name, texts, finding.how))
            elif finding.kind == "date":
                columns.append(Date.fit(name, texts, finding.how))
            elif finding.kind == "category":
                columns.append(Category.fit(name, texts))
        return cls(tuple(columns), target)

    @property
    def features(self) -> list[tuple[str, str]]:
        """The column and the meaning of each feature, in order."""
        numbers, codes = [], []
        for column in self.columns:
            if isinstance(column, Category):
                codes.append((column.name, "category"))
                continue
            parts = ["value"] if isinstance(column, Number) else list(column.parts)
            parts += ["missing"] if column.indicator or not parts else []
            numbers += [(column.name, part) for part in parts]
        return numbers + codes

    @property
    def codes(self) -> dict[int, int]:
        """For each feature that is a code, the number of codes: the columns of `bpnative.Embedding`."""
        counts = [column.codes for column in self.columns if isinstance(column, Category)]
        return dict(enumerate(counts, len(self.features) - len(counts)))

    def transform(self, table: Table, *, allow_missing_columns: bool = False) -> Prepared:
        """Features of raw rows; columns may stand in any order, others than the known are ignored.

        Args:
            table: The rows.
            allow_missing_columns: Take a column that is not there as missing in every row.

        Raises:
            ValueError: A column is not there, or none of its cells can be read as training read them.
        """
        absent = [column.name for column in self.columns if column.name not in table.columns]
        if absent and not allow_missing_columns:
            raise ValueError(_absent(absent, list(table.columns)))
        n = len(table)
        numbers: list[Array] = []
        codes: list[Array] = []
        unknown: dict[str, int] = {}
        for column in self.columns:
            texts: Sequence[str] = table.columns.get(column.name) or [""] * n
            values, strange = column.transform(texts, table.separator)
            (codes if isinstance(column, Category) else numbers).append(values)
            if strange:
                unknown[column.name] = strange
            if strange == n and n > 1 and not isinstance(column, Category):
                what = "numbers" if isinstance(column, Number) else "dates"
                raise ValueError(
                    f"column {column.name!r} held {what} in training, here no cell is one: it begins with "
                    f"{texts[0]!r}. Give {what} as in training, or leave the cells empty"
                )
        known = {*(column.name for column in self.columns), self.target.name}
        X = np.concatenate([*numbers, *codes], axis=1).astype(np.float32)
        return Prepared(X, unknown, absent, [name for name in table.columns if name not in known])

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return {"columns": [column.to_json() for column in self.columns], "target": self.target.to_json()}

    @classmethod
    def from_json(cls, given: Any) -> Preparation:
        """A preparation from what `to_json` gave.

        Raises:
            ValueError: It is none, or a part of it is wrong.
        """
        if not isinstance(given, dict) or not isinstance(given.get("columns"), list) or not given["columns"]:
            raise ValueError("the file describes no preparation of a table")
        columns = tuple(from_json(column) for column in given["columns"])
        if len({column.name for column in columns}) < len(columns):
            raise ValueError("the file describes one column twice")
        return cls(columns, Target.from_json(given.get("target")))


def _absent(absent: list[str], names: list[str]) -> str:
    near = {name: difflib.get_close_matches(name.lower(), [other.lower() for other in names], 1) for name in absent}
    hints = [f"{name!r} (there is {match[0]!r})" if match else repr(name) for name, match in near.items()]
    return (
        f"the table lacks {len(absent)} of the columns that the model reads: {', '.join(hints)}. "
        "Add them, or pass --allow-missing-columns to take them as missing"
    )
