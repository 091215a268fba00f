"""Data that Python gathers for each native call: parts of X, `Scaled` or sparse ones, files on disk, augmented ones.

What can be handed to native code as it is, is; see `prepare`, which chooses.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .data import as_rows
from .inputs import check_codes
from .samples import Array, Form, NativeRows, Order, Samples
from .scaled import Scaled
from .sparse import BLOCK_VALUES, SparseRows

Augment: TypeAlias = "Callable[..., npt.ArrayLike]"

# Data on disk larger than this are shuffled by blocks, a window of so many bytes at a time.
WINDOW_BYTES = 2**27
BLOCK_BYTES = 2**20


class Source:
    """Samples gathered in Python: rows of x, given by number, converted and augmented for each native call.

    Args:
        x: An array as native code takes it, a `Scaled` or `SparseRows`.
        y: Targets of all rows of x.
        weight: Weights of all rows of x, or None.
        rows: The rows that belong to it; None takes all.
        dtype: The network's.
        augment: What each batch goes through, or None.
        codes: Columns of x that hold codes, and how many codes each has.
        forms: What native code takes as it is beside arrays, see `samples`; else Python makes arrays of it.

    Example:
        >>> source = Source(Scaled([[1], [2], [3]]), np.ones((3, 1)), None, np.array([2, 0]), np.dtype("float32"))
        >>> source.n, source.order(None).tolist(), source.block(0, 1).x.tolist()
        (2, [2, 0], [[3.0]])
    """

    def __init__(
        self,
        x: Array | Scaled | SparseRows,
        y: Array,
        weight: Array | None,
        rows: Order | None,
        dtype: np.dtype[Any],
        augment: Augmentation | None = None,
        codes: Mapping[int, int] | None = None,
        forms: Collection[Form] = (),
    ) -> None:
        self.codes = codes
        self.x, self.y, self.weight, self.dtype, self.augment = x, y, weight, dtype, augment
        self.rows = np.arange(len(x), dtype=np.int64) if rows is None else rows
        on_disk = isinstance(x, Scaled) and x.on_disk
        self._row_bytes = x.array[:1].nbytes if isinstance(x, Scaled) and on_disk else 0
        forms = forms if augment is None else ()
        self._sparse = x if "sparse" in forms and isinstance(x, SparseRows) else None
        self._bytes = x.native() if "bytes" in forms and isinstance(x, Scaled) else None
        numbers_a_row = x.shape[1] if self._sparse is None else self._sparse.entries_a_row
        self.block_rows = max(1, BLOCK_VALUES // max(1, numbers_a_row))
        ready = self._sparse is not None or self._bytes is not None or (augment is None and isinstance(x, np.ndarray))
        self.run_rows = sys.maxsize if ready else self.block_rows

    @property
    def n(self) -> int:
        """How many samples it has."""
        return len(self.rows)

    def order(self, generator: np.random.Generator | None) -> Order:
        """The order of an epoch; large data on disk are shuffled by blocks, see `blockwise_order`."""
        if generator is None:
            return self.rows
        return blockwise_order(self.rows, self._row_bytes, generator)

    def take(self, part: Order, batch_size: int, step: int) -> tuple[NativeRows, Array, Array | None, Order]:
        """The rows of x gathered, converted and augmented batch by batch; what is ready as it is."""
        if self._sparse is not None:
            return self._sparse.entries(), self.y, self.weight, part
        if self._bytes is not None:
            return self._bytes, self.y, self.weight, part
        if self.augment is None and isinstance(self.x, np.ndarray):
            return self.x, self.y, self.weight, part
        gathered = self.gather(part)
        if self.augment is not None:
            for number, start in enumerate(range(0, len(part), batch_size)):
                batch = gathered[start : start + batch_size]
                batch[...] = self.augment(batch, step + number)
        weight = None if self.weight is None else self.weight[part]
        return gathered, self.y[part], weight, np.arange(len(part), dtype=np.int64)

    def block(self, start: int, stop: int) -> Samples:
        """The samples from start to stop, unshuffled and not augmented."""
        part = self.rows[start:stop]
        return Samples(self.gather(part), self.y[part], None if self.weight is None else self.weight[part])

    def native_block(self, start: int, stop: int) -> tuple[NativeRows, Array, Array | None]:
        """The same as native code takes them: sparse rows and bytes as they are, where it can."""
        part = self.rows[start:stop]
        x: NativeRows
        if self._sparse is not None:
            x = self._sparse.part(part).entries()
        elif self._bytes is not None:
            stored, scale, offset = self._bytes
            x = stored[part], scale, offset
        else:
            x = self.gather(part)
        return x, self.y[part], None if self.weight is None else self.weight[part]

    def gather(self, part: Order) -> Array:
        """Rows of x as native code takes them.

        Raises:
            ValueError: A number is NaN or infinite, or no code where codes are. (Data on disk are looked at here, the
                others before training.)
        """
        if isinstance(self.x, np.ndarray):
            return self.x[part]
        if isinstance(self.x, SparseRows):
            return self.x.rows(part)
        gathered = self.x.rows(part, self.dtype)
        if self.x.array.dtype.kind == "f":
            with np.errstate(all="ignore"):
                finite = np.isfinite(gathered.sum()) or np.isfinite(gathered).all()
            if not finite:
                row, column = np.argwhere(~np.isfinite(gathered))[0]
                raise ValueError(
                    f"expected finite numbers in X, got {self.x.array[part[row], column]} in row {part[row]}, column "
                    f"{column}: drop or fill such rows"
                )
        if self.codes:
            check_codes(gathered, self.codes, rows=part)
        return gathered


def blockwise_order(rows: Order, row_bytes: int, generator: np.random.Generator) -> Order:
    """Rows in random order, so that those taken together lie together on disk.

    Blocks of 1 MiB are shuffled, and rows within a window of 128 MiB of blocks: reading stays near the speed of reading
    in order, and a batch is drawn from 128 blocks of all over the file. Up to the size of one window (and always in
    memory, `row_bytes` 0) this is the plain permutation.

    Example:
        >>> blockwise_order(np.arange(4), 8, np.random.default_rng(0)).tolist()
        [2, 0, 1, 3]
    """
    if len(rows) * row_bytes <= WINDOW_BYTES:
        return generator.permutation(rows)
    per_block = max(1, BLOCK_BYTES // row_bytes)
    blocks = generator.permutation(-(-len(rows) // per_block))
    per_window = max(1, WINDOW_BYTES // (per_block * row_bytes))
    order = []
    for start in range(0, len(blocks), per_window):
        window = [rows[block * per_block : (block + 1) * per_block] for block in blocks[start : start + per_window]]
        order.append(generator.permutation(np.concatenate(window)))
    return np.concatenate(order)


class Augmentation:
    """A user's ``augment(x)`` or ``augment(x, rng)``, with a generator that depends on seed and step alone.

    So a run is repeatable, and one that goes on from a checkpoint sees what it would have seen.

    Raises:
        TypeError: It is not callable.

    Example:
        >>> double = Augmentation(lambda x: 2 * x, [0], np.dtype("float32"))
        >>> double(np.ones((1, 2), np.float32), 0)
        array([[2., 2.]], dtype=float32)
    """

    def __init__(self, function: Augment, seed: list[int], dtype: np.dtype[Any]) -> None:
        if not callable(function):
            raise TypeError(f"expected augment as a callable(x) or callable(x, rng), got {function!r}")
        self.function, self.seed, self.dtype = function, seed, dtype
        self.with_generator = _takes_two(function)

    def __call__(self, x: Array, step: int) -> Array:
        """The augmented batch.

        Raises:
            TypeError: What came back is no array of numbers.
            ValueError: Its shape is another one.
        """
        arguments = (x, np.random.default_rng([*self.seed, step])) if self.with_generator else (x,)
        result = as_rows(self.function(*arguments), x.shape[1], self.dtype, "the result of augment", "as its batch")
        if len(result) != len(x):
            raise ValueError(f"expected the result of augment with {len(x)} rows like its batch, got {len(result)}")
        return result


def _takes_two(function: Augment) -> bool:
    """Whether a callable needs two arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [p.default is p.empty or p.name in ("rng", "generator") for p in parameters if p.kind in positional]
    return sum(wanted) >= 2
