"""The way of one sample through a network as C statements, and where in the scratch each intermediate row lies.

Layers become steps, each from rows to a new row. A step that can write over its input does so where nobody reads that
input later; the other rows get places by size, largest first, each the lowest that is free as long as the row lives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from .. import activations
from ..activations import Activation
from ..layers import Embedding, Layer
from ..network import Network
from .assemble import NOISE
from .c_functions import ROWS, literal
from .c_layers import Source, dense_call

Code: TypeAlias = "Callable[[Sequence[str], str], str]"


class Step(NamedTuple):
    """From rows, by number, to a row: code of their names; whether it may write over its first input."""

    inputs: tuple[int, ...]
    output: int
    code: Code
    in_place: bool


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
            last = self.step((0,), self.sizes[0], lambda given, out: _loop(f"{out}[i] = {given[0]}[i]", self.sizes[0]))
        self.last = last
        self.scratch, self.names = self._place()

    def layers(self, layers: Sequence[Layer], at: int) -> int:
        """Add layers behind a row; the row that comes out."""
        for layer in layers:
            at = LAYERS[layer.specification.name](self, layer, at)
        return at

    def step(self, inputs: tuple[int, ...], size: int, code: Code, in_place: bool = False) -> int:
        """Add a step; the row it makes."""
        self.sizes.append(size)
        self.steps.append(Step(inputs, len(self.sizes) - 1, code, in_place))
        return len(self.sizes) - 1

    def call(self, helper: str, inputs: tuple[int, ...], size: int, rest: str, in_place: bool = True) -> int:
        """Add the call of a helper, ``@helper(inputs, output, rest, size)``; the row it makes."""
        self.helpers[helper] = None
        rest = f"{rest}, " if rest else ""
        return self.step(
            inputs, size, lambda given, out: f"    @{helper}({', '.join(given)}, {out}, {rest}{size});\n", in_place
        )

    def activate(self, activation: Activation, at: int) -> int:
        """Add an activation; the row it makes."""
        size, name = self.sizes[at], self.source.function(activation)
        if activation.name == "linear":
            return at

        def rows(given: Sequence[str], out: str) -> str:
            copied = "" if given[0] == out else _loop(f"{out}[i] = {given[0]}[i]", size)
            return f"{copied}    {name}({out}, {size});\n"

        def elements(given: Sequence[str], out: str) -> str:
            return _loop(f"{out}[i] = {name}({given[0]}[i])", size)

        return self.step((at,), size, rows if activation.name in ROWS else elements, in_place=True)

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
        offsets: dict[int, int] = {}
        for home in sorted(lives, key=lambda row: -self.sizes[row]):
            if home == homes[self.last]:
                continue
            beside = [
                (offsets[other], offsets[other] + self.sizes[other])
                for other in offsets
                if lives[other][0] <= lives[home][1] and lives[home][0] <= lives[other][1]
            ]
            place = 0
            for start, stop in sorted(beside):
                if start - place >= self.sizes[home]:
                    break
                place = max(place, stop)
            offsets[home] = place
        names = {0: "x", homes[self.last]: "y"}
        names |= {home: f"(scratch + {offset})" if offset else "scratch" for home, offset in offsets.items()}
        total = max((offset + self.sizes[home] for home, offset in offsets.items()), default=0)
        return total, {row: names[home] for row, home in homes.items()}


def _loop(statement: str, size: int) -> str:
    return f"    for (i = 0; i < {size}; i++) {statement};\n"


# ---- layers ----------------------------------------------------------------------------------------------------------
def _activated(program: Program, layer: Layer, at: int) -> int:
    return program.activate(activations.get(layer.activation), at)


def _dense(program: Program, layer: Layer, at: int) -> int:
    program.helpers["dense"] = None
    weight = program.places[f"layers.{layer.name}.weight"]
    bias = program.places.get(f"layers.{layer.name}.bias")
    n_out, n_in = layer.weight.shape

    def code(given: Sequence[str], out: str) -> str:
        return f"    {dense_call(n_in, n_out, 'w', weight, bias, given[0], out)}\n"

    return _activated(program, layer, program.step((at,), n_out, code))


def _residual(program: Program, layer: Layer, at: int) -> int:
    count = len(layer.specification.children)
    block = program.layers(layer.layers[:count], at)
    skip = program.layers(layer.layers[count:], at)
    return _activated(program, layer, program.call("add", (block, skip), program.sizes[block], ""))


def _normalization(program: Program, layer: Layer, at: int) -> int:
    """A norm or a scaling: its tensors, its statistics, its epsilon."""
    name, specification = f"layers.{layer.name}", layer.specification
    given = [f"w + {program.places[f'{name}.{tensor}']}" for tensor in layer.tensors]
    given += [f"@statistics + {program.places[f'{name}.{tensor}']}" for tensor in layer.statistics]
    epsilon: Any = getattr(specification, "epsilon", None)
    given += [] if epsilon is None else [literal(epsilon, program.source.dtype)]
    return program.call(specification.name, (at,), layer.input_size, ", ".join(given))


def _embedding(program: Program, layer: Layer, at: int) -> int:
    specification = layer.specification
    assert isinstance(specification, Embedding)
    program.helpers["lookup"] = None
    codes, sizes = specification.codes, specification.sizes

    def code(given: Sequence[str], out: str) -> str:
        lines, place, column = [], 0, 0
        while column < layer.input_size:
            stop = min([other for other in codes if other >= column], default=layer.input_size)
            if stop > column:
                move = "i" if place == column else f"i - {column - place}"  # columns of numbers only move down
                lines.append(f"    for (i = {column}; i < {stop}; i++) {out}[{move}] = {given[0]}[i];\n")
            place, column = place + stop - column, stop + 1
        for column, count in codes.items():
            table = f"w + {program.places[f'layers.{layer.name}.table_{column}']}"
            target = f"{out} + {place}" if place else out
            lines.append(f"    @lookup({given[0]}[{column}], {table}, {target}, {count}, {sizes[column]});\n")
            place += sizes[column]
        return "".join(lines)

    return program.step((at,), layer.units, code)


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

HELPERS: dict[str, str] = {
    "dense": """/* z = w x + b: w (n_out, n_in), x (n_in), b (n_out) or NULL. */
