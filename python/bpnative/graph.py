"""From layers, blocks among them, to the list of compiled layers, each of which reads one slot or two.

Slot 0 is the network's input, slot i + 1 the output of compiled layer i.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .layer_base import LayerSpecification, Settings, native_activation
from .layers_embedding import Embedding
from .layers_plain import Normalize
from .layers_residual import Residual


@dataclasses.dataclass
class Node:
    """A layer in its place: what `Network.layers` shows, and the compiled layer behind it (None for a block)."""

    name: str
    specification: LayerSpecification
    input_size: int
    index: int | None
    inside: list[Node] = dataclasses.field(default_factory=list)


class Graph:
    """The compiled layers of a network and their places.

    Example:
        >>> from bpnative.layers import Dense
        >>> graph = Graph([Residual([Dense(4)])], input_size=3)
        >>> [(kind, sources) for kind, _, sources in graph.native]
        [('dense', [0]), ('dense', [0]), ('add', [1, 2])]
        >>> graph.sizes
        [3, 4]
    """

    def __init__(self, layers: Sequence[LayerSpecification], input_size: int) -> None:
        self.native: list[tuple[str, Settings, list[int]]] = []
        self.nodes: list[Node] = []
        self.owners: list[int] = []  # of each compiled layer, the layer it belongs to
        self.sizes = [input_size]
        self.parameter_count = 0
        self.largest = input_size
        slot = 0
        for index, layer in enumerate(layers):
            size = self.sizes[-1]
            try:
                _check_place(layers, index)
                units = layer.output_size(size)
                self.parameter_count += layer.parameter_count(size)
            except ValueError as error:
                chain = " -> ".join(map(str, self.sizes))
                raise ValueError(f"layer {index}, {layer!r} (shapes: {chain} -> ?): {error}") from None
            node, slot = self._add(str(index), layer, size, slot)
            self.nodes.append(node)
            self.owners += [index] * (len(self.native) - len(self.owners))
            self.sizes.append(units)

    def _add(self, name: str, layer: LayerSpecification, size: int, slot: int) -> tuple[Node, int]:
        self.largest = max(self.largest, layer.output_size(size))
        if not isinstance(layer, Residual):
            kind, settings = layer.native()
            return Node(name, layer, size, self._append(kind, settings, [slot])), len(self.native)
        block, inner_size, inner = Node(name, layer, size, None), size, slot
        for index, child in enumerate(layer.layers):
            _check_inside(child)
            node, inner = self._add(f"{name}.{index}", child, inner_size, inner)
            block.inside.append(node)
            inner_size = child.output_size(inner_size)
        skip = layer.skip(size)
        if skip is not None:
            node, slot = self._add(f"{name}.projection", skip, size, slot)
            block.inside.append(node)
        self._append("add", native_activation(layer.activation), [inner, slot])
        return block, len(self.native)

    def _append(self, kind: str, settings: Settings, sources: list[int]) -> int:
        self.native.append((kind, settings, sources))
        return len(self.native) - 1


def _check_place(layers: Sequence[LayerSpecification], index: int) -> None:
    layer, before = layers[index], layers[:index]
    if isinstance(layer, Normalize) and before:
        raise ValueError("Normalize scales raw inputs: put it first, or use BatchNorm here")
    if isinstance(layer, Embedding) and any(not isinstance(other, Normalize) for other in before):
        raise ValueError("Embedding takes the codes that users pass: put it first, or right behind Normalize")


def _check_inside(layer: LayerSpecification) -> None:
    if isinstance(layer, (Normalize, Embedding)):
        raise ValueError(f"{type(layer).__name__} takes raw inputs: it can't stand in a block; put it first")
