"""What can be wrong with a network and its steps: each check reads an observation and returns findings."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..explain.walk import LayerStep
from ..lbfgs import LBFGS
from .observation import Break, Observation
from .report import Finding, LayerReport

if TYPE_CHECKING:
    from ..trainer import Trainer

Array = npt.NDArray[Any]

# Slopes below this share of the largest: the flat ends. For tanh |y| > 0.975, for sigmoid y < 0.013 or y > 0.987.
FLAT = 0.05
STEEPEST = {
    **{"tanh": 1.0, "sigmoid": 0.25, "softsign": 1.0, "hard_tanh": 1.0, "hard_sigmoid": 1 / 6},
    **{"relu6": 1.0},
}
DEAD_SHARE, SATURATED_SHARE = 0.5, 0.5  # warnings from here on
FEWEST = 32  # samples that can tell whether a unit is dead, and what the loss of chance is
VANISHED, VANISHING, EXPLODING, EXPLODED = 1e-5, 1e-3, 1e3, 1e5
HIGH, LOW = 0.3, 1e-5  # of an update's length to the weight's; about 1e-3 is usual


def report(seen: Observation) -> list[LayerReport]:
    """A line for each layer of the network."""
    rows = []
    for step in seen.last:
        function = "" if step.function.name == "linear" else f" {step.function.name}"
        kind = type(step.specification).__name__
        ratios = [one for name, values in seen.ratios.items() if _inside(name, step.name) for one in values]
        gradient = step.dz if step.dz is not None else step.dy
        with np.errstate(all="ignore"):
            rows.append(
                LayerReport(
                    name=step.name,
                    kind=function.strip() if kind == "Activation" else kind + function,
                    output_mean=float(step.y.mean()),
                    output_std=float(step.y.std()),
                    dead=dead_share(step),
                    saturated=saturated_share(step),
                    gradient=_rms(gradient) * len(step.y) if gradient is not None else math.nan,
                    update_ratio=float(np.median(ratios)) if ratios else None,
                )
            )
    return rows


def _inside(name: str, layer: str) -> bool:
    return name == layer or name.startswith(f"{layer}.")


def _rms(values: Array) -> float:
    return float(np.sqrt(np.square(values).mean()))


def dead_share(step: LayerStep) -> float | None:
    """Units whose slope is 0 for every sample; None for layers where no unit can die."""
    if step.slope is None or step.function.name == "linear":
        return None
    return float((np.abs(step.slope) < 1e-6).all(axis=0).mean())


def saturated_share(step: LayerStep) -> float | None:
    """Outputs in the flat ends of a function that has them."""
    steepest = STEEPEST.get(step.function.name)
    if steepest is None or step.slope is None or step.fused:
        return None
    flat = step.slope < FLAT * steepest
    if step.function.name == "relu6":  # its lower end is that of relu
        flat &= step.y > 0
    return float(flat.mean())


def units(seen: Observation) -> list[Finding]:
    """Dead and saturated units, by layer."""
    found = []
    for step in seen.last:
        saturated, dead = saturated_share(step), dead_share(step)
        name = step.function.name
        if saturated is not None and saturated > SATURATED_SHARE:
            text = f"Layer {step.name}: {saturated:.0%} of {name}'s outputs are saturated, in its flat ends."
            advice = (
                "Almost no gradient passes. Scale the inputs, draw smaller first weights ('glorot_uniform'), put a "
                "LayerNorm or BatchNorm before the activation, or lower the learning rate."
            )
            severity = "error" if saturated > 0.9 else "warning"
            found.append(Finding("saturated_units", severity, text, advice, step.name, {"share": saturated}))
        elif dead is not None and dead > DEAD_SHARE and not step.fused and len(step.y) >= FEWEST:
            text = f"Layer {step.name}: {dead:.0%} of the {step.y.shape[1]} {name} units are dead, 0 slope everywhere."
            advice = (
                "They learn no more. Use 'leaky_relu' or 'gelu', he_uniform weights and biases of 0, scaled inputs, or "
                "a lower learning rate."
            )
            severity = "error" if dead > 0.9 else "warning"
            found.append(Finding("dead_units", severity, text, advice, step.name, {"share": dead}))
    return found


def gradients(seen: Observation) -> list[Finding]:
    """How much of the gradient at the output is left at each layer before it, or how much more it has become."""
    with np.errstate(all="ignore"):
        sizes = [(step.name, _rms(step.dy)) for step in seen.first if step.dy is not None]
    if len(sizes) < 2 or not sizes[-1][1] or any(dead_share(step) == 1 for step in seen.first):
        return []
    end = sizes[-1][1]
    name, size = min(sizes[:-1], key=lambda pair: pair[1])
    if size < VANISHING * end:
        text = f"Gradients vanish: at layer {name} {size / end:.1e} of that at the last layer is left."
        advice = (
            "Use relu, gelu or another activation whose slope is about 1, with its own initializer (None), "
            "bp.LayerNorm() or bp.BatchNorm() between layers, or bp.Residual blocks."
        )
        severity = "error" if size < VANISHED * end else "warning"
        return [Finding("vanishing_gradients", severity, text, advice, name, {"ratio": size / end})]
    name, size = max(sizes[:-1], key=lambda pair: pair[1])
    if size > EXPLODING * end:
        text = f"Gradients explode: at layer {name} they are {size / end:.1e} times those at the last layer."
        advice = "Draw smaller first weights (initializer None), put LayerNorm between layers, or set clip_norm=1."
        severity = "error" if size > EXPLODED * end else "warning"
        return [Finding("exploding_gradients", severity, text, advice, name, {"ratio": size / end})]
    return []


def learning_rate(seen: Observation, trainer: Trainer) -> list[Finding]:
    """Whether updates are of a size that learns, from the ratio of update to weight."""
    if not any(layer.trainable for layer in trainer.network.walk() if layer.parameter_count):
        text, advice = "All layers are frozen: no step changes anything.", "Set net.layers[i].trainable = True."
        return [Finding("all_frozen", "error", text, advice)]
    if isinstance(trainer.optimizer, LBFGS):
        return []
    rate = trainer.learning_rate
    shown = "" if callable(rate) else f" (now {rate:g})"
    medians = {name: float(np.median(values)) for name, values in seen.ratios.items() if values}
    if not medians:
        no_steps = not seen.losses or seen.broken is not None
        if no_steps or callable(rate) or rate > 0:
            return []
        text = "The learning rate is 0: no step changes anything."
        return [Finding("learning_rate_too_low", "error", text, "Begin with bp.Adam(1e-3).", None, {"ratio": 0.0})]
    # Weights that a wild step made large make the next ones look tame: three long steps are enough to tell.
    longest = {name: sorted(values)[-3:][0] for name, values in seen.ratios.items() if values}
    name, ratio = max(longest.items(), key=lambda pair: pair[1])
    begin, peak = (seen.losses[0], max(seen.losses)) if seen.losses else (0.0, 0.0)
    rises = seen.broken is not None or (begin > 0 and peak > 2 * begin)
    numbers = {"ratio": ratio, "first_loss": begin, "highest_loss": peak}
    if ratio > HIGH:
        text = f"The learning rate is too high{shown}: updates are {ratio:.2g} of the weight of layer {name} in length"
        text += ", and the loss rises." if rises else "; about 0.001 is usual."
        advice = f"Divide it by about {10 ** math.ceil(math.log10(ratio / 1e-2)):g}."
        severity = "error" if rises or ratio > 1 else "warning"
        return [Finding("learning_rate_too_high", severity, text, advice, name, numbers)]
    name, ratio = max(medians.items(), key=lambda pair: pair[1])
    numbers = {"ratio": ratio}
    if ratio < LOW and not callable(rate):  # a schedule may begin low on purpose
        text = f"The learning rate is too low{shown}: no update is longer than {ratio:.1e} of its weight."
        advice = f"Multiply it by about {10 ** math.floor(math.log10(1e-3 / ratio)):g}; about 0.001 is usual."
        severity = "error" if ratio < LOW / 100 else "warning"
        return [Finding("learning_rate_too_low", severity, text, advice, name, numbers)]
    return []


def broken(found: Break, first: Observation) -> Finding:
    """Where NaN or infinity came up first, and the likely cause."""
    place = {
        "forward": f"in the outputs of layer {found.layer}",
        "loss": "in the loss",
        "backward": f"in the gradients of layer {found.layer}, on the way back",
        "update": f"in the weights of layer {found.layer}, in the update",
    }[found.where]
    numbers = {"step": float(found.step), "weight_growth": found.growth}
    text = f"NaN or infinity comes up in step {found.step}, first {place}."
    if found.message:
        return Finding("nan_in_training", "error", text, f"Your loss says: {found.message}.", found.layer, numbers)
    if found.growth > 3:
        advice = f"The weights had grown {found.growth:.3g}-fold by then: lower the learning rate, or set clip_norm=1."
    elif found.step > 0:
        advice = "The first steps were too long, or gradients too large: lower the learning rate, or set clip_norm=1."
    elif found.where == "update":
        advice = "A single update is too long for this dtype: lower the learning rate."
    else:
        advice = "Numbers are too large from the start: scale inputs and targets, and draw smaller first weights."
    return Finding("nan_in_training", "error", text, advice, found.layer, numbers)


def chance(loss: Any, y: Array, n_outputs: int) -> float | None:
    """The loss of one who knows the targets but not the inputs; of classes, that of all classes alike.

    Example:
        >>> import bpnative as bp
        >>> round(chance(bp.CrossEntropy(), np.array([0, 1]), 10), 4)
        2.3026
    """
    if loss.name == "cross_entropy" and not loss.class_weight:
        return math.log(n_outputs)
    if loss.name == "binary_cross_entropy" and not loss.positive_weight:
        return math.log(2)
    if loss.name == "mse":
        return float(y.astype(np.float64).var(axis=0).mean())
    if loss.name == "mae":
        return float(np.abs(y - np.median(y, axis=0)).mean())
    return None


def start(seen: Observation, loss: Any, y: Array, n_outputs: int) -> list[Finding]:
    """The loss before the first step, by that of chance."""
    expected = chance(loss, y, n_outputs)
    if not expected or not math.isfinite(seen.first_loss) or len(y) < FEWEST:
        return []
    classes = loss.targets in ("classes", "binary")
    limit = 2.5 * expected if classes else 20 * expected
    if seen.first_loss <= limit:
        return []
    text = f"The loss starts at {seen.first_loss:.3g}; that of chance is {expected:.3g}."
    if classes:
        advice = "The network is sure and wrong: scale the inputs, draw smaller weights in the last layer (or zeros)."
    elif seen.first and np.square(seen.first[-1].y).mean() > 4 * np.square(y.astype(np.float64)).mean():
        advice = "Outputs are too large: scale the inputs, and leave initializers at None."
    else:
        advice = "Scale the targets to mean 0 and deviation 1, or start the last layer's bias at their mean."
    severity = "error" if seen.first_loss > 10 * limit else "warning"
    return [
        Finding("loss_far_from_chance", severity, text, advice, numbers={"loss": seen.first_loss, "chance": expected})
    ]


CAUSES = ("inputs_not_scaled", "targets_not_scaled", "dead_units", "saturated_units", "vanishing_gradients")


def with_causes(found: list[Finding], failed: list[Finding]) -> list[Finding]:
    """Where a batch could not be learned, what may be the cause is an error, and comes before.

    Example:
        >>> cause, failed = Finding("inputs_not_scaled", "warning", "", ""), Finding("cannot_overfit", "error", "", "")
        >>> [(one.code, one.severity) for one in with_causes([cause], [failed])]
        [('inputs_not_scaled', 'error'), ('cannot_overfit', 'error')]
    """
    if not failed:
        return found
    raised = [dataclasses.replace(one, severity="error") if one.code in CAUSES else one for one in found]
    if any(one.severity == "error" and one.code != "validation_duplicates" for one in raised):
        failed = [dataclasses.replace(one, advice="Mend what stands above, then look again.") for one in failed]
    return raised + failed
