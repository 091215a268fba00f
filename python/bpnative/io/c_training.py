"""The training step of `to_c`: forward, backward and update of one batch in C, from where a trainer stands."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from ..layers import Dense
from ..lbfgs import LBFGS
from ..optimizers import OPTIMIZERS, SGD
from ..trainer import Trainer
from .c_functions import ELEMENTWISE, LOSSES, ROWS, UPDATES, Update, literal
from .c_layers import Source, Stack, dense_call, sample, with_parameter

Array = npt.NDArray[Any]


def training_parts(source: Source, trainer: Trainer, stack: Stack) -> list[str]:
    """The learner's type and its functions.

    Raises:
        ValueError: The loss or the optimizer has no C form, or nothing is trainable.
    """
    loss, update, settings = trainer.loss, *_update(trainer)
    if loss.name not in LOSSES or loss != type(loss)():
        raise ValueError(f"to_c knows no C form of the loss {loss!r}; it knows {', '.join(LOSSES)} as they are")
    beside = {"clip_norm": trainer.clip_norm, "clip_value": trainer.clip_value, "groups": trainer.groups}
    used = [name for name, value in beside.items() if value]
    used += [field for field in ("l1", "l2", "max_norm") if any(getattr(s, field) for s in _dense(trainer))]
    if used:
        raise ValueError(f"to_c knows no C form of {', '.join(used)}: it writes plain steps of the optimizer")
    ranges = _trainable(stack)
    size = source.parameters.itemsize
    units = sum(layer.n_out for layer in stack.layers)
    width = max(layer.n_out for layer in stack.layers)
    count = source.parameters.size * (2 + len(update.state)) + 2 * units + 2 * width
    count += stack.layers[0].n_in if stack.normalized else 0
    state = {name: trainer.state[name] for name in update.state}
    fields = "".join(f"    real {name}[@PARAMETERS];\n" for name in update.state)
    begun = {name: f"@start_{name}[i]" if values.any() else "0.0" for name, values in state.items()}
    starts = "".join(f"        learner->{name}[i] = {value};\n" for name, value in begun.items())
    constants = [source.array(source.code(f"@start_{name}"), v) for name, v in state.items() if v.any()]
    pointers = "".join(f"    real *{name} = learner->{name};\n" for name in update.state)
    inputs = "    real inputs[@INPUTS]; /* scaled */\n" if stack.normalized else ""
    head = f"""/* Learning goes on from here: {trainer.optimizer.name}, {loss.name}, {trainer.step_count} steps made.
 *
 *     static @learner learner;   @begin(&learner);
 *     loss = @step(&learner, x, t, n, @LEARNING_RATE);   @predict_learned(&learner, x, y, scratch);
 * Memory of a learner: {count * size + 8} bytes. */
#define @LEARNING_RATE {literal(_rate(trainer), source.dtype)}

typedef struct {{
    real parameters[@PARAMETERS];
    real gradients[@PARAMETERS];
{fields}    real sums[{units}], values[{units}], deltas[{2 * width}]; /* of each layer: z, y; dz of two layers */
{inputs}    uint32_t steps;
}} @learner;

void @begin(@learner *learner);
real @step(@learner *learner, const real *x, const real *t, size_t n, real rate);
void @predict_learned(const @learner *learner, const real *x, real *y, real *scratch);

/* The learner as the trainer stood when this file was written. */
void @begin(@learner *learner) {{
    size_t i;
    for (i = 0; i < @PARAMETERS; i++) {{
        learner->parameters[i] = @parameters[i];
        learner->gradients[i] = 0.0;
{starts}    }}
    learner->steps = {trainer.step_count};
}}

void @predict_learned(const @learner *learner, const real *x, real *y, real *scratch) {{
    @forward(learner->parameters, x, y, scratch);
}}

"""
    update_text = f"""static void @update(@learner *learner, real rate) {{
    static const size_t ranges[{len(ranges)}] = {{{", ".join(map(str, ranges))}}}; /* what is trainable */
    real *w = learner->parameters;
    const real *g = learner->gradients;
{pointers}{_filled(update.once, settings, "float64")}    size_t r, i;
    for (r = 0; r < {len(ranges)}; r += 2)
        for (i = ranges[r]; i < ranges[r + 1]; i++) {{ {_filled(update.change, settings, source.dtype)} }}
}}

