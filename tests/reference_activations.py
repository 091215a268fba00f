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
    corners: tuple[float, ...] = ()  # where f' jumps, f being made of straight pieces


def elementwise(
    value: Callable[[Array, float], Array],
    derivative: Callable[[Array, float], Array],
    *,
    from_output: bool = True,
    corners: tuple[float, ...] = (),
) -> Activation:
    """Make an activation of a function of one number and its derivative."""
    return Activation(value, lambda dy, z, slope: dy * derivative(z, slope), from_output=from_output, corners=corners)


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
    result = np.array(0.5 + total / np.sqrt(2 * np.pi))
    outside = ~(np.abs(z.real) < 1)
    far = magnitude(z[outside])  # Laplace: Φ(-z) = φ(z) / (z + 1/(z + 2/(z + 3/(z + ...))))
    with np.errstate(over="ignore", invalid="ignore"):
        fraction = far
        for n in range(500, 0, -1):
            fraction = far + n / fraction
        tail = normal_density(far) / fraction
    result[outside] = np.where(z.real[outside] < 0, tail, 1.0 - tail)
    return np.where(np.isnan(z.real), z, result)


def normal_density(z: Array) -> Array:
    """φ(z) = e^(-z²/2) / sqrt(2 pi); the part of z that squares without rounding is taken apart."""
    with np.errstate(over="ignore", invalid="ignore"):
        short = z.real.astype(np.float32).astype(np.float64)
        return np.exp(-short * short / 2) * np.exp(-(z - short) * (z + short) / 2) / np.sqrt(2 * np.pi)


def extended(z: Array) -> Array:
    """Return z with the longest mantissa NumPy has: e^t of a rounded t errs by t times that rounding."""
    return z.astype(np.clongdouble if np.iscomplexobj(z) else np.longdouble)


def logistic_weight(z: Array, inner: Array) -> Array:
    """Return z / (1 + e^-inner), by e^-|inner|; z is multiplied first, which the tail of a negative inner survives."""
    decay = np.exp(-magnitude(inner))
    return np.where(inner.real < 0, z * decay, z) / (1.0 + decay)


def gelu_tanh(z: Array) -> Array:
    """Return z (1 + tanh u) / 2 = z / (1 + e^-2u) with u = sqrt(2/pi) (z + 0.044715 z^3)."""
    wide = extended(z)
    return logistic_weight(wide, 2 * gelu_tanh_inner(wide)).astype(z.dtype)


def gelu_tanh_inner(z: Array) -> Array:
    """u; 0.044715 and pi in all their digits."""
    pi = np.arctan(np.longdouble(1)) * 4
    return np.sqrt(2 / pi) * (z + np.longdouble(44715) / 1000000 * z**3)


def gelu_tanh_derivative(z: Array) -> Array:
    """(1 + tanh u) / 2 + z / 2 (1 - tanh^2 u) u'."""
    wide = extended(z)
    inner = gelu_tanh_inner(wide)
    rise = np.sqrt(np.longdouble(2) / (np.arctan(np.longdouble(1)) * 4)) * (1 + 3 * 0.044715 * wide**2)
    return (sigmoid(2 * inner) + 2 * rise * wide * sigmoid(2 * inner) * sigmoid(-2 * inner)).astype(z.dtype)


def softplus(z: Array, beta: float = 1.0) -> Array:
    """log(1 + e^(beta z)) / beta = max(z, 0) + log(1 + e^-|beta z|) / beta."""
    wide = extended(z) * beta
    return ((above_zero(wide, wide, 0.0) + np.log1p(np.exp(-magnitude(wide)))) / beta).astype(z.dtype)


def mish(z: Array) -> Array:
    """Return z tanh(softplus z), with e = e^-|z|: tanh(log(1 + e^z)) is e^z (e^z + 2) / (e^z (e^z + 2) + 2)."""
    e = np.exp(-magnitude(z))
    below, above = z * e * (e + 2) / (e * (e + 2) + 2), z * (1 + 2 * e) / (1 + 2 * e + 2 * e * e)
    return np.where(z.real < 0, below, above)


def mish_derivative(z: Array) -> Array:
    """tanh(s) + z (1 - tanh^2 s) sigmoid(z) with s = softplus(z)."""
    wide = extended(z)
    bent = np.tanh(softplus(wide))
    return (bent + wide * (1 - bent * bent) * sigmoid(wide)).astype(z.dtype)


