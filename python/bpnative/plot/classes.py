"""Pictures of classifiers: which labels are taken for which, what probabilities are worth, where decisions change."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..after import Calibration, reliability
from ..data import as_numbers
from ..network import Network
from ..specification import check_count
from ..trainer import Trainer
from .axes import COLORS, GREY, Axes, axes_of
from .numbers import Array, confusion_counts, names_of


def confusion_matrix(
    y: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[object] | None = None, ax: Axes | None = None
) -> Axes:
    """How often each label was answered by each: a row for the truth, a column for the answer, shaded by row.

    Args:
        y: True labels (n,), or one-hot rows.
        predicted: The labels answered (n,), or a network's outputs (n, classes), whose largest is the answer.
        classes: Their names; None: numbers.
        ax: Where to draw; None: a new figure.

    Returns:
        The Axes.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: An argument has the wrong type.
        ValueError: Lengths differ, or labels are no whole numbers from 0.

    Example:
        >>> import bpnative as bp
        >>> ax = bp.plot.confusion_matrix([0, 1, 1], [0, 1, 0], classes=["cat", "dog"])
        >>> [text.get_text() for text in ax.texts]
        ['1', '0', '1', '1']
    """
    counts = confusion_counts(y, predicted, None if classes is None else len(classes))
    k = len(counts)
    names = names_of(classes, k)
    side = min(max(3.6, 0.45 * k + 1.5), 12.0)
    ax = axes_of(ax, (side, side))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    for row, column in np.ndindex(k, k) if k <= 30 else ():
        dark = shares[row, column] > 0.5
        color = "white" if dark else "black" if counts[row, column] else GREY
        size = 9 if len(str(counts.max())) < 4 or k < 8 else 7
        ax.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=size)
    long = max(map(len, names)) > 3
    ax.set_xticks(range(k), names, rotation=45 if long else 0, ha="right" if long else "center")
    ax.set_yticks(range(k), names)
    ax.set(xlabel="predicted", ylabel="true")
    return ax


def calibration(probabilities: npt.ArrayLike, y: npt.ArrayLike, bins: int = 15, ax: Axes | None = None) -> Axes:
    """The reliability diagram: how often predictions of each confidence are true; the diagonal is perfect.

    Bars below the diagonal are too sure. The shares of predictions in each bin are drawn in grey at the bottom.
    Source: Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017, figure 1; see
    `bpnative.reliability`.

    Args:
        probabilities: (n, k), or (n,) of yes and no.
        y: Class labels (n,), or numbers from 0 to 1 of the probabilities' shape.
        bins: How many, at least 1.
        ax: Where to draw; None: a new figure.

    Returns:
        The Axes.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: An argument has the wrong type.
        ValueError: Shapes do not fit, or values lie outside of 0 to 1.

    Example:
        >>> import bpnative as bp
        >>> ax = bp.plot.calibration([0.9, 0.9, 0.8, 0.1], [1, 0, 1, 0], bins=5)
        >>> ax.get_title()
        'expected calibration error 27.5 %'
    """
    table = reliability(probabilities, y, bins)
    ax = axes_of(ax, (4.6, 4.6))
    centers, width = (table.edges[1:] + table.edges[:-1]) / 2, 1.0 / len(table.count)
    filled = table.count > 0
    ax.bar(centers, table.count / table.count.sum(), width, color="#D0D0D0", label="share of predictions")
    accuracy, confidence = table.accuracy[filled], table.confidence[filled]
    look = {"color": COLORS[1], "alpha": 0.3, "label": "off by", "zorder": 2}
    ax.bar(centers[filled], confidence - accuracy, 0.9 * width, accuracy, **look)
    ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, zorder=3)
    ax.plot(confidence, accuracy, color=COLORS[0], marker="o", markersize=4, label="true", zorder=4)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="share that is true", aspect="equal")
    ax.set_title(f"expected calibration error {100 * table.error:.1f} %", fontsize=10)
    ax.legend(loc="upper left", framealpha=0.85)
    return ax


def decision_boundary(
    model: Network | Trainer | Calibration,
    X: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    ax: Axes | None = None,
    resolution: int = 200,
) -> Axes:
    """What a network of two inputs answers over the plane around X: its classes, or with one output its values.

    One output is shaded and has its boundary drawn: at 0.5 where the network ends in sigmoid, else at 0. A trainer of
    numbers, such as with ``"mse"``, has lines of equal output instead.

    Args:
        model: A network of two inputs, a trainer, or a `bpnative.after.Calibration`.
        X: (n, 2), samples that are drawn, too.
        y: Their labels (n,), which give their colors, or one-hot rows; None: all alike.
        ax: Where to draw; None: a new figure.
        resolution: Points along each side of the grid, at least 2.

    Returns:
        The Axes.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: An argument has the wrong type.
        ValueError: The network has not two inputs, or X and y don't fit.

    Example:
        >>> import bpnative as bp
        >>> net = bp.mlp([2, 8, 3], seed=0)
        >>> ax = bp.plot.decision_boundary(net, [[0.0, 0.0], [1.0, 1.0]], [0, 2], resolution=20)
        >>> ax.get_xlabel(), len(ax.collections) > 1
        ('input 0', True)
    """
    network = model if isinstance(model, Network) else getattr(model, "network", None)
    if not isinstance(network, Network):
        raise TypeError(f"expected a bpnative.Network or bpnative.Trainer, got {type(model).__name__}")
    if network.input_size != 2:
        raise ValueError(f"expected a network with 2 inputs, which make a plane, got one with {network.input_size}")
    points = as_numbers(X, "X").astype(np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0 or not np.isfinite(points).all():
        raise ValueError(f"expected X as (n, 2), finite, n at least 1, got shape {points.shape}")
    labels = None if y is None else as_numbers(y, "y")
    if labels is not None:
        labels = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(-1)
        if len(labels) != len(points):
            raise ValueError(f"expected y with {len(points)} rows, as many as X, got {len(labels)}")
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, 0.1 * (high - low), 1.0)
    count = check_count(resolution, "resolution", 2)
    sides = [np.linspace(low[i] - margin[i], high[i] + margin[i], count) for i in range(2)]
    grid = np.stack(np.meshgrid(*sides), axis=-1)
    asked = model if isinstance(model, Calibration) else network
    outputs = asked.predict(grid.reshape(-1, 2))
    ax = axes_of(ax, (5.4, 4.6))
    numbers = isinstance(model, Trainer) and model.loss.targets in ("values", "counts", "any")
    shaded = network.output_size == 1 or numbers
    if shaded:
        _shade(ax, sides, outputs[:, 0].reshape(count, count), None if numbers else _middle(asked))
    else:
        _areas(ax, sides, outputs.argmax(axis=1).reshape(count, count), network.output_size)
    _samples(ax, points, None if numbers else labels, shaded)
    ax.set(xlabel="input 0", ylabel="input 1", xlim=sides[0][[0, -1]], ylim=sides[1][[0, -1]])
    return ax


def _middle(asked: Network | Calibration) -> float:
    """Where yes and no meet."""
    sigmoid = isinstance(asked, Calibration) or asked.output_activation.name == "sigmoid"
    return 0.5 if sigmoid else 0.0


def _shade(ax: Axes, sides: list[Array], values: Array, middle: float | None) -> None:
    if middle is None:
        shown = ax.contourf(*sides, values, 12, cmap="viridis", alpha=0.8)
    else:
        reach = float(np.abs(values - middle).max()) or 1.0
        levels = np.linspace(middle - reach, middle + reach, 17)
        shown = ax.contourf(*sides, values, levels, cmap="RdBu", alpha=0.55)
        if values.min() < middle < values.max():
            ax.contour(*sides, values, [middle], colors="black", linewidths=1.2)
    ax.figure.colorbar(shown, ax=ax, label="output")


def _areas(ax: Axes, sides: list[Array], answers: Array, classes: int) -> None:
    colors = importlib.import_module("matplotlib.colors").ListedColormap([_color(label) for label in range(classes)])
    limits = {"cmap": colors, "vmin": -0.5, "vmax": classes - 0.5}
    ax.pcolormesh(*sides, answers, **limits, alpha=0.3, shading="nearest", rasterized=True)
    for label in np.unique(answers)[1:]:
        ax.contour(*sides, (answers >= label).astype(float), [0.5], colors="black", linewidths=0.6)


def _color(label: int) -> str:
    return COLORS[label % len(COLORS)]


def _samples(ax: Axes, points: Array, labels: Array | None, shaded: bool) -> None:
    if labels is None:
        ax.scatter(*points.T, s=14, color="white", edgecolors="black", linewidths=0.6, zorder=3)
        return
    for place, label in enumerate(np.unique(labels)):
        # Over shades yes is blue and no red, as they are; over areas each label has its area's color.
        color = COLORS[0 if label > 0 else 1] if shaded else _color(int(label) if label >= 0 else place)
        look = {"color": color, "edgecolors": "white", "linewidths": 0.5, "zorder": 3, "label": f"{label:g}"}
        ax.scatter(*points[labels == label].T, s=18, **look)
    ax.legend(title="label", loc="upper right", framealpha=0.9)