"""
    loss_text = (
        "/* The loss of one sample; d becomes its derivative in the outputs o, times scale. */\n"
        "static real @loss(const real *o, const real *t, real *d, size_t n, real scale) {\n"
        f"{LOSSES[loss.name]}}}\n\n"
    )
    pieces = [
        head,
        *_slopes(source, stack, _is_fused(stack, trainer)),
        loss_text,
        _BACKWARD,
        update_text,
        _step(source, trainer, stack, width),
    ]
    return [*constants, *(source.code(piece) for piece in pieces)]


def training_test(source: Source, trainer: Trainer) -> list[str]:
    """Two steps from where the trainer stands, compared with those of a copy of it."""
    other: Trainer = copy.deepcopy(trainer)
    other.learning_rate = _rate(trainer)
    x, _ = sample(other.network)
    n, k = len(x), other.network.output_size
    if trainer.loss.targets == "values":
        target = np.random.default_rng(1).standard_normal((n, k))
    elif trainer.loss.targets == "classes":
        target = np.eye(k)[np.arange(n) % k]
    else:
        target = (np.arange(n * k) % 2).reshape(n, k).astype(np.float64)
    target = target.astype(x.dtype)
    losses = np.array([other.step(x, target), other.step(x, target)])
    tolerance = "1e-3f" if x.itemsize == 4 else "1e-9"
    return [
        source.array(source.code("@test_t"), target),
        source.array(source.code("@test_losses"), losses),
        source.array(source.code("@test_learned"), other.network.predict(x)),
        source.code(_TEST).replace("TOLERANCE", tolerance),
    ]


def _dense(trainer: Trainer) -> list[Dense]:
    return [s for layer in trainer.network.walk() if isinstance(s := layer.specification, Dense)]


def _rate(trainer: Trainer) -> float:
    rate = trainer.learning_rate
    return float(rate(trainer.step_count)) if callable(rate) else rate


def _update(trainer: Trainer) -> tuple[Update, dict[str, float]]:
    optimizer = trainer.optimizer
    if isinstance(optimizer, LBFGS):
        raise ValueError(f"to_c knows no C form of the optimizer {optimizer!r}")
    settings = optimizer.settings()
    kinds: dict[str, Any] = dict(OPTIMIZERS)
    key = "sgd with momentum" if optimizer.name == "sgd" and settings.get("momentum") else optimizer.name
    update, plain = UPDATES.get(key), kinds.get(optimizer.name, SGD)().settings()
    unknown = [name for name in settings if update and name not in update.settings and settings[name] != plain[name]]
    if update is None or unknown or set(update.state) != set(trainer.state):
        raise ValueError(
            f"to_c knows no C form of the optimizer {optimizer!r}; it knows SGD (with momentum) and Adam as they are"
        )
    return update, settings


def _filled(text: str, settings: dict[str, float], dtype: str) -> str:
    """An update with its settings as exact numbers."""
    numbers = {name: literal(value, dtype) for name, value in settings.items()}
    rests = {f"rest{i}": literal(1.0 - settings[f"beta{i}"], dtype) for i in (1, 2) if f"beta{i}" in settings}
    momentum = numbers.get("momentum", "")
    direction = f"g[i] + {momentum} * velocity[i]" if settings.get("nesterov") else "velocity[i]"
    for name, value in {**numbers, **rests, "direction": direction}.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _trainable(stack: Stack) -> list[int]:
    ranges: list[int] = []
    for layer in stack.layers:
        end = layer.weight + layer.n_in * layer.n_out + (0 if layer.bias is None else layer.n_out)
        if layer.trainable and ranges and ranges[-1] == layer.weight:
            ranges[-1] = end
        elif layer.trainable:
            ranges += [layer.weight, end]
    if not ranges:
        raise ValueError("to_c with training=True expected a layer that is trainable, got none: set layer.trainable")
    return ranges


def _is_fused(stack: Stack, trainer: Trainer) -> bool:
    """Whether the loss is computed on the weighted sums of the last layer."""
    return stack.layers[-1].activation.name in ("linear", trainer.loss.fused)


def _slopes(source: Source, stack: Stack, fused: bool) -> list[str]:
    """The derivatives of the activations in use, without a last one that is fused with the loss."""
    found = {}
    for layer in stack.layers[:-1] if fused else stack.layers:
        name, activation = source.function(layer.activation, "slope"), layer.activation
        if activation.name in ROWS:
            head = f"static void {name}(const real *y, real *d, size_t n) {{\n"
            found[name] = f"{head}{ROWS[activation.name].slope}}}\n\n"
        elif activation.name != "linear":
            slope = with_parameter(ELEMENTWISE[activation.name].slope, activation, source.dtype)
            head = f"static real {name}(real z, real y) {{\n    (void)z;\n    (void)y;\n"
            found[name] = f"{head}    return {slope};\n}}\n\n"
    return list(found.values())


def _step(source: Source, trainer: Trainer, stack: Stack, width: int) -> str:
    layers = stack.layers
    starts = np.cumsum([0, *(layer.n_out for layer in layers)]).tolist()
    fused = _is_fused(stack, trainer)
    forward, first = [], "x"
    if stack.normalized:
        first, n_in = "learner->inputs", layers[0].n_in
        forward.append(f"        @normalize(x, {first}, @statistics, @statistics + {n_in}, {n_in});\n")
    given = first
    for index, layer in enumerate(layers):
        z, y = f"z + {starts[index]}", f"y + {starts[index]}"
        call = dense_call(layer.n_in, layer.n_out, "w", layer.weight, layer.bias, given, z)
        forward.append(f"        {call}\n")
        loop = f"        for (i = {starts[index]}; i < {starts[index + 1]}; i++) y[i] = "
        if layer.activation.name in ROWS:
            forward.append(f"{loop}z[i];\n        {source.function(layer.activation)}({y}, {layer.n_out});\n")
        elif layer.activation.name == "linear":
            forward.append(f"{loop}z[i];\n")
        else:
            forward.append(f"{loop}{source.function(layer.activation)}(z[i]);\n")
        given = y
    out = "z" if fused else "y"
    backward = [f"        loss += @loss({out} + {starts[-2]}, t, d0, {layers[-1].n_out}, scale);\n"]
    for index in reversed(range(len(layers))):
        layer, at = layers[index], starts[index]
        d, dx = ("d0", "d1") if (len(layers) - 1 - index) % 2 == 0 else ("d1", "d0")
        name = source.function(layer.activation, "slope")
        if (index < len(layers) - 1 or not fused) and layer.activation.name != "linear":
            backward.append(
                f"        {name}(y + {at}, {d}, {layer.n_out});\n"
                if layer.activation.name in ROWS
                else f"        for (i = 0; i < {layer.n_out}; i++) {d}[i] *= {name}(z[{at} + i], y[{at} + i]);\n"
            )
        x = first if index == 0 else f"y + {starts[index - 1]}"
        bias = "NULL" if layer.bias is None else f"g + {layer.bias}"
        dx = "NULL" if index == 0 else dx
        backward.append(
            f"        @backward(w + {layer.weight}, g + {layer.weight}, {bias}, {x}, {d}, {dx}, {layer.n_in}, "
            f"{layer.n_out});\n"
        )
    return f"""/* One update by the n samples x (n, @INPUTS) with targets t (n, @OUTPUTS): the mean loss before it. */
