"""The same pictures made of characters: for terminals and logs, without matplotlib. Each function returns a string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..after import reliability
from ..network import Network
from ..optimizers import LearningRate, Optimizer
from ..specification import check_count
from ..trainer import Trainer
from . import numbers
from .numbers import Array

__all__ = ["calibration", "confusion_matrix", "gradients", "history", "learning_rate", "weights"]


def history(history: object, column: str = "loss", width: int = 60, height: int = 12) -> str:
    """One column of a history by epoch: ``*`` over the training data, ``o`` over the validation data.

    Args:
        history: What `Trainer.fit` returned, the trainer itself, or a dict of lists.
        column: ``"loss"`` or a metric's name.
        width: Characters of the curve, at least 2.
        height: Lines of the curve, at least 2.

    Raises:
        TypeError: It is no history.
        ValueError: It is empty, has no such column, or a size is too small.

    Example:
        >>> import bpnative as bp
        >>> print(bp.plot.text.history({"loss": [4.0, 2.0, 1.0, 0.0]}, width=16, height=5))
        loss
          4 |*
          3 |
          2 |     *
          1 |          *
          0 |               *
            +----------------
             1              4
             epoch
    """
    curves = numbers.column_of(history, column)
    epochs = numbers.epochs_of(history, len(curves[0][1]))
    title = column
    if len(curves) > 1:
        title += ": * training, o validation"
    return _canvas(title, [values for _, values in curves], (int(epochs[0]), int(epochs[-1])), "epoch", width, height)


def learning_rate(
    rate: LearningRate | Optimizer | Trainer, steps: int | None = None, width: int = 60, height: int = 8
) -> str:
    """The learning rate of each step.

    Args:
        rate: A schedule, callable(step), number, optimizer or trainer.
        steps: How many steps; None: as many as a trainer has made.
        width: Characters of the curve, at least 2.
        height: Lines of the curve, at least 2.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: Steps are below 1, a rate is negative or not finite, or a size is too small.

    Example:
        >>> import bpnative as bp
        >>> print(bp.plot.text.learning_rate(bp.schedules.Step(1.0, every=3, factor=0.5), 6, width=6, height=3))
        learning rate
             1 |***
          0.75 |
           0.5 |   ***
               +------
                0    5
                step
    """
    values = numbers.rates_of(rate, steps)
    return _canvas("learning rate", [values], (0, len(values) - 1), "step", width, height)


def _canvas(title: str, curves: list[Array], ends: tuple[int, int], label: str, width: int, height: int) -> str:
    width, height = check_count(width, "width", 2), check_count(height, "height", 2)
    longest = max(map(len, curves))
    width = longest if width <= 2 * longest <= 2 * width else width  # no gaps where there is nearly a point a column
    finite = np.concatenate([values[np.isfinite(values)] for values in curves])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if high == low:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    lines = [[" "] * width for _ in range(height)]
    for values, mark in list(zip(curves, "*o", strict=False))[::-1]:  # training on top
        columns = _spread(values, width)
        for column, value in columns.items():
            lines[round((height - 1) * (high - value) / (high - low))][column] = mark
    levels = [f"{level:.4g}" for level in np.linspace(high, low, height)]
    side = max(map(len, levels)) + 2
    text = [title, *(f"{level:>{side}} |{''.join(line)}" for level, line in zip(levels, lines, strict=True))]
    text.append(" " * side + " +" + "-" * width)
    first, last = map(str, ends)
    text.append(" " * side + "  " + (first + last.rjust(width - len(first)) if ends[0] != ends[1] else first))
    text.append(" " * side + "  " + label)
    return "\n".join(line.rstrip() for line in text)


def _spread(values: Array, width: int) -> dict[int, float]:
    """The value of each column of characters: points where there are few, means where there are many to a column."""
    place = np.rint(np.linspace(0, width - 1, len(values))).astype(int) if len(values) > 1 else np.zeros(1, int)
    columns = {}
    for column in np.unique(place):
        inside = values[place == column]
        inside = inside[np.isfinite(inside)]
        if len(inside):
            columns[int(column)] = float(inside.mean())
    return columns


def confusion_matrix(y: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[object] | None = None) -> str:
    """How often each label was answered by each: a row for the truth, a column for the answer, ``·`` for never.

    Args:
        y: True labels (n,), or one-hot rows.
        predicted: The labels answered (n,), or a network's outputs (n, classes), whose largest is the answer.
        classes: Their names; None: numbers.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: Lengths differ, or labels are no whole numbers from 0.

    Example:
        >>> import bpnative as bp
        >>> print(bp.plot.text.confusion_matrix([0, 1, 1, 2], [0, 1, 0, 2]))
           0  1  2
        0  1  ·  ·
        1  1  1  ·
        2  ·  ·  1
    """
    counts = numbers.confusion_counts(y, predicted, None if classes is None else len(classes))
    names = numbers.names_of(classes, len(counts))
    rows = [["", *names]]
    rows += [[name, *(str(count) if count else "·" for count in row)] for name, row in zip(names, counts, strict=True)]
    return _table(rows)


def calibration(probabilities: npt.ArrayLike, y: npt.ArrayLike, bins: int = 10) -> str:
    """How often predictions of each confidence are true, bin by bin, and the expected calibration error.

    Args:
        probabilities: (n, k), or (n,) of yes and no.
        y: Class labels (n,), or numbers from 0 to 1 of the probabilities' shape.
        bins: How many, at least 1.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: Shapes do not fit, or values lie outside of 0 to 1.

    Example:
        >>> import bpnative as bp
        >>> print(bp.plot.text.calibration([0.9, 0.9, 0.8, 0.1], [1, 0, 1, 0], bins=5))
        confidence  count  mean   true
         0.00-0.20      1  0.100  0.000
         0.60-0.80      1  0.800  1.000  ####################
         0.80-1.00      2  0.900  0.500  ##########
        expected calibration error 27.5 %
    """
    table = reliability(probabilities, y, bins)
    width = max(5, len(str(table.count.max())))
    lines = [f"confidence  {'count':>{width}}  mean   true"]
    columns = table.edges[:-1], table.edges[1:], table.count, table.confidence, table.accuracy
    for start, end, count, mean, share in zip(*columns, strict=True):
        if count:
            span = f"{start:.2f}-{end:.2f}"
            lines.append(f"{span:>10}  {count:>{width}}  {mean:.3f}  {share:.3f}  {'#' * round(20 * share)}".rstrip())
    return "\n".join([*lines, f"expected calibration error {100 * table.error:.1f} %"])


def weights(model: Network | Trainer) -> str:
    """The weights and biases, a row for each tensor: how many, their mean, deviation and largest size, a histogram.

    Args:
        model: A network or trainer.

    Raises:
        TypeError: The model is neither.
        ValueError: The network has no parameters, or they are not finite.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Dense(2, weight_initializer=[[1.0, -1.0], [0.5, 0.5]])], input_size=2)
        >>> print(bp.plot.text.weights(net))
        tensor          count  mean  deviation  largest  from -1 to 1
        0 Dense weight      4  0.25       0.75        1  |=                 #    =|
        0 Dense bias        2     0          0        0  |            #           |
    """
    return _histograms(numbers.tensors_of(model, False), lambda values: values)


def gradients(model: Network | Trainer, values: npt.ArrayLike | None = None) -> str:
    """The gradients, a row for each tensor: how many, mean, deviation and largest size, a histogram of log10 of sizes.

    Args:
        model: A network or trainer.
        values: The gradient, such as ``trainer.gradients(x, y)[1]``; None: ``network.gradients``.

    Raises:
        TypeError: The model is neither.
        ValueError: There are no gradients, their shape is another, or they are not finite.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([4, 8, 3], seed=0), loss="cross_entropy")
        >>> text = bp.plot.text.gradients(trainer, trainer.gradients([[1.0, 2.0, 3.0, 4.0]], [0])[1])
        >>> len(text.splitlines())
        5
    """
    return _histograms(numbers.tensors_of(model, True, values), lambda values: np.log10(np.abs(values[values != 0.0])))


_SHADES = " .:-=+*#"
_CELLS = 24


def _histograms(tensors: list[tuple[str, Array]], scale: Callable[[Array], Array]) -> str:
    drawn = [scale(values) for _, values in tensors]
    low = min((float(values.min()) for values in drawn if len(values)), default=0.0)
    high = max((float(values.max()) for values in drawn if len(values)), default=0.0)
    edges = np.linspace(low, high, _CELLS + 1) if high > low else np.linspace(low - 0.5, high + 0.5, _CELLS + 1)
    rows = [["tensor", "count", "mean", "deviation", "largest", f"from {edges[0]:.3g} to {edges[-1]:.3g}"]]
    for (name, values), shown in zip(tensors, drawn, strict=True):
        counts = np.histogram(shown, edges)[0]
        shades = np.ceil((len(_SHADES) - 1) * counts / max(counts.max(), 1)).astype(int)
        summary = values.mean(), values.std(), np.abs(values).max()
        rows.append([name, f"{len(values):,}", *(f"{number:.3g}" for number in summary)])
        rows[-1].append("|" + "".join(_SHADES[shade] for shade in shades) + "|")
    return _table(rows, "<>>>><")


def _table(rows: Sequence[Sequence[str]], align: str = "") -> str:
    """Columns with two spaces between, to the right where `align` has no other sign."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = align or ">" * len(widths)
    lines = [[f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(line).rstrip() for line in lines)
