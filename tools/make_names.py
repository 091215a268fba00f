#!/usr/bin/env python3
"""Write docs/names.md: all layers, activations, losses, optimizers, schedules, initializers, formula and reference.

What stands there is taken from the registries and the docstrings of the package, so that neither can be forgotten.

usage: tools/make_names.py [--check]
    --check   write nothing; exit with 1 where the page is not what this script would write
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import bpnative as bp

PAGE = Path(__file__).resolve().parent.parent / "docs" / "names.md"

HEAD = """\
# Names

Where an activation, loss, optimizer or initializer is expected, its name will do, or an object with settings of its
own; the second column shows their defaults. Layers and schedules are objects (`bp.schedules.get` makes a schedule from
its name and settings). This page is made from the docstrings by `tools/make_names.py`: edit those.
"""

# Title, registry, where its classes live, and what the formulas mean by their letters.
SECTIONS: list[tuple[str, Mapping[str, type], str, str]] = [
    (
        "Layers",
        bp.layers.LAYERS,
        "bp",
        "x is what comes in, y what goes out, n samples; dy and dx the derivatives of the loss in them.",
    ),
    ("Activations", bp.activations.ACTIVATIONS, "bp.activations", "z is a weighted sum, f(z) the output."),
    (
        "Losses",
        bp.losses.LOSSES,
        "bp",
        "n samples, k outputs, y the target, p or z the output, wᵢ the sample weights; the loss of a batch is (1/n) Σᵢ "
        "wᵢ·lossᵢ.",
    ),
    ("Optimizers", bp.optimizers.OPTIMIZERS, "bp", "w is a weight, g its gradient."),
    ("Schedules", bp.schedules.SCHEDULES, "bp.schedules", "t is the step, counted from 0."),
    ("Initializers", bp.initializers.INITIALIZERS, "bp.initializers", "fan_in is n_in, fan_out is n_out."),
]

_SOURCE = re.compile(r"^Sources?:\s*(.*?)(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
_END_OF_FORMULA = re.compile(r"^(Sources?|Shapes|Args|Raises|Example|Returns|Attributes):", re.MULTILINE)


def formula_of(kind: type) -> str:
    """What a docstring says before its source, shapes and arguments, as one line."""
    text = inspect.getdoc(kind) or ""
    if issubclass(kind, bp.layers.LayerSpecification):
        text = text.replace("Shapes: ", "")  # in the same breath as the formulas backward
    end = _END_OF_FORMULA.search(text)
    return _line(text[: end.start()] if end else text)


def reference_of(kind: type) -> str:
    """What a docstring names as its source, as one line; empty where it names none."""
    found = _SOURCE.search(inspect.getdoc(kind) or "")
    return _line(found[1]).rstrip(".") if found else ""


def call_of(kind: type, where: str) -> str:
    """How the class is called, with its defaults."""
    parts = []
    for parameter in inspect.signature(kind).parameters.values():
        default = "" if parameter.default is inspect.Parameter.empty else f"={parameter.default!r}"
        parts.append(parameter.name + default)
    return f"`{where}.{kind.__name__}({', '.join(parts)})`"


def _line(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def page() -> str:
    """The whole page."""
    text = [HEAD]
    for title, registry, where, letters in SECTIONS:
        text.append(f"## {title}\n\n{letters}\n\n| name | object | formula | reference |\n|---|---|---|---|")
        for name, kind in registry.items():
            home = where if where != "bp" or hasattr(bp, kind.__name__) else "bp.layers"
            cells = f"`{name}`", call_of(kind, home), formula_of(kind), reference_of(kind) or "–"
            text.append(f"| {' | '.join(cells)} |")
        text.append("")
    return "\n".join(text)


def main() -> int:
    """Write the page, or look at it."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    wanted = page()
    if arguments:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted
        print(f"{PAGE.name} is {'up to date' if same else 'out of date: run tools/make_names.py'}")
        return 0 if same else 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
