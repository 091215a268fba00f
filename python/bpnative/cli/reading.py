"""What the commands for tables share: their options for reading, and how they write predictions."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import bpnative as bp

from ..table import Table, TableModel, read_table
from .text import Printer

__all__ = ["Notes", "add_options", "add_reading", "model_and_rows", "read", "start"]


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Options that say how a file is read."""
    group = parser.add_argument_group("how the table is read (all of it is found out if you don't say)")
    group.add_argument("--separator", metavar="C", help=r"between cells; '\t' or tab for the tabulator")
    group.add_argument("--encoding", metavar="NAME", help="such as utf-8 or cp1252")
    group.add_argument("--no-header", action="store_true", help="there is no row of names: 'column 1', 'column 2', …")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options that all commands for tables have."""
    parser.add_argument("--threads", type=int, metavar="N", help="threads of bpnative (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def start(options: argparse.Namespace) -> None:
    """Set what holds for the whole command."""
    if options.threads is not None:
        bp.set_num_threads(options.threads)


def read(path: str, options: argparse.Namespace) -> Table:
    """The table of a command's argument."""
    separator = {"\\t": "\t", "tab": "\t"}.get(options.separator, options.separator)
    return read_table(path, separator=separator, encoding=options.encoding, header=not options.no_header)


class Notes:
    """Remarks that must not get between data: to standard error, and not at all with --quiet or --json."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.silent = options.quiet or options.json
        self._print = Printer(sys.stderr)

    def __call__(self, text: str) -> None:
        """Print one."""
        if not self.silent:
            self._print(text)


def model_and_rows(options: argparse.Namespace, notes: Notes) -> tuple[TableModel, Table]:
    """What a command works on that takes a model and a table; remarks on the table are printed."""
    start(options)
    model = TableModel.load(options.model)
    rows = read(options.table, options)
    for note in rows.notes:
        notes(note)
    return model, rows


def writable(path: str, force: bool, what: str) -> str:
    """A path that may be written.

    Raises:
        ValueError: There is such a file, and nobody said that it may be replaced.
    """
    if os.path.exists(path) and not force:
        raise ValueError(f"{path} is there already: pass --force to replace it, or another name for the {what}")
    return path


def stem(path: str) -> str:
    """The name of a file without its folder and endings.

    Example:
        >>> stem("data/houses.csv.gz")
        'houses'
    """
    return os.path.basename(path).split(".")[0] or "table"


def pairs(text: str) -> list[str]:
    """Names separated by commas; a name with a comma needs an option of its own."""
    return [name.strip() for name in text.split(",") if name.strip()]


def as_json(value: Any) -> Any:
    """A number for JSON, which has no NaN."""
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and value != value else value
