"""The oracle itself: its derivatives by complex steps, its values by definition, its optimizers by hand.

A complex step gives the derivative of any analytic formula to rounding: f(x + ih) = f(x) + ih f'(x) - …, so the
imaginary part divided by h is f'(x), with no difference of nearly equal numbers in it; h is 1e-30.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compare import assert_close
from reference import ACTIVATIONS, LOSSES, OPTIMIZERS, Array, Dense, Network, Training, as_rows, batch_loss

STEP = 1e-30


def complex_step_gradient(function: Callable[[Array], Array], x: Array) -> Array:
    """Return d function / d x of a function to one number, element by element of x."""
    gradient = np.zeros(x.size)
    for i in range(x.size):
        moved = x.astype(np.complex128)
        moved.ravel()[i] += 1j * STEP
        gradient[i] = function(moved).imag / STEP
    return gradient.reshape(x.shape)


def targets(loss: str, rng: np.random.Generator, rows: int, outputs: int) -> list[Array]:
    """Return a target of each kind that a loss takes."""
    if loss == "cross_entropy":
        labels = rng.integers(0, outputs, rows)
        return [labels, as_rows(labels, outputs), rng.dirichlet(np.ones(outputs), rows)]
    if loss == "binary_cross_entropy":
        return [rng.integers(0, 2, (rows, outputs)).astype(float), rng.random((rows, outputs))]
    return [rng.standard_normal((rows, outputs))]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_backward_is_the_derivative(name: str) -> None:
    rng = np.random.default_rng(2)
    activation = ACTIVATIONS[name]
    for slope in (0.01, 0.3):
        z, dy = 3.0 * rng.standard_normal((2, 5, 6))
        wanted = complex_step_gradient(lambda z, slope=slope, dy=dy: (dy * activation.value(z, slope)).sum(), z)
        size = max(np.abs(dy).max(), np.abs(wanted).max())
        assert_close(activation.backward(dy, z, slope), wanted, size, 16, name)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_shows_a_nan_and_survives_large_numbers(name: str) -> None:
    activation, most = ACTIVATIONS[name], 700.0 if name == "exponential" else 1e4
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(activation.value(np.array([[most, -1e4, 0.0]]), 0.01)).all()
        assert np.isfinite(activation.backward(np.ones((1, 3)), np.array([[most, -1e4, 0.0]]), 0.01)).all()
    assert np.isnan(activation.value(np.array([[np.nan, 1.0]]), 0.01)[0, 0])


def test_activation_values_by_definition() -> None:
    z = np.array([[-2.0, -0.5, 0.0, 0.5, 2.0]])
    values = {name: activation.value(z, 0.1) for name, activation in ACTIVATIONS.items()}
    powers = np.exp(z)
    wanted_values = {
        "linear": z,
        "relu": np.array([[0.0, 0.0, 0.0, 0.5, 2.0]]),
        "leaky_relu": np.array([[-0.2, -0.05, 0.0, 0.5, 2.0]]),
        "tanh": (powers - 1 / powers) / (powers + 1 / powers),
        "sigmoid": 1.0 / (1.0 + np.exp(-z)),
        "softmax": powers / powers.sum(),
        "log_softmax": np.log(powers / powers.sum()),
        "gelu": z * np.array([0.022750131948179207, 0.3085375387259869, 0.5, 0.6914624612740131, 0.9772498680518208]),
        "gelu_tanh": z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
        "silu": z / (1.0 + np.exp(-z)),
        "mish": z * np.tanh(np.log(1 + powers)),
        "softplus": np.log(1 + np.exp(0.1 * z)) / 0.1,
        "softsign": np.array([[-2 / 3, -1 / 3, 0.0, 1 / 3, 2 / 3]]),
        "elu": np.where(z > 0, z, 0.1 * (powers - 1)),
        "selu": np.where(z > 0, 1.0507009873554805 * z, 1.7580993408473766 * (powers - 1)),
        "celu": np.where(z > 0, z, 0.1 * (np.exp(z / 0.1) - 1)),
        "relu6": np.array([[0.0, 0.0, 0.0, 0.5, 2.0]]),
        "hard_tanh": np.array([[-1.0, -0.5, 0.0, 0.5, 1.0]]),
        "hard_sigmoid": np.array([[1 / 6, 2.5 / 6, 0.5, 3.5 / 6, 5 / 6]]),
        "exponential": powers,
    }
    assert wanted_values.keys() == values.keys()
    for name, wanted in wanted_values.items():
        assert_close(values[name], wanted, max(1.0, np.abs(wanted).max()), 4, name)
    assert ACTIVATIONS["relu"].backward(np.ones((1, 1)), np.zeros((1, 1)), 0.0) == 0.0  # relu'(0) is 0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradient_is_the_derivative(name: str, weighted: bool) -> None:
    rng = np.random.default_rng(3)
    z = 3.0 * rng.standard_normal((7, 4))
    weight = rng.random(7) if weighted else None
    for target in targets(name, rng, 7, 4):
        mean, losses, dz = batch_loss(name, z, target, weight)
        wanted = complex_step_gradient(lambda z, target=target: batch_loss(name, z, target, weight)[0], z)
        assert_close(dz, wanted, 1.0, 16, name)
        assert mean == losses.mean()
        assert losses.shape == (7,)


def test_loss_values_by_definition() -> None:
    z = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])
    t = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    p, q = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), 1 / (1 + np.exp(-z))
    for name, wanted in {
        "mse": ((z - t) ** 2).sum(axis=1) / 3,
        "cross_entropy": -(t * np.log(p)).sum(axis=1),
        "binary_cross_entropy": -(t * np.log(q) + (1 - t) * np.log(1 - q)).sum(axis=1) / 3,
    }.items():
        assert_close(batch_loss(name, z, t)[1], wanted, 4.0, 4, name)
    labels = batch_loss("cross_entropy", z, np.array([1, 0]))
    for by_label, by_row in zip(labels, batch_loss("cross_entropy", z, t), strict=True):
        np.testing.assert_array_equal(by_label, by_row)


def test_losses_survive_large_logits() -> None:
    z = np.array([[1e4, -1e4], [-1e4, 1e4]])
    t = np.array([[1.0, 0.0], [1.0, 0.0]])
    with np.errstate(all="raise", under="ignore"):
        for name, right, wrong in (("cross_entropy", 0.0, 2e4), ("binary_cross_entropy", 0.0, 1e4)):
            _, losses, dz = batch_loss(name, z, t)
            np.testing.assert_array_equal(losses, [right, wrong])
            assert np.isfinite(dz).all()
    lost = batch_loss("cross_entropy", np.array([[1.0, -np.inf, 1.0]]), np.array([0]))
    assert_close(lost[1], np.log([2.0]), 1.0, 4)


NETWORKS = [(name, loss) for name in ACTIVATIONS for loss in LOSSES]


@pytest.mark.parametrize(("activation", "loss"), NETWORKS)
def test_network_gradients_are_the_derivatives(activation: str, loss: str) -> None:
    """All gradients of three layers, hidden and last activation alike, with and without bias, and of the inputs."""
    rng = np.random.default_rng(4)
    sizes, biased = (3, 5, 4, 2), (True, False, True)
    spread = 0.25 if activation == "exponential" else 1.0  # e^e^e^x leaves the range of numbers soon
    layers = [
        Dense(spread * rng.standard_normal((o, i)), rng.standard_normal(o) if bias else None, activation)
        for i, o, bias in zip(sizes, sizes[1:], biased, strict=False)
    ]
    network, x, weight = Network(layers), rng.standard_normal((6, 3)), rng.random(6)
    for target in targets(loss, rng, 6, 2):
        mean, gradients, dx = network.loss_gradients(x, target, loss, weight)

        def loss_at(flat: Array, target: Array = target) -> Array:
            return network.with_parameters(flat).loss(x, target, loss, weight)

        assert mean == loss_at(network.parameters)
        size = max(1.0, np.abs(gradients).max())
        assert_close(gradients, complex_step_gradient(loss_at, network.parameters), size, 64, "gradients")
        wanted = complex_step_gradient(lambda x, target=target: network.loss(x, target, loss, weight), x)
        assert_close(dx, wanted, size, 64, "gradient of x")


def test_frozen_layers_keep_their_weights() -> None:
    rng = np.random.default_rng(5)
    layers = [Dense(rng.standard_normal((3, 3)), rng.standard_normal(3), "tanh") for _ in range(3)]
    x, y = rng.standard_normal((2, 8, 3))
    whole = Network(layers).loss_gradients(x, y, "mse")[1]
    layers[1].trainable = False
    frozen = Network(layers).loss_gradients(x, y, "mse")[1]
    np.testing.assert_array_equal(frozen, np.where(np.arange(36) // 12 == 1, 0.0, whole))
    training = Training(Network(layers), "mse", "adam", 0.1)
    for _ in range(3):
        training.step(x, y)
    moved = training.network.parameters != Network(layers).parameters
    np.testing.assert_array_equal(moved, np.arange(36) // 12 != 1)


def test_sgd_by_hand() -> None:
    def after(steps: int, **settings: float) -> float:
        weight, state = np.array([1.0]), {}
        for step in range(1, steps + 1):
            weight = OPTIMIZERS["sgd"](weight, np.array([2.0]), state, step, 0.1, **settings)
        return float(weight[0])

    assert after(1) == pytest.approx(0.8, rel=1e-15)  # 1 - 0.1·2
    assert after(2) == pytest.approx(0.6, rel=1e-15)
    assert after(2, momentum=0.5) == pytest.approx(0.5, rel=1e-15)  # velocities 2 and 3: 1 - 0.1·2 - 0.1·3
    assert after(2, momentum=0.5, nesterov=True) == pytest.approx(
        0.35, rel=1e-15
    )  # 2+0.5·2 and 2+0.5·3: 1 - 0.3 - 0.35


def test_adam_by_hand() -> None:
    adam, state = OPTIMIZERS["adam"], {}
    # At the first step m / (1 - beta1) is the gradient and v / (1 - beta2) its square: the move is one learning rate.
    first = adam(np.array([1.0, 1.0]), np.array([2.0, -5.0]), state, 1, 0.1)
    assert_close(first, np.array([0.9, 1.1]), 1.0, 1e8 / 2)  # within epsilon = 1e-8
    # Then, with the gradient 0: m = 0.9·0.2 = 0.18, v = 0.999·0.004 = 0.003996; corrected by 0.19 and 0.001999.
    second = adam(first, np.zeros(2), state, 2, 0.1)
    move = 0.1 * (0.18 / 0.19) / (np.sqrt(0.003996 / 0.001999) + 1e-8)
    assert_close(second[:1], np.array([first[0] - move]), 1.0, 8)


@pytest.mark.parametrize(("optimizer", "settings"), [("sgd", {"momentum": 0.9}), ("adam", {})])
@pytest.mark.parametrize("loss", LOSSES)
def test_training_lowers_the_loss(loss: str, optimizer: str, settings: dict[str, float]) -> None:
    rng = np.random.default_rng(6)
    sizes = (4, 16, 3)
    layers = [
        Dense(rng.standard_normal((o, i)) / np.sqrt(i), np.zeros(o), activation)
        for i, o, activation in zip(sizes, sizes[1:], ("tanh", "linear"), strict=False)
    ]
    x = rng.standard_normal((32, 4))
    rows = x[:, :3] ** 2
    y = {"mse": rows, "cross_entropy": rows.argmax(axis=1), "binary_cross_entropy": (rows > 1).astype(float)}[loss]
    training = Training(Network(layers), loss, optimizer, 0.05, settings)
    losses = [float(training.step(x, y)) for _ in range(200)]
    assert losses[-1] < 0.5 * losses[0]
