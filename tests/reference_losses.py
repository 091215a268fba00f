"""The oracle's losses: value and gradient of each, in plain NumPy.

A loss tells for each row how far the outputs ``z`` are from what was wanted, and with its gradient in which direction
to move them. The loss of a batch is the mean over its rows, each times its weight:

    loss = (1 / n) * sum_i weight_i * loss_i          dz_i = (1 / n) * weight_i * d loss_i / d z_i

Losses of probabilities take logits, the numbers before softmax or sigmoid: taking the activation and the logarithm
together keeps them exact where a probability would round to 0 or 1, and their gradient is just output minus target.
The same rules for complex numbers hold as in reference_activations.py.

Shapes: ``z`` (rows, outputs); ``target`` (rows, outputs) or integer labels (rows,); ``weight`` (rows,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference_activations import Array, largest, magnitude, sigmoid, softmax


@dataclass(frozen=True)
class Loss:
    """One loss of single rows: its value and its gradient."""

    value: Callable[[Array, Array], Array]  # loss of each row, (rows,)
    gradient: Callable[[Array, Array], Array]  # d loss_i / d z_i, (rows, outputs)
    takes_logits_of: str | None = None  # the activation of a last layer that this loss contains already


def log_softmax(z: Array) -> Array:
    """Return the logarithm of softmax, z_k - log(sum_j e^z_j), without leaving the range of numbers."""
    shifted = z - largest(z)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(z: Array, target: Array) -> Array:
    """-sum_k target_k * log(softmax(z)_k); a class of no weight adds nothing, even where its logit is -infinity."""
    return -(target * np.where(target == 0, 0.0, log_softmax(z))).sum(axis=-1)


def cross_entropy_gradient(z: Array, target: Array) -> Array:
    """softmax(z) * sum(target) - target: probabilities minus target, where the target sums to 1."""
    return softmax(z) * target.sum(axis=-1, keepdims=True) - target


def binary_cross_entropy(z: Array, target: Array) -> Array:
    """-target * log(p) - (1 - target) * log(1 - p) with p = sigmoid(z), as log(1 + e^z) - target * z."""
    # log(1 + e^z) is max(z, 0) + log(1 + e^-|z|): the large part meets target * z before the small one is added.
    return (np.where(z.real < 0, 0.0, z) - target * z + np.log1p(np.exp(-magnitude(z)))).mean(axis=-1)


LOSSES: dict[str, Loss] = {
    "mse": Loss(lambda z, t: ((z - t) ** 2).mean(axis=-1), lambda z, t: 2.0 * (z - t) / z.shape[-1]),
    "cross_entropy": Loss(cross_entropy, cross_entropy_gradient, takes_logits_of="softmax"),
    "binary_cross_entropy": Loss(binary_cross_entropy, lambda z, t: (sigmoid(z) - t) / z.shape[-1], "sigmoid"),
}


def as_rows(target: Array, outputs: int) -> Array:
    """Return integer labels (rows,) as rows of zeros with a one, (rows, outputs); leave other targets as they are."""
    return np.eye(outputs)[target] if target.ndim == 1 else target


def batch_loss(name: str, z: Array, target: Array, weight: Array | None = None) -> tuple[Array, Array, Array]:
    """Return the mean loss of a batch, the weighted loss of each row, and dz, the gradient of the mean."""
    loss, rows = LOSSES[name], as_rows(target, z.shape[-1])
    weights = np.ones(len(z)) if weight is None else weight
    losses = weights * loss.value(z, rows)
    dz = weights[:, None] * loss.gradient(z, rows) / len(z)
    return losses.mean(), losses, dz
