"""One step of backpropagation, worked out by hand on a network of 2 inputs, 2 hidden units and 1 output.

    inputs   x = (0.5, -1.0)                    target t = 1.0                       learning rate 0.5

    hidden   weight W = [[0.4, -0.2],           output   weight V = [[0.7, -0.5]]    sigmoid in the hidden layer,
                         [0.3,  0.6]]                    bias   c = (0.2)            nothing after the output,
             bias   b = (0.1, -0.1)                                                  loss = (o - t)^2

Forward
    z1 = 0.4 *  0.5 + -0.2 * -1.0 + 0.1 =  0.50           h1 = 1 / (1 + e^-0.50) = 0.6224593312
    z2 = 0.3 *  0.5 +  0.6 * -1.0 - 0.1 = -0.55           h2 = 1 / (1 + e^0.55)  = 0.3658644090
    o  = 0.7 * 0.6224593312 - 0.5 * 0.3658644090 + 0.2    = 0.4527893273
    loss = (0.4527893273 - 1)^2                           = 0.2994395203

Backward
    d loss / d o  = 2 * (0.4527893273 - 1)                = -1.0944213453

    output layer   d loss / d V = -1.0944213453 * (h1, h2) = (-0.6812327787, -0.4004098187)
                   d loss / d c                            = -1.0944213453
    to the hidden  d loss / d h = -1.0944213453 * V        = (-0.7660949417, 0.5472106727)

    sigmoid        h * (1 - h) = (0.6224593312 * 0.3775406688, 0.3658644090 * 0.6341355910)
                               = (0.2350037122, 0.2320076432)
    so             d loss / d z = d loss / d h * h * (1 - h) = (-0.1800351552, 0.1269570585)

    hidden layer   d loss / d W = [[-0.1800351552 * 0.5, -0.1800351552 * -1.0],   [[-0.0900175776,  0.1800351552],
                                   [ 0.1269570585 * 0.5,  0.1269570585 * -1.0]] =  [ 0.0634785293, -0.1269570585]]
                   d loss / d b = (-0.1800351552, 0.1269570585)
    to the inputs  d loss / d x = -0.1800351552 * (0.4, -0.2) + 0.1269570585 * (0.3, 0.6)
                                = (-0.0339269445, 0.1121812661)

Update: minus half of each gradient
    W = [[0.4450087888, -0.2900175776], [0.2682607354, 0.6634785293]]        b = (0.1900175776, -0.1634785293)
    V = [[1.0406163893, -0.2997950907]]                                       c = (0.7472106727)

Forward again
    z = (0.7025395496, -0.6928266907)     h = (0.6687505823, 0.3334045571)     o = 1.3431704396    loss = 0.1177659506
"""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from compare import Array
from reference import Dense, Network, Training
from reference_cases import DTYPES, in_both_types

X, TARGET = [[0.5, -1.0]], [[1.0]]
W, B, V, C = [[0.4, -0.2], [0.3, 0.6]], [0.1, -0.1], [[0.7, -0.5]], [0.2]
OUTPUT, LOSS, OUTPUT_GRADIENT = 0.4527893273, 0.2994395203, -1.0944213453
GRADIENTS = [
    *(-0.0900175776, 0.1800351552, 0.0634785293, -0.1269570585),  # of W, row by row
    *(-0.1800351552, 0.1269570585),  # of b
    *(-0.6812327787, -0.4004098187),  # of V
    -1.0944213453,  # of c
]
INPUT_GRADIENT = [[-0.0339269445, 0.1121812661]]
UPDATED = [
    *(0.4450087888, -0.2900175776, 0.2682607354, 0.6634785293),
    *(0.1900175776, -0.1634785293),
    *(1.0406163893, -0.2997950907),
    0.7472106727,
]
OUTPUT_AFTER, LOSS_AFTER = 1.3431704396, 0.1177659506
WITHIN = {"float32": 3e-7, "float64": 1e-10}  # the rounding of the type, and that of ten decimals


def example(dtype: str) -> bp.Network:
    """Return the network of the example."""
    hidden = bp.Dense(2, activation="sigmoid", weight_initializer=W, bias_initializer=B)
    output = bp.Dense(1, weight_initializer=V, bias_initializer=C)
    return bp.Network([hidden, output], input_size=2, dtype=dtype)


def near(values: object, dtype: str = "float64") -> object:
    """Return what equals these decimals within rounding."""
    return pytest.approx(np.asarray(values), rel=0, abs=WITHIN[dtype])


def test_the_oracle() -> None:
    layers = [Dense(np.array(W), np.array(B), "sigmoid"), Dense(np.array(V), np.array(C))]
    training = Training(Network(layers), "mse", "sgd", learning_rate=0.5)
    x, target = np.array(X), np.array(TARGET)
    assert training.network.predict(x) == near([[OUTPUT]])
    loss, gradients, dx = training.network.loss_gradients(x, target, "mse")
    assert loss == near(LOSS)
    assert gradients == near(GRADIENTS)
    assert dx == near(INPUT_GRADIENT)
    assert training.step(x, target) == near(LOSS)
    assert training.network.parameters == near(UPDATED)
    assert training.network.predict(x) == near([[OUTPUT_AFTER]])
    assert training.network.loss(x, target, "mse") == near(LOSS_AFTER)


@in_both_types
def test_forward_and_backward(dtype: str) -> None:
    network = example(dtype)
    assert network.predict(X) == near([[OUTPUT]], dtype)
    assert network.forward(X, training=True) == near([[OUTPUT]], dtype)
    assert network.backward([[OUTPUT_GRADIENT]]) == near(INPUT_GRADIENT, dtype)
    assert network.gradients == near(GRADIENTS, dtype)
    assert network.layers[0].weight_gradient == near(np.reshape(GRADIENTS[:4], (2, 2)), dtype)
    assert network.layers[1].bias_gradient == near(GRADIENTS[-1:], dtype)


@in_both_types
def test_training(dtype: str) -> None:
    network = example(dtype)
    trainer = bp.Trainer(network, loss="mse", optimizer=bp.SGD(learning_rate=0.5))
    loss, gradients = trainer.gradients(X, TARGET)
    assert loss == near(LOSS, dtype)
    assert np.concatenate([np.ravel(part) for part in _flat(gradients)]) == near(GRADIENTS, dtype)
    assert network.parameters == near([*np.ravel(W), *B, *np.ravel(V), *C], dtype)  # nothing has moved yet
    assert trainer.step(X, TARGET) == near(LOSS, dtype)
    assert network.parameters == near(UPDATED, dtype)
    assert network.predict(X) == near([[OUTPUT_AFTER]], dtype)
    assert trainer.evaluate(X, TARGET)["loss"] == near(LOSS_AFTER, dtype)


def _flat(gradients: Array) -> list[Array]:
    return [gradients] if isinstance(gradients, np.ndarray) else list(gradients)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_kernels_step_by_step(dtype: str) -> None:
    kernels, kind = bp.kernels, np.dtype(dtype)
    x, w, b, v, c = (np.array(values, kind) for values in (X, W, B, V, C))
    h = kernels.dense_forward(x, w, b, activation="sigmoid")
    assert h == near([[0.6224593312, 0.3658644090]], dtype)
    o = kernels.dense_forward(h, v, c)
    assert o == near([[OUTPUT]], dtype)
