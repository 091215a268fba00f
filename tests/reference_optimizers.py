"""The oracle's optimizers, in plain NumPy: how a weight moves, given the gradient of the loss.

Each is a function ``new_weight = optimizer(weight, gradient, state, step, learning_rate, **settings)``. ``state`` is a
dictionary that the optimizer fills with what it remembers from step to step, element by element; it starts empty, which
counts as zeros. ``step`` is 1 for the first update.
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
) -> Array:
    """Gradient descent: a step downhill, with momentum along a velocity that gathers the gradients so far.

    Nesterov's form looks ahead: it uses the velocity as it will be after one more step of the same gradient.
    """
    if momentum == 0.0:
        return weight - learning_rate * gradient
    velocity = momentum * state.get("velocity", np.zeros_like(weight)) + gradient
    state["velocity"] = velocity
    direction = gradient + momentum * velocity if nesterov else velocity
    return weight - learning_rate * direction


def adam(
    weight: Array,
    gradient: Array,
    state: State,
    step: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> Array:
    """Adam (Kingma and Ba, 2015): the mean gradient divided by the root of the mean squared gradient.

    Both running means start at zero and are too small at first; dividing by 1 - beta^step puts that right.
    """
    zeros = np.zeros_like(weight)
    m = state["m"] = beta1 * state.get("m", zeros) + (1.0 - beta1) * gradient
    v = state["v"] = beta2 * state.get("v", zeros) + (1.0 - beta2) * gradient**2
    mean = m / (1.0 - beta1**step)
    square = v / (1.0 - beta2**step)
    return weight - learning_rate * mean / (np.sqrt(square) + epsilon)


OPTIMIZERS: dict[str, Callable[..., Array]] = {
    "sgd": sgd,
    "adam": adam,
}
