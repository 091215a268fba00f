"""Arrays that stay as they are stored, bytes, half precision or on disk, and become numbers block by block."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .data import as_contiguous, as_numbers

Array = npt.NDArray[Any]

# Values converted at a time: they stay in the cache.
BLOCK_VALUES = 2**17
# The most values that lie in memory as numbers of a network while it predicts data stored otherwise.
STORED_VALUES = 2**21


class Scaled:
    """Numbers kept as they are stored, and fed as ``value · scale + offset``: for bytes, half precision and files.

    An array of uint8 takes a quarter of the memory of float32. Given as X to `Trainer.fit` and `Trainer.evaluate`, its
    rows are gathered and converted batch by batch, so that never more than some tens of milliseconds of training lie in
    memory as floats; `Network.predict` takes it too. ``scaled[rows]`` and ``numpy.asarray(scaled)`` convert what is
    asked for.

    Args:
        X: (n, k) real numbers of any type, also a ``numpy.memmap``; neither copied nor written to.
        scale: A number, or k numbers, one a column.
        offset: A number, or k numbers.

    Raises:
        TypeError: Something holds no real numbers.
        ValueError: X has not two dimensions, or scale or offset does not fit or is not finite.

    Example:
        >>> import bpnative as bp
        >>> images = np.array([[0, 255], [51, 0]], np.uint8)
        >>> scaled = bp.Scaled(images, scale=1 / 255)
        >>> scaled[:1]
        array([[0., 1.]], dtype=float32)
        >>> scaled
        Scaled(uint8 of shape (2, 2), scale=0.00392157, offset=0)
    """

    def __init__(self, X: object, scale: npt.ArrayLike = 1.0, offset: npt.ArrayLike = 0.0) -> None:
        self.array = as_numbers(X, "X of Scaled")
        if self.array.ndim != 2:
            shape = self.array.shape
            raise ValueError(f"expected X of Scaled of shape (n, k), got shape {shape}: pass X.reshape(len(X), -1)")
        self.scale = _factors(scale, self.array.shape[1], "scale")
        self.offset = _factors(offset, self.array.shape[1], "offset")
        self.on_disk = is_on_disk(X) or is_on_disk(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, k)."""
        return self.array.shape

    def __len__(self) -> int:
        return len(self.array)

    def rows(self, index: npt.NDArray[np.integer[Any]], dtype: npt.DTypeLike = np.float32) -> Array:
        """Rows as numbers of this type, in a new C-ordered array.

        Rows on disk are read in the order in which they lie there.

        Example:
            >>> Scaled([[1, 2], [3, 4]], offset=1).rows(np.array([1, 0, 1]))
            array([[4., 5.],
                   [2., 3.],
                   [4., 5.]], dtype=float32)
        """
        numbers = np.empty((len(index), self.array.shape[1]), dtype)
        scale, offset = self.scale.astype(dtype), self.offset.astype(dtype)
        plain, unmoved = bool((scale == 1).all()), bool((offset == 0).all())
        places = np.argsort(index, kind="stable") if self.on_disk else None
        block = max(1, BLOCK_VALUES // max(1, self.array.shape[1]))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(index), block):
                stop = start + block
                part = slice(start, stop) if places is None else places[start:stop]
                converted = self.array[index[part]].astype(dtype, copy=False)
                if not plain:
                    converted = converted * scale
                if not unmoved:
                    converted = converted + offset
                numbers[part] = converted
        return numbers

    def native(self) -> tuple[Array, float, float] | None:
        """What native code converts while it gathers: bytes in memory with one scale and one offset; else None."""
        plain = self.array.dtype == np.uint8 and self.array.flags.c_contiguous and not self.on_disk
        if not plain or self.scale.ndim or self.offset.ndim:
            return None
        return self.array, self.scale.item(), self.offset.item()

    def __getitem__(self, index: Any) -> Array:
        numbers = np.arange(len(self))[index]
        return self.rows(np.ravel(numbers)).reshape(*np.shape(numbers), self.shape[1])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("Scaled cannot be an array without a copy")
        return self.rows(np.arange(len(self)), np.float32 if dtype is None else dtype)

    def __repr__(self) -> str:
        scale, offset = (f"{v:g}" if v.ndim == 0 else f"{len(v)} numbers" for v in (self.scale, self.offset))
        return f"Scaled({self.array.dtype} of shape {self.shape}, scale={scale}, offset={offset})"


def is_stored(X: object, columns: int, dtype: np.dtype[Any]) -> bool:
    """Whether rows are stored otherwise than a network of this dtype takes them, and there are enough for blocks.

    Example:
        >>> is_stored(np.zeros((2**15, 784), np.uint8), 784, np.dtype("float32"))
        True
    """
    if isinstance(X, Scaled):
        return X.shape[1] == columns and len(X) * columns > STORED_VALUES
    return (
        isinstance(X, np.ndarray)
        and X.size > STORED_VALUES
        and X.ndim == 2
        and X.shape[1] == columns
        and X.dtype.kind in "buif"
        and not (X.dtype == dtype and X.flags.c_contiguous and X.flags.aligned)
        and not isinstance(X, np.ma.MaskedArray)
    )


def stored_blocks(X: Scaled | Array, most: int, dtype: np.dtype[Any]) -> Iterator[Array]:
    """Such rows as a network takes them, at most so many at a time.

    Example:
        >>> [block.dtype.name for block in stored_blocks(np.ones((3, 2)), 2, np.dtype("float32"))]
        ['float32', 'float32']
    """
    rows = min(most, max(256, STORED_VALUES // X.shape[1]))
    for start in range(0, len(X), rows):
        if isinstance(X, Scaled):
            yield X.rows(np.arange(start, min(start + rows, len(X))), dtype)
        else:
            yield as_contiguous(X[start : start + rows], dtype)


def _factors(value: npt.ArrayLike, columns: int, what: str) -> Array:
    factors = as_numbers(value, f"{what} of Scaled").astype(np.float64)
    if factors.shape not in ((), (columns,)):
        raise ValueError(f"expected {what} of Scaled as one number or {columns}, got shape {factors.shape}")
    if not math.isfinite(factors.sum()):
        raise ValueError(f"expected {what} of Scaled as finite numbers, got {value!r}")
    return factors


def is_on_disk(value: object) -> bool:
    """Whether an array is a view of a memory-mapped file.

    Example:
        >>> is_on_disk(np.zeros(3))
        False
    """
    while value is not None:
        if isinstance(value, (np.memmap, mmap.mmap)):
            return True
        value = getattr(value, "base", None) if isinstance(value, np.ndarray) else None
    return False
