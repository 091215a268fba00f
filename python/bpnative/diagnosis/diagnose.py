"""`Trainer.diagnose`: all checks, in an order where each can rely on those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import data
from ..explain.differences import compare_gradients
from ..explain.explanation import twin_of
from ..inputs import adapt_first
from ..losses import FunctionLoss
from ..prepare import validation_samples
from ..samples import Samples
from ..specification import check_count
from . import data_checks, network_checks
from .observation import observe, part_of
from .overfit import overfit
from .report import Diagnosis, Finding, ordered

if TYPE_CHECKING:
    from ..trainer import Trainer

NORMALIZING = ("normalize", "batch_norm", "layer_norm", "rms_norm")


def diagnose(trainer: Trainer, X: object, y: object, validation_data: Any, steps: int, batch_size: int) -> Diagnosis:
    """What `Trainer.diagnose` does; see there."""
    check_count(steps, "steps")
    check_count(batch_size, "batch_size")
    found: list[Finding] = []
    samples = _samples(trainer, X, y, found)
    if samples is None:
        return Diagnosis(ordered(found), [], [])
    network, loss = trainer.network, trainer.loss
    first = network.layers[0].specification.name
    scaled = first in NORMALIZING
    found += data_checks.inputs(samples.x, dict(network.codes), scaled)
    found += data_checks.targets(samples.y, loss, network.output_activation.name)
    if validation_data is not None:
        validation = validation_samples(trainer, validation_data)
        assert validation is not None
        found += data_checks.duplicates(samples.x, validation.block(0, validation.n).x)
    bad = [layer.name for layer in network.walk() for view in layer.tensors.values() if not np.isfinite(view).all()]
    if bad:
        text = f"The weights of layer {bad[0]} hold NaN or infinity, before any step."
        advice = "Make the network anew, or load the last good state: no step mends this."
        found.append(Finding("nan_in_parameters", "error", text, advice, bad[0]))
        return Diagnosis(ordered(found), [], [])

    twin = twin_of(trainer)
    adapt_first(twin.network.layers, samples)
    with np.errstate(all="ignore"):
        if isinstance(loss, FunctionLoss):
            found += _own_loss(twin, samples)
        seen = observe(twin, samples, steps, batch_size)
        if seen.broken is not None:
            found.append(network_checks.broken(seen.broken, seen))
        else:
            found += network_checks.units(seen)
            found += network_checks.gradients(seen)
        found += network_checks.learning_rate(seen, trainer)
        found += network_checks.start(seen, loss, samples.y, network.output_size)
        if seen.broken is None or seen.broken.step > 0:
            fresh = twin_of(trainer)
            adapt_first(fresh.network.layers, samples)
            found = network_checks.with_causes(found, overfit(fresh, samples))
        layers = network_checks.report(seen)
    return Diagnosis(ordered(found), layers, seen.losses)


def _samples(trainer: Trainer, X: object, y: object, found: list[Finding]) -> Samples | None:
    """The data as training takes them, without rows that hold NaN; None where too little is left."""
    checker = trainer._data
    x = checker.inputs(X, "X")
    target = data.as_numbers(y, "y")
    target, moved = data_checks.shifted_labels(target, trainer.loss, trainer.network.output_size)
    found += moved
    found += data_checks.not_finite(x, "X", "nan_in_inputs")
    found += data_checks.not_finite(target, "y", "nan_in_targets")
    if len(target) == len(x) and target.ndim:
        good = np.isfinite(x).all(axis=1)
        if target.dtype.kind == "f":
            good &= np.isfinite(target.reshape(len(target), -1)).all(axis=1)
        x, target = x[good], target[good]
    if not len(x):
        return None
    return Samples(np.ascontiguousarray(x), checker.targets(target, len(x), "y", every_value=True), None)


def _own_loss(twin: Trainer, samples: Samples) -> list[Finding]:
    """The gradient of a loss of the user's own, by differences."""
    few = part_of(samples, np.arange(min(8, len(samples.x))))
    try:
        comparison = compare_gradients(twin.network, twin.loss, few.x, few.y, max_parameters=40)
    except ValueError:
        return []  # not finite: the steps will say where
    if comparison.relative < 1e-3:
        return []
    text = f"Your loss's gradient is not that of its value: they differ by {comparison.relative:.0%} of the largest."
    advice = "Derive it again: bp.compare_gradients shows the difference. Mind factors and the mean over samples."
    return [Finding("wrong_gradient", "error", text, advice, numbers={"relative": comparison.relative})]
