"""Where pictures are drawn: matplotlib, found when it is needed, and the Axes."""

from __future__ import annotations

import importlib
from typing import Any, TypeAlias

# matplotlib's classes: it may be absent where types are checked.
Axes: TypeAlias = Any
Figure: TypeAlias = Any

# Told apart by everybody, in print too: Okabe & Ito, "Color universal design", 2008.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
GREY = "#808080"


def pyplot() -> Any:
    """The module matplotlib.pyplot, which draws to files where there is no display.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        return importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ImportError("bpnative.plot needs matplotlib: pip install 'bpnative[plot]'") from error


def axes_of(ax: Axes | None, size: tuple[float, float] = (6.4, 4.0)) -> Axes:
    """The Axes given, or those of a new figure.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: What was given is no Axes.
    """
    if ax is None:
        return pyplot().subplots(figsize=size, layout="constrained")[1]
    if not hasattr(ax, "plot") or not hasattr(ax, "figure"):
        raise TypeError(f"expected ax as matplotlib Axes, such as those of plt.subplots(), got {type(ax).__name__}")
    return ax


def whole_numbers(axis: Any) -> None:
    """Ticks at whole numbers alone, for epochs and labels."""
    axis.set_major_locator(importlib.import_module("matplotlib.ticker").MaxNLocator(integer=True))
