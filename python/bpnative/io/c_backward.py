"""The way back of one sample in C: what adds to the gradients of a learner, and where its intermediate rows lie.

Forward keeps every row; backward goes through the steps of `c_program` from the last to the first. The derivative in a
row lives from the last step that reads the row to the one that makes it, and lies where others lay before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..activations import Activation
from ..network import Network
from .c_functions import ELEMENTWISE, ROWS
from .c_helpers import BACKWARD
from .c_layers import with_parameter
from .c_program import Program, Way, at, loop, places

LEARNED = ("dense", "activation", "residual", "layer_norm", "rms_norm", "normalize", "embedding")


def check_learned(network: Network) -> None:
    """A step of training in C knows every layer of the network.

    Raises:
        ValueError: One it does not: those that need the whole batch, or random numbers. It is named.
    """
    for layer in network.walk():
        if layer.specification.name not in LEARNED:
            raise ValueError(
                f"to_c with training=True knows no form of layer {layer.name}, {layer.specification!r}: write the file "
                "with training=False, or train without this layer"
            )


def trainable(network: Network) -> list[int]:
    """Where what is trainable begins and ends among the parameters, range after range.

    Raises:
        ValueError: Nothing is.
    """
    ranges: list[int] = []
    start = 0
    for layer in network.walk():
        for view in layer.tensors.values():
            if layer.trainable and ranges and ranges[-1] == start:
                ranges[-1] += view.size
            elif layer.trainable:
                ranges += [start, start + view.size]
            start += view.size
    if not ranges:
        raise ValueError("to_c with training=True expected a layer that is trainable, got none: set layer.trainable")
    return ranges


class Backward:
    """A step of training for one sample.

    Attributes:
        values: Numbers that the rows of a sample take.
        deltas: Numbers that the derivatives in them take.
        body: The statements, of x, its target t, values v, deltas d, parameters w, gradients g, loss and scale.
        functions: The activations whose derivatives are in it.
        helpers: The functions that lead back through a layer, of those in `BACKWARD`.
    """

    def __init__(self, program: Program, fused: str) -> None:
        steps = list(program.steps)
        start = program.last
        if fused and steps[-1].function and steps[-1].function.name == fused:
            (start,) = steps.pop().inputs  # the loss is computed on what goes into the last activation
        offset, rows = 0, {0: "x"}
        for step in steps:
            rows[step.output] = at("v", offset)
            offset += program.sizes[step.output]
        self.values = max(1, offset)

        needed: set[int] = set()  # rows that something trained is before
        for step in steps:
            if step.learns or needed.intersection(step.inputs):
                needed.add(step.output)
        lives = {start: (-1, len(steps))}  # by steps back
        for back, step in enumerate(reversed(steps)):
            for row in (step.output, *step.inputs):
                if row in needed:
                    lives[row] = (lives.get(row, (back, back))[0], back)
        offsets, self.deltas = places(program.sizes, lives)
        deltas = {row: at("d", offset) for row, offset in offsets.items()}

        size = program.sizes[start]
        lines = [step.code([rows[row] for row in step.inputs], rows[step.output]) for step in steps]
        lines.append(f"    loss += @loss({rows[start]}, t, {deltas[start]}, {size}, scale);\n")
        begun = {start}
        self.functions: dict[Activation, None] = {}
        for step in reversed(steps):
            if step.output not in needed or step.back is None:
                continue
            for row in step.inputs:
                if row in needed and row not in begun:
                    begun.add(row)
                    lines.append(loop(f"{deltas[row]}[i] = 0.0", program.sizes[row]))
            dx = [deltas[row] if row in needed else None for row in step.inputs]
            lines.append(step.back(Way([rows[row] for row in step.inputs], rows[step.output], dx, deltas[step.output])))
            if step.function is not None:
                self.functions[step.function] = None
        self.body = "".join(lines)
        self.helpers = [name for name in BACKWARD if f"@{name}(" in self.body]


def slopes(program: Program, functions: Iterable[Activation]) -> list[str]:
    """The derivatives of activations."""
    found = []
    for activation in functions:
        name = program.source.function(activation, "slope")
        if activation.name in ROWS:
            head = f"static void {name}(const real *y, real *d, size_t n) {{\n"
            found.append(f"{head}{ROWS[activation.name].slope}}}\n\n")
        else:
            slope = with_parameter(ELEMENTWISE[activation.name].slope, activation, program.source.dtype)
            head = f"static real {name}(real z, real y) {{\n    (void)z;\n    (void)y;\n"
            found.append(f"{head}    return {slope};\n}}\n\n")
    return found


def step(program: Program, backward: Backward) -> str:
    """The function that makes an update."""
    body = re.sub("^", "    ", backward.body, flags=re.MULTILINE).rstrip(" ")
    return f"""/* One update by the n samples x (n, @INPUTS) with targets t (n, @OUTPUTS): the mean loss before it. */
real @step(@learner *learner, const real *x, const real *t, size_t n, real rate) {{
    const real *w = learner->parameters;
    real *g = learner->gradients, *v = learner->values, *d = learner->deltas;
    real loss = 0.0, scale = n ? 1.0 / (real)n : 0.0;
    size_t s, i;
    for (i = 0; i < @PARAMETERS; i++) g[i] = 0.0;
    for (s = 0; s < n; s++, x += @INPUTS, t += @OUTPUTS) {{
{body}    }}
    if (n) {{
        learner->steps++;
        @update(learner, rate);
    }}
    return loss * scale;
}}

"""
