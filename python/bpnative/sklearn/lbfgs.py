"""The solver ``"lbfgs"``: SciPy's L-BFGS-B on loss and gradient of the whole training set, computed natively."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result

from ..samples import NativeRows, Samples
from ..sources import Source
from ..sparse import BLOCK_VALUES
from ..trainer import Trainer
from .architecture import dense_layers, set_l2
from .objective import Objective
from .steps import samples_of

Array = npt.NDArray[Any]


def fit_lbfgs(
    trainer: Trainer,
    objective: Objective,
    samples: Samples | Source,
    alpha: float,
    *,
    max_iter: int,
    max_fun: int,
    tol: float,
    verbose: bool | int,
) -> tuple[float, int]:
    """Minimize over all parameters of the network; the loss at the end, as scikit-learn reports it, and iterations.

    For several outputs scikit-learn's gradient of the squared error is that of the sum over outputs, its value that of
    their mean; here both are the sum, so that the line search finds what it looks for.

    Source: Byrd, Lu, Nocedal & Zhu, "A limited memory algorithm for bound constrained optimization", 1995.
    """
    network = trainer.network
    mask = np.zeros(network.parameters.shape, bool)
    offset = 0
    for layer in network.layers:
        weight = layer.weight.size if layer in dense_layers(network) else 0
        mask[offset : offset + weight] = True
        offset += layer.parameter_count
    total, weight_of = float(samples.n), samples.weight
    if weight_of is not None:
        total = float(weight_of.sum(dtype=np.float64))
        scaled = weight_of * weight_of.dtype.type(len(weight_of) / total)
        samples = samples_of(samples.x, samples.y, scaled, network)  # type: ignore[arg-type]
    set_l2(dense_layers(network), 0.0)
    seen: dict[str, float] = {}

    def value(parameters: Array) -> tuple[float, Array]:
        network.parameters = parameters
        loss, gradient = _loss_and_gradient(trainer, samples)
        penalized = np.where(mask, parameters, 0.0)
        penalty = 0.5 * alpha * float(penalized @ penalized) / total
        seen["loss"] = objective.loss_scale * loss + penalty
        slope = objective.gradient_scale * gradient.astype(np.float64) + (alpha / total) * penalized
        return objective.gradient_scale * loss + penalty, slope

    def report(parameters: Array) -> None:
        seen["iteration"] = seen.get("iteration", 0) + 1
        print(f"Iteration {seen['iteration']:d}, loss = {seen['loss']:.8f}")

    result = scipy.optimize.minimize(
        value,
        network.parameters.astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        callback=report if verbose else None,
        options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
    )
    iterations: int = _check_optimize_result("lbfgs", result, max_iter)
    value(result.x)
    return seen["loss"] + objective.constant(samples.y, samples.weight), iterations


def _loss_and_gradient(trainer: Trainer, samples: Samples | Source) -> tuple[float, Array]:
    """Mean loss and gradient of all samples: in one pass, or where these take too much memory, in blocks."""
    n, rows = samples.n, samples.block_rows
    if isinstance(samples, Source):  # rows of a few elements are no longer than what the layers make of them
        rows = min(rows, max(1, BLOCK_VALUES // max(trainer.network._sizes[1:])))
    if n <= rows:
        return _of_block(trainer, *samples.native_block(0, n))
    loss, gradient = 0.0, np.zeros(trainer.network.parameters.shape)
    for start in range(0, n, rows):
        part_loss, part = _of_block(trainer, *samples.native_block(start, start + rows))
        share = min(rows, n - start) / n
        loss += part_loss * share
        gradient += part * share
    return loss, gradient


def _of_block(trainer: Trainer, x: NativeRows, y: Array, weight: Array | None) -> tuple[float, Array]:
    gradient = np.empty_like(trainer.network.parameters)
    return trainer._native.gradients(gradient, x, y, weight), gradient
