"""Raw inputs: fitting `Normalize` to data, and checking the codes that `Embedding` looks up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .layers_embedding import Embedding
from .layers_plain import Normalize

if TYPE_CHECKING:
    from .layer_views import Layer

Array = npt.NDArray[Any]

BLOCK = 2**18  # numbers looked at at once


def codes_of(layers: tuple[Layer, ...]) -> dict[int, int]:
    """The number of codes of each column that a network looks up in tables.

    Example:
        >>> import bpnative as bp
        >>> codes_of(bp.Network([bp.Embedding({1: 3})], input_size=2).layers)
        {1: 3}
    """
    for layer in layers:
        if isinstance(layer.specification, Embedding):
            return layer.specification.codes
    return {}


def check_codes(x: Array, codes: Mapping[int, int], what: str = "X", first_row: int = 0) -> None:
    """Each column of codes holds whole numbers from 0 to its number of codes less one.

    Where x is a part of X, its first row has a number of its own in messages.

    Raises:
        ValueError: One does not; the first such row and column are named.

    Example:
        >>> check_codes(np.array([[0.5, 2.0]]), {1: 3})
    """
    for column, count in codes.items():
        values = x[:, column]
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(~((values >= 0) & (values < count) & (values == np.floor(values))))
        if len(wrong):
            raise ValueError(
                f"expected codes 0 to {count - 1} in column {column} of {what} (Embedding), got {values[wrong[0]]} in "
                f"row {first_row + wrong[0]}: give unknown categories a code of their own"
            )


def adapt(layer: Layer, x: Array, excluded: Mapping[int, int] | None = None) -> None:
    """Set mean and scale of a `Normalize` layer to those of the data, in float64, in two passes over blocks of rows.

    Raises:
        TypeError: It is another layer.
        ValueError: x has another number of columns, no rows, or numbers too large to square.

    Example:
        >>> import bpnative as bp
        >>> layer = bp.Network([bp.Normalize()], input_size=1).layers[0]
        >>> adapt(layer, np.array([[1.0], [3.0]]))
        >>> layer.statistics["mean"].tolist(), layer.statistics["scale"].tolist()
        ([2.0], [1.0])
    """
    if not isinstance(layer.specification, Normalize):
        raise TypeError(f"expected a Normalize layer to adapt, got {layer.specification!r}")
    if x.ndim != 2 or x.shape[1] != layer.input_size or len(x) == 0:
        raise ValueError(f"expected X with {layer.input_size} columns and at least one row, got shape {x.shape}")
    _adapt(layer, len(x), lambda start, stop: x[start:stop], excluded)


def _adapt(layer: Layer, n: int, block: Callable[[int, int], Array], excluded: Mapping[int, int] | None) -> None:
    step = max(1, BLOCK // layer.input_size)
    starts = range(0, n, step)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = sum(block(start, start + step).sum(axis=0, dtype=np.float64) for start in starts) / n
        square = sum(np.square(block(start, start + step) - mean).sum(axis=0) for start in starts) / n
        deviation = np.sqrt(square)
    if not np.isfinite(deviation).all():
        column = int(np.argmin(np.isfinite(deviation)))
        raise ValueError(f"expected columns of X with a finite variance, column {column} has {square[column]}")
    # A constant column's deviation is rounding, not spread; and 1 / deviation must be a number of the layer's type.
    rounding = 16 * np.finfo(np.float64).eps * np.abs(mean)
    constant = deviation <= np.maximum(rounding, np.finfo(layer.statistics["mean"].dtype).tiny)
    scale = 1 / np.where(constant, 1.0, deviation)
    for column in excluded or {}:
        mean[column], scale[column] = 0.0, 1.0
    layer.statistics["mean"][...] = mean
    layer.statistics["scale"][...] = scale


def adapt_first(layers: tuple[Layer, ...], samples: Any) -> None:
    """Fit a network's `Normalize` to the data of its first fit; one that was fitted before stays.

    Raises:
        ValueError: The data come as batches, which can't be gone through before training.

    Example:
        >>> import bpnative as bp
        >>> from bpnative.samples import Samples
        >>> net = bp.Network([bp.Normalize()], input_size=1)
        >>> adapt_first(net.layers, Samples(np.array([[1.0], [5.0]]), np.zeros((2, 1)), None))
        >>> net.predict([[5.0]]).tolist()
        [[1.0]]
    """
    first = layers[0]
    if not isinstance(first.specification, Normalize):
        return
    if np.any(first.statistics["mean"] != 0) or np.any(first.statistics["scale"] != 1):
        return
    if not hasattr(samples, "block"):
        raise ValueError("Normalize needs data to measure before it trains on batches: net.layers[0].adapt(X) first")
    _adapt(first, samples.n, lambda start, stop: samples.block(start, stop).x, codes_of(layers))
