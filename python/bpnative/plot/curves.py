"""Curves: loss and metrics by epoch, the learning rate by step."""

from __future__ import annotations

from ..optimizers import LearningRate, Optimizer
from ..trainer import Trainer
from .axes import COLORS, Axes, Figure, axes_of, pyplot, whole_numbers
from .numbers import column_of, columns_of, epochs_of, rates_of


def curve(history: object, column: str = "loss", ax: Axes | None = None) -> Axes:
    """One column of a history by epoch: over the training data, and over the validation data where there were any.

    Args:
        history: What `Trainer.fit` returned, the trainer itself, or a dict of lists.
        column: ``"loss"`` or a metric's name.
        ax: Where to draw; None: a new figure.

    Returns:
        The Axes.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: It is no history, or no Axes.
        ValueError: It is empty, or has no such column.

    Example:
        >>> import bpnative as bp
        >>> ax = bp.plot.curve({"loss": [2.0, 1.0, 0.5], "val_loss": [2.1, 1.3, 1.2]})
        >>> ax.get_ylabel(), len(ax.lines)
        ('loss', 2)
    """
    curves = column_of(history, column)
    ax = axes_of(ax)
    for kind, values in curves:
        color = COLORS[0 if kind == "training" else 1]
        alone = "o" if len(values) < 3 else None
        ax.plot(epochs_of(history, len(values)), values, color=color, label=kind, marker=alone)
    ax.set(xlabel="epoch", ylabel=column)
    whole_numbers(ax.xaxis)
    ax.grid(alpha=0.3)
    if len(curves) > 1 or curves[0][0] == "validation":
        ax.legend(frameon=False)
    return ax


def history(history: object) -> Figure:
    """All columns of a history, one panel each, the loss first.

    Args:
        history: What `Trainer.fit` returned, the trainer itself, or a dict of lists.

    Returns:
        The new figure.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: It is no history.
        ValueError: It is empty.

    Example:
        >>> import bpnative as bp
        >>> figure = bp.plot.history({"loss": [2.0, 1.0], "accuracy": [0.5, 0.75]})
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['loss', 'accuracy']
    """
    names = list(columns_of(history))
    across = min(len(names), 3)
    down = -(-len(names) // across)
    size = (max(6.4, 4.2 * across), 3.4 * down)
    figure, panels = pyplot().subplots(down, across, figsize=size, squeeze=False, layout="constrained")
    for panel in panels.ravel()[len(names) :]:
        panel.remove()
    for panel, name in zip(panels.ravel(), names, strict=False):
        curve(history, name, panel)
    return figure


def learning_rate(rate: LearningRate | Optimizer | Trainer, steps: int | None = None, ax: Axes | None = None) -> Axes:
    """The learning rate of each step.

    Args:
        rate: A schedule, callable(step), number, optimizer or trainer. A schedule that goes by results is drawn as it
            begins.
        steps: How many steps; None: as many as a trainer has made.
        ax: Where to draw; None: a new figure.

    Returns:
        The Axes.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: An argument has the wrong type.
        ValueError: Steps are below 1, or a rate is negative or not finite.

    Example:
        >>> import bpnative as bp
        >>> ax = bp.plot.learning_rate(bp.schedules.Cosine(0.1, steps=100), steps=100)
        >>> len(ax.lines[0].get_ydata())
        100
    """
    values = rates_of(rate, steps)
    ax = axes_of(ax)
    ax.plot(range(len(values)), values, color=COLORS[0])
    ax.set(xlabel="step", ylabel="learning rate")
    if values.max() < 1e-2:
        ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=True)
    ax.set_ylim(bottom=0.0, top=1.05 * values.max() or 1.0)
    ax.grid(alpha=0.3)
    return ax
