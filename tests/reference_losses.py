"""The oracle's losses: value and gradient of each, in plain NumPy.

A loss tells for each row how far the outputs ``z`` are from what was wanted, and with its gradient in which direction
to move them. The loss of a batch is the mean over its rows, each times its weight:

    loss = (1 / n) * sum_i weight_i * loss_i          dz_i = (1 / n) * weight_i * d loss_i / d z_i

Losses of probabilities take logits, the numbers before softmax or sigmoid: taking the activation and the logarithm
together keeps them exact where a probability would round to 0 or 1, and their gradient is just output minus target.
The same rules for complex numbers hold as in reference_activations.py.

Shapes: ``z`` (rows, outputs); ``target`` (rows, outputs) or integer labels (rows,); ``weight`` (rows,). Two losses have
more outputs than columns of the target: gaussian_nll two for each, quantile as many as levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_activations import Array, largest, magnitude, sigmoid, softmax


@dataclass(frozen=True)
class Loss:
    """One loss of single rows: its value and its gradient; both take the loss's settings by keyword."""

    value: Callable[..., Array]  # loss of each row, (rows,), of z, target
    gradient: Callable[..., Array]  # d loss_i / d z_i, (rows, outputs), of z, target
    takes_logits_of: str | None = None  # the activation of a last layer that this loss contains already
    classes: bool = False  # a loss of the whole row, not a mean over outputs; also takes integer labels
    outputs_a_target: int = 1


def log_softmax(z: Array) -> Array:
    """Return the logarithm of softmax, z_k - log(sum_j e^z_j), without leaving the range of numbers."""
    shifted = z - largest(z)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log1p(u: Array) -> Array:
    """log(1 + u); NumPy's own is exact for real numbers alone: what is not real comes by a ratio that is nearly 1."""
    return np.log1p(u.real) + np.log((1 + u) / (1 + u.real))


def log1p_exp(z: Array) -> Array:
    """log(1 + e^z) as max(z, 0) + log(1 + e^-|z|), which neither overflows nor loses a small result."""
    return np.where(z.real < 0, 0.0, z) + log1p(np.exp(-magnitude(z)))


def sign(x: Array) -> Array:
    """1, -1 or 0: the slope of |x|."""
    return np.sign(x.real)


# ---- classes -------------------------------------------------------------------------------------------------------
def wanted(z: Array, target: Array, label_smoothing: float = 0.0, class_weight: Sequence[float] | None = None) -> Array:
    """The target with a part of it spread evenly over the classes, each class times its weight."""
    smooth = (1 - label_smoothing) * target + label_smoothing / z.shape[-1]
    return smooth if class_weight is None else smooth * np.array(class_weight)


def cross_entropy(z: Array, target: Array, **settings: Any) -> Array:
    """-sum_k target_k * log(softmax(z)_k); a class of no weight adds nothing, even where its logit is -infinity."""
    goal = wanted(z, target, **settings)
    return -(goal * np.where(goal == 0, 0.0, log_softmax(z))).sum(axis=-1)


def cross_entropy_gradient(z: Array, target: Array, **settings: Any) -> Array:
    """softmax(z) * sum(target) - target: probabilities minus target, where the target sums to 1."""
    goal = wanted(z, target, **settings)
    return softmax(z) * goal.sum(axis=-1, keepdims=True) - goal


def kl_divergence(z: Array, target: Array) -> Array:
    """sum_k target_k * (log(target_k) - log(softmax(z)_k)): cross-entropy without the target's own entropy."""
    entropy = -(target * np.log(np.where(target == 0, 1.0, target))).sum(axis=-1)
    return cross_entropy(z, target) - entropy


def categorical_focal(
    z: Array, target: Array, gamma: float = 2.0, class_weight: Sequence[float] | None = None
) -> Array:
    """-sum_k target_k * (1 - p_k)^gamma * log(p_k): classes that are nearly right count little."""
    log_p, goal = log_softmax(z), wanted(z, target, 0.0, class_weight)
    return -(np.where(goal == 0, 0.0, goal * (-np.expm1(log_p)) ** gamma * log_p)).sum(axis=-1)


def categorical_focal_gradient(
    z: Array, target: Array, gamma: float = 2.0, class_weight: Sequence[float] | None = None
) -> Array:
    """By d p_k / d z_j = p_k * ([j = k] - p_j), with s_k the derivative in -log(p_k) of each term."""
    log_p, goal = log_softmax(z), wanted(z, target, 0.0, class_weight)
    p, error = np.exp(log_p), -np.expm1(log_p)
    safe = np.where(error == 0, 1.0, error)
    slopes = goal * error**gamma * (1 - gamma * p * np.where(error == 0, -1.0, log_p / safe))
    return p * slopes.sum(axis=-1, keepdims=True) - slopes


