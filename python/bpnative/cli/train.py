"""``bpnative train``: from a table in a file to a model, with a report of what was found and decided."""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from collections.abc import Mapping
from typing import Any

import bpnative as bp

from ..table import Result, Settings, Survey, survey
from ..table import train as train_model
from ..table.report import direction, guess_of, kind_of, network_of, warnings, write_report
from ..table.svg import number
from .reading import add_options, add_reading, as_json, pairs, read, start, stem, writable
from .text import Printer, table

__all__ = ["add_parser", "run"]

MOST_PLAIN = 20  # columns without a remark that are printed; the report has them all

_EXAMPLES = """\
examples:
  %(prog)s houses.csv --target price
  %(prog)s patients.csv --target outcome -o outcome.safetensors --drop name,address
  %(prog)s sales.csv.gz --target units --task regression --categorical store,week --seed 1
  %(prog)s houses.parquet --target price --json > result.json

It writes the model (houses.safetensors) and a report to open in a browser (houses.html). Then:
  bpnative predict houses.safetensors new.csv -o prices.csv"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "train",
        help="train a model on a table (CSV or Parquet)",
        description="Train a network on a table: find out what its columns hold, prepare them, train with early\n"
        "stopping, hold the result against a guess, and say everything that was decided.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", help="CSV file (plain or .gz) or Parquet file, one row a sample")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    parser.add_argument("-o", "--output", metavar="FILE", help="the model (default: the table's name, .safetensors)")
    parser.add_argument("--report", metavar="FILE", help="the report (default: the model's name, .html)")
    parser.add_argument("--no-report", action="store_true", help="write none")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of split, weights and order (default: 0)")
    add_options(parser)
    columns = parser.add_argument_group("what the columns hold (found out if you don't say; names separated by commas)")
    columns.add_argument("--task", choices=("classification", "regression"))
    for kind, what in (("numeric", "numbers"), ("categorical", "categories"), ("dates", "dates")):
        columns.add_argument(f"--{kind}", type=pairs, action="extend", default=[], metavar="NAMES", help=f"hold {what}")
    columns.add_argument("--drop", type=pairs, action="extend", default=[], metavar="NAMES", help="leave these out")
    columns.add_argument(
        "--keep", type=pairs, action="extend", default=[], metavar="NAMES", help="use these though they look like ids"
    )
    columns.add_argument("--decimal", choices=(".", ","), help="the decimal mark")
    columns.add_argument("--day-first", action="store_true", default=None, help="01/02/2024 is the first of February")
    add_reading(parser)
    training = parser.add_argument_group("training (decided by the number of rows if you don't say)")
    training.add_argument("--hidden", type=_sizes, metavar="N,N", help="units of the hidden layers, such as 128,64")
    training.add_argument("--epochs", type=_positive, metavar="N", help="at most")
    training.add_argument("--batch-size", type=_positive, metavar="N")
    training.add_argument("--learning-rate", type=float, default=Settings.learning_rate, metavar="X")
    training.add_argument("--dropout", type=float, metavar="X")
    training.add_argument("--patience", type=_positive, metavar="N", help="epochs without gain before it stops")
    parser.set_defaults(run=run)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(_positive(part) for part in text.split(","))


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return int(text)


class _Lines(bp.Callback):
    """Prints a line for the epochs 1, 2, 5, 10, 20, 30, … and the last."""

    def __init__(self, out: Printer) -> None:
        self._out, self._last = out, ""

    def on_epoch_end(self, trainer: bp.Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """Print it, or keep it in case it is the last."""
        line = f"  {epoch + 1:5}  {number(logs['loss']):>12}  {number(logs['val_loss']):>12}"
        shown = epoch + 1 in (1, 2, 5) or (epoch + 1) % 10 == 0
        if shown:
            self._out(line)
        self._last = "" if shown else line

    def on_train_end(self, trainer: bp.Trainer) -> None:
        """Print the last."""
        if self._last:
            self._out(self._last)


def run(options: argparse.Namespace, out: Printer) -> None:
    """Train and report."""
    start(options)
    if options.seed < 0:
        raise ValueError(f"expected --seed from 0, got {options.seed}")
    if options.dropout is not None and not 0 <= options.dropout < 1:
        raise ValueError(f"expected --dropout from 0 to below 1, got {options.dropout:g}")
    model_file = writable(options.output or stem(options.table) + ".safetensors", options.force, "model")
    report_file = None
    if not options.no_report:
        report_file = writable(options.report or os.path.splitext(model_file)[0] + ".html", options.force, "report")
    for path in filter(None, (model_file, report_file)):
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise ValueError(f"there is no folder {folder} to write {os.path.basename(path)} into")
    talk = not (options.quiet or options.json)
    rows = read(options.table, options)
    kinds = dict.fromkeys(options.numeric, "number")
    kinds |= dict.fromkeys(options.categorical, "category") | dict.fromkeys(options.dates, "date")
    found = survey(
        rows, options.target, task=options.task, kinds=kinds, keep=options.keep, drop=options.drop,
        decimal=options.decimal, day_first=options.day_first,
    )  # fmt: skip
    if talk:
        _print_survey(out, options.table, found)
        out.heading("Training")
        out("  epoch  learned from    to stop by   (loss of the rows)")
    settings = Settings(
        options.hidden, options.epochs, options.batch_size, options.learning_rate, options.dropout, options.patience,
        options.seed,
    )  # fmt: skip
    result = train_model(rows, found, settings, [_Lines(out)] if talk else [])
    result.model.save(model_file)
    if report_file:
        write_report(report_file, os.path.basename(options.table), found, result)
    if options.json:
        out(json.dumps(_json(found, result, model_file, report_file), indent=2, ensure_ascii=False))
    elif talk:
        _print_result(out, result)
        out()
        out(f"Model:   {model_file} ({os.path.getsize(model_file):,} bytes, with the preparation)")
        if report_file:
            out(f"Report:  {report_file}")
        out(f"Predict: bpnative predict {model_file} ROWS.csv -o out.csv")


def _print_survey(out: Printer, source: str, found: Survey) -> None:
    out(out.style(os.path.basename(source), "bold") + f": {found.rows:,} rows, {len(found.findings) + 1} columns")
    for note in found.notes:
        out(f"  {note}")
    out.heading("Columns")
    shown = [("", "used as", "missing", "different", "")]
    plain = [name for name, one in found.findings.items() if not one.decision]
    hidden = set(plain[MOST_PLAIN:])
    for name, one in found.findings.items():
        if name in hidden:
            continue
        remark = ("! " if one.warning else "") + one.decision
        shown.append((_cut(name), kind_of(one), f"{one.missing:,}", f"{one.distinct:,}", remark))
    shown.append((_cut(found.target.name), "target", "", str(len(found.target.classes) or ""), found.target.task))
    for line in table(shown, "<<>><"):
        out(f"  {line}")
    if hidden:
        out(f"  and {len(hidden)} more columns of which there is nothing to say")


def _cut(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"


def _print_result(out: Printer, result: Result) -> None:
    learn, stop, judge = result.counts
    epochs = len(result.history["loss"])
    why = "stopped early" if epochs < (result.settings.epochs or 0) else "all epochs"
    out(f"  {epochs} epochs in {result.seconds:.1f} s ({why}); the weights of epoch {result.best_epoch + 1} are kept.")
    for line in textwrap.wrap(network_of(result), 108):
        out(f"  {line}")
    out(f"  {learn:,} rows to learn from, {stop:,} to decide when to stop, {judge:,} held out for the result.")
    out.heading(f"Result on the {judge:,} rows held out")
    shown = [("", "model", "baseline", "")]
    for name, value in result.metrics.items():
        shown.append((name, number(value), number(result.baseline[name]),
                      direction(name)))  # fmt: skip
    for line in table(shown, "<>><"):
        out(f"  {line}")
    out(f"  The baseline {guess_of(result)}.")
    for warning in warnings(result):
        out(f"  ! {warning}")
    metric = "RMSE" if "RMSE" in result.metrics else "log loss"
    out.heading(f"What matters: rise of the {metric} when a column is shuffled")
    top = list(result.importance.items())[:15]
    largest = max(top[0][1], 1e-300) if top else 1.0
    bars = ["█" * round(24 * max(0.0, value) / largest) for _, value in top]
    for line in table([(_cut(n), number(v), bar) for (n, v), bar in zip(top, bars, strict=True)], "<><"):
        out(f"  {line}")
    if len(result.importance) > len(top):
        out(f"  and {len(result.importance) - len(top)} columns that matter less")


def _json(found: Survey, result: Result, model_file: str, report_file: str | None) -> dict[str, Any]:
    columns = {
        name: {"used_as": None if one.kind == "dropped" else one.kind, "missing": one.missing,
               "different": one.distinct, "decision": one.decision, "warning": one.warning}
        for name, one in found.findings.items()
    }  # fmt: skip
    target = found.target
    report = {
        "rows": found.rows, "notes": found.notes, "target": target.name, "task": target.task,
        "classes": list(target.classes), "columns": columns, "counts": dict(zip(("learn", "stop", "judge"),
        result.counts, strict=True)), "epochs": len(result.history["loss"]), "best_epoch": result.best_epoch + 1,
        "seconds": result.seconds, "metrics": result.metrics, "baseline": result.baseline,
        "importance": result.importance, "warnings": warnings(result), "model": model_file, "report": report_file,
    }  # fmt: skip
    checked: dict[str, Any] = as_json(report)
    return checked
