"""Trajectories against PyTorch of networks with every layer that both have, 100 steps.

Batch norm with its running statistics, layer and RMS norm, residual blocks, embeddings, clipping, accumulation and
penalties. In float64 both stay together to 1e-9, in float32 as near to the exact trajectory as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from compare import Array, relative_distance

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'bpnative[peers]'")

STEPS, ROWS, INPUTS, OUTPUTS = 100, 24, 6, 3
WIDTH = 9  # of what each network below gives to the last layer
CODES = {1: 5, 4: 11}


@pytest.fixture(autouse=True)
def _one_thread_of_pytorch() -> None:
    torch.set_num_threads(1)  # its threads and ours would only wait for one another


class Block(torch.nn.Module):
    """A block, its skip, and what comes behind the sum."""

    def __init__(self, *layers: Any, skip: Any = None, after: Any = None) -> None:
        super().__init__()
        self.block = torch.nn.Sequential(*layers)
        self.skip = skip or torch.nn.Identity()
        self.after = after or torch.nn.Identity()

    def forward(self, x: Any) -> Any:
        """Return after(block(x) + skip(x))."""
        return self.after(self.block(x) + self.skip(x))


class Embed(torch.nn.Module):
    """The other columns, then a vector for each column of codes."""

    def __init__(self, sizes: dict[int, int]) -> None:
        super().__init__()
        self.tables = torch.nn.ModuleList(torch.nn.Embedding(CODES[column], size) for column, size in sizes.items())

    def forward(self, x: Any) -> Any:
        """Return (rows, numeric columns + sizes)."""
        numeric = [column for column in range(INPUTS) if column not in CODES]
        parts = [table(x[:, column].long()) for column, table in zip(CODES, self.tables, strict=True)]
        return torch.cat([x[:, numeric], *parts], dim=1)


Linear, Tanh, Norm = torch.nn.Linear, torch.nn.Tanh, torch.nn.BatchNorm1d


def tanh(units: int) -> bp.Dense:
    """Return a dense layer with tanh."""
    return bp.Dense(units, activation="tanh")


NETWORKS: dict[str, tuple[Callable[[], list[Any]], Callable[[], list[Any]]]] = {
    "batch norm": (
        lambda: [bp.Dense(20), bp.BatchNorm(), "tanh", bp.Dense(9), bp.BatchNorm(momentum=0.3, epsilon=1e-3), "tanh"],
        lambda: [Linear(6, 20), Norm(20), Tanh(), Linear(20, 9), Norm(9, eps=1e-3, momentum=0.3), Tanh()],
    ),
    "batch norm of the inputs": (lambda: [bp.BatchNorm(), tanh(9)], lambda: [Norm(6), Linear(6, 9), Tanh()]),
    "layer norm": (
        lambda: [bp.Dense(20), bp.LayerNorm(), "gelu", bp.Dense(9), bp.LayerNorm(epsilon=1e-2)],
        lambda: [
            *(Linear(6, 20), torch.nn.LayerNorm(20), torch.nn.GELU()),
            *(Linear(20, 9), torch.nn.LayerNorm(9, eps=1e-2)),
        ],
    ),
    "rms norm": (
        lambda: [bp.Dense(20), bp.RMSNorm(), "tanh", tanh(9)],
        lambda: [Linear(6, 20), torch.nn.RMSNorm(20, eps=1e-5), Tanh(), Linear(20, 9), Tanh()],
    ),
    "residual": (
        lambda: [tanh(9), bp.Residual([tanh(20), bp.Dense(9)], activation="tanh"), bp.Residual([tanh(9)])],
        lambda: [
            *(Linear(6, 9), Tanh()),
            Block(Linear(9, 20), Tanh(), Linear(20, 9), after=Tanh()),
            Block(Linear(9, 9), Tanh()),
        ],
    ),
    "residual, projected and nested": (
        lambda: [bp.Residual([bp.Dense(9), bp.BatchNorm(), "tanh", bp.Residual([tanh(9)])], activation="tanh")],
        lambda: [
            Block(
                *(Linear(6, 9), Norm(9), Tanh(), Block(Linear(9, 9), Tanh())),
                skip=Linear(6, 9, bias=False),
                after=Tanh(),
            )
        ],
    ),
    "embedding": (
        lambda: [bp.Embedding(CODES, size={1: 3, 4: 4}), tanh(9)],
        lambda: [Embed({1: 3, 4: 4}), Linear(11, 9), Tanh()],
    ),
}
UPDATES: dict[str, dict[str, Any]] = {
    "plain": {},
    "clip_grad_norm_": {"clip_norm": 0.3},
    "clip_grad_value_": {"clip_value": 0.02},
    "accumulation": {"accumulate": 4},
    "penalties": {"l1": 0.003, "l2": 0.05},
    "all": {"clip_norm": 0.5, "clip_value": 0.05, "accumulate": 2, "l2": 0.05},
}
CASES = [(name, "plain") for name in NETWORKS] + [
    (name, update)
    for name in ("residual, projected and nested", "embedding")
    for update in UPDATES
    if update != "plain"
]
every_case = pytest.mark.parametrize(("name", "update"), CASES)


def data() -> tuple[Array, Array]:
    """Return STEPS batches of inputs (codes in two columns) and labels, exact in float32."""
    rng = np.random.default_rng(250)
    x = rng.standard_normal((STEPS, ROWS, INPUTS)).astype(np.float32)
    y = (x[..., :OUTPUTS] + 0.3 * rng.standard_normal((STEPS, ROWS, OUTPUTS))).argmax(axis=-1)
    for column, codes in CODES.items():
        x[..., column] = rng.integers(0, codes, (STEPS, ROWS))
    return x, y


def start(name: str, update: str, dtype: str) -> bp.Network:
    """Return the network that both begin from, its weights exact in float32."""
    penalties = {key: UPDATES[update][key] for key in ("l1", "l2") if key in UPDATES[update]}
    layers = [*NETWORKS[name][0](), bp.Dense(OUTPUTS, **penalties)]
    network = bp.Network(layers, input_size=INPUTS, dtype=dtype, seed=8)
    network.parameters = network.parameters.astype(np.float32)
    return network


def peer_of(network: bp.Network, name: str, dtype: str) -> Any:
    """Return PyTorch's copy; its parameters lie in the same order, those of a block's skip behind the block's."""
    model = torch.nn.Sequential(*NETWORKS[name][1](), Linear(WIDTH, OUTPUTS)).to(getattr(torch, dtype))
    views = [view for layer in network.walk() for view in layer.tensors.values()]
    with torch.no_grad():
        for parameter, view in zip(model.parameters(), views, strict=True):
            parameter.copy_(torch.tensor(view))
    return model


