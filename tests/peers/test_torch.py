"""Trajectories against PyTorch: the same start and the same batches, 100 steps of each optimizer and loss.

In float64 both must stay together to 1e-9 of the weights, which no difference in a formula survives. In float32 both
round in their own way, and a hundred steps carry the difference along: this library may be as far from PyTorch's
float64 trajectory as PyTorch's own float32 is, within a factor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from compare import Array, relative_distance

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'bpnative[peers]'")

from torch_losses import LOSSES  # noqa: E402 (PyTorch may be missing)

STEPS, ROWS, SIZES = 100, 24, (11, 32, 20, 5)
OPTIMIZERS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "sgd": (bp.SGD(learning_rate=0.05), lambda p: torch.optim.SGD(p, lr=0.05)),
    "sgd, momentum": (bp.SGD(learning_rate=0.02, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9)),
    "sgd, nesterov": (
        bp.SGD(learning_rate=0.02, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    ),
    "adam": (bp.Adam(learning_rate=0.003), lambda p: torch.optim.Adam(p, lr=0.003)),
    "adam, other settings": (
        bp.Adam(learning_rate=0.01, beta1=0.8, beta2=0.95, epsilon=1e-4),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-4),
    ),
}
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "relu": torch.relu,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softmax": lambda z: torch.softmax(z, dim=-1),
    "gelu": torch.nn.functional.gelu,
}


@pytest.fixture(autouse=True)
def _one_thread_of_pytorch() -> None:
    torch.set_num_threads(1)  # its threads and ours would only wait for one another


def test_every_registered_name_is_compared() -> None:
    assert sorted(native.loss_names()) == sorted({loss.name for loss, _ in LOSSES.values()})
    assert sorted(native.activation_names()) == sorted(ACTIVATIONS)
    assert sorted(native.optimizer_names()) == sorted({name.split(",")[0] for name in OPTIMIZERS})


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


def start(activation: str, dtype: str, loss: str) -> bp.Network:
    """Return the network that both begin from, its weights exact in float32."""
    network = bp.mlp([*SIZES[:-1], outputs_of(loss)], activation=activation, dtype=dtype, seed=7)
    network.parameters = network.parameters.astype(np.float32)
    return network


def ours(activation: str, loss: str, optimizer: str, dtype: str) -> tuple[Array, Array]:
    """Return weights and losses of our hundred steps."""
    network = start(activation, dtype, loss)
    trainer = bp.Trainer(network, loss=LOSSES[loss][0], optimizer=OPTIMIZERS[optimizer][0])
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


def theirs(activation: str, loss: str, optimizer: str, dtype: str) -> tuple[Array, Array]:
    """Return weights and losses of PyTorch's hundred steps."""
    parameters, forward = peer_of(start(activation, dtype, loss), activation, dtype)
    step, criterion, losses = OPTIMIZERS[optimizer][1](parameters), LOSSES[loss][1], []
    for x, y in zip(*batches(loss), strict=True):
        mean = criterion(forward(x), as_target(y, dtype))
        step.zero_grad()
        mean.backward()
        step.step()
        losses.append(mean.item())
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters]), np.array(losses)


CASES = [("tanh", loss, optimizer) for loss in LOSSES for optimizer in OPTIMIZERS if "," not in loss]
CASES += [("tanh", loss, "adam") for loss in LOSSES if "," in loss]
CASES += [(activation, "cross_entropy", "adam") for activation in ACTIVATIONS if activation != "tanh"]
every_case = pytest.mark.parametrize(("activation", "loss", "optimizer"), CASES)


@every_case
def test_float64_trajectories(activation: str, loss: str, optimizer: str) -> None:
    weights, losses = ours(activation, loss, optimizer, "float64")
    wanted, wanted_losses = theirs(activation, loss, optimizer, "float64")
    begun = start(activation, "float64", loss).parameters
    assert relative_distance(wanted, begun) > 1e-2, "training must have moved them"
    assert relative_distance(weights, wanted) < 1e-9
    np.testing.assert_allclose(weights, wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-9)


@every_case
def test_float32_trajectories(activation: str, loss: str, optimizer: str) -> None:
    exact, exact_losses = theirs(activation, loss, optimizer, "float64")
    peer, peer_losses = theirs(activation, loss, optimizer, "float32")
    weights, losses = ours(activation, loss, optimizer, "float32")
    eps = float(np.finfo(np.float32).eps)
    assert relative_distance(weights, exact) < 3 * relative_distance(peer, exact) + 4 * eps
    assert relative_distance(losses, exact_losses) < 3 * relative_distance(peer_losses, exact_losses) + 4 * eps


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
