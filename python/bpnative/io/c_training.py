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
from .c_backward import Backward, check_learned, slopes, step, trainable
from .c_functions import LOSSES, UPDATES, Update, literal
from .c_helpers import BACKWARD
from .c_layers import Source, sample
from .c_program import Program

Array = npt.NDArray[Any]


def training_parts(source: Source, trainer: Trainer, program: Program) -> list[str]:
    """The learner's type and its functions.

    Raises:
        ValueError: A layer, the loss or the optimizer has no C form, or nothing is trainable.
    """
    loss, update, settings = trainer.loss, *_update(trainer)
    if loss.name not in LOSSES or loss != type(loss)():
        raise ValueError(f"to_c knows no C form of the loss {loss!r}; it knows {', '.join(LOSSES)} as they are")
    beside = {"clip_norm": trainer.clip_norm, "clip_value": trainer.clip_value, "groups": trainer.groups}
    used = [name for name, value in beside.items() if value]
    used += [field for field in ("l1", "l2", "max_norm") if any(getattr(s, field) for s in _dense(trainer))]
    if used:
        raise ValueError(f"to_c knows no C form of {', '.join(used)}: it writes plain steps of the optimizer")
    check_learned(trainer.network)
    ranges = trainable(trainer.network)
    fused = loss.fused if trainer.network.output_activation.name == loss.fused else ""
    backward = Backward(program, fused)
    count = source.parameters.size * (2 + len(update.state)) + backward.values + backward.deltas
    state = {name: trainer.state[name] for name in update.state}
    fields = "".join(f"    real {name}[@PARAMETERS];\n" for name in update.state)
    begun = {name: f"@start_{name}[i]" if values.any() else "0.0" for name, values in state.items()}
    starts = "".join(f"        learner->{name}[i] = {value};\n" for name, value in begun.items())
    constants = [source.array(source.code(f"@start_{name}"), v) for name, v in state.items() if v.any()]
    pointers = "".join(f"    real *{name} = learner->{name};\n" for name in update.state)
    head = f"""/* Learning goes on from here: {trainer.optimizer.name}, {loss.name}, {trainer.step_count} steps made.
 *
 *     static @learner learner;   @begin(&learner);
 *     loss = @step(&learner, x, t, n, @LEARNING_RATE);   @predict_learned(&learner, x, y, scratch);
 * Memory of a learner: {count * source.parameters.itemsize + 8} bytes. */
#define @LEARNING_RATE {literal(_rate(trainer), source.dtype)}

typedef struct {{
    real parameters[@PARAMETERS];
    real gradients[@PARAMETERS];
{fields}    real values[{backward.values}], deltas[{backward.deltas}]; /* rows of a sample, derivatives in them */
    uint32_t steps;
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
    helpers = [BACKWARD[name] + "\n" for name in backward.helpers]
    pieces = [head, *slopes(program, backward.functions), loss_text, *helpers, update_text, step(program, backward)]
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
    other = [name for name, value in settings.items() if name not in plain or value != plain[name]]
    unknown = [name for name in other if update and name not in update.settings]
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


_TEST = """
static int @test_train(void) {
    static @learner learner;
    real y[@OUTPUTS], scratch[@SCRATCH], losses[2];
    size_t i;
    @begin(&learner);
    for (i = 0; i < 2; i++) losses[i] = @step(&learner, @test_x, @test_t, 3, @LEARNING_RATE);
    if (!@agree(losses, @test_losses, 2, TOLERANCE)) return 0;
    for (i = 0; i < 3; i++) {
        @predict_learned(&learner, @test_x + i * @INPUTS, y, scratch);
        if (!@agree(y, @test_learned + i * @OUTPUTS, @OUTPUTS, TOLERANCE)) return 0;
    }
    return 1;
}
"""
