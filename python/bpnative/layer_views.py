"""What `Network.layers` holds: views of each layer's parameters, gradients and statistics, and whether it trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _bpnative
from .activations import Activation
from .dlpack import unpacked
from .layer_base import LayerSpecification

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Views:
    """Views of the tensors of one compiled layer, by name."""

    parameters: dict[str, Array]
    gradients: dict[str, Array]
    statistics: dict[str, Array]


class Layer:
    """One layer of a network: views of its parameters and gradients, and whether training changes it.

    Not made by hand; `Network.layers` holds them. The views lie in the network's own buffers: what is written to them
    is what the network computes with.

    Attributes:
        name: Where the layer stands: ``"0"``, or ``"2.1"`` for the second layer of a block that is third.
        layers: The layers inside of a block, as this one; empty for others.

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
        name: str,
        node: int | None,
        specification: LayerSpecification,
        input_size: int,
        views: Views,
        layers: tuple[Layer, ...] = (),
        trainable: bool = True,
    ) -> None:
        if not trainable and specification.is_trainable and hasattr(specification, "trainable"):
            # As the block around it.
            specification = dataclasses.replace(specification, trainable=False)  # type: ignore[call-arg]
        self._native = native
        self._node = node
        self._specification = specification
        self._input_size = input_size
        self._l2: float = getattr(specification, "l2", 0.0)
        self._views = views
        self._codes: Mapping[int, int] = {}  # columns of an embedding behind a Normalize
        self.name = name
        self.layers = layers
        if node is not None:
            native.set_trainable(node, trainable and specification.is_trainable)

    @property
    def specification(self) -> LayerSpecification:
        """The specification that makes this layer, with `trainable` as it is now."""
        if self.layers:
            inside = tuple(layer.specification for layer in self.layers if not layer.name.endswith(".projection"))
            learns = self._specification.is_trainable or self.trainable  # one inside may learn again by itself
            return dataclasses.replace(self._specification, layers=inside, trainable=learns)  # type: ignore[call-arg]
        if self.l2 != getattr(self._specification, "l2", 0.0):
            self._specification = dataclasses.replace(self._specification, l2=self.l2)  # type: ignore[call-arg]
        return self._specification

    @property
    def units(self) -> int:
        """Number of outputs, n_out."""
        return self._specification.output_size(self._input_size)

    @property
    def input_size(self) -> int:
        """Number of inputs, n_in."""
        return self._input_size

    @property
    def activation(self) -> str | Activation:
        """The activation: its name, or an object where it has settings of its own; ``"linear"`` where there is none."""
        activation: str | Activation = getattr(self._specification, "activation", "linear")
        return activation

    @property
    def trainable(self) -> bool:
        """Whether training changes this layer; a frozen one keeps its bits. Writable, between steps.

        A block's counts for all layers inside; it is True while one of them with parameters learns.
        """
        learners = [layer.trainable for layer in self.layers if layer.parameter_count]
        return any(learners) if learners else self._specification.is_trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if hasattr(self._specification, "trainable"):
            self._specification = dataclasses.replace(self._specification, trainable=value)  # type: ignore[call-arg]
        for layer in self.layers:
            layer.trainable = value
        if self._node is not None:
            self._native.set_trainable(self._node, self._specification.is_trainable)

    @property
    def l2(self) -> float:
        """The penalty on the weight of a dense layer, see `Dense`; 0 in all others. Writable, between steps."""
        return self._l2

    @l2.setter
    def l2(self, value: float) -> None:
        if not hasattr(self._specification, "l2") or self._node is None:
            raise AttributeError(f"{self._specification!r} has no weight to penalize with l2")
        self._native.set_l2(self._node, value)  # refuses what is negative or not finite
        self._l2 = float(value)

    @property
    def tensors(self) -> Mapping[str, Array]:
        """The parameters by name, views; for a dense layer ``"weight"`` and ``"bias"``."""
        return self._views.parameters

    @property
    def gradients(self) -> Mapping[str, Array]:
        """The last gradients by name, views shaped as `tensors`."""
        return self._views.gradients

    @property
    def statistics(self) -> Mapping[str, Array]:
        """What the layer keeps beside its parameters, by name, views; such as ``"running_mean"`` of batch norm."""
        return self._views.statistics

    @property
    def weight(self) -> Array:
        """The weight, a view of shape (n_out, n_in), or (n_in,) in a normalization; assigning copies values into it."""
        return self._tensor("weight", self._views.parameters)

    @weight.setter
    def weight(self, values: npt.ArrayLike) -> None:
        assign(self.weight, values, "weight")

    @property
    def bias(self) -> Array | None:
        """The bias, a view of shape (n_out,), or None where the layer has none; assigning copies values into it."""
        return self._views.parameters.get("bias")

    @bias.setter
    def bias(self, values: npt.ArrayLike) -> None:
        if "bias" not in self._views.parameters:
            raise ValueError("this layer has no bias: make it with bias=True to set one")
        assign(self._views.parameters["bias"], values, "bias")

    @property
    def weight_gradient(self) -> Array:
        """The last gradient of the weight, a view of its shape."""
        return self._tensor("weight", self._views.gradients)

    @property
    def bias_gradient(self) -> Array | None:
        """The last gradient of the bias, a view of shape (n_out,), or None where the layer has none."""
        return self._views.gradients.get("bias")

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters: weights and biases, those of layers inside as well."""
        return sum(view.size for layer in self.walk() for view in layer._views.parameters.values())

    def walk(self) -> Iterator[Layer]:
        """This layer and those inside of it, in the order of computation.

        Example:
            >>> import bpnative as bp
            >>> net = bp.Network([bp.Residual([bp.Dense(2), "relu"])], input_size=2)
            >>> [layer.name for layer in net.layers[0].walk()]
            ['0', '0.0', '0.1']
        """
        yield self
        for layer in self.layers:
            yield from layer.walk()

    def adapt(self, X: npt.ArrayLike) -> None:
        """Take mean and deviation from data: of `Normalize` alone, which otherwise does so in the first fit.

        Args:
            X: (n, n_in), n at least 1.

        Raises:
            TypeError: It is another layer, or X holds no real numbers.
            ValueError: X has another number of columns, no rows, or a NaN or infinity.

        Example:
            >>> import bpnative as bp
            >>> net = bp.Network([bp.Normalize(), bp.Dense(1)], input_size=2)
            >>> net.layers[0].adapt([[0.0, 5.0], [2.0, 5.0]])
            >>> net.layers[0].statistics["scale"].tolist()
            [1.0, 1.0]
        """
        from . import data, inputs

        dtype = np.dtype(self._native.dtype)
        x = data.as_rows(X, self._input_size, dtype, "X", "inputs of the layer")
        data.check_finite(x, X, "X")
        inputs.adapt(self, x, self._codes)

    def _tensor(self, name: str, views: Mapping[str, Array]) -> Array:
        if name not in views:
            raise AttributeError(f"{self._specification!r} has no {name}; it has {list(views) or 'no parameters'}")
        return views[name]

    def __repr__(self) -> str:
        return f"<layer {self.name}: {self.specification!r}, {self._input_size} inputs>"


def assign(view: Array, values: npt.ArrayLike, what: str) -> None:
    """Copy values of the same shape into a view; nothing is done where they are the view itself (``view *= 0.5``).

    Raises:
        ValueError: The shape differs.
    """
    if values is view:
        return
    array = np.asarray(unpacked(values, what))
    if array.shape != view.shape:
        raise ValueError(f"expected {what} of shape {view.shape}, got {array.shape}")
    view[...] = array