# ---- yes and no ----------------------------------------------------------------------------------------------------
def binary_cross_entropy(z: Array, target: Array, positive_weight: Sequence[float] | float | None = None) -> Array:
    """-w * target * log(p) - (1 - target) * log(1 - p) with p = sigmoid(z), as log(1 + e^z) - target * z if w is 1."""
    if positive_weight is None:
        # The large part meets target * z before the small one is added.
        large = np.where(z.real < 0, 0.0, z) - target * z
        return (large + log1p(np.exp(-magnitude(z)))).mean(axis=-1)
    positive = np.array(positive_weight) * target
    return (positive * log1p_exp(-z) + (1 - target) * log1p_exp(z)).mean(axis=-1)


def binary_cross_entropy_gradient(
    z: Array, target: Array, positive_weight: Sequence[float] | float | None = None
) -> Array:
    """sigmoid(z) - target, its two parts weighted."""
    if positive_weight is None:
        return (sigmoid(z) - target) / z.shape[-1]
    return ((1 - target) * sigmoid(z) - np.array(positive_weight) * target * sigmoid(-z)) / z.shape[-1]


def focal_parts(z: Array, target: Array, alpha: float | None, gamma: float) -> tuple[Array, Array, Array]:
    """Balance times error^gamma, cross-entropy, and the error: how far sigmoid(z) is from the target."""
    error = target * sigmoid(-z) + (1 - target) * sigmoid(z)
    balance = 1.0 if alpha is None else alpha * target + (1 - alpha) * (1 - target)
    return balance * error**gamma, target * log1p_exp(-z) + (1 - target) * log1p_exp(z), error


def focal(z: Array, target: Array, alpha: float | None = 0.25, gamma: float = 2.0) -> Array:
    """Binary cross-entropy times error^gamma: what is nearly right counts little."""
    factor, entropy, _ = focal_parts(z, target, alpha, gamma)
    return (factor * entropy).mean(axis=-1)


def focal_gradient(z: Array, target: Array, alpha: float | None = 0.25, gamma: float = 2.0) -> Array:
    """The product rule, with d error / d z = (1 - 2 target) * p * (1 - p)."""
    factor, entropy, error = focal_parts(z, target, alpha, gamma)
    ratio = np.where(error == 0, 1.0, sigmoid(z) * sigmoid(-z) / np.where(error == 0, 1.0, error))
    slope = (1 - target) * sigmoid(z) - target * sigmoid(-z)
    return factor * (gamma * (1 - 2 * target) * ratio * entropy + slope) / z.shape[-1]


def margin(z: Array, target: Array) -> Array:
    """How far an output is from 1 on its target's side, 0 beyond; a target of 0 is -1."""
    short = 1 - np.where(target > 0, 1.0, -1.0) * z + 0 * target
    return np.where(short.real <= 0, 0.0, short)


def squared_hinge_gradient(z: Array, target: Array) -> Array:
    """-2 * target * margin."""
    return -2 * np.where(target > 0, 1.0, -1.0) * margin(z, target) / z.shape[-1]


# ---- numbers -------------------------------------------------------------------------------------------------------
def huber(z: Array, target: Array, delta: float = 1.0) -> Array:
    """e^2 / 2 up to delta, then straight on with the slope delta."""
    size = magnitude(z - target)
    return np.where(size.real <= delta, size**2 / 2, delta * (size - delta / 2)).mean(axis=-1)


def huber_gradient(z: Array, target: Array, delta: float = 1.0) -> Array:
    """E, at most delta on either side."""
    error = z - target
    return np.where(magnitude(error).real <= delta, error, delta * sign(error)) / z.shape[-1]


def log_cosh(z: Array, target: Array) -> Array:
    """log(cosh(e)) as |e| + log(1 + e^-2|e|) - log(2), which does not overflow."""
    size = magnitude(z - target)
    return (size + log1p(np.exp(-2 * size)) - np.log(2)).mean(axis=-1)


def below_target(z: Array, target: Array, levels: Sequence[float]) -> tuple[Array, Array]:
    """Target minus output, and the level, for every output: for each target all levels."""
    return np.repeat(target, len(levels), axis=-1) - z, np.tile(levels, target.shape[-1])


def quantile(z: Array, target: Array, levels: Sequence[float] = (0.5,)) -> Array:
    """Level * e where the output e is below the target, (level - 1) * e where it is above."""
    error, level = below_target(z, target, levels)
    return (np.where(error.real > 0, level, level - 1) * error).mean(axis=-1)


def quantile_gradient(z: Array, target: Array, levels: Sequence[float] = (0.5,)) -> Array:
    """-level below the target, 1 - level above."""
    error, level = below_target(z, target, levels)
    return np.where(error.real > 0, -level, np.where(error.real < 0, 1 - level, error)) / z.shape[-1]


