"""Embeddings: tables of learned vectors for columns that hold integer codes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import ClassVar

from . import initializers
from .initializers import InitializerLike
from .layer_base import LayerSpecification, Settings, plain_initializer
from .specification import check_count, check_flag, specification

MOST_CODES = 2**24


@specification
class Embedding(LayerSpecification):
    """Learned vectors for categories: each code of a column is replaced by its row of a table.

    y is first the other columns, as they are and in their order, then for each column of codes its vector, in the order
    of the columns: (n, n_in - c + Σ sizes) for c columns of codes. Table j is a parameter ``table_<column>`` of shape
    (codes, size). Backward: a row's gradient is the sum of dy over the samples with its code.
    It must be the first layer, or stand right behind `Normalize`.
    Source: Guo & Berkhahn, "Entity embeddings of categorical variables", arXiv:1604.06737, 2016.

    Args:
        columns: For each column of codes its number of codes, at most 2²⁴, up to where float32 tells whole numbers
            apart: ``{3: 12}`` means that column 3 holds 0 … 11.
        size: Length of the vectors: a number, or one a column as a mapping; None for min(50, (codes + 1) // 2).
        initializer_of_tables: A name, an object of `bpnative.initializers`, an array or a callable(shape, generator);
            None for uniform in ±0.05, as in Keras.
        trainable: Whether training changes the tables.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: There is no column, one twice, or a number is out of range.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Embedding({1: 3}, size=2), bp.Dense(1)], input_size=2, seed=0)
        >>> net.layers[0].tensors["table_1"].shape
        (3, 2)
        >>> net.predict([[0.5, 0], [0.5, 2]]).shape
        (2, 1)
    """

    columns: Mapping[int, int] | tuple[tuple[int, int], ...]
    size: int | Mapping[int, int] | tuple[tuple[int, int], ...] | None = None
    initializer_of_tables: InitializerLike | None = None
    trainable: bool = True
    name: ClassVar[str] = "embedding"

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        columns = _pairs(self.columns, "columns of Embedding")
        if not columns:
            raise ValueError("expected columns of Embedding as {column: codes}, at least one, got none")
        for column, codes in columns:
            if codes > MOST_CODES:
                raise ValueError(
                    f"expected at most 2**24 codes for column {column} in columns of Embedding, which float32 tells "
                    f"apart, got {codes:,}: hash rare categories into fewer"
                )
        set_field(self, "columns", columns)
        if isinstance(self.size, (Mapping, tuple)):
            sizes = _pairs(self.size, "size of Embedding")
            if [column for column, _ in sizes] != [column for column, _ in columns]:
                wanted = [column for column, _ in columns]
                raise ValueError(f"expected size of Embedding for the columns {wanted}, got {dict(sizes)}")
            set_field(self, "size", sizes)
        elif self.size is not None:
            set_field(self, "size", check_count(self.size, "size of Embedding"))
        if self.initializer_of_tables is not None:
            chosen = initializers.normalize(self.initializer_of_tables, "initializer_of_tables")
            set_field(self, "initializer_of_tables", chosen)
        set_field(self, "trainable", check_flag(self.trainable, "trainable of Embedding"))

    @property
    def codes(self) -> dict[int, int]:
        """The number of codes of each column."""
        return dict(self.columns)

    @property
    def sizes(self) -> dict[int, int]:
        """The length of the vectors of each column."""
        if isinstance(self.size, int):
            return dict.fromkeys(self.codes, self.size)
        if self.size is None:
            return {column: min(50, (codes + 1) // 2) for column, codes in self.codes.items()}
        return dict(self.size)

    def output_size(self, input_size: int) -> int:
        """Columns that come out where `input_size` columns go in.

        Raises:
            ValueError: There are fewer columns than that.
        """
        if max(self.codes) >= input_size:
            raise ValueError(f"expected columns of Embedding from 0 to {input_size - 1}, got {max(self.codes)}")
        return input_size - len(self.codes) + sum(self.sizes.values())

    def parameter_count(self, input_size: int) -> int:
        """Trained numbers."""
        return sum(codes * self.sizes[column] for column, codes in self.codes.items())

    def native(self) -> tuple[str, Settings]:
        """The layer as the compiled module takes it."""
        columns = [float(column) for column in self.codes]
        codes = [float(count) for count in self.codes.values()]
        return self.name, {"columns": columns, "codes": codes, "sizes": [float(self.sizes[c]) for c in self.codes]}

    def initializer(self, tensor: str) -> InitializerLike:
        """What a table starts from."""
        if self.initializer_of_tables is not None:
            return self.initializer_of_tables
        return lambda shape, generator: generator.uniform(-0.05, 0.05, shape)

    def without_values(self) -> Embedding:
        """The same layer, without an initializer that is an array or a function."""
        return dataclasses.replace(self, initializer_of_tables=plain_initializer(self.initializer_of_tables, None))


def _pairs(given: object, what: str) -> tuple[tuple[int, int], ...]:
    items = given.items() if isinstance(given, Mapping) else given
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise TypeError(f"expected {what} as a mapping such as {{3: 12}}, got {given!r}")
    pairs = []
    for item in items:
        if not isinstance(item, Iterable) or isinstance(item, str) or len(pair := tuple(item)) != 2:
            raise TypeError(f"expected {what} as a mapping such as {{3: 12}}, got {given!r}")
        column = check_count(pair[0], f"a column in {what}", 0)
        pairs.append((column, check_count(pair[1], f"the number for column {column} in {what}")))
    if len({column for column, _ in pairs}) < len(pairs):
        raise ValueError(f"expected each column once in {what}, got {given!r}")
    return tuple(sorted(pairs))
