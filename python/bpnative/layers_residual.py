"""Residual blocks: some layers, and a way around them."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from . import activations
from .activations import Activation
from .layer_base import LayerSpecification
from .layers_dense import Dense
from .specification import check_flag, shorten, specification


@specification
class Residual(LayerSpecification):
    """A residual block: y = f(block(x) + skip(x)).

    skip(x) is x itself where the block gives as many columns as it takes, else a projection, x @ weight.T, whose weight
    is learned. Backward, with dz = dy·f': the gradient of x is what comes back through the block plus what comes back
    through the skip. ``weight_initializer="zeros"`` in the block's last dense layer makes it start as the
    identity.
    Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016.

    Args:
        layers: The block, at least one layer; blocks in blocks are fine.
        activation: f, applied to the sum.
        projection: Whether the skip is a projection; None for where the widths differ.
        trainable: Whether training changes the layers inside.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: The block is empty, or the widths differ and `projection` is False.

    Example:
        >>> import bpnative as bp
        >>> block = bp.Residual([bp.Dense(16, activation="relu"), bp.Dense(8)], activation="relu")
        >>> net = bp.Network([bp.Dense(8), block, bp.Dense(1)], input_size=4, seed=0)
        >>> net.layers[1].layers[0].weight.shape
        (16, 8)
    """

    layers: tuple[LayerSpecification, ...]
    activation: str | Activation = "linear"
    projection: bool | None = None
    trainable: bool = True
    name: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        from .layers import as_layers  # not at the top: it knows all kinds of layers, this one among them

        set_field(self, "layers", tuple(as_layers(self.layers, "layers of Residual")))
        set_field(self, "activation", shorten(activations.get(self.activation)))
        if self.projection is not None:
            set_field(self, "projection", check_flag(self.projection, "projection of Residual"))
        set_field(self, "trainable", check_flag(self.trainable, "trainable of Residual"))

    @property
    def children(self) -> tuple[LayerSpecification, ...]:
        """The layers of the block."""
        return self.layers

    def output_size(self, input_size: int) -> int:
        """Columns that come out where `input_size` columns go in.

        Raises:
            ValueError: The widths differ and `projection` is False.
        """
        size = input_size
        for layer in self.layers:
            size = layer.output_size(size)
        if self.projection is False and size != input_size:
            raise ValueError(
                f"expected a block of Residual that gives the {input_size} columns it takes, got {size}: end it with "
                f"Dense({input_size}), or leave projection=None"
            )
        return size

    def skip(self, input_size: int) -> Dense | None:
        """The projection, as a layer, or None where the skip is x itself."""
        units = self.output_size(input_size)
        wanted = self.projection or (self.projection is None and units != input_size)
        return Dense(units, bias=False, trainable=self.trainable) if wanted else None

    def parameter_count(self, input_size: int) -> int:
        """Trained numbers where `input_size` columns go in."""
        count, size = 0, input_size
        for layer in self.layers:
            count, size = count + layer.parameter_count(size), layer.output_size(size)
        skip = self.skip(input_size)
        return count + (skip.parameter_count(input_size) if skip else 0)

    def without_values(self) -> Residual:
        """The same block, its layers without initializers that are arrays or functions."""
        return dataclasses.replace(self, layers=tuple(layer.without_values() for layer in self.layers))
