"""``bpnative info``: what was chosen for this machine, and why; or what a model of ``bpnative train`` is."""

from __future__ import annotations

import argparse
import json
from typing import Any

import bpnative as bp

from ..table import TableModel
from ..table.svg import number
from .text import Printer, table

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "info",
        help="this machine: instruction set, threads, versions; or what a model holds",
        description="Show what bpnative found on this machine and what it chose, or what a model of train holds.",
        epilog="examples:\n  %(prog)s\n  %(prog)s houses.safetensors\n  %(prog)s --json\n  BPNATIVE_ISA=v2 %(prog)s",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="?", help="a file that train wrote")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, out: Printer) -> None:
    """Print what `bpnative.show_config` knows, or what a model's file holds."""
    if options.model is not None:
        _model(options, out)
    elif options.json:
        out(json.dumps(bp.show_config("dict"), indent=2))
    else:
        bp.show_config()


def _model(options: argparse.Namespace, out: Printer) -> None:
    model = TableModel.load(options.model)
    preparation, network, facts = model.preparation, model.network, model.facts
    if options.json:
        about = {"preparation": preparation.to_json(), "parameters": network.parameters.size, "facts": facts}
        out(json.dumps(about, indent=2, ensure_ascii=False))
        return
    target = preparation.target
    out(f"{out.style(options.model, 'bold')}: predicts {target.name!r} ({target.task})")
    if target.classes:
        shown = ", ".join(map(repr, target.classes[:20])) + (", …" if len(target.classes) > 20 else "")
        out(f"  {len(target.classes)} classes: {shown}")
    out.heading("Columns that it reads")
    for line in table([(c.name, c.kind, _detail(c)) for c in preparation.columns], "<<<"):
        out(f"  {line}")
    out.heading("Network")
    for line in repr(network), f"{network.parameters.size:,} parameters, {len(preparation.features)} features":
        out(f"  {line}")
    metrics = facts.get("metrics")
    if isinstance(metrics, dict) and all(isinstance(value, float) for value in metrics.values()) and metrics:
        out.heading("Metrics on the rows that training held out")
        for line in table([(str(name), number(value)) for name, value in metrics.items()], "<>"):
            out(f"  {line}")


def _detail(column: Any) -> str:
    if column.kind == "category":
        names = ", ".join(map(repr, column.categories[:6])) + (", …" if len(column.categories) > 6 else "")
        return f"{len(column.categories)} categories: {names}"
    if column.kind == "date":
        return ", ".join(column.parts)
    missing = ", says where it is missing" if column.indicator else ""
    return f"mean {number(column.mean)}, standard deviation {number(column.scale)}{missing}"
