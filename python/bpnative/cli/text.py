"""Text for terminals: durations, bars and tables that are plain when nobody looks at them in color."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TextIO

__all__ = ["Printer", "duration", "table"]

_STYLES = {"bold": "1", "dim": "2", "green": "32", "cyan": "36"}
_PLAIN = {"µ": "u", "×": "x", "÷": "/", "·": "-", "█": "#", "–": "-", "…": "...", "≥": ">="}


class Printer:
    """Prints lines to a stream, in color and with symbols only where they can be shown.

    Color needs a terminal, and neither ``NO_COLOR`` (https://no-color.org) nor ``TERM=dumb`` in the environment;
    symbols beyond ASCII need an encoding that has them.

    Args:
        stream: where to print.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.color = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, text: str = "") -> None:
        """Print one line, now."""
        self._stream.write(self._encodable(text) + "\n")
        self._stream.flush()

    def style(self, text: str, style: str) -> str:
        """The text in ``"bold"``, ``"dim"``, ``"green"`` or ``"cyan"``, if there is color."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.color else text

    def heading(self, text: str) -> None:
        """Print an empty line and a heading."""
        self()
        self(self.style(text, "bold"))

    def _encodable(self, text: str) -> str:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            for symbol, plain in _PLAIN.items():
                text = text.replace(symbol, plain)
            return text.encode(encoding, "replace").decode(encoding)
        return text


def duration(seconds: float) -> str:
    """Seconds with three digits and the unit that suits them.

    >>> duration(0.0000123), duration(0.15), duration(2.5)
    ('12.3 µs', '150 ms', '2.50 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * size or unit == "µs":
            value = seconds / size
            break
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def table(rows: Iterable[Sequence[str]], align: str) -> list[str]:
    """Lines of columns, two spaces between.

    Args:
        rows: cells, all rows of the same length.
        align: one character a column, ``<`` for the left and ``>`` for the right.

    >>> table([("a", "1"), ("bc", "23")], "<>")
    ['a    1', 'bc  23']
    """
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)).rstrip()
        for row in cells
    ]
