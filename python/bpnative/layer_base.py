"""What all layers share as specifications: how sizes change, what is native, what tensors start from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from . import activations, initializers
from .activations import Activation
from .initializers import Initializer, InitializerLike
from .specification import Specification, specification

Settings: TypeAlias = "dict[str, float | int | bool | str | list[float]]"


@specification
class LayerSpecification(Specification):
    """Base of the layers, as specifications: frozen, with settings only. `Network.layers` holds what they make.

    Shapes: a layer maps (n_samples, n_in) to (n_samples, n_out); `output_size` tells n_out.
    """

    def output_size(self, input_size: int) -> int:
        """Columns that come out where `input_size` columns go in: as many, unless a layer says otherwise.

        Raises:
            ValueError: The layer does not take so many columns.
        """
        return input_size

    def parameter_count(self, input_size: int) -> int:
        """Trained numbers where `input_size` columns go in."""
        return 0

    def native(self) -> tuple[str, Settings]:
        """The layer as the compiled module takes it: a registered name and its settings."""
        return self.name, {}

    def initializer(self, tensor: str) -> InitializerLike:
        """What a tensor of parameters starts from."""
        return "zeros"

    def first_statistic(self, tensor: str) -> float:
        """What a tensor of statistics starts from."""
        return 0.0

    def without_values(self) -> LayerSpecification:
        """The same layer, without initializers that are arrays or functions: they need not be kept once drawn."""
        return self

    @property
    def is_trainable(self) -> bool:
        """Whether training changes the layer's parameters."""
        return bool(getattr(self, "trainable", True))

    @property
    def children(self) -> Sequence[LayerSpecification]:
        """The layers inside of this one."""
        return ()


def plain_initializer(given: InitializerLike | None, default: str | None) -> Any:
    """An initializer that need not be kept once its values are drawn, replaced by the default.

    Example:
        >>> plain_initializer([1.0, 2.0], "zeros"), plain_initializer("he_normal", None)
        ('zeros', 'he_normal')
    """
    keep = isinstance(given, (str, Initializer)) and not isinstance(given, initializers.FromArray)
    return given if keep else default


def native_activation(activation: str | Activation) -> Settings:
    """An activation as the compiled layers take it.

    Example:
        >>> native_activation("relu")
        {'activation': 'relu', 'parameter': 0.0}
    """
    function = activations.get(activation)
    return {"activation": function.name, "parameter": function.parameter}
