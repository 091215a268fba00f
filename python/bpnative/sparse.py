"""Sparse matrices as they are stored: for native code as they are, or made dense a block at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .data import as_contiguous, check_columns
from .samples import Order

Array = npt.NDArray[Any]

# Numbers of a block that is made dense at once: 32 MiB of float64.
BLOCK_VALUES = 2**22


class SparseRows:
    """The rows of a sparse matrix of SciPy's, of any format: as native code takes them, and as dense blocks.

    What is kept is the matrix in compressed rows, of the network's dtype and each place once; arrays that are so
    already are taken as they are, and none of the user's is written to. A block holds the numbers that the same rows
    of ``matrix.toarray()`` would hold, to the bit: entries that share a place are summed in the order they are in.

    Args:
        matrix: (n, k) real numbers.
        dtype: Of the blocks.
        what: Its name in messages.
        finite: Whether NaN and infinity are errors.

    Raises:
        TypeError: It holds no real numbers.
        ValueError: It has not two dimensions, its index arrays do not fit, or a number is not finite.

    Example:
        >>> from types import SimpleNamespace  # here in the place of scipy.sparse.csr_array([[0, 5], [7, 0], [0, 0]])
        >>> parts = {"data": np.array([5, 7]), "indices": np.array([1, 0]), "indptr": np.array([0, 1, 2, 2])}
        >>> rows = SparseRows(SimpleNamespace(shape=(3, 2), format="csr", **parts), np.dtype("float32"), "X")
        >>> rows.rows(np.array([1, 2, 0])).tolist()
        [[7.0, 0.0], [0.0, 0.0], [0.0, 5.0]]
    """

    def __init__(self, matrix: Any, dtype: np.dtype[Any], what: str, finite: bool = True) -> None:
        if len(matrix.shape) != 2:
            raise ValueError(f"expected {what} of shape (n, k), got the shape {matrix.shape}")
        self.shape: tuple[int, int] = (int(matrix.shape[0]), int(matrix.shape[1]))
        self.dtype = dtype
        starts, columns, values = _compressed_rows(matrix, what)
        _check_places(starts, columns, values, self.shape, what)
        starts, columns, values = _each_place_once(starts, columns, values)
        self._starts, self._columns = as_contiguous(starts, np.int64), as_contiguous(columns, np.int32)
        if np.signbit(values[values == 0]).any():
            values = values + values.dtype.type(0)  # -0 becomes 0, as where it is added to zeros
        self._values = as_contiguous(values, dtype)
        if finite and not np.isfinite(self._values).all():
            at = int(np.argmin(np.isfinite(self._values)))
            row = int(np.searchsorted(self._starts, at, side="right")) - 1
            reason = f"too large for {dtype}" if np.isfinite(values[at]) else "drop or fill such rows"
            place = f"row {row}, column {self._columns[at]}"
            raise ValueError(f"expected finite numbers in {what}, got {values[at]} in {place}: {reason}")

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def block_rows(self) -> int:
        """Rows that may be dense at once."""
        return max(1, BLOCK_VALUES // max(1, self.shape[1]))

    @property
    def entries_a_row(self) -> int:
        """The mean, rounded up."""
        return -(-int(self._starts[-1] - self._starts[0]) // max(1, len(self)))

    def entries(self, start: int = 0, stop: int | None = None) -> tuple[Order, Array, Array]:
        """For native code: where each row from start to stop begins, and columns and values of all entries."""
        stop = len(self) if stop is None else min(stop, len(self))
        return self._starts[start : stop + 1], self._columns, self._values

    def rows(self, index: Order) -> Array:
        """These rows, dense, in a new C-ordered array."""
        places, counts = self._entries(index)
        dense = np.zeros((len(index), self.shape[1]), self.dtype)
        dense[np.repeat(np.arange(len(index)), counts), self._columns[places]] = self._values[places]
        return dense

    def part(self, index: Order) -> SparseRows:
        """These rows, sparse."""
        places, counts = self._entries(index)
        part = object.__new__(SparseRows)
        part.shape, part.dtype = (len(index), self.shape[1]), self.dtype
        part._starts = np.concatenate([[0], np.cumsum(counts)])
        part._columns, part._values = self._columns[places], self._values[places]
        return part

    def __getitem__(self, key: Any) -> Array:
        """Dense rows of a slice; with ``[:, column]`` a column."""
        if not isinstance(key, tuple):
            return self.rows(np.arange(self.shape[0], dtype=np.int64)[key])
        column = np.zeros(self.shape[0], self.dtype)
        places = np.flatnonzero(self._columns == key[1])
        column[np.searchsorted(self._starts, places, side="right") - 1] = self._values[places]
        return column

    def _entries(self, index: Order) -> tuple[Order, Order]:
        """Where the entries of these rows stand, and how many each row has."""
        starts = self._starts[index]
        counts = self._starts[index + 1] - starts
        before = np.cumsum(counts) - counts
        return np.arange(counts.sum(), dtype=np.int64) + np.repeat(starts - before, counts), counts


def is_sparse(value: object) -> bool:
    """Whether it is a sparse matrix or array, told without importing SciPy; or rows of one.

    Example:
        >>> is_sparse(np.eye(2))
        False
    """
    return isinstance(value, SparseRows) or (hasattr(value, "toarray") and hasattr(value, "tocsr"))


def as_sparse_rows(
    value: Any, columns: int, dtype: np.dtype[Any], what: str, owner: str, finite: bool = True
) -> SparseRows:
    """A sparse matrix as rows of so many columns.

    Raises:
        TypeError: It holds no real numbers.
        ValueError: It has other columns, or is not as it must be, see `SparseRows`.

    Example:
        >>> from types import SimpleNamespace
        >>> parts = {"data": np.array([5.0]), "row": np.array([2]), "col": np.array([1])}
        >>> matrix = SimpleNamespace(shape=(3, 2), format="coo", **parts)
        >>> as_sparse_rows(matrix, 2, np.dtype("float32"), "X", "input_size of the network")[:].tolist()
        [[0.0, 0.0], [0.0, 0.0], [0.0, 5.0]]
    """
    check_columns(value, columns, what, owner)
    if isinstance(value, SparseRows) and value.dtype == dtype:
        return value
    return SparseRows(value, dtype, what, finite)


def _compressed_rows(matrix: Any, what: str) -> tuple[Order, Array, Array]:
    """Where each row starts, and column and value of each entry, those of a row in the order of the matrix."""
    if isinstance(matrix, SparseRows):
        return matrix._starts, matrix._columns, matrix._values
    try:
        if matrix.format == "coo":  # not SciPy's: that sums entries that share a place in another order than toarray
            row, columns, values = _as_arrays(what, (matrix.row, matrix.col), matrix.data)
            _check_range(row, matrix.shape[0], "row", what)
            starts = np.concatenate([[0], np.cumsum(np.bincount(row.astype(np.int64), minlength=matrix.shape[0]))])
            order = slice(None) if (row[1:] >= row[:-1]).all() else np.argsort(row, kind="stable")
            columns, values = columns[order], values[order]
        else:
            _check_before_conversion(matrix, what)
            rows = matrix if matrix.format == "csr" else matrix.tocsr()
            starts, columns, values = _as_arrays(what, (rows.indptr, rows.indices), rows.data)
    except (TypeError, AttributeError) as error:
        kind = type(matrix).__name__
        raise TypeError(f"expected {what} as a sparse matrix of SciPy's, got {kind}: {error}") from None
    if values.dtype.kind not in "buif":
        raise TypeError(f"expected {what} as real numbers, got a sparse matrix of dtype {values.dtype}")
    return starts.astype(np.int64, copy=False), columns, values


def _as_arrays(what: str, indices: tuple[Any, Any], data: Any, dimensions: int = 1) -> tuple[Array, Array, Array]:
    """Index arrays of whole numbers and the values, of so many dimensions; users can put others into a matrix."""
    first, second, values = np.asarray(indices[0]), np.asarray(indices[1]), np.asarray(data)
    for array in (first, second):
        if array.dtype.kind not in "iu" or array.ndim != 1:
            raise ValueError(
                f"expected {what} with index arrays of whole numbers, got dtype {array.dtype} and shape {array.shape}"
            )
    if values.ndim != dimensions:
        raise ValueError(f"expected {what} with data of {dimensions} dimensions, got shape {values.shape}")
    return first, second, values


def _check_before_conversion(matrix: Any, what: str) -> None:
    """What SciPy's compiled conversions take for granted: where it is not so they write beyond their arrays."""
    n, k = matrix.shape
    if matrix.format == "csc":
        starts, row, values = _as_arrays(what, (matrix.indptr, matrix.indices), matrix.data)
        _check_places(starts, row, values, (k, n), what, ("columns", "row"))
    elif matrix.format == "bsr":
        starts, block, values = _as_arrays(what, (matrix.indptr, matrix.indices), matrix.data, 3)
        height, width = values.shape[1:]
        if not height or not width or n % height or k % width:
            raise ValueError(f"expected {what} in blocks that fit its shape {(n, k)}, got blocks {(height, width)}")
        _check_places(starts, block, values, (n // height, k // width), what, ("rows of blocks", "block"))
    elif matrix.format == "dia":
        offsets, _, values = _as_arrays(what, (matrix.offsets, matrix.offsets), matrix.data, 2)
        if len(offsets) != len(values) or (abs(offsets.astype(np.float64)) >= 2**31).any():
            raise ValueError(f"expected {what} with an offset for each of its {len(values)} diagonals, got {offsets}")
    elif matrix.format == "lil":
        pairs = zip(matrix.rows, matrix.data, strict=False)
        if len(matrix.rows) != n or len(matrix.data) != n or any(len(row) != len(values) for row, values in pairs):
            raise ValueError(f"expected {what} with as many column indices as values in each of its {n} rows")


def _check_range(indices: Array, size: int, of: str, what: str) -> None:
    if len(indices) and not (indices.min() >= 0 and indices.max() < size):
        bad = indices.min() if indices.min() < 0 else indices.max()
        raise ValueError(f"expected {of} indices from 0 to {size - 1} in {what}, got {bad}")


def _check_places(
    starts: Array,
    indices: Array,
    values: Array,
    shape: tuple[int, int],
    what: str,
    names: tuple[str, str] = ("rows", "column"),
) -> None:
    """SciPy does not look: an index beyond would be a number in another row, or none at all."""
    entries = int(starts[-1]) if len(starts) else -1
    fits = len(starts) == shape[0] + 1 and starts[0] == 0 and (starts[1:] >= starts[:-1]).all()
    if not fits or entries > len(indices) or entries > len(values):
        lines = f"{shape[0]} {names[0]}"
        raise ValueError(f"expected {what} with index arrays that fit its {lines}: see its check_format()")
    _check_range(indices[:entries], shape[1], names[1], what)


def _each_place_once(starts: Order, columns: Array, values: Array) -> tuple[Order, Array, Array]:
    """The same with entries that share a place summed, in their order and dtype."""
    entries = int(starts[-1])
    columns, values = columns[:entries], values[:entries]
    rising = np.ones(entries, bool)
    rising[1:] = columns[1:] > columns[:-1]
    rising[starts[:-1][starts[:-1] < entries]] = True  # where a row begins
    if rising.all():
        return starts, columns, values
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((columns, row))
    row, columns, values = row[order], columns[order], values[order]
    new = np.ones(entries, bool)
    new[1:] = (row[1:] != row[:-1]) | (columns[1:] != columns[:-1])
    sums = np.zeros(int(new.sum()), values.dtype)
    np.add.at(sums, np.cumsum(new) - 1, values)
    counts = np.bincount(row[new], minlength=len(starts) - 1)
    return np.concatenate([[0], np.cumsum(counts)]), columns[new], sums
