"""Trajectories against PyTorch: the same start and the same batches, 100 steps of each optimizer and loss.

In float64 both must stay together to 1e-9 of the weights, which no difference in a formula survives. In float32 both
round in their own way, and a hundred steps carry the difference along: this library may be as far from PyTorch's
float64 trajectory as PyTorch's own float32 is, within a factor.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from compare import Array, relative_distance
from optimizer_cases import OPTIMIZERS as CASES
from optimizer_cases import oracle_settings, with_rate

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'bpnative[peers]'")

from torch_losses import LOSSES  # noqa: E402 (PyTorch may be missing)

STEPS, ROWS, SIZES = 100, 24, (11, 32, 20, 5)
# Each of ours is taken to PyTorch by `peer_optimizer`; the rates move the weights well in a hundred steps.
RATES = {"sgd": 0.02, "rmsprop": 0.002, "adadelta": 0.5, "adagrad": 0.02, "rprop": 0.002}
OPTIMIZERS: dict[str, Any] = {
    repr(kind): with_rate(kind, RATES.get(kind.name, 0.003)) for kind in CASES if kind.name != "lion"
}
TORCH_NAMES = {
    "epsilon": "eps",
    "learning_rate_decay": "lr_decay",
    "beta1": "betas",
    "eta_minus": "etas",
    "step_min": "step_sizes",
}
SECOND = {"betas": "beta2", "etas": "eta_plus", "step_sizes": "step_max"}


def peer_optimizer(optimizer: Any, parameters: Any) -> Any:
    """Return PyTorch's optimizer with the same settings."""
    settings = {TORCH_NAMES.get(name, name): value for name, value in oracle_settings(optimizer).items()}
    for pair, second in SECOND.items():
        if pair in settings:
            settings[pair] = (settings[pair], settings.pop(second))
    kind = {"AMSGrad": "AdamW" if settings.pop("decoupled_weight_decay", False) else "Adam"}.get(
        type(optimizer).__name__, type(optimizer).__name__
    )
    if kind in ("NAdam", "RAdam"):
        settings["decoupled_weight_decay"] = optimizer.decoupled_weight_decay
    if type(optimizer).__name__ == "AMSGrad":
        settings["amsgrad"] = True
    return getattr(torch.optim, kind)(parameters, lr=optimizer.learning_rate, **settings)


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "relu": torch.relu,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softmax": lambda z: torch.softmax(z, dim=-1),
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda z: torch.nn.functional.gelu(z, approximate="tanh"),
    "silu": torch.nn.functional.silu,
    "mish": torch.nn.functional.mish,
    "softplus": torch.nn.functional.softplus,
    "softsign": torch.nn.functional.softsign,
    "elu": torch.nn.functional.elu,
    "selu": torch.selu,
    "celu": torch.celu,
    "relu6": torch.nn.functional.relu6,
    "hard_tanh": torch.nn.functional.hardtanh,
    "hard_sigmoid": lambda z: (
        torch.nn.functional.relu6(z + 3) / 6
    ),  # hardsigmoid's slope is float32's 1/6 in float64 too
    "exponential": torch.exp,
    "log_softmax": lambda z: torch.log_softmax(z, dim=-1),
}


@pytest.fixture(autouse=True)
def _one_thread_of_pytorch() -> None:
    torch.set_num_threads(1)  # its threads and ours would only wait for one another


