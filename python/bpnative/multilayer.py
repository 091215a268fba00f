"""The short way to a network of dense layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from .activations import Activation
from .layers import Dense
from .network import Network
from .seeds import Seed


def mlp(
    sizes: Sequence[int],
    activation: str | Activation = "relu",
    *,
    output_activation: str | Activation = "linear",
    dtype: npt.DTypeLike = "float32",
    seed: Seed = None,
) -> Network:
    """A multilayer perceptron: dense layers one after another, all but the last with the same activation.

    Args:
        sizes: Columns of X, units of each hidden layer, number of outputs: at least two numbers.
        activation: Of the hidden layers.
        output_activation: Of the last layer.
        dtype: As of `Network`.
        seed: As of `Network`.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: Fewer than two sizes, one below 1, or an unknown name.

    Example:
        >>> mlp([784, 256, 10], activation="relu", seed=0)
        Network([Dense(256, activation='relu'), Dense(10)], input_size=784, seed=0)
    """
    sizes = list(sizes)
    if len(sizes) < 2:
        raise ValueError(f"expected sizes as [inputs, hidden units, …, outputs], at least two numbers, got {sizes}")
    hidden = [Dense(units, activation=activation) for units in sizes[1:-1]]
    return Network([*hidden, Dense(sizes[-1], activation=output_activation)], sizes[0], dtype=dtype, seed=seed)
