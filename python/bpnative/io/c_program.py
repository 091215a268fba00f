"""The way of one sample through a network as C statements, and where in the scratch each intermediate row lies.

Layers become steps, each from rows to a new row. A step that can write over its input does so where nobody reads that
input later; the other rows get places by size, largest first, each the lowest that is free as long as the row lives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from .. import activations
from ..activations import Activation
from ..layers import Embedding, Layer
from ..network import Network
from .assemble import NOISE, branches
from .c_functions import ROWS, literal
from .c_layers import Source

Code: TypeAlias = "Callable[[Sequence[str], str], str]"


class Way(NamedTuple):
    """The names of the rows around a step on the way back: its inputs x, its output y, and their derivatives.

    A derivative in an input is None where nobody needs it, NULL in C; else the step adds to it.
    """

    x: Sequence[str]
    y: str
    dx: Sequence[str | None]
    dy: str

    @property
    def first(self) -> str:
        """The derivative in the first input, as an argument."""
        return self.dx[0] or "NULL"


Back: TypeAlias = "Callable[[Way], str]"


class Step(NamedTuple):
    """From rows, by number, to a row: code of their names; whether it may write over its first input.

    ``back`` is the code that leads back through it, ``learns`` whether it has parameters, ``function`` the activation
    that it is.
    """

    inputs: tuple[int, ...]
    output: int
    code: Code
    in_place: bool = False
    back: Back | None = None
    learns: bool = False
    function: Activation | None = None


class Program:
    """The steps from row 0, the sample, to the last one."""

    def __init__(self, source: Source, network: Network) -> None:
        self.source = source
        self.sizes = [network.input_size]
        self.steps: list[Step] = []
        self.helpers: dict[str, None] = {}  # functions in use, in the order of their first use
        self.places: dict[str, int] = {}  # of each tensor among the parameters, or the statistics
        for tensors in (network.tensors, network.statistics_tensors):
            offset = 0
            for name, view in tensors.items():
                self.places[name] = offset
                offset += view.size
        last = self.layers(network.layers, 0)
        if last == 0:  # y is not x
            last = self.step((0,), self.sizes[0], lambda given, out: loop(f"{out}[i] = {given[0]}[i]", self.sizes[0]))
        self.last = last
        self.scratch, self.names = self._place()

    def layers(self, layers: Sequence[Layer], at: int) -> int:
        """Add layers behind a row; the row that comes out."""
        for layer in layers:
            at = LAYERS[layer.specification.name](self, layer, at)
        return at

    def step(self, inputs: tuple[int, ...], size: int, code: Code, **more: Any) -> int:
        """Add a `Step`; the row it makes."""
        self.sizes.append(size)
        self.steps.append(Step(inputs, len(self.sizes) - 1, code, **more))
        return len(self.sizes) - 1

    def call(self, helper: str, inputs: tuple[int, ...], size: int, rest: Sequence[str], **more: Any) -> int:
        """Add the call of a helper, ``@helper(inputs, output, rest, size)``; the row it makes."""
        self.helpers[helper] = None

        def code(given: Sequence[str], out: str) -> str:
            return f"    @{helper}({', '.join([*given, out, *rest, str(size)])});\n"

        return self.step(inputs, size, code, in_place=True, **more)

    def activate(self, activation: Activation, at: int) -> int:
        """Add an activation; the row it makes."""
        size, name, slope = self.sizes[at], self.source.function(activation), self.source.function(activation, "slope")
        if activation.name == "linear":
            return at

        def rows(given: Sequence[str], out: str) -> str:
            copied = "" if given[0] == out else loop(f"{out}[i] = {given[0]}[i]", size)
            return f"{copied}    {name}({out}, {size});\n"

        def elements(given: Sequence[str], out: str) -> str:
            return loop(f"{out}[i] = {name}({given[0]}[i])", size)

        def rows_back(way: Way) -> str:
            return f"    {slope}({way.y}, {way.dy}, {size});\n" + loop(f"{way.first}[i] += {way.dy}[i]", size)

        def elements_back(way: Way) -> str:
            return loop(f"{way.first}[i] += {way.dy}[i] * {slope}({way.x[0]}[i], {way.y}[i])", size)

        code, back = (rows, rows_back) if activation.name in ROWS else (elements, elements_back)
        return self.step((at,), size, code, in_place=True, back=back, function=activation)

    def body(self) -> str:
        """The statements of ``@forward(w, x, y, scratch)``."""
        return "".join(
            step.code([self.names[row] for row in step.inputs], self.names[step.output]) for step in self.steps
        )

    def _place(self) -> tuple[int, dict[int, str]]:
        """The numbers of scratch that are needed, and what each row is called."""
        last_use = {row: index for index, step in enumerate(self.steps) for row in step.inputs}
        last_use[self.last] = len(self.steps)
        homes = {0: 0}  # of each row the first one in the same place
        lives: dict[int, tuple[int, int]] = {}  # of each place the first and the last step
        for index, step in enumerate(self.steps):
            first = step.inputs[0]
            over = step.in_place and homes[first] != 0 and last_use[first] == index
            homes[step.output] = home = homes[first] if over else step.output
            lives[home] = (lives[home][0] if over else index, last_use.get(step.output, index))
        last = homes[self.last]
        offsets, total = places(self.sizes, {home: life for home, life in lives.items() if home != last})
        names = {0: "x", last: "y", **{home: at("scratch", offset) for home, offset in offsets.items()}}
        return total, {row: names[home] for row, home in homes.items()}


def places(sizes: Sequence[int], lives: Mapping[int, tuple[int, int]]) -> tuple[dict[int, int], int]:
    """Where rows lie that live from one step to another, both among them; and the numbers that takes.

    Example:
        >>> places([16, 4, 12], {0: (0, 1), 1: (1, 2), 2: (2, 3)})
        ({0: 0, 2: 0, 1: 16}, 20)
    """
    offsets: dict[int, int] = {}
    for row in sorted(lives, key=lambda row: -sizes[row]):
        first, last = lives[row]
        beside = [other for other in offsets if lives[other][0] <= last and first <= lives[other][1]]
        place = 0
        for other in sorted(beside, key=offsets.__getitem__):
            if offsets[other] - place >= sizes[row]:
                break
            place = max(place, offsets[other] + sizes[other])
        offsets[row] = place
    return offsets, max((offset + sizes[row] for row, offset in offsets.items()), default=0)


def at(array: str, offset: int) -> str:
    """A place in an array.

    Example:
        >>> at("scratch", 0), at("scratch", 8)
        ('scratch', '(scratch + 8)')
    """
    return f"({array} + {offset})" if offset else array


def loop(statement: str, size: int) -> str:
    """A statement for each i."""
    return f"    for (i = 0; i < {size}; i++) {statement};\n"


# ---- layers ----------------------------------------------------------------------------------------------------------
def _activated(program: Program, layer: Layer, at: int) -> int:
    return program.activate(activations.get(layer.activation), at)


def _dense(program: Program, layer: Layer, at: int) -> int:
    program.helpers["dense"] = None
    weight = program.places[f"layers.{layer.name}.weight"]
    bias = program.places.get(f"layers.{layer.name}.bias")
    n_out, n_in = layer.weight.shape

    def tensors(array: str) -> str:
        return f"{array} + {weight}, {'NULL' if bias is None else f'{array} + {bias}'}"

    def code(given: Sequence[str], out: str) -> str:
        return f"    @dense({tensors('w')}, {given[0]}, {out}, {n_in}, {n_out});\n"

    def back(way: Way) -> str:
        return f"    @dense_back(w + {weight}, {tensors('g')}, {way.x[0]}, {way.dy}, {way.first}, {n_in}, {n_out});\n"

    return _activated(program, layer, program.step((at,), n_out, code, back=back, learns=True))


def _residual(program: Program, layer: Layer, at: int) -> int:
    block, skip = (program.layers(branch, at) for branch in branches(layer))
    size = program.sizes[block]

    def back(way: Way) -> str:
        return "".join(loop(f"{dx}[i] += {way.dy}[i]", size) for dx in way.dx if dx)

    return _activated(program, layer, program.call("add", (block, skip), size, [], back=back))


def _normalization(program: Program, layer: Layer, at: int) -> int:
    """A norm or a scaling: its tensors, its statistics, its epsilon."""
    name, kind, size = f"layers.{layer.name}", layer.specification.name, layer.input_size
    tensors, statistics = (
        [program.places[f"{name}.{tensor}"] for tensor in t] for t in (layer.tensors, layer.statistics)
    )
    epsilon: Any = getattr(layer.specification, "epsilon", None)
    last = [] if epsilon is None else [literal(epsilon, program.source.dtype)]
    weights = [f"w + {place}" for place in tensors]

    def back(way: Way) -> str:
        given = [way.x[0], way.dy, way.first, weights[0], *(f"g + {place}" for place in tensors), *last, str(size)]
        return f"    @{kind}_back({', '.join(given)});\n"

    rest = [*weights, *(f"@statistics + {place}" for place in statistics), *last]
    return program.call(kind, (at,), size, rest, back=back, learns=bool(tensors))


def _embedding(program: Program, layer: Layer, at: int) -> int:
    specification = layer.specification
    assert isinstance(specification, Embedding)
    program.helpers["lookup"] = None
    codes, sizes = specification.codes, specification.sizes

    def vectors(helper: str, array: str, x: str, rows: str) -> str:
        lines, place = [], layer.input_size - len(codes)
        for column, count in codes.items():
            table = program.places[f"layers.{layer.name}.table_{column}"]
            given = [f"{x}[{column}]", f"{array} + {table}", f"{rows} + {place}", str(count), str(sizes[column])]
            lines.append(f"    @{helper}({', '.join(given)});\n")
            place += sizes[column]
        return "".join(lines)

    def code(given: Sequence[str], out: str) -> str:
        lines, place, column = [], 0, 0
        while column < layer.input_size:
            stop = min([other for other in codes if other >= column], default=layer.input_size)
            if stop > column:
                move = "i" if place == column else f"i - {column - place}"  # columns of numbers only move down
                lines.append(f"    for (i = {column}; i < {stop}; i++) {out}[{move}] = {given[0]}[i];\n")
            place, column = place + stop - column, stop + 1
        return "".join(lines) + vectors("lookup", "w", given[0], out)

    def back(way: Way) -> str:
        return vectors("lookup_back", "g", way.x[0], way.dy)  # nothing that learns stands before it

    return program.step((at,), layer.units, code, back=back, learns=True)


def _nothing(program: Program, layer: Layer, at: int) -> int:
    return at


LAYERS: dict[str, Callable[[Program, Layer, int], int]] = {
    "dense": _dense,
    "activation": _activated,
    **dict.fromkeys(NOISE, _nothing),
    **dict.fromkeys(("batch_norm", "layer_norm", "rms_norm", "normalize"), _normalization),
    "residual": _residual,
    "embedding": _embedding,
}
