"""Tables from files: CSV of any dialect by the standard library, Parquet by an optional package; every cell a text.

What had to be decided on the way (encoding, separator, names, rows left out) is kept as notes for the report.
"""

from __future__ import annotations

import codecs
import csv
import dataclasses
import gzip
import io
import itertools
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, cast

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "<na>", "null", "?", "."})  # compared in lower case
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
HEAD_BYTES = 1 << 18
BLOCK_ROWS = 1 << 15
RAGGED_SHARE = 0.01


@dataclasses.dataclass
class Table:
    """Columns of texts by name, all of one length; missing cells are as the file has them.

    Args:
        columns: Texts by column.
        notes: What reading decided, for people.
        separator: The character between cells.

    Example:
        >>> table = Table.of({"size": [1.5, None], "color": ["red", "blue"]})
        >>> table.columns, len(table)
        ({'size': ['1.5', ''], 'color': ['red', 'blue']}, 2)
    """

    columns: dict[str, list[str]]
    notes: list[str] = dataclasses.field(default_factory=list)
    separator: str = ","

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    @classmethod
    def of(cls, columns: Mapping[str, Iterable[object]]) -> Table:
        """A table from columns of anything: numbers, texts, dates, booleans, None."""
        texts = {str(name): [cell_text(cell) for cell in cells] for name, cells in columns.items()}
        if len({len(cells) for cells in texts.values()}) > 1:
            sizes = {name: len(cells) for name, cells in texts.items()}
            raise ValueError(f"expected columns of one length, got {sizes}")
        return cls(texts)

    def take(self, rows: Iterable[int]) -> Table:
        """The rows at these positions."""
        chosen = list(rows)
        return Table({name: [cells[row] for row in chosen] for name, cells in self.columns.items()}, [], self.separator)


