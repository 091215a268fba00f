"""PyTorch modules of what torch.nn lacks: residual blocks, tables of embeddings, scaled inputs, noise.

The classes are made at the first use, since PyTorch may be missing: ``torch_modules.Residual`` is one, and pickles.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

NAMES = ("ColumnEmbedding", "Exponential", "FrozenBatchNorm1d", "GaussianNoise", "Normalize", "Residual")

_lock = threading.Lock()


def import_torch() -> Any:
    """PyTorch.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError("to_torch needs PyTorch: pip install torch") from error
    return torch


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _lock:  # two threads would make two classes of a name, and pickle knows one
        return _classes()[name]


@functools.cache
def _classes() -> dict[str, Any]:
    torch = import_torch()
    nn = torch.nn
    Module: Any = nn.Module
    BatchNorm1d: Any = nn.BatchNorm1d

    class ColumnEmbedding(Module):  # type: ignore[misc]
        """The columns of numbers as they are, then for each column of codes its row of a table."""

        def __init__(self, input_size: int, codes: dict[int, int], sizes: dict[int, int], dtype: Any = None) -> None:
            super().__init__()
            self.input_size = input_size
            self.columns = sorted(codes)
            self.numeric = [column for column in range(input_size) if column not in codes]
            tables = {str(column): nn.Embedding(codes[column], sizes[column], dtype=dtype) for column in self.columns}
            self.tables = nn.ModuleDict(tables)

        def forward(self, x: Any) -> Any:
            parts = [table(x[:, int(column)].long()) for column, table in self.tables.items()]
            return torch.cat([x[:, self.numeric], *parts], dim=1)

        def extra_repr(self) -> str:
            return f"input_size={self.input_size}, columns={self.columns}"

    class Exponential(Module):  # type: ignore[misc]
        """exp(x)."""

        def forward(self, x: Any) -> Any:
            return torch.exp(x)

    class FrozenBatchNorm1d(BatchNorm1d):  # type: ignore[misc]
        """Batch norm by its running statistics, in training too, which leaves them as they are."""

        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    class GaussianNoise(Module):  # type: ignore[misc]
        """x + stddev · n while training, n standard normal."""

        def __init__(self, stddev: float) -> None:
            super().__init__()
            self.stddev = stddev

        def forward(self, x: Any) -> Any:
            return x + self.stddev * torch.randn_like(x) if self.training else x

        def extra_repr(self) -> str:
            return f"stddev={self.stddev}"

    class Normalize(Module):  # type: ignore[misc]
        """(x - mean) · scale, which are no parameters."""

        def __init__(self, size: int, dtype: Any = None) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(size, dtype=dtype))
            self.register_buffer("scale", torch.ones(size, dtype=dtype))

        def forward(self, x: Any) -> Any:
            return (x - self.mean) * self.scale

        def extra_repr(self) -> str:
            return str(len(self.mean))

    class Residual(Module):  # type: ignore[misc]
        """activation(block(x) + skip(x)); skip is the projection, or x itself."""

        def __init__(self, block: Any, projection: Any = None, activation: Any = None) -> None:
            super().__init__()
            self.block = block
            self.projection = projection
            self.activation = activation

        def forward(self, x: Any) -> Any:
            y = self.block(x) + (x if self.projection is None else self.projection(x))
            return y if self.activation is None else self.activation(y)

    made = {kind.__name__: kind for kind in (ColumnEmbedding, Exponential, GaussianNoise, Normalize, Residual)}
    made["FrozenBatchNorm1d"] = FrozenBatchNorm1d
    for name, kind in made.items():
        kind.__module__, kind.__qualname__ = __name__, name  # where pickle looks for it
    return made
