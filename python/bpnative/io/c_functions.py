"""Activations, losses and updates as C expressions: what `to_c` writes into its file.

Written for double precision with C99's math.h; `in_type` turns a piece into float. In an expression z is the weighted
sum, y the activation's value, p its parameter.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np


class Function(NamedTuple):
    """An element-wise activation: y of z and p, and its derivative in z, by y where that is enough."""

    value: str
    slope: str


_SIGMOID = "(z >= 0.0 ? 1.0 / (1.0 + exp(-z)) : exp(z) / (1.0 + exp(z)))"
_SOFTPLUS = "(fmax(z, 0.0) + log1p(exp(-fabs(z))))"
_CDF = "(0.5 * erfc(-0.7071067811865475 * z))"
_U = "(0.7978845608028654 * (z + 0.044715 * z * z * z))"
_SELU_SCALE, _SELU_ALPHA = "1.0507009873554805", "1.6732632423543772"

ELEMENTWISE: dict[str, Function] = {
    "linear": Function("z", "1.0"),
    "relu": Function("z < 0.0 ? 0.0 : z", "y > 0.0 ? 1.0 : 0.0"),
    "leaky_relu": Function("z > 0.0 ? z : p * z", "z > 0.0 ? 1.0 : p"),
    "relu6": Function("z < 0.0 ? 0.0 : z > 6.0 ? 6.0 : z", "z > 0.0 && z < 6.0 ? 1.0 : 0.0"),
    "hard_tanh": Function("z < -1.0 ? -1.0 : z > 1.0 ? 1.0 : z", "z > -1.0 && z < 1.0 ? 1.0 : 0.0"),
    "hard_sigmoid": Function("z < -3.0 ? 0.0 : z > 3.0 ? 1.0 : z / 6.0 + 0.5", "z > -3.0 && z < 3.0 ? 1.0 / 6.0 : 0.0"),
    "tanh": Function("tanh(z)", "1.0 - y * y"),
    "sigmoid": Function(_SIGMOID, "y * (1.0 - y)"),
    "softsign": Function("z / (1.0 + fabs(z))", "1.0 / ((1.0 + fabs(z)) * (1.0 + fabs(z)))"),
    "softplus": Function(
        "fmax(z, 0.0) + log1p(exp(-fabs(p * z))) / p",
        "p * z >= 0.0 ? 1.0 / (1.0 + exp(-p * z)) : exp(p * z) / (1.0 + exp(p * z))",
    ),
    "gelu": Function(f"z * {_CDF}", f"{_CDF} + z * 0.3989422804014327 * exp(-0.5 * z * z)"),
    "gelu_tanh": Function(
        f"0.5 * z * (1.0 + tanh({_U}))",
        f"0.5 * (1.0 + tanh({_U})) + 0.5 * z * (1.0 - tanh({_U}) * tanh({_U})) "
        "* 0.7978845608028654 * (1.0 + 0.134145 * z * z)",
    ),
    "silu": Function(f"z * {_SIGMOID}", f"{_SIGMOID} * (1.0 + z * (1.0 - {_SIGMOID}))"),
    "mish": Function(
        f"z * tanh({_SOFTPLUS})",
        f"tanh({_SOFTPLUS}) + z * (1.0 - tanh({_SOFTPLUS}) * tanh({_SOFTPLUS})) * {_SIGMOID}",
    ),
    "elu": Function("z > 0.0 ? z : p * expm1(z)", "z > 0.0 ? 1.0 : p * exp(z)"),
    "selu": Function(
        f"z > 0.0 ? {_SELU_SCALE} * z : {_SELU_SCALE} * {_SELU_ALPHA} * expm1(z)",
        f"z > 0.0 ? {_SELU_SCALE} : {_SELU_SCALE} * {_SELU_ALPHA} * exp(z)",
    ),
    "celu": Function("z > 0.0 ? z : p * expm1(z / p)", "z > 0.0 ? 1.0 : exp(z / p)"),
    "exponential": Function("exp(z)", "y"),
}

# Activations of a whole row: statements that change z[0 … n) into the outputs, and d, the derivative of the loss in
# the outputs y, into the derivative in z.
ROWS: dict[str, Function] = {
    "softmax": Function(
        """    size_t i;
    real top = z[0], total = 0.0;
    for (i = 1; i < n; i++) top = fmax(top, z[i]);
    for (i = 0; i < n; i++) { z[i] = exp(z[i] - top); total += z[i]; }
    for (i = 0; i < n; i++) z[i] /= total;
""",
        """    size_t i;
    real dot = 0.0;
    for (i = 0; i < n; i++) dot += d[i] * y[i];
    for (i = 0; i < n; i++) d[i] = y[i] * (d[i] - dot);
