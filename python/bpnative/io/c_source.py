"""A network as one plain C file: C99, no allocation, nothing included but math.h, stddef.h and stdint.h.

The weights stand in the file as constants, in hexadecimal, so that they are the same bits; the caller gives the scratch
memory. For devices without Python, and for programs that want a prediction and no library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..network import Network
from ..trainer import Trainer
from . import atomic
from .atomic import PathLike
from .c_functions import ELEMENTWISE, ROWS
from .c_layers import Source, activation_call, dense_call, read_layers, sample, with_parameter
from .c_training import training_parts, training_test

Array = npt.NDArray[Any]


def to_c(network: Network | Trainer, path: PathLike, *, training: bool = False, name: str = "net") -> None:
    """Write a network as one C99 file with ``void net_predict(const net_real *x, net_real *y, net_real *scratch)``.

    The header comment says how to call it and how much memory it takes. Compiled with ``-DNET_SELF_TEST`` the file is
    a program that compares its outputs with the network's and exits with 0 where they agree.

    With ``training=True`` a trainer is given, and the file holds a training step too (forward, backward, update of
    SGD or Adam) that goes on from where the trainer stands, optimizer state included.

    Args:
        network: The network, of dense layers; with ``training=True`` its `Trainer`.
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
    source = Source(name, network.dtype.name, read_layers(network), network.parameters.copy())
    if not np.isfinite(source.parameters).all():
        raise ValueError("expected a network of finite weights, got NaN or infinity: train it with a lower rate")
    parts, tests = _inference(source, network), _self_test(source, network)
    passed = "@test_predict()"
    if training and trainer is not None:
        parts += training_parts(source, trainer)
        tests += training_test(source, trainer)
        passed += " && @test_train()"
    main = f"\nint main(void) {{ return {passed} ? 0 : 1; }}\n#endif\n\n#endif\n"
    parts += [source.code("#ifdef @SELF_TEST\n"), *tests, source.code(main)]
    atomic.write(path, [part.encode() for part in parts])


def _inference(source: Source, network: Network) -> list[str]:
    layers, size = source.layers, network.dtype.itemsize
    hidden = [layer.n_out for layer in layers[:-1]]
    rooms = [max(hidden[0::2], default=0), max(hidden[1::2], default=0)]
    scratch = max(1, sum(rooms))
    shape = "-".join(map(str, [layers[0].n_in, *(layer.n_out for layer in layers)]))
    functions = ", ".join(layer.activation.name for layer in layers)
    constants = source.parameters.nbytes
    head = f"""/* A network of bpnative {__version__}: {shape}, {functions}; {network.dtype.name}.
 *
 *     @real y[@OUTPUTS], scratch[@SCRATCH];   @predict(x, y, scratch);
 * Memory: {constants} bytes of constants, {scratch * size} bytes of scratch (@SCRATCH numbers of {size} bytes).
 * C99, no allocation, no state; safe to call from several threads, each with a scratch of its own.
 * cc -std=c99 -D@SELF_TEST {source.name}.c -lm && ./a.out   compares it with the network: exit code 0. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifndef @INCLUDED
#define @INCLUDED

typedef {"float" if size == 4 else "double"} @real;
#define @INPUTS {layers[0].n_in}
#define @OUTPUTS {layers[-1].n_out}
#define @PARAMETERS {source.parameters.size}
#define @SCRATCH {scratch}

/* Layer by layer: the weight, (n_out, n_in) row by row, and the bias. */
"""
    parameters = source.array(source.code("@parameters"), source.parameters)
    return [source.code(head), parameters, "\n", *_functions(source), source.code(_DENSE), _forward(source, rooms)]


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
    done = set()
    for index, layer in enumerate(source.layers):
        name = source.function(index)
        if name in done or layer.activation.name == "linear":
            continue
        done.add(name)
        if layer.activation.name in ROWS:
            yield source.code(f"static void {name}(real *z, size_t n) {{\n{ROWS[layer.activation.name].value}}}\n\n")
        else:
            body = with_parameter(ELEMENTWISE[layer.activation.name].value, layer.activation, source.dtype)
            yield source.code(f"static real {name}(real z) {{ return {body}; }}\n\n")


def _forward(source: Source, rooms: list[int]) -> str:
    lines, given = [], "x"
    for index in range(len(source.layers)):
        last = index == len(source.layers) - 1
        out = "y" if last else ("scratch" if index % 2 == 0 else f"(scratch + {rooms[0]})")
        lines += [f"    {dense_call(source, index, 'w', given, out)}\n", activation_call(source, index, out)]
        given = out
    body = "".join(lines) + ("    (void)scratch;\n" if len(source.layers) == 1 else "")
    return source.code(f"""static void @forward(const real *w, const real *x, real *y, real *scratch) {{
{"    size_t i;" if "(i = 0" in body else ""}
{body}}}

/* The outputs y of one sample x. */
void @predict(const real *x, real *y, real *scratch);

void @predict(const real *x, real *y, real *scratch) {{
    @forward(@parameters, x, y, scratch);
}}

""")


_DENSE = """/* z = w x + b: w (n_out, n_in), x (n_in), b (n_out) or NULL. */
static void @dense(const real *w, const real *b, const real *x, real *z, size_t n_in, size_t n_out) {
    size_t o, i;
    for (o = 0; o < n_out; o++) {
        real sum = b == NULL ? 0.0 : b[o];
        for (i = 0; i < n_in; i++) sum += w[o * n_in + i] * x[i];
        z[o] = sum;
    }
}

"""

_SELF_TEST = """
static int @agree(const real *found, const real *expected, size_t n) {
    size_t i;
    for (i = 0; i < n; i++)
        if (!(fabs(found[i] - expected[i]) <= TOLERANCE * (1.0 + fabs(expected[i])))) return 0;
    return 1;
}

static int @test_predict(void) {
    real y[@OUTPUTS], scratch[@SCRATCH];
    size_t i;
    for (i = 0; i < 3; i++) {
        @predict(@test_x + i * @INPUTS, y, scratch);
        if (!@agree(y, @test_y + i * @OUTPUTS, @OUTPUTS)) return 0;
    }
    return 1;
}
"""
