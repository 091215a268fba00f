"""``bpnative predict``: predictions for raw rows, by a model that ``bpnative train`` wrote."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from ..io import atomic
from ..table import Prepared
from .reading import Notes, add_options, add_reading, model_and_rows
from .text import Printer

__all__ = ["add_parser", "run"]

_EXAMPLES = """\
examples:
  %(prog)s houses.safetensors new.csv -o prices.csv
  %(prog)s houses.safetensors new.csv --with-columns > all.csv
  %(prog)s outcome.safetensors new.csv --json | head"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "predict",
        help="predict the rows of a table with a model from train",
        description="Predict the rows of a table. Columns may stand in any order, others than those of training are\n"
        "ignored. The result is a CSV file with one row for each row of the table, in its order: the column\n"
        "'prediction', and for classes their probabilities.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="the file that train wrote")
    parser.add_argument("table", help="CSV or Parquet file with raw rows")
    parser.add_argument("-o", "--output", metavar="FILE", help="the predictions (default: standard output)")
    parser.add_argument("--with-columns", action="store_true", help="the table's columns first")
    parser.add_argument(
        "--allow-missing-columns", action="store_true", help="take a column that is not there as missing in every row"
    )
    add_options(parser)
    add_reading(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, out: Printer) -> None:
    """Predict and write."""
    notes = Notes(options)
    model, rows = model_and_rows(options, notes)
    predicted, prepared = model.predict(rows, allow_missing_columns=options.allow_missing_columns)
    target = model.preparation.target
    _remarks(notes, prepared, len(rows), target.name)
    classes = target.classes
    if classes:
        names = [classes[index] for index in predicted.argmax(axis=1)]
        head = ["prediction", *(f"probability {name}" for name in classes)]
        cells = [[name, *(f"{p:.6g}" for p in row)] for name, row in zip(names, predicted.tolist(), strict=True)]
    else:
        head, cells = ["prediction"], [[f"{value:.9g}"] for value in predicted.tolist()]
    if options.with_columns:
        clash = sorted(set(head) & set(rows.columns))
        if clash:
            raise ValueError(f"the table has columns named {', '.join(clash)} already: leave out --with-columns")
        head = [*rows.columns, *head]
        raw = zip(*rows.columns.values(), strict=True)
        cells = [[*one, *more] for one, more in zip(raw, cells, strict=True)]
    if options.json and options.output is None:
        out(json.dumps([dict(zip(head, row, strict=True)) for row in cells], ensure_ascii=False, indent=1))
        return
    if options.output is None:
        if not options.quiet:
            for chunk in _lines(head, cells):
                out(chunk.rstrip("\n"))
        return
    atomic.write(options.output, (chunk.encode() for chunk in _lines(head, cells)))
    if options.json:
        about = {"rows": len(rows), "output": options.output, "unknown": prepared.unknown, "absent": prepared.absent,
                 "ignored": prepared.ignored}  # fmt: skip
        out(json.dumps(about, indent=2, ensure_ascii=False))
    else:
        notes(f"{len(rows):,} predictions of {target.name!r} in {options.output}")


def _lines(head: list[str], cells: list[list[str]]) -> Iterator[str]:
    for begin in range(0, max(1, len(cells)), 10_000):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if begin == 0:
            writer.writerow(head)
        writer.writerows(cells[begin : begin + 10_000])
        yield text.getvalue()


def _remarks(notes: Notes, prepared: Prepared, n: int, target: str) -> None:
    for name in prepared.absent:
        notes(f"Column {name!r} is not there: taken as missing in every row.")
    for name, count in prepared.unknown.items():
        notes(
            f"Column {name!r}: {count:,} of {n:,} cells hold what training has not seen: taken as missing or unknown."
        )
    if prepared.ignored:
        shown = ", ".join(map(repr, prepared.ignored[:8])) + (", …" if len(prepared.ignored) > 8 else "")
        notes(f"Ignored, the model does not read it: {shown}.")