""",
    ),
    "log_softmax": Function(
        """    size_t i;
    real top = z[0], total = 0.0;
    for (i = 1; i < n; i++) top = fmax(top, z[i]);
    for (i = 0; i < n; i++) total += exp(z[i] - top);
    total = log(total);
    for (i = 0; i < n; i++) z[i] = z[i] - top - total;
""",
        """    size_t i;
    real sum = 0.0;
    for (i = 0; i < n; i++) sum += d[i];
    for (i = 0; i < n; i++) d[i] -= exp(y[i]) * sum;
""",
    ),
}

# A loss of one sample: o its outputs (logits, where the loss is fused with the last layer), t its target, n their
# number; fills d with the derivative, times scale, and gives the loss.
LOSSES: dict[str, str] = {
    "mse": """    size_t i;
    real sum = 0.0, e;
    for (i = 0; i < n; i++) { e = o[i] - t[i]; sum += e * e; d[i] = 2.0 * e * scale / (real)n; }
    return sum / (real)n;
""",
    "cross_entropy": """    size_t i;
    real top = o[0], total = 0.0, sum = 0.0, loss = 0.0;
    for (i = 1; i < n; i++) top = fmax(top, o[i]);
    for (i = 0; i < n; i++) { total += exp(o[i] - top); sum += t[i]; }
    for (i = 0; i < n; i++) {
        loss -= t[i] * (o[i] - top - log(total));
        d[i] = (exp(o[i] - top) / total * sum - t[i]) * scale;
    }
    return loss;
""",
    "binary_cross_entropy": """    size_t i;
    real sum = 0.0, e;
    for (i = 0; i < n; i++) {
        e = exp(-fabs(o[i]));
        sum += fmax(o[i], 0.0) - o[i] * t[i] + log1p(e);
        d[i] = ((o[i] >= 0.0 ? 1.0 : e) / (1.0 + e) - t[i]) * scale / (real)n;
    }
    return sum / (real)n;
""",
}


class Update(NamedTuple):
    """An optimizer: its settings, its state, what is computed once a step, and the change of weight w by gradient g."""

    settings: tuple[str, ...]
    state: tuple[str, ...]
    once: str
    change: str


UPDATES: dict[str, Update] = {
    "sgd": Update(("momentum", "nesterov"), (), "", "w[i] -= rate * g[i];"),
    "sgd with momentum": Update(
        ("momentum", "nesterov"),
        ("velocity",),
        "",
        "velocity[i] = {momentum} * velocity[i] + g[i]; w[i] -= rate * ({direction});",
    ),
    "adam": Update(
        ("beta1", "beta2", "epsilon"),
        ("m", "v"),
        """    const real corrected = (real)((double)rate / (1.0 - pow({beta1}, (double)learner->steps)));
    const real root = (real)sqrt(1.0 - pow({beta2}, (double)learner->steps));
""",
        "m[i] = {beta1} * m[i] + {rest1} * g[i]; v[i] = {beta2} * v[i] + {rest2} * g[i] * g[i]; "
        "w[i] -= corrected * m[i] / (sqrt(v[i]) / root + {epsilon});",
    ),
}


def in_type(code: str, dtype: str, real: str) -> str:
    """A piece of C in float32 or float64: calls of math.h, numbers, and the name of the type.

    Example:
        >>> in_type("exp(z) * 0.5", "float32", "net_real")
        'expf(z) * 0.5f'
    """
    code = re.sub(r"\breal\b", real, code)
    if dtype == "float64":
        return code
    code = re.sub(r"\b(exp|expm1|log|log1p|tanh|erfc|fabs|fmax|sqrt)\(", r"\1f(", code)
    return re.sub(r"(?<![\w.])(\d+\.\d+(?:e-?\d+)?)(?![\w.])", r"\1f", code)


def literal(value: float, dtype: str) -> str:
    """A number of a type as C99 writes it exactly, with the macros of math.h where it is not finite.

    Compilers warn of a number that the type can't hold, so it is rounded here.

    Example:
        >>> literal(0.75, "float32"), literal(-1.0, "float64"), literal(-1e40, "float32")
        ('0x1.8p-1f', '-0x1p+0', '-INFINITY')
    """
    with np.errstate(over="ignore", under="ignore"):
        value = float(np.dtype(dtype).type(value))
    if not math.isfinite(value):
        return "NAN" if math.isnan(value) else "INFINITY" if value > 0 else "-INFINITY"
    sign, mantissa, exponent = re.fullmatch(r"(-?)0x(\d(?:\.[0-9a-f]+)?)p([+-]\d+)", value.hex()).groups()  # type: ignore[union-attr]
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{sign}0x{mantissa}p{exponent}{'f' if dtype == 'float32' else ''}"