def cell_text(cell: object) -> str:
    """A cell as text; None, NaN and NaT are empty.

    Example:
        >>> [cell_text(cell) for cell in (None, float("nan"), 2.0, True, " a ")]
        ['', '', '2', 'True', 'a']
    """
    if cell is None:
        return ""
    if isinstance(cell, float):
        return (
            "" if math.isnan(cell) else str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(float(cell))
        )
    text = str(cell).strip()
    return "" if text == "NaT" else text


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value.

    Example:
        >>> [is_missing(text) for text in ("", "NA", "?", "0", "none")]
        [True, True, True, False, False]
    """
    return len(text) <= 4 and text.lower() in MISSING


def read_table(
    path: str | os.PathLike[str],
    *,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool = True,
) -> Table:
    r"""A table from a CSV file (plain or .gz) or a Parquet file.

    Args:
        path: The file.
        separator: Between cells; None finds comma, semicolon, tab or vertical bar.
        encoding: Of a CSV file; None finds UTF-8, UTF-16 with its mark, or takes Windows-1252.
        header: Whether the first row holds the names; if not they are "column 1", "column 2", …

    Raises:
        ValueError: The file holds no table that can be read; the message says where and why.
        OSError: It can't be read.
        ImportError: A Parquet file needs pandas or polars.

    Example:
        >>> with open("t.csv", "w", encoding="utf-8") as file:
        ...     _ = file.write("size;color\n1,5;red\n2,0;blue\n")
        >>> read_table("t.csv").columns
        {'size': ['1,5', '2,0'], 'color': ['red', 'blue']}
    """
    with open(path, "rb") as file:
        magic = file.read(4)
    name = os.fspath(path)
    if magic == b"PAR1":
        return _parquet(name)
    if magic[:2] == b"PK":
        raise ValueError(f"{name} is a spreadsheet or zip archive: save the sheet as CSV and give that file")
    if separator is not None and len(separator) != 1:
        raise ValueError(f"expected a separator of one character, got {separator!r}")
    zipped = magic[:2] == b"\x1f\x8b"
    with _open(name, zipped) as file:
        head = file.read(HEAD_BYTES)
    if not head.strip():
        raise ValueError(f"{name} is empty: expected a row of column names and rows of data")
    found = encoding or next((code for bom, code in BOMS.items() if head.startswith(bom)), "utf-8")
    if b"\x00" in head and found != "utf-16":
        raise ValueError(f"{name} is no text file: expected CSV or Parquet")
    try:
        table = _csv(name, zipped, found, head, separator, header)
    except UnicodeDecodeError as error:
        if encoding is not None or found != "utf-8":
            raise ValueError(f"{name} is not written in {found}: {error.reason}; pass another encoding") from None
        table = _csv(name, zipped, "cp1252", head, separator, header)
        table.notes.insert(0, "The file is no UTF-8: read as Windows-1252 (--encoding says otherwise).")
    except LookupError:
        raise ValueError(f"expected the name of an encoding such as utf-8 or cp1252, got {encoding!r}") from None
    if found in ("utf-8-sig", "utf-16"):
        table.notes.insert(0, f"The file begins with a byte order mark: read as {found.removesuffix('-sig').upper()}.")
    return table


def _open(path: str, zipped: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if zipped else open(path, "rb")


def _find_separator(head: str) -> str:
    """The separator that cuts the first rows into the most evenly many cells."""
    lines = head.splitlines(keepends=True)
    text = "".join(lines[:-1] if len(lines) > 1 and len(head) >= HEAD_BYTES // 4 else lines)
    best, chosen = (0.0, 1), ","
    for separator in SEPARATORS:
        try:
            reader = csv.reader(io.StringIO(text), delimiter=separator)
            widths = [len(row) for row in itertools.islice(reader, 500) if row]
        except csv.Error:
            continue
        (width, count), *_ = Counter(widths).most_common(1) or [(1, 0)]
        score = (count / max(1, len(widths)) if width > 1 and widths[0] == width else 0.0, width)
        if score > best:
            best, chosen = score, separator
    return chosen


def _csv(name: str, zipped: bool, encoding: str, head: bytes, separator: str | None, header: bool) -> Table:
    found = separator or _find_separator(head.decode(encoding, "ignore"))
    notes = []
    if separator is None:
        notes.append(f"Cells are separated by the {SEPARATORS[found]} (--separator says otherwise).")
    with _open(name, zipped) as raw, io.TextIOWrapper(raw, encoding, newline="") as file:
        reader = csv.reader(file, delimiter=found)
        try:
            rows = (row for row in reader if row and (len(row) > 1 or row[0].strip()))
            first = next(rows, None)
            if first is None:
                raise ValueError(f"{name} is empty: expected a row of column names and rows of data")
            names = _names([cell.strip() for cell in first], header, notes, name)
            columns = _columns(rows if header else itertools.chain([first], rows), reader, len(names), notes, name)
        except csv.Error as error:
            raise ValueError(f"{name}, line {reader.line_num}: {error}") from None
    return Table(dict(zip(names, columns, strict=True)), notes, found)


def _names(cells: list[str], header: bool, notes: list[str], name: str) -> list[str]:
    if not header:
        return [f"column {index + 1}" for index in range(len(cells))]
    if all(cell and _is_number(cell) for cell in cells):
        raise ValueError(
            f"{name} seems to have no row of names: its first row is {', '.join(cells[:6])}. Pass --no-header to call "
            f"the columns 'column 1' to 'column {len(cells)}', or add a first row with names"
        )
    names: list[str] = []
    for index, cell in enumerate(cells):
        chosen = cell or f"column {index + 1}"
        while chosen in names:
            chosen += " (again)"
        if chosen != cell:
            what = f"named {cell!r} as one before" if cell else "without a name"
            notes.append(f"Column {index + 1} is {what}: called {chosen!r}.")
        names.append(chosen)
    return names


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _columns(rows: Iterable[list[str]], reader: Any, width: int, notes: list[str], name: str) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in range(width)]
    memos: list[dict[str, str] | None] = [{} for _ in range(width)]
    block: list[list[str]] = []
    ragged: list[int] = []
    count = 0

    def flush() -> None:
        for index, cells in enumerate(zip(*block, strict=True)):
            stripped = [cell.strip() for cell in cells]
            memo = memos[index]
            if memo is not None:  # one string object a value where values repeat: memory
                stripped = [memo.setdefault(cell, cell) for cell in stripped]
                if len(memo) > BLOCK_ROWS // 2:
                    memos[index] = None
            columns[index] += stripped
        block.clear()

    for row in rows:
        count += 1
        if len(row) != width:
            if len(row) < width or any(cell.strip() for cell in row[width:]):
                ragged.append(reader.line_num)
                continue
            row = row[:width]
        block.append(row)
        if len(block) == BLOCK_ROWS:
            flush()
    if block:
        flush()
    if ragged:
        where = ", ".join(map(str, ragged[:5])) + (", …" if len(ragged) > 5 else "")
        if len(ragged) > max(1, RAGGED_SHARE * count):
            raise ValueError(
                f"{name}: {len(ragged):,} of {count:,} rows have not {width} cells as the first row (lines {where}): "
                "is the separator right (--separator), and are texts with separators quoted?"
            )
        notes.append(f"{len(ragged):,} rows have not {width} cells and are left out: lines {where}.")
    return columns


def _parquet(path: str) -> Table:
    """By pandas with an engine for Parquet, else by polars."""
    columns: dict[str, Iterable[object]]
    try:
        import pandas  # type: ignore[import-untyped]

        frame = pandas.read_parquet(path)
        columns = {str(name): frame[name].astype(object).where(frame[name].notna(), None) for name in frame.columns}
    except ImportError:
        try:
            import polars
        except ImportError:
            raise ImportError(
                "Parquet files need polars, or pandas with pyarrow: pip install 'bpnative[table]', or save as CSV"
            ) from None
        columns = {series.name: series.to_list() for series in polars.read_parquet(path)}
    table = Table.of(columns)
    table.notes.append("A Parquet file: its values are read as they are.")
    return table
