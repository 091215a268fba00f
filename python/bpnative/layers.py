"""Layers: what a network is made of, as specifications, and what `Network.layers` holds.

Where a layer is expected, an activation's name or object will do as well: it stands for `Activation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import activations
from .layer_base import LayerSpecification
from .layer_views import Layer, assign
from .layers_dense import Dense
from .layers_embedding import Embedding
from .layers_norm import BatchNorm, LayerNorm, RMSNorm
from .layers_plain import Activation, AlphaDropout, Dropout, GaussianNoise, Normalize
from .layers_residual import Residual

__all__ = [
    "LAYERS",
    "Activation",
    "AlphaDropout",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Embedding",
    "GaussianNoise",
    "Layer",
    "LayerNorm",
    "LayerSpecification",
    "Normalize",
    "RMSNorm",
    "Residual",
    "as_layers",
    "assign",
]

LAYERS: dict[str, type[LayerSpecification]] = {
    kind.name: kind
    for kind in (
        Dense,
        Activation,
        Dropout,
        AlphaDropout,
        GaussianNoise,
        BatchNorm,
        LayerNorm,
        RMSNorm,
        Residual,
        Normalize,
        Embedding,
    )
}


def as_layers(layers: Any, what: str = "layers") -> list[LayerSpecification]:
    """A list of specifications, activations among them made layers.

    Raises:
        TypeError: It is no list, or one of them is no layer.
        ValueError: The list is empty, or an activation's name is unknown.

    Example:
        >>> as_layers([Dense(3), "relu"])
        [Dense(3), Activation('relu')]
    """
    if isinstance(layers, (str, LayerSpecification)) or not isinstance(layers, Iterable):
        raise TypeError(f"expected {what} as a list such as [Dense(256, activation='relu'), Dense(10)], got {layers!r}")
    checked = []
    for index, layer in enumerate(layers):
        if isinstance(layer, (str, activations.Activation)):
            layer = Activation(layer)
        if not isinstance(layer, LayerSpecification):
            raise TypeError(f"expected layer {index} as a specification such as Dense(10), got {layer!r}")
        checked.append(layer)
    if not checked:
        raise ValueError(f"expected at least one layer in {what}, got none: for example [Dense(10)]")
    return checked
