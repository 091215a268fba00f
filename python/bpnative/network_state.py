"""What a network is outside of memory: its state by value, its tensors by name, its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from .graph import Graph
from .io.atomic import PathLike
from .layer_views import Layer, assign
from .layers import as_layers
from .names import unknown_name
from .seeds import check_seed
from .specification import check_count

if TYPE_CHECKING:
    from . import _bpnative
    from .network import Network

Array = npt.NDArray[Any]
N = TypeVar("N", bound="NetworkFiles")

DTYPES = ("float32", "float64")
STATE_VERSION = 2


class NetworkFiles:
    """The part of `Network` that files, pickle and copies use."""

    layers: tuple[Layer, ...]
    _native: _bpnative.Network
    _training_seed: int

    def set_training_seed(self, seed: int) -> None:
        """Set what trainers shuffle with when they have no seed of their own, and what noise layers draw from."""
        self._training_seed = self._native.noise_seed = seed

    @property
    def tensors(self) -> dict[str, Array]:
        """Every tensor of parameters by name, as in a model file: ``"layers.0.weight"``, …; views of `parameters`."""
        return {
            f"layers.{layer.name}.{tensor}": view
            for top in self.layers
            for layer in top.walk()
            for tensor, view in layer.tensors.items()
        }

    @property
    def statistics_tensors(self) -> dict[str, Array]:
        """The tensors of `statistics` by name: ``"layers.1.running_mean"``, … They are views of it."""
        return {
            f"layers.{layer.name}.{tensor}": view
            for top in self.layers
            for layer in top.walk()
            for tensor, view in layer.statistics.items()
        }

    def save(self, path: PathLike) -> None:
        """Write the network to a safetensors file, all or nothing; `bpnative.load` reads it.

        Raises:
            OSError: The file can't be written; the old one is untouched.

        Example:
            >>> import bpnative as bp
            >>> bp.mlp([2, 3, 1], seed=0).save("model.safetensors")
        """
        from .io import model

        model.save(self, path)  # type: ignore[arg-type]

    def state(self) -> dict[str, Any]:
        """All that `from_state` makes the network from: settings, specifications, copies of the numbers."""
        network: Network = self  # type: ignore[assignment]
        return {
            **self._settings(),
            "parameters": network.parameters.copy(),
            "statistics": network.statistics.copy(),
        }

    def _settings(self) -> dict[str, Any]:
        """What `state` holds but for the numbers."""
        network: Network = self  # type: ignore[assignment]
        return {
            "version": STATE_VERSION,
            "layers": [layer.specification.without_values() for layer in network.layers],
            "input_size": network.input_size,
            "dtype": network.dtype.name,
            "seed": network.seed,
            "training_seed": network._training_seed,
            "forwards": self._native.forwards,
            "trainable": [layer.trainable for layer in self._leaves()],
        }

    def _leaves(self) -> list[Layer]:
        return [layer for top in self.layers for layer in top.walk() if not layer.layers]

    def set_trainable(self, flags: Sequence[bool] | None) -> None:
        """Freeze and thaw each layer that is no block; None changes nothing.

        A block's projection has no specification of its own that could tell.

        Raises:
            ValueError: There are more or fewer flags than layers.
        """
        leaves = self._leaves()
        if flags is not None and len(flags) != len(leaves):
            raise ValueError(f"expected {len(leaves)} flags of what is trainable, one a layer, got {len(flags)}")
        for layer, trainable in zip(leaves, flags or (), strict=False):
            if layer.trainable != trainable:
                layer.trainable = trainable

    @classmethod
    def from_state(cls: type[N], state: Any) -> N:
        """The network of a `state`, every part checked before memory is taken.

        Raises:
            TypeError: A part has the wrong type.
            ValueError: Parts are missing, wrong, or don't fit each other.
        """
        return restore(cls, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (type(self), self.state())


def restore(kind: type[N], state: Any) -> N:
    """A network from its pickled state, every part checked as a constructor would."""
    expected = {"version", "layers", "input_size", "dtype", "seed", "training_seed", "parameters", "statistics"}
    expected |= {"forwards", "trainable"}
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
    restored = kind.__new__(kind)
    network: Network = restored  # type: ignore[assignment]
    seed = check_seed(state["seed"])
    network._seed = None if isinstance(seed, np.random.Generator) else seed
    network._build(layers, input_size, dtype)
    network.set_training_seed(check_count(state["training_seed"], "training_seed", 0))
    network.parameters = parameters
    assign(network.statistics, state["statistics"], "pickled statistics")
    network._native.forwards = check_count(state["forwards"], "forwards", 0)
    network.set_trainable(state["trainable"])
    return restored


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
