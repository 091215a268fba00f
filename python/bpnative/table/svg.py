"""Pictures of a report, drawn as inline SVG: lines, bars, and points."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 44


def number(value: float) -> str:
    """A number in at most four digits.

    Example:
        >>> [number(value) for value in (0.0, 0.123456, 1234567.0, 12.0, float("nan"))]
        ['0', '0.1235', '1.235e+06', '12', '–']
    """
    return f"{value:.4g}" if math.isfinite(value) else "–"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two, at steps of 1, 2 or 5 times a power of ten.

    Example:
        >>> ticks(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, last + 1)]


class _Frame:
    """Axes, and from numbers to places."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], names: tuple[str, str]) -> None:
        self.x, self.y = _widened(*x), _widened(*y)
        self.parts = []
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for tick in ticks(*self.y):
            at = self.place(self.x[0], tick)[1]
            self.parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
            self.parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{number(tick)}</text>')
        for tick in ticks(*self.x, most=8):
            at = self.place(tick, self.y[0])[0]
            self.parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{number(tick)}</text>')
        self.parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        middle = (LEFT + right) / 2
        self.parts.append(
            f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(names[0])}</text>'
            f'<text transform="translate(14 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
            f"{html.escape(names[1])}</text>"
        )

    def place(self, x: float, y: float) -> tuple[float, float]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (right - LEFT), bottom - up * (bottom - TOP)

    def done(self, label: str) -> str:
        return _svg("".join(self.parts), HEIGHT, label)


def _widened(low: float, high: float) -> tuple[float, float]:
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2)


def _svg(inside: str, height: float, label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{html.escape(label)}">{inside}</svg>'


def curves(lines: Mapping[str, Sequence[float]], marked: int, names: tuple[str, str], label: str) -> str:
    """Lines over the epochs, one of which is marked.

    Args:
        lines: At most two, by name.
        marked: An epoch, from 0.
        names: Of the axes.
        label: For those who can't see it.
    """
    values = np.array([value for line in lines.values() for value in line if math.isfinite(value)] or [0.0, 1.0])
    longest = max(map(len, lines.values()))
    # A first epoch far above the rest must not press the rest flat.
    high = min(float(values.max()), float(np.quantile(values, 0.95)) * 1.3 + 1e-300)
    frame = _Frame((1, longest), (min(0.0, float(values.min())), high), names)
    at = frame.place(marked + 1, frame.y[0])[0]
    frame.parts.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for index, (name, line) in enumerate(lines.items()):
        places = [frame.place(epoch + 1, min(v, high)) for epoch, v in enumerate(line) if math.isfinite(v)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        frame.parts.append(f'<polyline class="line{index}" points="{points}"/>')
        y = TOP + 14 + 18 * index
        frame.parts.append(
            f'<line class="line{index}" x1="{WIDTH - 170}" x2="{WIDTH - 146}" y1="{y}" y2="{y}"/>'
            f'<text x="{WIDTH - 140}" y="{y + 4}">{html.escape(name)}</text>'
        )
    return frame.done(label)


def bars(values: Mapping[str, float], label: str) -> str:
    """One bar a name, in the order given.

    Example:
        >>> bars({"a": 1.0, "b": 0.5}, "importance").count("<rect")
        2
    """
    names = max((len(name) for name in values), default=0)
    left = min(260, 7.2 * min(names, 32) + 16)
    largest = max([value for value in values.values() if math.isfinite(value)], default=0.0)
    parts = []
    for index, (name, value) in enumerate(values.items()):
        y = 8 + 24 * index
        length = max(0.0, value / largest) * (WIDTH - left - 90) if largest > 0 and math.isfinite(value) else 0.0
        shown = name if len(name) <= 32 else name[:31] + "…"
        parts.append(
            f'<text x="{left - 8:g}" y="{y + 13}" text-anchor="end">{html.escape(shown)}'
            f"<title>{html.escape(name)}</title></text>"
            f'<rect class="bar" x="{left:g}" y="{y}" width="{length:.1f}" height="17"/>'
            f'<text x="{left + length + 6:.1f}" y="{y + 13}">{number(value)}</text>'
        )
    return _svg("".join(parts), 16 + 24 * len(values), label)


def points(x: Array, y: Array, names: tuple[str, str], label: str) -> str:
    """Points, at most 1,000, and the line on which both are the same."""
    if len(x) > 1000:
        chosen = np.linspace(0, len(x) - 1, 1000).astype(int)
        x, y = x[chosen], y[chosen]
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    frame = _Frame((low, high), (low, high), names)
    (x1, y1), (x2, y2) = frame.place(low, low), frame.place(high, high)
    frame.parts.append(f'<line class="mark" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>')
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        cx, cy = frame.place(a, b)
        frame.parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="3"/>')
    return frame.done(label)
