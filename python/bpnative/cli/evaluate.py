"""``bpnative evaluate``: how good a model is on rows whose target is known."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..table.report import direction
from ..table.svg import number
from .reading import Notes, add_options, add_reading, as_json, model_and_rows
from .text import Printer, table

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "evaluate",
        help="metrics of a model on a table with its target",
        description="Metrics of a model on rows whose target is known, beside those of training.\n\n"
        "On the very rows of training they flatter the model: use others.",
        epilog="examples:\n  %(prog)s houses.safetensors sold-in-march.csv",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="the file that train wrote")
    parser.add_argument("table", help="CSV or Parquet file with raw rows and the target")
    add_options(parser)
    add_reading(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, out: Printer) -> None:
    """Evaluate and print."""
    model, rows = model_and_rows(options, Notes(options))
    metrics, used, unused = model.evaluate(rows)
    if options.json:
        out(json.dumps(as_json({"rows": used, "without_target": unused, "metrics": metrics}), indent=2))
        return
    if options.quiet:
        return
    known = model.facts.get("metrics") if isinstance(model.facts.get("metrics"), dict) else {}
    out(f"{used:,} rows" + (f"; {unused:,} without a target that can be compared are left out" if unused else ""))
    shown = [("", "here", "in training", "")]
    for name, value in metrics.items():
        before = known.get(name) if known else None
        shown.append((name, number(value), number(before) if isinstance(before, float) else "–",
                      direction(name)))  # fmt: skip
    for line in table(shown, "<>><"):
        out(f"  {line}")
    out("  In training: on the rows that were held out.")