@pytest.fixture
def _numbers_of_pytorch_in_double() -> Iterator[None]:
    """PyTorch keeps NAdam's product of numbers in its default type, which rounds it to seven digits."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def test_every_registered_name_is_compared() -> None:
    assert sorted(native.loss_names()) == sorted({loss.name for loss, _ in LOSSES.values()})
    assert sorted(native.activation_names()) == sorted(ACTIVATIONS)
    # Lion is in no PyTorch: its paper's rule is worked by hand in test_optimizers.py.
    assert {kind.name for kind in OPTIMIZERS.values()} == set(native.optimizer_names()) - {"lion"}


def batches(loss: str) -> tuple[Array, Array]:
    """Return STEPS batches of inputs and targets, exact in float32."""
    kind = LOSSES[loss][0]
    rng = np.random.default_rng(90)
    x = rng.standard_normal((STEPS, ROWS, SIZES[0])).astype(np.float32)
    scores = np.tanh(x[..., : SIZES[-1]]) + 0.3 * rng.standard_normal((STEPS, ROWS, SIZES[-1]))
    if kind.targets == "distributions" or loss.endswith("rows"):
        return x, (np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)).astype(np.float32)
    if kind.targets == "classes":
        return x, scores.argmax(axis=-1)
    if kind.targets == "counts":
        return x, np.floor(np.exp(scores)).astype(np.float32)
    scores = scores[..., : kind.target_columns(outputs_of(loss))]
    return x, (scores > 0 if kind.targets in ("binary", "signs") else scores).astype(np.float32)


def outputs_of(loss: str) -> int:
    """Return how many outputs a network for the loss has: two for each of two targets, or five."""
    return {"gaussian_nll": 4, "gaussian_nll, epsilon": 4, "quantile, levels": 6}.get(loss, SIZES[-1])


def start(activation: str, dtype: str, loss: str, jitter: int = 0) -> bp.Network:
    """Return the network that both begin from, its weights exact in float32; jittered by up to half a unit each."""
    network = bp.mlp([*SIZES[:-1], outputs_of(loss)], activation=activation, dtype=dtype, seed=7)
    network.parameters = network.parameters.astype(np.float32)
    if jitter:
        units = np.random.default_rng(jitter).uniform(-0.5, 0.5, network.parameters.shape)
        network.parameters = network.parameters * (1.0 + units * np.finfo(np.float32).eps)
    return network


def ours(activation: str, loss: str, optimizer: str, dtype: str) -> tuple[Array, Array]:
    """Return weights and losses of our hundred steps."""
    network = start(activation, dtype, loss)
    trainer = bp.Trainer(network, loss=LOSSES[loss][0], optimizer=OPTIMIZERS[optimizer])
    losses = [trainer.step(x, y) for x, y in zip(*batches(loss), strict=True)]
    return network.parameters.copy(), np.array(losses)


def peer_of(network: bp.Network, activation: str, dtype: str) -> tuple[list[Any], Callable[[Array], Any]]:
    """Return PyTorch's copy of a network's parameters, and its forward pass."""
    kind = getattr(torch, dtype)
    parameters = [
        torch.tensor(part, dtype=kind, requires_grad=True)
        for layer in network.layers
        for part in (layer.weight, layer.bias)
    ]

    def forward(x: Array) -> Any:
        values = torch.tensor(x, dtype=kind)
        for at in range(0, len(parameters), 2):
            values = torch.nn.functional.linear(values, parameters[at], parameters[at + 1])
            values = ACTIVATIONS[activation](values) if at + 2 < len(parameters) else values
        return values

    return parameters, forward


def as_target(y: Array, dtype: str) -> Any:
    """Return labels as they are, numbers in the type."""
    return torch.tensor(y, dtype=None if y.dtype.kind == "i" else getattr(torch, dtype))


@functools.cache
def theirs(activation: str, loss: str, optimizer: str, dtype: str, jitter: int = 0) -> tuple[Array, Array]:
    """Return weights and losses of PyTorch's hundred steps; the exact ones are asked for twice."""
    parameters, forward = peer_of(start(activation, dtype, loss, jitter), activation, dtype)
    step, criterion, losses = peer_optimizer(OPTIMIZERS[optimizer], parameters), LOSSES[loss][1], []
    for x, y in zip(*batches(loss), strict=True):
        mean = criterion(forward(x), as_target(y, dtype))
        step.zero_grad()
        mean.backward()
        step.step()
        losses.append(mean.item())
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters]), np.array(losses)


# Where a loss has a kink, its slope jumps; a rule that goes by the sign of the slope then parts after one rounding.
KINKED = ("mae", "quantile", "hinge")
CASES = [
    ("tanh", loss, optimizer)
    for loss in LOSSES
    for optimizer in OPTIMIZERS
    if "," not in loss and not (loss in KINKED and optimizer.startswith("Rprop"))
]
CASES += [("tanh", loss, "Adam()") for loss in LOSSES if "," in loss]
CASES += [(activation, "cross_entropy", "Adam()") for activation in ACTIVATIONS if activation != "tanh"]
# In float64 every loss meets every optimizer. What float32 adds is the rounding of each alone: every loss with two
# optimizers, every optimizer with two losses, every activation.
FLOAT32_CASES = [
    case for case in CASES if case[1] in ("mse", "cross_entropy") or case[2] in ("Adam()", "SGD(momentum=0.9)")
]


