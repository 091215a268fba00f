"""Model files: safetensors with the tensors by name and the network's architecture as JSON in the metadata.

``layers.0.weight``, ``layers.0.bias``, … can be read by every tool that knows the format. The metadata's entry
``"bpnative"`` holds the rest; reading it executes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from ..network import Network
from ..network_state import STATE_VERSION
from . import safetensors
from .atomic import PathLike
from .description import build, describe
from .safetensors import Header

Array: TypeAlias = npt.NDArray[Any]

FORMAT_VERSION = 1
METADATA_KEY = "bpnative"
PREFIX = "layers."


def save(network: Network, path: PathLike) -> None:
    """Write a network, all or nothing; `load` reads it.

    Raises:
        OSError: The file can't be written; the old one is untouched.

    Example:
        >>> import bpnative as bp
        >>> bp.mlp([2, 3, 1], seed=0).save("model.safetensors")
        >>> bp.load("model.safetensors")
        Network([Dense(3, activation='relu'), Dense(1)], input_size=2, seed=0)
    """
    safetensors.write(path, tensors_of(network), {METADATA_KEY: to_json({"network": architecture(network)})})


def load(path: PathLike) -> Network:
    """The network of a file that `Network.save`, `Trainer.save` or a checkpoint wrote.

    Everything in the file is checked before memory is taken for the network, and nothing in it is executed.

    Args:
        path: The file.

    Raises:
        ValueError: It is no safetensors file, not one of bpnative, or damaged; the message says what is wrong.
        OSError: It can't be read.

    Example:
        >>> import bpnative as bp
        >>> net = bp.mlp([2, 3, 1], seed=0)
        >>> net.save("model.safetensors")
        >>> bool((bp.load("model.safetensors").parameters == net.parameters).all())
        True
    """
    with open(path, "rb") as file:
        header = safetensors.read_header(file)
        return read_network(file, header, read_description(header))


def tensors_of(network: Network) -> dict[str, Array]:
    """The tensors of a network by name, as they stand in a file: parameters, then statistics where it has some."""
    return {**network.tensors, **network.statistics_tensors}


def architecture(network: Network) -> dict[str, Any]:
    """What a network is, without its numbers, as JSON can hold it.

    Example:
        >>> import bpnative as bp
        >>> sorted(architecture(bp.mlp([2, 1], seed=0)))
        ['dtype', 'forwards', 'input_size', 'layers', 'seed', 'statistics', 'trainable', 'training_seed']
    """
    state = network._settings()
    kept = ("input_size", "dtype", "seed", "training_seed", "forwards", "trainable")
    return {
        "layers": [describe(layer, f"layer {index}") for index, layer in enumerate(state["layers"])],
        **{name: state[name] for name in kept},
        "statistics": sorted(network.statistics_tensors),
    }


def to_json(description: Mapping[str, Any]) -> str:
    """A description with the version of the format, as the metadata's string."""
    return json.dumps({"format_version": FORMAT_VERSION, **description}, allow_nan=False)


def read_description(header: Header) -> dict[str, Any]:
    """What bpnative wrote into the metadata of a file, its version checked.

    Raises:
        ValueError: The file was not written by bpnative, or by a later version of it.
    """
    if METADATA_KEY not in header.metadata:
        raise ValueError(
            "expected a model file of bpnative, got a safetensors file of something else: its metadata holds "
            f"{', '.join(map(repr, header.metadata)) or 'nothing'}, no {METADATA_KEY!r}. Read its arrays with "
            "bpnative.io.safetensors.read, and assign them to the layers of a Network"
        )
    description = safetensors.parse_json(header.metadata[METADATA_KEY], f"metadata {METADATA_KEY!r} of the file")
    version = description.get("format_version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise ValueError(
            f"expected a file of format version 1 to {FORMAT_VERSION}, got {version!r}: a later bpnative may read it"
        )
    return description


def read_network(file: BinaryIO, header: Header, description: Mapping[str, Any]) -> Network:
    """The network of an open file.

    Raises:
        ValueError: The description is no network's, or the tensors are not those it needs.
    """
    given = description.get("network")
    expected = {"layers", "input_size", "dtype", "seed", "training_seed", "statistics"}
    later = {"forwards": 0, "trainable": None}  # which the first files lack
    if not isinstance(given, dict) or set(given) - set(later) != expected or not isinstance(given["layers"], list):
        raise ValueError(f"expected the file to describe a network by {', '.join(sorted(expected))}")
    if not isinstance(given["statistics"], list):
        raise ValueError("expected statistics in the file's network as a list of names")
    own = {name: entry for name, entry in header.tensors.items() if name.startswith(PREFIX)}
    count = sum(math.prod(entry.shape) for name, entry in own.items() if name not in given["statistics"])
    state = {name: given[name] for name in ("input_size", "dtype", "seed", "training_seed")}
    state |= {name: given.get(name, otherwise) for name, otherwise in later.items()}
    flags = state["trainable"]
    if flags is not None and not (isinstance(flags, list) and all(type(flag) is bool for flag in flags)):
        raise ValueError(f"expected trainable of the file's network as a list of true and false, got {flags!r}")
    try:
        layers = [build(layer, f"layer {index}") for index, layer in enumerate(given["layers"])]
        dtype = np.dtype(state["dtype"]) if state["dtype"] in ("float32", "float64") else np.dtype("float32")
        # The number of parameters in the file, without memory for them: it is compared with what the layers need.
        parameters = np.broadcast_to(np.zeros((), dtype), (count,))
        kept = sum(math.prod(entry.shape) for name, entry in own.items() if name in given["statistics"])
        numbers = {"parameters": parameters, "statistics": np.broadcast_to(np.zeros((), dtype), (kept,))}
        network = Network.from_state({"version": STATE_VERSION, **state, "layers": layers, **numbers})
    except TypeError as error:
        raise ValueError(f"the file describes no network: {error}") from None
    views = tensors_of(network)
    if set(views) != set(own):
        missing, surplus = sorted(set(views) - set(own)), sorted(set(own) - set(views))
        raise ValueError(f"the file's tensors are not those of its network: missing {missing}, surplus {surplus}")
    for name, view in views.items():
        read_into(file, header, name, view)
    return network


def read_into(file: BinaryIO, header: Header, name: str, view: Array) -> None:
    """Copy a tensor of a file into an array of the same shape and dtype.

    Raises:
        ValueError: There is no such tensor, or its shape or dtype differs.
    """
    entry = header.tensors.get(name)
    wanted = (safetensors.NAMES[view.dtype], view.shape)
    if entry is None or (entry.dtype, entry.shape) != wanted:
        found = "none" if entry is None else f"{entry.dtype} {entry.shape}"
        raise ValueError(f"expected tensor {name!r} as {wanted[0]} {wanted[1]}, the file has {found}")
    view[...] = safetensors.read_tensor(file, header, name)
