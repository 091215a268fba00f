"""Layers: what a network is made of (specifications), and what `Network.layers` holds (views of a network's layers)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from . import _bpnative, activations, initializers
from .activations import Activation
from .initializers import Initializer, InitializerLike
from .specification import Specification, check_count, check_flag, shorten

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, repr=False)
class Dense(Specification):
    """A fully connected layer: y = f(x @ weight.T + bias).

    Shapes: x (n, n_in), weight (units, n_in), bias (units,), y (n, units), as in PyTorch's ``Linear``. Backward, with
    dz = dy · f'(z): dx = dz @ weight, dweight = dz.T @ x, dbias = dz.sum(axis=0).
    Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 1986.

    Args:
        units: Number of outputs, at least 1.
        activation: f, a name such as ``"relu"`` or an object of `bpnative.activations`.
        bias: Whether there is a bias.
        weight_initializer: A name, an object of `bpnative.initializers`, an array of shape (units, n_in) or a
            callable(shape, generator). None chooses by the activation: ``"he_uniform"`` for relu and leaky_relu,
            ``"glorot_uniform"`` for all others; uniform as in Keras, PyTorch and scikit-learn.
        bias_initializer: The same, shape (units,).
        trainable: Whether training changes the layer; `Network.layers` can change this later.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: `units` is below 1, or a name is unknown; the nearest one is suggested.

    Example:
        >>> Dense(256, activation="relu")
        Dense(256, activation='relu')
    """

    units: int
    activation: str | Activation = "linear"
    bias: bool = True
    weight_initializer: InitializerLike | None = None
    bias_initializer: InitializerLike = "zeros"
    trainable: bool = True
    name: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "units", check_count(self.units, "units of Dense"))
        set_field(self, "activation", shorten(activations.get(self.activation)))
        set_field(self, "bias", check_flag(self.bias, "bias of Dense"))
        set_field(self, "trainable", check_flag(self.trainable, "trainable of Dense"))
        if self.weight_initializer is not None:
            chosen = initializers.normalize(self.weight_initializer, "weight_initializer")
            set_field(self, "weight_initializer", chosen)
        set_field(self, "bias_initializer", initializers.normalize(self.bias_initializer, "bias_initializer"))

    def output_size(self, input_size: int) -> int:
        """Columns that come out where `input_size` columns go in."""
        return self.units

    def parameter_count(self, input_size: int) -> int:
        """Weights and biases where `input_size` columns go in."""
        return self.units * (input_size + self.bias)

    def native(self) -> tuple[str, dict[str, float | int | bool | str]]:
        """The layer as the compiled module takes it."""
        function = activations.get(self.activation)
        return self.name, {
            "units": self.units,
            "bias": self.bias,
            "activation": function.name,
            "parameter": function.parameter,
        }

    def initializer(self, tensor: str) -> InitializerLike:
        """What the tensor ``"weight"`` or ``"bias"`` starts from."""
        if tensor == "bias":
            return self.bias_initializer
        if self.weight_initializer is None:
            return activations.get(self.activation).default_initializer
        return self.weight_initializer

    def without_values(self) -> Dense:
        """The same layer, without initializers that are arrays or functions: they need not be kept once drawn."""

        def plain(given: InitializerLike | None, default: str | None) -> Any:
            keep = isinstance(given, (str, Initializer)) and not isinstance(given, initializers.FromArray)
            return given if keep else default

        return dataclasses.replace(
            self,
            weight_initializer=plain(self.weight_initializer, None),
            bias_initializer=plain(self.bias_initializer, "zeros"),
        )


class Layer:
    """One layer of a network: views of its parameters and gradients, and whether training changes it.

    Not made by hand; `Network.layers` holds them. The views lie in the network's own buffers: what is written to them
    is what the network computes with.

    Example:
        >>> import bpnative as bp
        >>> layer = bp.Network([bp.Dense(3, activation="relu")], input_size=2, seed=0).layers[0]
        >>> layer.weight.shape, layer.bias.shape, layer.trainable
        ((3, 2), (3,), True)
        >>> layer.weight *= 0.5
        >>> layer.trainable = False
    """

    def __init__(
        self,
        native: _bpnative.Network,
        index: int,
        specification: Dense,
        input_size: int,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
    ) -> None:
        self._native = native
        self._index = index
        self._specification = specification
        self._input_size = input_size
        self._parameters = dict(parameters)
        self._gradients = dict(gradients)
        native.set_trainable(index, specification.trainable)

    @property
    def specification(self) -> Dense:
        """The specification that makes this layer, with `trainable` as it is now."""
        return self._specification

    @property
    def units(self) -> int:
        """Number of outputs, n_out."""
        return self._specification.units

    @property
    def input_size(self) -> int:
        """Number of inputs, n_in."""
        return self._input_size

    @property
    def activation(self) -> str | Activation:
        """The activation: its name, or an object where it has settings of its own."""
        return self._specification.activation

    @property
    def trainable(self) -> bool:
        """Whether training changes this layer; a frozen one keeps its bits. Writable, between steps."""
        return self._specification.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        specification = dataclasses.replace(self._specification, trainable=value)
        self._native.set_trainable(self._index, specification.trainable)
        self._specification = specification

    @property
    def weight(self) -> Array:
        """The weight, a view of shape (n_out, n_in); assigning copies values into it."""
        return self._parameters["weight"]

    @weight.setter
    def weight(self, values: npt.ArrayLike) -> None:
        assign(self._parameters["weight"], values, "weight")

    @property
    def bias(self) -> Array | None:
        """The bias, a view of shape (n_out,), or None where the layer has none; assigning copies values into it."""
        return self._parameters.get("bias")

    @bias.setter
    def bias(self, values: npt.ArrayLike) -> None:
        if "bias" not in self._parameters:
            raise ValueError("this layer has no bias: make it with bias=True to set one")
        assign(self._parameters["bias"], values, "bias")

    @property
    def weight_gradient(self) -> Array:
        """The last gradient of the weight, a view of shape (n_out, n_in)."""
        return self._gradients["weight"]

    @property
    def bias_gradient(self) -> Array | None:
        """The last gradient of the bias, a view of shape (n_out,), or None where the layer has none."""
        return self._gradients.get("bias")

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases."""
        return sum(view.size for view in self._parameters.values())

    def __repr__(self) -> str:
        return f"<layer {self._index}: {self._specification!r}, {self._input_size} inputs>"


def assign(view: Array, values: npt.ArrayLike, what: str) -> None:
    """Copy values of the same shape into a view; nothing is done where they are the view itself (``view *= 0.5``).

    Raises:
        ValueError: The shape differs.
    """
    if values is view:
        return
    array = np.asarray(values)
    if array.shape != view.shape:
        raise ValueError(f"expected {what} of shape {view.shape}, got {array.shape}")
    view[...] = array
