"""A network with the numbers of one sample, as SVG: units as circles, weights as lines between them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .explanation import Explanation
    from .walk import LayerStep

Array = npt.NDArray[Any]

COLUMN, ROW, RADIUS, LEFT, TOP = 210, 116, 26, 70, 64
SHOWN, LABELLED = 8, 12  # units of a layer that are drawn, lines between two layers that carry their numbers


def short(value: float) -> str:
    """A number in four digits.

    Example:
        >>> short(-0.18003)
        '-0.18'
    """
    return f"{value:.3g}" if value else "0"


def draw(explanation: Explanation, sample: int) -> str:
    """The SVG of one sample.

    Example:
        >>> import bpnative as bp
        >>> explanation = bp.Trainer(bp.mlp([2, 3, 1], seed=0), loss="mse").explain([[0.5, 1.0]], [1.0])
        >>> draw(explanation, 0).count("<circle")
        6
    """
    columns = [explanation.x[sample], *(step.y[sample] for step in explanation.layers)]
    rows = max(min(len(column), SHOWN) + (len(column) > SHOWN) for column in columns)
    height, width = TOP + rows * ROW + 20, LEFT * 2 + COLUMN * len(columns) + 30
    places = [_places(len(column), place, rows) for place, column in enumerate(columns)]
    lines: list[str] = []
    labels: list[str] = []
    for place, step in enumerate(explanation.layers):
        _connect(lines, labels, step, places[place], places[place + 1])
    units: list[str] = []
    names = ["input", *(f"{step.name} {type(step.specification).__name__}" for step in explanation.layers)]
    for place, column in enumerate(columns):
        x = LEFT + place * COLUMN
        made_by = explanation.layers[place - 1] if place else None
        about = made_by.function.name if made_by and made_by.function.name != "linear" else ""
        units.append(f'<text class="head" x="{x}" y="18">{escape(names[place])}</text>')
        units.append(f'<text class="small" x="{x}" y="34">{escape(about)}</text>')
        units += _units(column, made_by, sample, places[place])
    units += _target(explanation, sample, LEFT + len(columns) * COLUMN - 30, TOP + rows * ROW / 2)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="The network with the numbers of sample {sample}">' + "".join(lines + labels + units) + "</svg>"
    )


def _places(count: int, place: int, rows: int) -> list[tuple[float, float]]:
    drawn = min(count, SHOWN)
    first = TOP + (rows - drawn - (count > SHOWN)) * ROW / 2 + ROW / 2
    return [(LEFT + place * COLUMN, first + unit * ROW) for unit in range(drawn)]


def _connect(
    lines: list[str],
    labels: list[str],
    step: LayerStep,
    left: list[tuple[float, float]],
    right: list[tuple[float, float]],
) -> None:
    weight = step.parameters["weight"] if step.is_dense else None
    largest = 1.0 if weight is None else float(np.abs(weight).max(initial=0.0)) or 1.0
    pairs = [(j, i) for j in range(len(right)) for i in range(len(left)) if weight is not None or i == j]
    for j, i in pairs:
        (x1, y1), (x2, y2) = left[i], right[j]
        x1, x2 = x1 + RADIUS, x2 - RADIUS
        if weight is None:
            lines.append(f'<line class="plain" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
            continue
        w, g = float(weight[j, i]), float(step.gradients["weight"][j, i])
        kind = "negative" if w < 0 else "positive"
        size = 0.6 + 3 * abs(w) / largest
        about = f"weight[{j},{i}] = {w:.6g}, gradient {g:.6g}"
        lines.append(
            f'<line class="{kind}" stroke-width="{size:.2f}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}">'
            f"<title>{escape(about)}</title></line>"
        )
        if len(pairs) <= LABELLED:
            # Each end's labels stand in a column of their own, so that those of crossing lines do not meet.
            at = 0.2 + 0.54 * (j / (len(right) - 1) if len(right) > 1 else 0.4)
            x, y = x1 + at * (x2 - x1), y1 + at * (y2 - y1)
            labels.append(
                f'<text class="weight" x="{x:.1f}" y="{y - 3:.1f}">{short(w)}'
                f'<tspan class="gradient" x="{x:.1f}" dy="12">{short(g)}</tspan></text>'
            )


def _units(column: Array, step: LayerStep | None, sample: int, places: list[tuple[float, float]]) -> list[str]:
    parts = []
    largest = float(np.abs(column).max(initial=0.0)) or 1.0
    for unit, (x, y) in enumerate(places):
        value = float(column[unit])
        kind = "unit negative" if value < 0 else "unit positive"
        shade = 0.12 + 0.5 * abs(value) / largest
        about = f"unit {unit}: {value:.6g}"
        parts.append(
            f'<circle class="{kind}" cx="{x}" cy="{y}" r="{RADIUS}" fill-opacity="{shade:.2f}">'
            f"<title>{escape(about)}</title></circle>"
        )
        shown = short(value)
        size = ' font-size="10"' if len(shown) > 6 else ' font-size="11.5"' if len(shown) > 5 else ""
        parts.append(f'<text class="value"{size} x="{x}" y="{y + 4}">{shown}</text>')
        if step is None:
            continue
        if step.z is not None and step.function.name != "linear":
            parts.append(
                f'<text class="small" x="{x}" y="{y - RADIUS - 5}">z {short(float(step.z[sample, unit]))}</text>'
            )
        delta = step.dz if step.dz is not None else step.dy
        if delta is not None:
            letter = "δ" if step.dz is not None else "dy"
            below = y + RADIUS + 14
            parts.append(f'<text class="delta" x="{x}" y="{below}">{letter} {short(float(delta[sample, unit]))}</text>')
        bias = step.parameters.get("bias") if step.is_dense else None
        if bias is not None:
            about = f"b {short(float(bias[unit]))}"
            parts.append(f'<text class="small" x="{x}" y="{y + RADIUS + 27}">{about}</text>')
    if len(column) > len(places):
        x, y = places[-1]
        parts.append(f'<text class="head" x="{x}" y="{y + ROW - 10}">⋮ {len(column)} in all</text>')
    return parts


def _target(explanation: Explanation, sample: int, x: float, y: float) -> list[str]:
    target = np.ravel(explanation.target[sample])
    shown = ", ".join(short(float(value)) for value in target[:SHOWN]) + (" …" if len(target) > SHOWN else "")
    what = "loss" if len(explanation.x) == 1 else f"loss of {len(explanation.x)} samples"
    return [
        f'<text class="head" x="{x}" y="{y - 10}">target {escape(shown)}</text>',
        f'<text class="head" x="{x}" y="{y + 12}">{what} {short(explanation.loss)}</text>',
    ]