def ours(name: str, update: str, dtype: str) -> tuple[Array, Array, Array, Array]:
    """Return weights, statistics, losses and predictions after our hundred minibatches."""
    network = start(name, update, dtype)
    settings = {key: value for key, value in UPDATES[update].items() if key not in ("l1", "l2")}
    trainer = bp.Trainer(network, loss="cross_entropy", optimizer=bp.SGD(0.1, momentum=0.9), **settings)
    x, y = data()
    accumulate, losses = settings.get("accumulate", 1), []
    for at in range(0, STEPS, accumulate):
        part = slice(at, at + accumulate)
        history = trainer.fit(
            x[part].reshape(-1, INPUTS), y[part].ravel(), epochs=1, batch_size=ROWS, shuffle=False, progress=False
        )
        losses.append(history["loss"][0])
    return network.parameters.copy(), network.statistics.copy(), np.array(losses), network.predict(x[0])


def theirs(name: str, update: str, dtype: str) -> tuple[Array, Array, Array, Array]:
    """Return the same of PyTorch's."""
    network, settings = start(name, update, dtype), UPDATES[update]
    model, kind = peer_of(network, name, dtype), getattr(torch, dtype)
    step = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = data()
    accumulate, losses = settings.get("accumulate", 1), []
    model.train()
    for at in range(0, STEPS, accumulate):
        step.zero_grad()
        total = 0.0
        for part in range(at, at + accumulate):
            output = model(torch.tensor(x[part], dtype=kind))
            mean = torch.nn.functional.cross_entropy(output, torch.tensor(y[part])) / accumulate
            mean.backward()
            total += mean.item()
        weight = model[-1].weight
        penalty = settings.get("l1", 0.0) * weight.abs().sum() + settings.get("l2", 0.0) / 2 * (weight**2).sum()
        penalty.backward()
        losses.append(total + penalty.item())
        if "clip_norm" in settings:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings["clip_norm"])
        if "clip_value" in settings:
            torch.nn.utils.clip_grad_value_(model.parameters(), settings["clip_value"])
        step.step()
    model.eval()
    statistics = [module for module in model.modules() if isinstance(module, Norm)]
    flat = [part.numpy() for module in statistics for part in (module.running_mean, module.running_var)]
    weights = np.concatenate([parameter.detach().numpy().ravel() for parameter in model.parameters()])
    with torch.no_grad():
        predicted = model(torch.tensor(x[0], dtype=kind)).numpy()
    return weights, np.concatenate([np.zeros(0, dtype), *flat]), np.array(losses), predicted