static void @dense(const real *w, const real *b, const real *x, real *z, size_t n_in, size_t n_out) {
    size_t o, i;
    for (o = 0; o < n_out; o++) {
        real sum = b == NULL ? 0.0 : b[o];
        for (i = 0; i < n_in; i++) sum += w[o * n_in + i] * x[i];
        z[o] = sum;
    }
}
""",
    "add": """static void @add(const real *a, const real *b, real *y, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) y[i] = a[i] + b[i];
}
""",
    "normalize": """static void @normalize(const real *x, real *y, const real *mean, const real *scale, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) y[i] = (x[i] - mean[i]) * scale[i];
}
""",
    "batch_norm": """/* y = (x - mean) / sqrt(variance + epsilon) w + b, by what training left of mean and variance. */
static void @batch_norm(const real *x, real *y, const real *w, const real *b, const real *mean, const real *variance,
                        real epsilon, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) y[i] = (x[i] - mean[i]) / sqrt(variance[i] + epsilon) * w[i] + b[i];
}
""",
    "layer_norm": """/* y = (x - mean) / sqrt(variance + epsilon) w + b, of the n numbers of x. */
static void @layer_norm(const real *x, real *y, const real *w, const real *b, real epsilon, size_t n) {
    real mean = 0.0, variance = 0.0;
    size_t i;
    for (i = 0; i < n; i++) mean += x[i];
    mean /= (real)n;
    for (i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
    variance = sqrt(variance / (real)n + epsilon);
    for (i = 0; i < n; i++) y[i] = (x[i] - mean) / variance * w[i] + b[i];
}
""",
    "rms_norm": """/* y = x / sqrt(mean of squares + epsilon) w, of the n numbers of x. */
static void @rms_norm(const real *x, real *y, const real *w, real epsilon, size_t n) {
    real square = 0.0;
    size_t i;
    for (i = 0; i < n; i++) square += x[i] * x[i];
    square = sqrt(square / (real)n + epsilon);
    for (i = 0; i < n; i++) y[i] = x[i] / square * w[i];
}
""",
    "lookup": """/* The vector of a code; what is no code of the table counts as the nearest one. */
static void @lookup(real code, const real *table, real *y, size_t codes, size_t size) {
    size_t row = code >= (real)codes ? codes - 1 : code > 0.0 ? (size_t)code : 0, i;
    for (i = 0; i < size; i++) y[i] = table[row * size + i];
}
""",
}