def test_float32_meets_every_activation_loss_and_optimizer() -> None:
    for place in range(3):
        assert {case[place] for case in FLOAT32_CASES} == {case[place] for case in CASES}
    assert {case[2] for case in FLOAT32_CASES if case[1] == "mae"} == {"Adam()", "SGD(momentum=0.9)"}


@pytest.mark.usefixtures("_numbers_of_pytorch_in_double")
@pytest.mark.parametrize(("activation", "loss", "optimizer"), CASES)
def test_float64_trajectories(activation: str, loss: str, optimizer: str) -> None:
    weights, losses = ours(activation, loss, optimizer, "float64")
    wanted, wanted_losses = theirs(activation, loss, optimizer, "float64")
    begun = start(activation, "float64", loss).parameters
    assert relative_distance(wanted, begun) > 1e-2, "training must have moved them"
    assert relative_distance(weights, wanted) < 1e-9
    np.testing.assert_allclose(weights, wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-9)


@pytest.mark.usefixtures("_numbers_of_pytorch_in_double")
@pytest.mark.parametrize(("activation", "loss", "optimizer"), FLOAT32_CASES)
def test_float32_trajectories(activation: str, loss: str, optimizer: str) -> None:
    """We may be as far from the exact run as PyTorch's own, which is a matter of luck where rounding decides.

    An optimizer that divides by the gradient's size turns one gradient near zero into a whole step. So PyTorch's is the
    farthest of up to four runs, their starts half a unit apart.
    """
    exact, exact_losses = theirs(activation, loss, optimizer, "float64")
    weights, losses = ours(activation, loss, optimizer, "float32")
    eps = float(np.finfo(np.float32).eps)
    far, far_losses = relative_distance(weights, exact), relative_distance(losses, exact_losses)
    most = most_losses = 0.0
    for jitter in range(4):
        peer, peer_losses = theirs(activation, loss, optimizer, "float32", jitter)
        most = max(most, relative_distance(peer, exact))
        most_losses = max(most_losses, relative_distance(peer_losses, exact_losses))
        if far < 3 * most + 4 * eps and far_losses < 3 * most_losses + 4 * eps:
            break
    assert far < 3 * most + 4 * eps
    assert far_losses < 3 * most_losses + 4 * eps


SETTINGS: list[tuple[bp.activations.Activation, Callable[[Any], Any]]] = [
    (bp.activations.LeakyReLU(0.3), lambda z: torch.nn.functional.leaky_relu(z, 0.3)),
    (bp.activations.ELU(0.3), lambda z: torch.nn.functional.elu(z, 0.3)),
    (bp.activations.CELU(0.5), lambda z: torch.celu(z, 0.5)),  # whose backward takes 1 / alpha as a float32
    (bp.activations.Softplus(0.3), lambda z: torch.nn.functional.softplus(z, 0.3)),
]


