"""Histograms by layer: of weights, and of gradients."""

from __future__ import annotations

import numpy as np

from ..network import Network
from ..trainer import Trainer
from .axes import COLORS, Axes, axes_of
from .numbers import Array, tensors_of

_BINS = 60


def weights(model: Network | Trainer, ax: Axes | None = None) -> Axes:
    """Histograms of the weights and biases, a row for each tensor, the first layer at the top.

    Each row's height is its own, so that small layers are seen as well. What to look for: values that spread from layer
    to layer, and rows that stand at 0.

    Args:
        model: A network or trainer.
        ax: Where to draw; None: a new figure.

    Returns:
        The Axes.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: The model is neither, or ax is no Axes.
        ValueError: The network has no parameters, or they are not finite.

    Example:
        >>> import bpnative as bp
        >>> ax = bp.plot.weights(bp.mlp([4, 8, 3], seed=0))
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['0 Dense weight', '0 Dense bias', '1 Dense weight', '1 Dense bias']
    """
    tensors = tensors_of(model, False)
    ax = axes_of(ax, _size(tensors))
    _rows(ax, tensors)
    ax.set(xlabel="value")
    return ax


def gradients(model: Network | Trainer, values: Array | None = None, ax: Axes | None = None) -> Axes:
    """Histograms of the sizes of gradients on a logarithmic axis, a row for each tensor, the first layer at the top.

    Rows that move left towards the top of the picture are gradients that vanish on their way back; to the right, that
    explode. The share of exact zeros, which have no logarithm, stands beside its row where there are any.

    Args:
        model: A network or trainer.
        values: The gradient, such as ``trainer.gradients(x, y)[1]``, laid out as ``network.parameters``; None: those
            that ``network.backward`` left in ``network.gradients``.
        ax: Where to draw; None: a new figure.

    Returns:
        The Axes.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: The model is neither, or ax is no Axes.
        ValueError: There are no gradients, their shape is another, or they are not finite.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([4, 8, 3], seed=0), loss="cross_entropy")
        >>> ax = bp.plot.gradients(trainer, trainer.gradients([[1.0, 2.0, 3.0, 4.0]], [0])[1])
        >>> ax.get_xlabel()
        'size of the gradient, power of 10'
    """
    tensors = tensors_of(model, True, values)
    ax = axes_of(ax, _size(tensors))
    sizes = [(name, np.log10(np.abs(part[part != 0.0]))) for name, part in tensors]
    _rows(ax, sizes)
    for row, (_, part) in enumerate(tensors):
        share = float((part == 0.0).mean())
        if share:
            text = f"{100 * share:.0f} % zero" if share >= 0.005 else "some zero"
            place = {"xytext": (4, 4), "textcoords": "offset points", "fontsize": 8}
            ax.annotate(text, (1.0, row), xycoords=("axes fraction", "data"), **place)
    ax.set(xlabel="size of the gradient, power of 10")
    return ax


def _size(tensors: list[tuple[str, Array]]) -> tuple[float, float]:
    return 6.4, min(max(2.4, 0.55 * len(tensors) + 0.8), 16.0)


def _rows(ax: Axes, tensors: list[tuple[str, Array]]) -> None:
    """A histogram a row, upside down: the axis of rows points down, so each stands on its line with its back up."""
    filled = [values for _, values in tensors if len(values)]
    low = min((values.min() for values in filled), default=0.0)
    high = max((values.max() for values in filled), default=1.0)
    edges = np.linspace(low, high, _BINS + 1) if high > low else np.linspace(low - 0.5, high + 0.5, _BINS + 1)
    for row, (_, values) in enumerate(tensors):
        counts = np.histogram(values, edges)[0]
        tops = row - 0.85 * counts / max(counts.max(), 1)
        ax.stairs(tops, edges, baseline=row, fill=True, color=COLORS[row % 2], alpha=0.8)
        ax.axhline(row, color="#B0B0B0", linewidth=0.6)
    ax.set_yticks(range(len(tensors)), [name for name, _ in tensors])
    ax.set_ylim(len(tensors) - 0.7, -1.0)
    ax.grid(axis="x", alpha=0.3)