def poisson(z: Array, target: Array, log_input: bool = True, epsilon: float = 1e-8) -> Array:
    """Rate - target * log(rate), without log(target!); z is log(rate), or the rate."""
    terms = np.exp(z) - target * z if log_input else z - target * np.log(z + epsilon)
    return terms.mean(axis=-1)


def poisson_gradient(z: Array, target: Array, log_input: bool = True, epsilon: float = 1e-8) -> Array:
    """Rate - target, or that divided by the rate."""
    return (np.exp(z) - target if log_input else 1 - target / (z + epsilon)) / z.shape[-1]


def gaussian_nll(z: Array, target: Array, epsilon: float = 1e-6) -> Array:
    """(log(v) + (target - mean)^2 / v) / 2 with the variance v = log(1 + e^raw) + epsilon; means first, then raws."""
    mean, raw = np.split(z, 2, axis=-1)
    variance = log1p_exp(raw) + epsilon
    return (np.log(variance) + (target - mean) ** 2 / variance).mean(axis=-1) / 2


def gaussian_nll_gradient(z: Array, target: Array, epsilon: float = 1e-6) -> Array:
    """In the means and in the raws; d v / d raw = sigmoid(raw)."""
    mean, raw = np.split(z, 2, axis=-1)
    variance, error = log1p_exp(raw) + epsilon, mean - target
    slope = (1 - error**2 / variance) / variance / 2 * sigmoid(raw)
    return np.concatenate([error / variance, slope], axis=-1) / target.shape[-1]


def length(x: Array, epsilon: float) -> Array:
    """The length of each row, at least epsilon."""
    norm = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    return np.where(norm.real > epsilon, norm, epsilon)


def cosine(z: Array, target: Array, epsilon: float = 1e-8) -> Array:
    """1 - the cosine of the angle between output and target."""
    return 1 - (z / length(z, epsilon) * target / length(target, epsilon)).sum(axis=-1)


def cosine_gradient(z: Array, target: Array, epsilon: float = 1e-8) -> Array:
    """(cos * a - b) / |z| with a and b the directions of z and target; a z of no length has no direction to turn."""
    a, b = z / length(z, epsilon), target / length(target, epsilon)
    turning = np.where(length(z, epsilon).real > epsilon, (a * b).sum(axis=-1, keepdims=True) * a, 0.0)
    return (turning - b) / length(z, epsilon)


LOSSES: dict[str, Loss] = {
    "mse": Loss(lambda z, t: ((z - t) ** 2).mean(axis=-1), lambda z, t: 2.0 * (z - t) / z.shape[-1]),
    "mae": Loss(lambda z, t: magnitude(z - t).mean(axis=-1), lambda z, t: sign(z - t) / z.shape[-1]),
    "huber": Loss(huber, huber_gradient),
    "log_cosh": Loss(log_cosh, lambda z, t: np.tanh(z - t) / z.shape[-1]),
    "quantile": Loss(quantile, quantile_gradient),
    "poisson": Loss(poisson, poisson_gradient, "exponential"),
    "gaussian_nll": Loss(gaussian_nll, gaussian_nll_gradient, outputs_a_target=2),
    "cosine": Loss(cosine, cosine_gradient),
    "cross_entropy": Loss(cross_entropy, cross_entropy_gradient, "softmax", classes=True),
    "kl_divergence": Loss(kl_divergence, cross_entropy_gradient, "softmax"),
    "categorical_focal": Loss(categorical_focal, categorical_focal_gradient, "softmax", classes=True),
    "binary_cross_entropy": Loss(binary_cross_entropy, binary_cross_entropy_gradient, "sigmoid"),
    "focal": Loss(focal, focal_gradient, "sigmoid"),
    "hinge": Loss(
        lambda z, t: margin(z, t).mean(axis=-1),
        lambda z, t: -np.where(t > 0, 1.0, -1.0) * (margin(z, t).real > 0) / z.shape[-1],
    ),
    "squared_hinge": Loss(lambda z, t: (margin(z, t) ** 2).mean(axis=-1), squared_hinge_gradient),
}


def as_rows(target: Array, outputs: int) -> Array:
    """Return integer labels (rows,) as rows of zeros with a one, (rows, outputs); leave other targets as they are."""
    return np.eye(outputs)[target] if target.ndim == 1 else target


def batch_loss(
    name: str, z: Array, target: Array, weight: Array | None = None, **settings: Any
) -> tuple[Array, Array, Array]:
    """Return the mean loss of a batch, the weighted loss of each row, and dz, the gradient of the mean."""
    loss, rows = LOSSES[name], as_rows(target, z.shape[-1])
    weights = np.ones(len(z)) if weight is None else weight
    losses = weights * loss.value(z, rows, **settings)
    dz = weights[:, None] * loss.gradient(z, rows, **settings) / len(z)
    return losses.mean(), losses, dz