@pytest.mark.parametrize(
    ("ours", "peer"), [*((bp.activations.get(name), peer) for name, peer in ACTIVATIONS.items()), *SETTINGS]
)
def test_values_and_derivatives_of_activations(ours: bp.activations.Activation, peer: Callable[[Any], Any]) -> None:
    """At the corners too: multiples of 1/4 meet all of them."""
    z = np.arange(-48, 48).reshape(12, 8) / 4.0
    dy = np.random.default_rng(92).standard_normal(z.shape)
    theirs = torch.tensor(z, requires_grad=True)
    y = peer(theirs)
    y.backward(torch.tensor(dy))
    np.testing.assert_allclose(bp.kernels.activation(z, ours), y.detach().numpy(), rtol=1e-14, atol=1e-15)
    gradient = theirs.grad
    np.testing.assert_allclose(bp.kernels.activation_derivative(dy, z, ours), gradient.numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_of_one_batch(loss: str, weighted: bool) -> None:
    """With weights of samples as well, which PyTorch takes as a mean of single losses, each times its weight."""
    network = start("leaky_relu", "float64", loss)
    x, y = (part[0] for part in batches(loss))
    weight = np.random.default_rng(91).random(ROWS) if weighted else np.ones(ROWS)
    got_loss, got = bp.Trainer(network, loss=LOSSES[loss][0]).gradients(x, y, weight if weighted else None)
    parameters, forward = peer_of(network, "leaky_relu", "float64")
    output, target = forward(x), as_target(y, "float64")
    single = torch.stack([LOSSES[loss][1](output[i : i + 1], target[i : i + 1]) for i in range(ROWS)])
    mean = (single * torch.tensor(weight)).mean()
    mean.backward()
    wanted = np.concatenate([parameter.grad.numpy().ravel() for parameter in parameters])
    assert got_loss == pytest.approx(mean.item(), rel=1e-13)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13 * np.abs(wanted).max())


def test_averages_of_weights() -> None:
    """EMA and SWA against torch.optim.swa_utils over the same sequence of weights."""
    x, y = batches("mse")
    for average, options, taken in (
        (bp.EMA(decay=0.9), {"multi_avg_fn": torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)}, range(1, STEPS + 1)),
        (bp.SWA(start=30, every=7), {}, range(37, STEPS + 1, 7)),
    ):
        network = start("tanh", "float64", "mse")
        trainer = bp.Trainer(network, loss="mse", optimizer="adam", average=average)
        model = torch.nn.ParameterList([torch.zeros(len(network.parameters), dtype=torch.float64)])
        averaged = torch.optim.swa_utils.AveragedModel(model, **options)
        for step in range(1, STEPS + 1):
            trainer.step(x[step - 1], y[step - 1])
            if step in taken:
                model[0].data = torch.tensor(network.parameters)
                averaged.update_parameters(model)
        wanted = averaged.module[0].detach().numpy()
        assert relative_distance(network.parameters, wanted) > 1e-3
        np.testing.assert_allclose(trainer.average, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_huge_gradients_of_float32(optimizer: str) -> None:
    """Where squares overflow, the weight that PyTorch leaves (its place, an infinity or a NaN) is ours as well."""
    chosen, given = OPTIMIZERS[optimizer], np.array([1e30, -1e30, 1e25, 1.0, 0.0], np.float32)
    weight = np.array([1.0, -2.0, 3.0, 4.0, 5.0], np.float32)
    state = bp.kernels.optimizer_state(chosen, weight)
    parameter = torch.tensor(weight.copy(), requires_grad=True)
    peer = peer_optimizer(chosen, [parameter])
    for step in range(1, 8):
        gradient = given if step % 3 else np.ones(5, np.float32)
        parameter.grad = torch.tensor(gradient)
        peer.step()
        bp.kernels.optimizer_update(chosen, weight, gradient, state, step)
        np.testing.assert_allclose(weight, parameter.detach().numpy(), rtol=1e-4, err_msg=f"step {step}")


def test_groups_of_layers() -> None:
    x, y = batches("cross_entropy")
    network = start("tanh", "float64", "mse")
    groups = [bp.Group(0, learning_rate=1e-3, weight_decay=0.0), bp.Group([2], beta1=0.5, weight_decay=0.5)]
    trainer = bp.Trainer(network, "cross_entropy", bp.AdamW(3e-3, weight_decay=0.1), groups=groups)
    parameters, forward = peer_of(network, "tanh", "float64")
    optimizer = torch.optim.AdamW(
        [
            {"params": parameters[:2], "lr": 1e-3, "weight_decay": 0.0},
            {"params": parameters[2:4]},
            {"params": parameters[4:], "betas": (0.5, 0.999), "weight_decay": 0.5},
        ],
        lr=3e-3,
        weight_decay=0.1,
    )
    for rows, labels in zip(x, y, strict=True):
        trainer.step(rows, labels)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(forward(rows), torch.tensor(labels)).backward()
        optimizer.step()
    wanted = np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters])
    np.testing.assert_allclose(network.parameters, wanted, rtol=1e-9, atol=1e-9)
