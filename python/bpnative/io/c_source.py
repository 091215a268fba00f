"""A network as one plain C file: C99, no allocation, nothing included but math.h, stddef.h and stdint.h.

The weights stand in the file as constants, in hexadecimal, so that they are the same bits; the caller gives the scratch
memory. For devices without Python, and for programs that want a prediction and no library.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from .. import __version__, activations
from ..layers import Layer
from ..network import Network
from ..trainer import Trainer
from . import atomic
from .assemble import NOISE, check_network
from .atomic import PathLike
from .c_functions import ELEMENTWISE, ROWS
from .c_helpers import FORWARD
from .c_layers import Source, sample, source_of, with_parameter
from .c_program import LAYERS, Program
from .c_training import training_parts, training_test


def to_c(network: Network | Trainer, path: PathLike, *, training: bool = False, name: str = "net") -> None:
    """Write a network as one C99 file with ``void net_predict(const net_real *x, net_real *y, net_real *scratch)``.

    The header comment says how to call it and how much memory it takes. Compiled with ``-DNET_SELF_TEST`` the file is
    a program that compares its outputs with the network's and exits with 0 where they agree.

    With ``training=True`` a trainer is given, and the file holds a training step too (forward, backward, update of
    SGD or Adam) that goes on from where the trainer stands, optimizer state included. Each call of it is an update, and
    an average of the weights is not kept: for that, export it from within `Trainer.averaged` without ``training``.

    Args:
        network: The network; with ``training=True`` its `Trainer`. Noise layers, which do nothing in a prediction, and
            batch norm are in no file that can train. Codes of an `Embedding` are numbers of x.
        path: The file to write, all or nothing.
        training: Whether the file can train.
        name: What every name in the file begins with; a C identifier.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A layer, activation, loss or optimizer has no C form; it is named. Or a weight is not finite.
        OSError: The file can't be written.

    Example:
        >>> import bpnative as bp
        >>> to_c(bp.mlp([2, 3, 1], seed=0), "net.c")
        >>> import pathlib
        >>> print(pathlib.Path("net.c").read_text().splitlines()[3].removeprefix(" * "))
        Memory: 52 bytes of constants, 12 bytes of scratch (NET_SCRATCH numbers of 4 bytes).
    """
    trainer = network if isinstance(network, Trainer) else None
    network = network.network if isinstance(network, Trainer) else network
    if not isinstance(network, Network):
        raise TypeError(f"expected a bpnative.Network or Trainer, got {network!r}")
    if training and trainer is None:
        raise TypeError("expected a bpnative.Trainer with training=True: its loss, optimizer and state are needed")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name)):
        raise ValueError(f"expected name as a C identifier in lower case, such as 'net', got {name!r}")
    check_network(network, "to_c", LAYERS, {*ELEMENTWISE, *ROWS})
    source = source_of(network, name)
    program = Program(source, network)
    file = os.path.basename(os.fspath(path))
    file = file if re.fullmatch(r"[\w.-]+", file, re.ASCII) else f"{name}.c"  # it goes into a comment and a shell
    parts, tests = _inference(source, network, program, file), _self_test(source, network)
    passed = "@test_predict()"
    if training and trainer is not None:
        parts += training_parts(source, trainer, program)
        tests += training_test(source, trainer)
        passed += " && @test_train()"
    main = f"\nint main(void) {{ return {passed} ? 0 : 1; }}\n#endif\n\n#endif\n"
    parts += [source.code("#ifdef @SELF_TEST\n"), *tests, source.code(main)]
    atomic.write(path, [part.encode() for part in parts])


def _inference(source: Source, network: Network, program: Program, file: str) -> list[str]:
    size, scratch = network.dtype.itemsize, max(1, program.scratch)
    layers = [layer for layer in network.layers if layer.specification.name not in NOISE]
    shape = "-".join(map(str, [network.input_size, *(layer.units for layer in layers)]))
    constants = source.parameters.nbytes + source.statistics.nbytes
    columns = ", ".join(f"{column} (0 to {count - 1})" for column, count in network.codes.items())
    codes = f" * Codes, whole numbers, are x[i] for i = {columns}; others count as the nearest.\n" if columns else ""
    head = f"""/* A network of bpnative {__version__}: {shape}, {_named(layers)}; {network.dtype.name}.
 *
 *     @real y[@OUTPUTS], scratch[@SCRATCH];   @predict(x, y, scratch);
 * Memory: {constants} bytes of constants, {scratch * size} bytes of scratch (@SCRATCH numbers of {size} bytes).
{codes} * C99, no allocation, no state; x, y and scratch must not overlap. Several threads may call it at once, each
 * with a y and a scratch of its own.
 * cc -std=c99 -D@SELF_TEST {file} -lm && ./a.out   compares it with the network: exit code 0. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifndef @INCLUDED
#define @INCLUDED

typedef {"float" if size == 4 else "double"} @real;
#define @INPUTS {network.input_size}
#define @OUTPUTS {network.output_size}
#define @PARAMETERS {source.parameters.size}
#define @SCRATCH {scratch}

/* Layer by layer: the weight, (n_out, n_in) row by row, and the bias; of an embedding its tables. */
"""
    arrays = [source.array(source.code("@parameters"), source.parameters), "\n"]
    if source.statistics.size:
        arrays += ["/* Of what is no weight: means, variances, scales. */\n"]
        arrays += [source.array(source.code("@statistics"), source.statistics), "\n"]
    helpers = [source.code(FORWARD[name]) + "\n" for name in program.helpers]
    return [source.code(head), *arrays, *_functions(source), *helpers, _forward(source, program)]


def _named(layers: Iterable[Layer]) -> str:
    """The layers in a few words: a dense layer by its activation."""
    names = []
    for layer in layers:
        name, activation = layer.specification.name, activations.get(layer.activation).name
        if layer.layers:
            names.append(f"residual ({_named(layer.layers)}) {activation}")
        elif name not in NOISE:
            names.append(activation if name in ("dense", "activation") else name)
    return ", ".join(names) or "nothing"


def _self_test(source: Source, network: Network) -> list[str]:
    x, expected = sample(network)
    tolerance = "1e-4f" if network.dtype.itemsize == 4 else "1e-10"
    return [
        source.array(source.code("@test_x"), x),
        source.array(source.code("@test_y"), expected),
        source.code(_SELF_TEST).replace("TOLERANCE", tolerance),
    ]


def _functions(source: Source) -> Iterable[str]:
    """The activations in use."""
    for activation in source.functions:
        name = source.function(activation)
        if activation.name in ROWS:
            yield source.code(f"static void {name}(real *z, size_t n) {{\n{ROWS[activation.name].value}}}\n\n")
        elif activation.name != "linear":
            body = with_parameter(ELEMENTWISE[activation.name].value, activation, source.dtype)
            yield source.code(f"static real {name}(real z) {{ return {body}; }}\n\n")


def _forward(source: Source, program: Program) -> str:
    body = program.body()
    counter = "    size_t i;\n" if "(i = " in body else ""
    unused = [name for name in ("w", "scratch") if not re.search(rf"\b{name}\b", body)]
    body += "".join(f"    (void){name};\n" for name in unused)
    return source.code(f"""static void @forward(const real *w, const real *x, real *y, real *scratch) {{
{counter}{body}}}

/* The outputs y of one sample x. */
void @predict(const real *x, real *y, real *scratch);

void @predict(const real *x, real *y, real *scratch) {{
    @forward(@parameters, x, y, scratch);
}}

""")


_SELF_TEST = """
static int @agree(const real *found, const real *expected, size_t n, real tolerance) {
    size_t i;
    for (i = 0; i < n; i++) {
        if (found[i] == expected[i] || (isnan(found[i]) && isnan(expected[i]))) continue; /* infinities among them */
        if (!(fabs(found[i] - expected[i]) <= tolerance * (1.0 + fabs(expected[i])))) return 0;
    }
    return 1;
}

static int @test_predict(void) {
    real y[@OUTPUTS], scratch[@SCRATCH];
    size_t i;
    for (i = 0; i < 3; i++) {
        @predict(@test_x + i * @INPUTS, y, scratch);
        if (!@agree(y, @test_y + i * @OUTPUTS, @OUTPUTS, TOLERANCE)) return 0;
    }
    return 1;
}
"""
