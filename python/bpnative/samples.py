"""What an epoch and an evaluation need of data: how many there are, in which order, and the arrays of a native call."""

from __future__ import annotations

import sys
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Order = npt.NDArray[np.int64]
# Rows of x as a native call takes them: (n, inputs); bytes with scale and offset; or where each row starts, and columns
# and values of its entries. The last two are forms that not every network or loss can do with.
NativeRows: TypeAlias = "Array | tuple[Array, float, float] | tuple[Order, Array, Array]"
Form: TypeAlias = 'Literal["bytes", "sparse"]'


class SampleSource(Protocol):
    """Checked data that a trainer trains on or evaluates: `Samples` in memory, or a `sources.Source`."""

    @property
    def n(self) -> int:
        """How many samples an epoch has."""

    @property
    def run_rows(self) -> int:
        """How many samples may lie gathered in memory for one native call; one step's at least do."""

    @property
    def block_rows(self) -> int:
        """How many samples a block may have whose size nothing else says."""

    @property
    def y(self) -> Array:
        """Targets as the loss takes them."""

    def order(self, generator: np.random.Generator | None) -> Order:
        """The order in which an epoch takes its samples: as they are, or shuffled by the generator."""

    def take(self, part: Order, batch_size: int, step: int) -> tuple[NativeRows, Array, Array | None, Order]:
        """x, y, weight and the rows of them that the samples `part` of an order are; `step` numbers the first."""

    def gather(self, part: Order) -> Array:
        """These rows of x, dense."""

    def block(self, start: int, stop: int) -> Samples:
        """The samples from start to stop, unshuffled."""

    def native_block(self, start: int, stop: int) -> tuple[NativeRows, Array, Array | None]:
        """The same as a native call takes them."""


class Samples(NamedTuple):
    """Checked data in memory: x (n, inputs), y as the loss takes it, weight (n,) or None.

    Example:
        >>> samples = Samples(np.ones((4, 2)), np.ones((4, 1)), None)
        >>> samples.n, samples.block(1, 3).n
        (4, 2)
    """

    x: Array
    y: Array
    weight: Array | None

    @property
    def n(self) -> int:
        """How many samples there are."""
        return len(self.x)

    @property
    def run_rows(self) -> int:
        """Any number: nothing is gathered."""
        return sys.maxsize

    @property
    def block_rows(self) -> int:
        """Any number: a block is a view."""
        return sys.maxsize

    def order(self, generator: np.random.Generator | None) -> Order:
        """The order of an epoch, see `sample_order`."""
        return sample_order(len(self.x), generator)

    def take(self, part: Order, batch_size: int, step: int) -> tuple[NativeRows, Array, Array | None, Order]:
        """The arrays as they are: native code gathers the rows."""
        return self.x, self.y, self.weight, part

    def gather(self, part: Order) -> Array:
        """Copies of these rows of x."""
        rows: Array = self.x[part]
        return rows

    def block(self, start: int, stop: int) -> Samples:
        """A view of the samples from start to stop."""
        return Samples(self.x[start:stop], self.y[start:stop], None if self.weight is None else self.weight[start:stop])

    def native_block(self, start: int, stop: int) -> tuple[NativeRows, Array, Array | None]:
        """The same as `block`."""
        return self.block(start, stop)


def sample_order(n: int, generator: np.random.Generator | None) -> Order:
    """The order in which an epoch takes its samples: as they are, or shuffled by the generator.

    Example:
        >>> sample_order(3, None).tolist()
        [0, 1, 2]
    """
    order = np.arange(n, dtype=np.int64)
    return order if generator is None else generator.permutation(order)