@every_case
def test_float64_trajectories(name: str, update: str) -> None:
    got, wanted = ours(name, update, "float64"), theirs(name, update, "float64")
    assert relative_distance(wanted[0], start(name, update, "float64").parameters) > 1e-2, "training moved them"
    for part, what in zip(range(4), ("weights", "statistics", "losses", "predictions"), strict=True):
        np.testing.assert_allclose(got[part], wanted[part], rtol=1e-9, atol=1e-9, err_msg=what)


@every_case
def test_float32_trajectories(name: str, update: str) -> None:
    exact, peer, got = theirs(name, update, "float64"), theirs(name, update, "float32"), ours(name, update, "float32")
    eps = float(np.finfo(np.float32).eps)
    for part, what in ((0, "weights"), (2, "losses"), (3, "predictions")):
        allowed = 4 * relative_distance(peer[part], exact[part]) + 16 * eps
        assert relative_distance(got[part], exact[part]) < allowed, what


def test_updates_take_effect() -> None:
    """Each of them makes another trajectory, so that none of the comparisons above is of what is switched off."""
    weights = [theirs("embedding", update, "float64")[0] for update in UPDATES]
    for at, one in enumerate(weights):
        for other in weights[at + 1 :]:
            assert relative_distance(one, other) > 1e-4


def test_gradients_with_one_batch_norm_frozen() -> None:
    """Frozen is PyTorch's eval() of that module: running statistics stand in, and stay."""
    network = start("batch norm", "plain", "float64")
    x, y = data()
    trainer = bp.Trainer(network, loss="cross_entropy", optimizer=bp.SGD(0.0))
    for part in range(20):
        trainer.step(x[part], y[part])
    network.layers[1].trainable = False
    model = peer_of(network, "batch norm", "float64")
    norm = model[1]
    with torch.no_grad():
        norm.running_mean.copy_(torch.tensor(network.layers[1].statistics["running_mean"]))
        norm.running_var.copy_(torch.tensor(network.layers[1].statistics["running_variance"]))
    model.train()
    norm.eval()
    torch.nn.functional.cross_entropy(model(torch.tensor(x[0], dtype=torch.float64)), torch.tensor(y[0])).backward()
    for parameter in norm.parameters():
        parameter.grad.zero_()
    wanted = np.concatenate([parameter.grad.numpy().ravel() for parameter in model.parameters()])
    np.testing.assert_allclose(trainer.gradients(x[0], y[0])[1], wanted, rtol=1e-9, atol=1e-12)