def exponential_unit(z: Array, alpha: float, stretch: float = 1.0) -> Array:
    """Return z where it is above 0, else alpha (e^(z / stretch) - 1)."""
    return above_zero(z, z, alpha * np.expm1(above_zero(z, 0.0, z) / stretch))


def exponential_unit_derivative(z: Array, alpha: float, stretch: float = 1.0) -> Array:
    """Return 1 where z is above 0, else alpha / stretch e^(z / stretch)."""
    return above_zero(z, 1.0, alpha / stretch * np.exp(above_zero(z, 0.0, z) / stretch))


def between(z: Array, low: float, high: float, inside: Array | float, below: float, above: float) -> Array:
    """Choose ``inside`` where low < z < high; a NaN takes it too."""
    return np.where(z.real <= low, below, np.where(z.real >= high, above, inside))


def log_softmax(z: Array) -> Array:
    """z_k - log(sum_j e^z_j) along a row, the largest z taken off both."""
    if not z.size:  # a row without outputs has no logarithm of its sum
        return z
    below = z - largest(z)
    return below - np.log(np.exp(below).sum(axis=-1, keepdims=True))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934  # Klambauer et al. 2017, equation 14

ACTIVATIONS: dict[str, Activation] = {
    "linear": elementwise(lambda z, slope: z, lambda z, slope: np.ones_like(z)),
    "relu": elementwise(lambda z, slope: above_zero(z, z, 0.0), lambda z, slope: above_zero(z, 1.0, 0.0), corners=(0,)),
    "leaky_relu": elementwise(
        lambda z, slope: above_zero(z, z, slope * z), lambda z, slope: above_zero(z, 1.0, slope), corners=(0,)
    ),
    "tanh": elementwise(lambda z, slope: np.tanh(z), lambda z, slope: 1.0 - np.tanh(z) ** 2),
    "sigmoid": elementwise(lambda z, slope: sigmoid(z), lambda z, slope: sigmoid(z) * sigmoid(-z)),
    "softmax": Activation(lambda z, slope: softmax(z), lambda dy, z, slope: softmax_backward(dy, z), mixes_row=True),
    "gelu": elementwise(
        lambda z, slope: z * normal_distribution(z),
        lambda z, slope: normal_distribution(z) + z * normal_density(z),
        from_output=False,
    ),
    "gelu_tanh": elementwise(
        lambda z, slope: gelu_tanh(z), lambda z, slope: gelu_tanh_derivative(z), from_output=False
    ),
    "silu": elementwise(
        lambda z, slope: logistic_weight(z, z),
        lambda z, slope: sigmoid(z) + z * sigmoid(z) * sigmoid(-z),
        from_output=False,
    ),
    "mish": elementwise(lambda z, slope: mish(z), lambda z, slope: mish_derivative(z), from_output=False),
    "softplus": elementwise(softplus, lambda z, beta: sigmoid(extended(z) * beta).astype(z.dtype), from_output=False),
    "softsign": elementwise(
        lambda z, slope: z / (1 + magnitude(z)), lambda z, slope: 1 / (1 + magnitude(z)) ** 2, from_output=False
    ),
    "elu": elementwise(exponential_unit, exponential_unit_derivative),
    "selu": elementwise(
        lambda z, slope: SELU_SCALE * exponential_unit(z, SELU_ALPHA),
        lambda z, slope: SELU_SCALE * exponential_unit_derivative(z, SELU_ALPHA),
    ),
    "celu": elementwise(
        lambda z, alpha: exponential_unit(z, alpha, alpha),
        lambda z, alpha: exponential_unit_derivative(z, alpha, alpha),
    ),
    "relu6": elementwise(
        lambda z, slope: between(z, 0, 6, z, 0, 6), lambda z, slope: between(z, 0, 6, 1.0, 0, 0), corners=(0, 6)
    ),
    "hard_tanh": elementwise(
        lambda z, slope: between(z, -1, 1, z, -1, 1), lambda z, slope: between(z, -1, 1, 1.0, 0, 0), corners=(-1, 1)
    ),
    "hard_sigmoid": elementwise(
        lambda z, slope: between(z, -3, 3, (z + 3) / 6, 0, 1),
        lambda z, slope: between(z, -3, 3, 1 / 6, 0, 0),
        corners=(-3, 3),
    ),
    "exponential": elementwise(lambda z, slope: np.exp(z), lambda z, slope: np.exp(z)),
    "log_softmax": Activation(
        lambda z, slope: log_softmax(z),
        lambda dy, z, slope: dy - softmax(z) * dy.sum(axis=-1, keepdims=True),
        mixes_row=True,
    ),
}
