"""A network from what pickle kept of it, and the dtypes of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Graph
from .layer_views import assign
from .layers import as_layers
from .names import unknown_name
from .seeds import check_seed
from .specification import check_count

if TYPE_CHECKING:
    from .network import Network

DTYPES = ("float32", "float64")
STATE_VERSION = 2


def restore(kind: type[Network], state: Any) -> Network:
    """A network from its pickled state, every part checked as a constructor would."""
    expected = {
        "version",
        "layers",
        "input_size",
        "dtype",
        "seed",
        "training_seed",
        "parameters",
        "statistics",
        "noise_seed",
    }
    if not isinstance(state, dict) or set(state) != expected or state["version"] != STATE_VERSION:
        raise ValueError(f"expected a pickled network of version {STATE_VERSION} with {sorted(expected)}, got another")
    parameters = np.asarray(state["parameters"])
    layers, input_size = as_layers(state["layers"]), check_count(state["input_size"], "input_size")
    dtype = check_dtype(state["dtype"])
    count = Graph(layers, input_size).parameter_count
    if parameters.shape != (count,) or parameters.dtype != dtype:
        raise ValueError(
            f"expected pickled parameters of shape ({count},) and dtype {dtype}, got {parameters.shape} and "
            f"{parameters.dtype}"
        )
    network = kind.__new__(kind)
    seed = check_seed(state["seed"])
    network._seed = None if isinstance(seed, np.random.Generator) else seed
    network._training_seed = check_count(state["training_seed"], "training_seed", 0)
    network._build(layers, input_size, dtype)
    network.parameters = parameters
    assign(network.statistics, state["statistics"], "pickled statistics")
    network._native.noise_seed = check_count(state["noise_seed"], "noise_seed", 0)
    return network


def check_dtype(dtype: Any) -> np.dtype[Any]:
    """One of the two dtypes that networks compute in.

    Raises:
        ValueError: It is another.

    Example:
        >>> check_dtype("float64").itemsize
        8
    """
    try:
        name = np.dtype(dtype).name if dtype is not None else "None"
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise unknown_name("dtype", name, DTYPES)
    return np.dtype(name)
