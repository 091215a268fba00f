"""The report of a training run as one HTML file: nothing is loaded from anywhere, pictures are inside."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence

import numpy as np

import bpnative as bp

from ..io import atomic
from . import svg
from .inference import Finding
from .scores import GREATER_IS_BETTER
from .training import Result, Survey

MOST_SHOWN = 30

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5c6675; --line: #d9dee6; --page: #fff; --panel: #f5f7fa;
  --one: #2563b8; --two: #c2570c; --warn: #8a5a00; --warn-page: #fff6e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a0a9b6; --line: #363e4a; --page: #14181f;
  --panel: #1d232c; --one: #7ab0f5; --two: #f0a05a; --warn: #f0c060; --warn-page: #302810; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.warn { background: var(--warn-page); color: var(--warn); padding: .5rem .8rem; border-radius: 6px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .92rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; }
td.name { overflow-wrap: anywhere; min-width: 7rem; }
.matrix td, .matrix th { text-align: right; padding: .3rem .6rem; }
.matrix td.hit { font-weight: 700; background: var(--panel); }
svg { width: 100%; max-width: 44rem; height: auto; display: block; } svg text { font-size: 12px; fill: var(--soft); }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); } .mark { stroke: var(--soft); stroke-dasharray: 4 4; }
.line0, .line1 { fill: none; stroke: var(--one); stroke-width: 2; } .line1 { stroke: var(--two); }
.bar { fill: var(--one); } circle { fill: var(--one); fill-opacity: .45; }
"""


def write_report(path: str | os.PathLike[str], source: str, found: Survey, result: Result) -> None:
    """Write the report, all or nothing.

    Args:
        path: The HTML file.
        source: The table's name.
        found: What was found in it.
        result: What training gave.

    Raises:
        OSError: The file can't be written.
    """
    atomic.write(path, [report(source, found, result).encode()])


def report(source: str, found: Survey, result: Result) -> str:
    """The report as text."""
    target = found.target
    title = f"{target.name} of {source}"
    learn, stop, judge = result.counts
    body = [
        f"<h1>Predicting {_e(target.name)} from {_e(source)}</h1>",
        f'<p class="soft">{target.task.capitalize()}; {found.rows:,} rows, {len(found.used)} of {len(found.findings)} '
        f"columns used; bpnative {bp.__version__}</p>",
        "<h2>How good it is</h2>",
        f"<p>On {judge:,} rows held out, which training never saw. The baseline {guess_of(result)}.</p>",
        *([f'<p class="warn">{_e(warning)}</p>' for warning in warnings(result)]),
        _table(
            ("metric", "model", "baseline", ""),
            [
                (name, svg.number(value), svg.number(result.baseline[name]), direction(name))
                for name, value in result.metrics.items()
            ],
            "lrrl",
        ),
        _picture(result),
        "<h2>Which columns matter</h2>",
        f"<p>How much worse {'the RMSE' if target.task == 'regression' else 'the log loss'} becomes when a column is "
        "shuffled among the held-out rows. Columns that say the same share their importance.</p>",
        svg.bars(dict(list(result.importance.items())[:MOST_SHOWN]), "importance of the columns"),
        "<h2>Training</h2>",
        f"<p>{learn:,} rows to learn from, {stop:,} to decide when to stop; {len(result.history['loss'])} epochs in "
        f"{result.seconds:.1f} s, the weights of epoch {result.best_epoch + 1} are kept (dashed line; "
        f"high losses of the first epochs are cut off). {_e(network_of(result))}</p>",
        svg.curves(
            {"rows learned from": result.history["loss"], "rows to stop by": result.history["val_loss"]},
            result.best_epoch, ("epoch", "loss"), "loss of each epoch",
        ),
        "<h2>What was decided</h2>",
        "<ul>" + "".join(f"<li>{_e(note)}</li>" for note in found.notes) + "</ul>",
        _table(
            ("column", "used as", "missing", "different", "decision"),
            [
                (name, kind_of(one), f"{one.missing:,}", f"{one.distinct:,}", f"{'⚠ ' * one.warning}{one.decision}")
                for name, one in found.findings.items()
            ],
            "llrrl",
        ),
    ]  # fmt: skip
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(title)}</title><style>{STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def direction(metric: str) -> str:
    """What a reader must know to compare two values of a metric.

    Example:
        >>> direction("accuracy"), direction("RMSE")
        ('', 'less is better')
    """
    return "" if GREATER_IS_BETTER[metric] else "less is better"


def kind_of(found: Finding) -> str:
    """What a column is used as, in a word.

    Example:
        >>> kind_of(Finding("dropped")), kind_of(Finding("date", "year"))
        ('–', 'date')
    """
    return "–" if found.kind == "dropped" else found.kind


def guess_of(result: Result) -> str:
    """What the baseline does."""
    if result.model.preparation.target.task == "regression":
        return "predicts the mean of the rows learned from"
    return "predicts the commonest class, with the classes' shares as probabilities"


def network_of(result: Result) -> str:
    """The network and how it was trained, in a sentence."""
    used, network = result.settings, result.model.network
    chain = " → ".join(map(str, (network.input_size, *(used.hidden or ()), network.output_size)))
    return (
        f"A network {chain} of {network.parameters.size:,} parameters, dropout {used.dropout:g}; AdamW, learning rate "
        f"{used.learning_rate:g}, batches of {used.batch_size}, patience of {used.patience} epochs, seed {used.seed}."
    )


def warnings(result: Result) -> list[str]:
    """What a reader must know before trusting the model."""
    found = []
    main = "RMSE" if "RMSE" in result.metrics else "log loss"
    if not result.metrics[main] < result.baseline[main]:
        found.append(f"The model is no better than the baseline by {main}: these columns say little about the target.")
    if result.counts[2] < 100:
        found.append(f"Only {result.counts[2]} rows are held out: these metrics can be off by a good deal.")
    if (
        result.metrics.get("R²", 0.0) > 0.9999
        or (result.counts[2] >= 100 and result.metrics.get("accuracy", 0.0) == 1.0)
    ) and result.importance:
        first = next(iter(result.importance))
        found.append(f"The predictions are all but perfect: does column {first!r} give the target away?")
    return found


def _picture(result: Result) -> str:
    target = result.model.preparation.target
    if target.task == "regression":
        return svg.points(result.labels, result.predicted, ("true", "predicted"), "predicted over true values")
    classes = target.classes
    if len(classes) > MOST_SHOWN:
        return f'<p class="soft">No table of confusions: {len(classes):,} classes are too many to show.</p>'
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (result.labels.astype(int), result.predicted.argmax(axis=1)), 1)
    head = "".join(f"<th>{_e(name)}</th>" for name in classes)
    rows = "".join(
        f"<tr><th>{_e(name)}</th>"
        + "".join(f"<td{' class=hit' if i == j else ''}>{count or '·'}</td>" for j, count in enumerate(row))
        + "</tr>"
        for i, (name, row) in enumerate(zip(classes, counts.tolist(), strict=True))
    )
    caption = '<p class="soft">A row for each true class, a column for what is predicted:</p>'
    return f'{caption}<div class="scroll"><table class="matrix"><tr><th></th>{head}</tr>{rows}</table></div>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        kinds = [' class="n"' if side == "r" else ' class="name"' if i == 0 else "" for i, side in enumerate(align)]
        inside = "".join(f"<{tag}{kind}>{_e(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        return f"<tr>{inside}</tr>"

    return f'<div class="scroll"><table>{row(head, "th")}{"".join(row(cells, "td") for cells in rows)}</table></div>'


def _e(text: str) -> str:
    return html.escape(text)
