"""The network of an estimator: its layers, scikit-learn's first weights, its L2 penalty."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..activations import Activation
from ..layer_views import Layer
from ..layers import Activation as ActivationLayer
from ..layers import BatchNorm, Dense, Dropout
from ..network import Network
from .objective import Objective
from .parameters import SKLEARN_ACTIVATIONS

Array = npt.NDArray[Any]


def hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Units of each hidden layer, from a number or a sequence.

    Raises:
        ValueError: A size is not above 0.
        TypeError: A size is no whole number.

    Example:
        >>> hidden_sizes(100), hidden_sizes((64, 32))
        ([100], [64, 32])
    """
    sizes = list(hidden_layer_sizes) if isinstance(hidden_layer_sizes, Iterable) else [hidden_layer_sizes]
    if np.any(np.array(sizes) <= 0):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return sizes


def per_layer(value: Any, count: int, what: str) -> list[Any]:
    """One setting for each hidden layer, from one for all or a sequence.

    Raises:
        ValueError: The sequence has another length.

    Example:
        >>> per_layer("relu", 2, "activation"), per_layer([0.1, 0.5], 2, "dropout")
        (['relu', 'relu'], [0.1, 0.5])
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [value] * count
    values = list(value)
    if len(values) != count:
        raise ValueError(f"expected {what} as one value, or one for each of {count} hidden layers, got {values!r}")
    return values


def build(
    inputs: int,
    hidden: Sequence[int],
    activation: Any,
    dropout: Any,
    batch_norm: bool,
    objective: Objective,
    dtype: npt.DTypeLike,
    random_state: np.random.RandomState,
) -> Network:
    """The network, with the first weights that scikit-learn draws from this random state.

    Weights and biases are uniform within ±√(6 / (n_in + n_out)), ±√(2 / (n_in + n_out)) for logistic; Glorot & Bengio,
    "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
    """
    activations: list[str | Activation] = [
        SKLEARN_ACTIVATIONS.get(given, given) if isinstance(given, str) else given
        for given in per_layer(activation, len(hidden), "activation")
    ]
    rates = per_layer(dropout, len(hidden), "dropout")
    layers: list[Any] = []
    for units, function, rate in zip(hidden, activations, rates, strict=True):
        plain = {"weight_initializer": "zeros", "bias_initializer": "zeros"}
        if batch_norm:
            layers += [Dense(units, **plain), BatchNorm(), ActivationLayer(function)]  # type: ignore[arg-type]
        else:
            layers.append(Dense(units, function, **plain))  # type: ignore[arg-type]
        if rate:
            layers.append(Dropout(rate))
    layers.append(Dense(objective.outputs, objective.activation, weight_initializer="zeros"))
    sizes = [inputs, *hidden, objective.outputs]
    drawn = []
    for at, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        function = activations[min(at, len(hidden) - 1)] if hidden else SKLEARN_ACTIVATIONS.get(activation, "linear")
        bound = np.sqrt((2.0 if function == "sigmoid" else 6.0) / (n_in + n_out))
        weight = random_state.uniform(-bound, bound, (n_in, n_out))
        drawn.append((weight, random_state.uniform(-bound, bound, n_out)))
    # What dropout draws with: after the weights, so that these are scikit-learn's with and without it.
    seed = int(random_state.randint(2**31 - 1)) if any(rates) else 0
    network = Network(layers, inputs, dtype=dtype, seed=seed)
    for layer, (weight, bias) in zip(dense_layers(network), drawn, strict=True):
        layer.weight, layer.bias = weight.T, bias
    return network


def dense_layers(network: Network) -> list[Layer]:
    """The layers that have a weight and a bias, first to last."""
    return [layer for layer in network.layers if isinstance(layer.specification, Dense)]


def set_l2(layers: Iterable[Layer], l2: float) -> None:
    """Set the L2 penalty of the weights of dense layers (never of biases): gradient + l2·W, loss + l2/2·|W|²."""
    for layer in layers:
        layer.l2 = l2