real @step(@learner *learner, const real *x, const real *t, size_t n, real rate) {{
    const real *w = learner->parameters;
    real *g = learner->gradients, *z = learner->sums, *y = learner->values;
    real *d0 = learner->deltas, *d1 = learner->deltas + {width};
    real loss = 0.0, scale = n ? 1.0 / (real)n : 0.0;
    size_t s, i;
    for (i = 0; i < @PARAMETERS; i++) g[i] = 0.0;
    for (s = 0; s < n; s++, x += @INPUTS, t += @OUTPUTS) {{
{"".join(forward)}{"".join(backward)}        (void)d1;
    }}
    if (n) {{
        learner->steps++;
        @update(learner, rate);
    }}
    return loss * scale;
}}

"""


_BACKWARD = """/* Adds dw = dz x and db = dz of one sample; dx = dz w, where it is wanted. */
static void @backward(const real *w, real *dw, real *db, const real *x, const real *dz, real *dx,
                      size_t n_in, size_t n_out) {
    size_t o, i;
    if (dx != NULL)
        for (i = 0; i < n_in; i++) dx[i] = 0.0;
    for (o = 0; o < n_out; o++) {
        if (db != NULL) db[o] += dz[o];
        for (i = 0; i < n_in; i++) dw[o * n_in + i] += dz[o] * x[i];
        if (dx != NULL)
            for (i = 0; i < n_in; i++) dx[i] += dz[o] * w[o * n_in + i];
    }
}

"""

_TEST = """
static int @test_train(void) {
    static @learner learner;
    real y[@OUTPUTS], scratch[@SCRATCH], losses[2];
    size_t i, k;
    @begin(&learner);
    for (i = 0; i < 2; i++) losses[i] = @step(&learner, @test_x, @test_t, 3, @LEARNING_RATE);
    for (i = 0; i < 2; i++)
        if (!(fabs(losses[i] - @test_losses[i]) <= TOLERANCE * (1.0 + fabs(losses[i])))) return 0;
    for (i = 0; i < 3; i++) {
        @predict_learned(&learner, @test_x + i * @INPUTS, y, scratch);
        for (k = 0; k < @OUTPUTS; k++)
            if (!(fabs(y[k] - @test_learned[i * @OUTPUTS + k]) <= TOLERANCE * (1.0 + fabs(y[k])))) return 0;
    }
    return 1;
}
"""
