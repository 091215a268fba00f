"""The oracle's activations: value and derivative of each, in plain NumPy.

An activation turns the weighted sums ``z`` of a layer into its outputs ``y = f(z)``. On the way back the chain rule
turns the gradient ``dy`` of the loss with respect to ``y`` into the gradient with respect to ``z``:

* an element-wise function multiplies by its derivative, ``dz = dy * f'(z)``;
* a function of a whole row (softmax) multiplies by its Jacobian, ``dz_k = sum_j dy_j * d y_j / d z_k``.

Everything here runs on complex numbers too. For a function built of analytic pieces ``f(z + ih).imag / h`` is ``f'(z)``
to rounding, however small ``h`` is (the complex step), and that is how test_reference.py proves every derivative
below. Two things follow for whoever adds a line: a branch looks at the real part alone, and there is no ``abs``, no
conjugate and no maximum of complex numbers.

Shapes: ``z``, ``y``, ``dy``, ``dz`` are (rows, units). ``slope`` is the one number some activations take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # float64, or complex128 under a complex step


@dataclass(frozen=True)
class Activation:
    """One activation: its value, and the way a gradient takes back through it."""

    value: Callable[[Array, float], Array]  # y = value(z, slope)
    backward: Callable[[Array, Array, float], Array]  # dz = backward(dy, z, slope)
    mixes_row: bool = False  # an output depends on the whole row of z
    from_output: bool = True  # f'(z) follows from f(z)


def elementwise(
    value: Callable[[Array, float], Array], derivative: Callable[[Array, float], Array], *, from_output: bool = True
) -> Activation:
    """Make an activation of a function of one number and its derivative."""
    return Activation(value, lambda dy, z, slope: dy * derivative(z, slope), from_output=from_output)


def above_zero(z: Array, then: Array | float, otherwise: Array | float) -> Array:
    """Choose ``then`` where z > 0, else ``otherwise``; a NaN takes ``then``, so that it is not hidden."""
    return np.where(z.real <= 0, otherwise, then)


def magnitude(z: Array) -> Array:
    """Return ``|z|`` as an analytic function: z or -z, by the sign of the real part."""
    return np.where(z.real < 0, -z, z)


def sigmoid(z: Array) -> Array:
    """1 / (1 + e^-z), by e^-|z| so that nothing overflows."""
    decay = np.exp(-magnitude(z))
    return np.where(z.real < 0, decay, 1.0) / (1.0 + decay)


def softmax(z: Array) -> Array:
    """e^z_k / sum_j e^z_j along a row; the largest z is taken off first, which changes nothing but overflow."""
    powers = np.exp(z - largest(z))
    return powers / powers.sum(axis=-1, keepdims=True)


def softmax_backward(dy: Array, z: Array) -> Array:
    """From d y_j / d z_k = y_j * ([j = k] - y_k) follows dz_k = y_k * (dy_k - sum_j dy_j * y_j)."""
    y = softmax(z)
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def largest(z: Array) -> Array:
    """Return the largest real part of each row, (rows, 1): a constant, so it has no part in a complex step."""
    return z.real.max(axis=-1, keepdims=True, initial=-np.inf)


def normal_distribution(z: Array) -> Array:
    """Φ(z), the part of the standard normal distribution below z, by two classical expansions."""
    near = np.where(np.abs(z.real) < 1, z, 0)  # Taylor: Φ(z) = 1/2 + 1/sqrt(2 pi) * sum (-1/2)^n z^(2n+1) / (n! (2n+1))
    power, total = near, near
    for n in range(1, 30):
        power = -power * near * near / (2 * n)
        total = total + power / (2 * n + 1)
    far = np.where(np.abs(z.real) < 1, 1.0, magnitude(z))  # Laplace: Φ(-z) = φ(z) / (z + 1/(z + 2/(z + 3/(z + ...))))
    with np.errstate(over="ignore", invalid="ignore"):
        fraction = far
        for n in range(500, 0, -1):
            fraction = far + n / fraction
        tail = normal_density(far) / fraction
    outside = np.where(z.real < 0, tail, 1.0 - tail)
    inside = 0.5 + total / np.sqrt(2 * np.pi)
    return np.where(np.isnan(z.real), z, np.where(np.abs(z.real) < 1, inside, outside))


def normal_density(z: Array) -> Array:
    """φ(z) = e^(-z²/2) / sqrt(2 pi); the part of z that squares without rounding is taken apart."""
    with np.errstate(over="ignore", invalid="ignore"):
        short = z.real.astype(np.float32).astype(np.float64)
        return np.exp(-short * short / 2) * np.exp(-(z - short) * (z + short) / 2) / np.sqrt(2 * np.pi)


ACTIVATIONS: dict[str, Activation] = {
    "linear": elementwise(lambda z, slope: z, lambda z, slope: np.ones_like(z)),
    "relu": elementwise(lambda z, slope: above_zero(z, z, 0.0), lambda z, slope: above_zero(z, 1.0, 0.0)),
    "leaky_relu": elementwise(lambda z, slope: above_zero(z, z, slope * z), lambda z, slope: above_zero(z, 1.0, slope)),
    "tanh": elementwise(lambda z, slope: np.tanh(z), lambda z, slope: 1.0 - np.tanh(z) ** 2),
    "sigmoid": elementwise(lambda z, slope: sigmoid(z), lambda z, slope: sigmoid(z) * sigmoid(-z)),
    "softmax": Activation(lambda z, slope: softmax(z), lambda dy, z, slope: softmax_backward(dy, z), mixes_row=True),
    "gelu": elementwise(
        lambda z, slope: z * normal_distribution(z),
        lambda z, slope: normal_distribution(z) + z * normal_density(z),
        from_output=False,
    ),
}
