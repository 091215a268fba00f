"""Input gradients: how much each input moves an output, by backpropagation down to the inputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import as_numbers, as_rows
from ..layers import BatchNorm, Dropout, GaussianNoise, LayerSpecification, Residual
from ..network import Network
from ..specification import check_count
from ..trainer import Trainer
from .task import Array, network_of

_ROWS = 1024  # of a pass forward and back, whose activations are kept


def input_gradients(
    model: Network | Trainer, X: npt.ArrayLike, output: int | npt.ArrayLike | None = None
) -> npt.NDArray[Any]:
    """The derivative of one output in each input, row by row: the saliency map of Simonyan et al.

    gradient[i, f] = ∂p[i, output] / ∂x[i, f], p after the last activation. It holds for small changes about that row;
    |gradient| is what a map shows, x·gradient how much each input adds where the network is nearly linear. Layers do as
    in `Network.predict` (no dropout, batch norm by its running statistics), and the network's own gradients stay.
    Source: Simonyan, Vedaldi & Zisserman, "Deep inside convolutional networks", 2013, section 3; Baehrens et al., "How
    to explain individual classification decisions", JMLR 2010.

    Args:
        model: A network or trainer.
        X: (n, input_size); n may be 0.
        output: Which output: a whole number for all rows, (n,) one for each row, such as labels, or None: the largest
            output of each row, the answer.

    Returns:
        A new array (n, input_size) of the network's dtype. Columns of codes get 0.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: X does not fit the network, or there is no such output.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Dense(2, weight_initializer=[[2.0, 3.0], [0.0, 1.0]])], input_size=2)
        >>> bp.input_gradients(net, [[1.0, 1.0], [-1.0, 0.0]]).tolist()
        [[2.0, 3.0], [0.0, 1.0]]
    """
    network = network_of(model)
    x = as_rows(X, network.input_size, network.dtype, "X", "input_size of the network")
    columns = _columns(network, output, len(x))
    resting = _resting(network)
    gradients = np.empty_like(x, shape=x.shape)
    for start in range(0, len(x), _ROWS):
        block = x[start : start + _ROWS]
        out = resting.forward(block, training=True)
        wanted = out.argmax(axis=1) if columns is None else columns[start : start + _ROWS]
        seed = np.zeros_like(out)
        seed[np.arange(len(block)), wanted] = 1.0
        gradients[start : start + _ROWS] = resting.backward(seed)
    return gradients


def _columns(network: Network, output: object, n: int) -> Array | None:
    """The output of each row, None for the largest."""
    if output is None:
        return None
    array = as_numbers(output, "output")
    if array.ndim == 0:
        array = np.full(n, check_count(output if isinstance(output, int) else array[()], "output", 0))
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"expected output as a whole number, or ({n},) of them, one a row of X, got {array.dtype} of shape "
            f"{array.shape}"
        )
    if n and not (array.min() >= 0 and array.max() < network.output_size):
        raise ValueError(
            f"expected output from 0 to {network.output_size - 1} (the network has {network.output_size} outputs), got "
            f"{array.min()} to {array.max()}"
        )
    return array


def _resting(network: Network) -> Network:
    """A copy whose layers do while training what they do in `Network.predict`."""
    layers = [_rested(layer.specification.without_values()) for layer in network.layers]
    resting = Network(layers, network.input_size, dtype=network.dtype, seed=0)
    resting.parameters, resting.statistics[...] = network.parameters, network.statistics
    return resting


def _rested(layer: LayerSpecification) -> LayerSpecification:
    if isinstance(layer, Residual):
        return dataclasses.replace(layer, layers=tuple(map(_rested, layer.layers)))
    if isinstance(layer, BatchNorm):
        return dataclasses.replace(layer, trainable=False)
    if isinstance(layer, Dropout):
        return dataclasses.replace(layer, rate=0.0)
    return dataclasses.replace(layer, stddev=0.0) if isinstance(layer, GaussianNoise) else layer
