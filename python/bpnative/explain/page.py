"""An explanation as one HTML page that needs nothing else: drawings, then every formula with its numbers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from . import text
from .drawing import draw

if TYPE_CHECKING:
    from .explanation import Explanation
    from .walk import LayerStep

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #f6f7f9; margin: 0; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 1.5rem; margin: 0 0 4px; } h2 { font-size: 1.15rem; margin: 34px 0 10px; }
h3 { font-size: 1rem; margin: 0 0 6px; overflow-wrap: anywhere; }
p { margin: 2px 0 8px; overflow-wrap: anywhere; }
section, figure { background: #fff; border: 1px solid #dde1e7; border-radius: 8px; padding: 14px 16px; }
section, figure { margin: 0 0 12px; }
figure { overflow-x: auto; } figcaption { color: #5a6472; font-size: .875rem; }
svg { display: block; max-width: 100%; height: auto; margin: 0 auto; font: 13px system-ui, sans-serif; }
svg text { text-anchor: middle; fill: #1c2430; }
svg .head { font-weight: 600; } svg .small { font-size: 11px; fill: #5a6472; }
svg .delta { font-size: 12px; fill: #8a3b00; } svg .value { font-weight: 600; }
svg .weight { font-size: 11px; paint-order: stroke; stroke: #fff; stroke-width: 6px; }
svg .gradient { fill: #8a3b00; }
svg line.positive { stroke: #2f6fb5; } svg line.negative { stroke: #c2572b; } svg line.plain { stroke: #aab2bd; }
svg circle { stroke: #4a5565; stroke-width: 1.2; } svg circle.positive { fill: #2f6fb5; }
svg circle.negative { fill: #c2572b; }
.lines { font: 13px/1.65 ui-monospace, monospace; margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: 3px 14px 3px 0; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th { border-bottom: 1px solid #aab2bd; font-weight: 600; } th:first-child, td:first-child { text-align: left; }
@media (max-width: 700px) { svg { min-width: 640px; } }
"""


def as_page(explanation: Explanation) -> str:
    """The whole page.

    Example:
        >>> import bpnative as bp
        >>> page = as_page(bp.Trainer(bp.mlp([2, 3, 1], seed=0), loss="mse").explain([[0.5, 1.0]], [1.0]))
        >>> page.startswith("<!DOCTYPE html>"), "<script" in page
        (True, False)
    """
    parts = ["<h1>One step of training</h1>", f"<p>{escape(text.title(explanation).partition(': ')[2])}</p>"]
    for sample in range(len(explanation.x) if explanation.is_full else 1):
        parts.append(f"<figure>{draw(explanation, sample)}{_caption(explanation, sample)}</figure>")
    parts += ["<h2>1. Forward</h2>", *(_forward(explanation, step) for step in explanation.layers)]
    parts += ["<h2>2. The error</h2>", _section("", text.error_lines(explanation))]
    parts.append("<h2>3. Backward: the chain rule, last layer first</h2>")
    parts += [_backward(explanation, step) for step in reversed(explanation.layers)]
    if explanation.loss_after is not None:
        parts += ["<h2>4. The update</h2>", _update(explanation)]
    parts.append("<h2>Notes</h2>" + "".join(f"<p>{escape(note)}</p>" for note in text.closing(explanation)))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>One step of training</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _caption(explanation: Explanation, sample: int) -> str:
    which = f"Sample {sample}. " if len(explanation.x) > 1 else ""
    return (
        f"<figcaption>{which}In the circles: outputs; above them z, the weighted sums; below δ = ∂loss/∂z and the bias "
        f"b. On the lines: weights, and below them in brown their gradients. Blue is positive, orange negative."
        f"</figcaption>"
    )


def _section(head: str, lines: list[str]) -> str:
    body = "\n".join(escape(line.removeprefix("  ")) for line in lines)
    head, _, formula = head.partition("   ")
    title = (f"<h3>{escape(head)}</h3>" if head else "") + (f"<p>{escape(formula)}</p>" if formula else "")
    return f'<section>{title}<pre class="lines">{body}</pre></section>'


def _forward(explanation: Explanation, step: LayerStep) -> str:
    lines: list[str] = []
    if not explanation.is_full:
        lines += [text.statistics("z", step.z)] if step.z is not None else []
        lines.append(text.statistics("y", step.y))
    elif step.z is None or step.alone is not None:
        lines += [f"{text.sample_label(explanation, i)}y = {text.vector(row)}" for i, row in enumerate(step.y)]
    else:
        for i in range(len(step.x)):
            lines += [text.sample_label(explanation, i) + line for line in text.forward_lines(step, i)]
    return _section(text.layer_title(step), lines)


def _backward(explanation: Explanation, step: LayerStep) -> str:
    return _section(f"layer {step.name}   {text.rule(step)}", text.backward_lines(explanation, step))


def _update(explanation: Explanation) -> str:
    assert explanation.loss_after is not None
    head = (
        f"<p>By {escape(explanation.optimizer)}, learning rate {explanation.learning_rate:g}. "
        f"Loss of the same samples: {text.number(explanation.loss)} → {text.number(explanation.loss_after)}.</p>"
    )
    if not explanation.is_full:
        return (
            f'<section>{head}<pre class="lines">{escape(chr(10).join(text.change_lines(explanation)))}</pre></section>'
        )
    rows = ["<tr><th>parameter</th><th>old</th><th>gradient</th><th>new</th><th>change</th></tr>"]
    for step in explanation.layers:
        for name, old, gradient, new in text.update_rows(step):
            cells = "".join(f"<td>{text.number(value)}</td>" for value in (old, gradient, new, new - old))
            rows.append(f"<tr><td>layer {escape(step.name)}: {escape(name)}</td>{cells}</tr>")
    return f'<section>{head}<div class="scroll"><table>{"".join(rows)}</table></div></section>'
