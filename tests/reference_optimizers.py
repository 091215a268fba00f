"""The oracle's optimizers, in plain NumPy: how a weight moves, given the gradient of the loss.

Each is a function ``new_weight = optimizer(weight, gradient, state, step, learning_rate, **settings)``. ``state`` is a
dictionary that the optimizer fills with what it remembers from step to step, element by element; it starts empty, which
counts as zeros. ``step`` is 1 for the first update. ``weight_decay`` is added to the gradient, except in AdamW, Lion
and where ``decoupled_weight_decay`` is set: there the weight itself shrinks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference_activations import Array

State = dict[str, Array]


def sgd(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> Array:
    """Gradient descent: a step downhill, with momentum along a velocity that gathers the gradients so far.

    Nesterov's form looks ahead: it uses the velocity as it will be after one more step of the same gradient.
    """
    gradient = gradient + weight_decay * weight
    if momentum == 0.0:
        return weight - learning_rate * gradient
    velocity = momentum * state.get("velocity", np.zeros_like(weight)) + gradient
    state["velocity"] = velocity
    direction = gradient + momentum * velocity if nesterov else velocity
    return weight - learning_rate * direction


def decayed(
    weight: Array, gradient: Array, learning_rate: float, weight_decay: float, decoupled: bool
) -> tuple[Array, Array]:
    """Return weight and gradient after the decay: of the weight itself where decoupled, else in the gradient."""
    if decoupled:
        return weight - learning_rate * weight_decay * weight, gradient
    return weight, gradient + weight_decay * weight


def two_moments(weight: Array, gradient: Array, state: State, beta1: float, beta2: float) -> tuple[Array, Array]:
    """Return the running means m of the gradient and v of its square, after this gradient."""
    zeros = np.zeros_like(weight)
    m = state["m"] = beta1 * state.get("m", zeros) + (1.0 - beta1) * gradient
    v = state["v"] = beta2 * state.get("v", zeros) + (1.0 - beta2) * gradient**2
    return m, v


def adam(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
) -> Array:
    """Adam (Kingma and Ba, 2015): the mean gradient divided by the root of the mean squared gradient.

    Both running means start at zero and are too small at first; dividing by 1 - beta^step puts that right. With amsgrad
    the mean square is the largest that there was (Reddi, Kale and Kumar, 2018).
    """
    m, v = two_moments(weight, gradient + weight_decay * weight, state, beta1, beta2)
    if amsgrad:
        v = state["v_max"] = np.maximum(state.get("v_max", np.zeros_like(weight)), v)
    mean = m / (1.0 - beta1**step)
    square = v / (1.0 - beta2**step)
    return weight - learning_rate * mean / (np.sqrt(square) + epsilon)


def adamw(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
    amsgrad: bool = False,
) -> Array:
    """AdamW (Loshchilov and Hutter, 2019): the weight shrinks by itself, and then moves as in Adam."""
    shrunk = weight - learning_rate * weight_decay * weight
    return adam(shrunk, gradient, state, step, learning_rate, beta1, beta2, epsilon, amsgrad=amsgrad)


def amsgrad(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
) -> Array:
    """AMSGrad as an optimizer of its own."""
    kind = adamw if decoupled_weight_decay else adam
    return kind(weight, gradient, state, step, learning_rate, beta1, beta2, epsilon, weight_decay, amsgrad=True)


def nadam(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
) -> Array:
    """NAdam (Dozat, 2016): Adam that looks ahead along its momentum, whose share mu grows from beta1 / 2 to beta1."""
    weight, gradient = decayed(weight, gradient, learning_rate, weight_decay, decoupled_weight_decay)
    m, v = two_moments(weight, gradient, state, beta1, beta2)
    shares = beta1 * (1.0 - 0.5 * 0.96 ** (np.arange(1, step + 2) * momentum_decay))
    now, after = shares[:-1].prod(), shares.prod()
    ahead = (1.0 - shares[-2]) / (1.0 - now) * gradient + shares[-1] / (1.0 - after) * m
    return weight - learning_rate * ahead / (np.sqrt(v / (1.0 - beta2**step)) + epsilon)


def radam(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
) -> Array:
    """RAdam (Liu et al., 2020): plain momentum until enough squares were seen, then Adam times a rectification."""
    weight, gradient = decayed(weight, gradient, learning_rate, weight_decay, decoupled_weight_decay)
    m, v = two_moments(weight, gradient, state, beta1, beta2)
    mean = m / (1.0 - beta1**step)
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * step * beta2**step / (1.0 - beta2**step)
    if length <= 5.0:
        return weight - learning_rate * mean
    squared = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length)
    adaptive = np.sqrt(1.0 - beta2**step) / (np.sqrt(v) + epsilon)
    return weight - learning_rate * mean * np.sqrt(squared) * adaptive


def adamax(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
) -> Array:
    """Adamax (Kingma and Ba, 2015, section 7.1): Adam with the largest recent gradient below the fraction."""
    gradient, zeros = gradient + weight_decay * weight, np.zeros_like(weight)
    m = state["m"] = beta1 * state.get("m", zeros) + (1.0 - beta1) * gradient
    u = state["u"] = np.maximum(beta2 * state.get("u", zeros), np.abs(gradient) + epsilon)
    return weight - learning_rate / (1.0 - beta1**step) * m / u


def rmsprop(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    alpha: float = 0.99,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> Array:
    """RMSprop (Hinton, 2012): the gradient divided by its root mean square, or (Graves, 2013) standard deviation."""
    gradient, zeros = gradient + weight_decay * weight, np.zeros_like(weight)
    v = state["v"] = alpha * state.get("v", zeros) + (1.0 - alpha) * gradient**2
    if centered:
        mean = state["mean"] = alpha * state.get("mean", zeros) + (1.0 - alpha) * gradient
        v = np.where(np.isinf(v), v, np.maximum(v - mean**2, 0.0))
    direction = gradient / (np.sqrt(v) + epsilon)
    if momentum:
        direction = state["buffer"] = momentum * state.get("buffer", zeros) + direction
    return weight - learning_rate * direction


def adagrad(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    learning_rate_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    epsilon: float = 1e-10,
) -> Array:
    """Adagrad (Duchi, Hazan and Singer, 2011): the gradient divided by the root of the sum of all its squares."""
    gradient = gradient + weight_decay * weight
    v = state["v"] = state.get("v", np.full_like(weight, initial_accumulator_value)) + gradient**2
    return weight - learning_rate / (1.0 + (step - 1) * learning_rate_decay) * gradient / (np.sqrt(v) + epsilon)


def adadelta(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    rho: float = 0.9,
    epsilon: float = 1e-6,
    weight_decay: float = 0.0,
) -> Array:
    """Adadelta (Zeiler, 2012): steps as large as the steps before, in the direction of the scaled gradient."""
    gradient, zeros = gradient + weight_decay * weight, np.zeros_like(weight)
    v = state["v"] = rho * state.get("v", zeros) + (1.0 - rho) * gradient**2
    before = state.get("u", zeros)
    move = np.sqrt(before + epsilon) / np.sqrt(v + epsilon) * gradient
    state["u"] = rho * before + (1.0 - rho) * move**2
    return weight - learning_rate * move


def lion(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
) -> Array:
    """Lion (Chen et al., 2023): every weight moves by the learning rate, to the side that momentum and gradient say."""
    m = state.get("m", np.zeros_like(weight))
    state["m"] = beta2 * m + (1.0 - beta2) * gradient
    return weight - learning_rate * (np.sign(beta1 * m + (1.0 - beta1) * gradient) + weight_decay * weight)


def rprop(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    eta_minus: float = 0.5,
    eta_plus: float = 1.2,
    step_min: float = 1e-6,
    step_max: float = 50.0,
) -> Array:
    """Rprop (Riedmiller and Braun, 1993): each weight's step grows while its gradient keeps its sign.

    Where the sign turned, the step shrinks and the weight waits for one step. A step size of zero has not begun.
    """
    zeros = np.zeros_like(weight)
    agreement = np.sign(gradient * state.get("previous", zeros))
    size = state.get("step_size", zeros)
    size = np.where(size == 0.0, learning_rate, size)
    factor = np.where(agreement > 0, eta_plus, np.where(agreement < 0, eta_minus, 1.0))
    state["step_size"] = np.clip(size * factor, step_min, step_max)
    state["previous"] = np.where(agreement < 0, 0.0, gradient)
    return weight - np.sign(state["previous"]) * state["step_size"]


OPTIMIZERS: dict[str, Callable[..., Array]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "amsgrad": amsgrad,
    "nadam": nadam,
    "radam": radam,
    "adamax": adamax,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "lion": lion,
    "rprop": rprop,
}
