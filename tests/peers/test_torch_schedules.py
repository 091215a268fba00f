"""Schedules against PyTorch's lr_scheduler: every rate of the whole sequence; and runs that a schedule drives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import schedules as s
from compare import Array, relative_distance

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'bpnative[peers]'")
lr_scheduler = torch.optim.lr_scheduler
Torch = Callable[[Any], Any]

RATE, STEPS = 0.3, 100


def one_cycle(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[s.Schedule, Torch, int]:
    schedule = s.OneCycle(RATE, STEPS, **ours)
    return schedule, lambda o: lr_scheduler.OneCycleLR(o, RATE, total_steps=STEPS, **theirs), STEPS


def warmed_up(after: Torch) -> Torch:
    """Return PyTorch's linear warm-up of seven steps before another schedule."""
    linear = lambda o: lr_scheduler.LinearLR(o, start_factor=0.2, total_iters=7)  # noqa: E731
    return lambda o: lr_scheduler.SequentialLR(o, [linear(o), after(o)], milestones=[7])


# Ours, PyTorch's, and how many steps are compared.
SEQUENCES: dict[str, tuple[s.Schedule, Torch, int]] = {
    "constant": (s.Constant(RATE), lambda o: lr_scheduler.ConstantLR(o, factor=1.0), STEPS),
    "step": (s.Step(RATE, 7, 0.6), lambda o: lr_scheduler.StepLR(o, 7, 0.6), STEPS),
    "multi_step": (
        s.MultiStep(RATE, [5, 5, 30, 71], 0.4),
        lambda o: lr_scheduler.MultiStepLR(o, [5, 5, 30, 71], 0.4),
        STEPS,
    ),
    "exponential": (s.Exponential(RATE, 0.93), lambda o: lr_scheduler.ExponentialLR(o, 0.93), STEPS),
    "polynomial": (s.Polynomial(RATE, 60, 1.7), lambda o: lr_scheduler.PolynomialLR(o, 60, 1.7), STEPS),
    "polynomial, a line": (s.Polynomial(RATE, 60), lambda o: lr_scheduler.PolynomialLR(o, 60), STEPS),
    "cosine": (s.Cosine(RATE, 99, minimum=0.01), lambda o: lr_scheduler.CosineAnnealingLR(o, 99, 0.01), STEPS),
    "cosine_restarts": (
        s.CosineRestarts(RATE, 9, 2, 0.02),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 9, 2, 0.02),
        STEPS,
    ),
    "cosine_restarts, as long": (
        s.CosineRestarts(RATE, 9),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 9),
        STEPS,
    ),
    "inverse_scaling": (
        s.InverseScaling(RATE, 0.7, per_step=3),
        lambda o: lr_scheduler.LambdaLR(o, lambda t: (3 * t + 1) ** -0.7),
        STEPS,
    ),
    "one_cycle": one_cycle({}, {}),
    "one_cycle, linear": one_cycle({"anneal": "linear"}, {"anneal_strategy": "linear"}),
    "one_cycle, other settings": one_cycle(
        {"warmup_fraction": 0.13, "div_factor": 7.0, "final_div_factor": 11.0, "base_momentum": 0.3},
        {"pct_start": 0.13, "div_factor": 7.0, "final_div_factor": 11.0, "base_momentum": 0.3},
    ),
    "one_cycle, no warm-up": one_cycle({"warmup_fraction": 0.0}, {"pct_start": 0.0}),
    "one_cycle, three phases": one_cycle(
        {"three_phase": True, "warmup_fraction": 0.31}, {"three_phase": True, "pct_start": 0.31}
    ),
    "one_cycle, three phases, linear": one_cycle(
        {"three_phase": True, "anneal": "linear"}, {"three_phase": True, "anneal_strategy": "linear"}
    ),
    "warmup": (
        s.Warmup(s.Cosine(RATE, 93), 7, start=0.2),
        warmed_up(lambda o: lr_scheduler.CosineAnnealingLR(o, 93)),
        STEPS,
    ),
    "warmup, then stairs": (
        s.Warmup(s.Step(RATE, 10), 7, start=0.2),
        warmed_up(lambda o: lr_scheduler.StepLR(o, 10)),
        STEPS,
    ),
}
ELSEWHERE = {"per_epoch", "adaptive", "reduce_on_plateau"}  # below, and against scikit-learn


def test_every_name_is_compared() -> None:
    assert {name.split(",")[0] for name in SEQUENCES} | ELSEWHERE == set(s.SCHEDULES)


def sequence(make: Torch, count: int) -> tuple[Array, Array]:
    """Return PyTorch's learning rates and momenta of so many steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE, momentum=0.9)
    scheduler, group, rates, momenta = make(optimizer), optimizer.param_groups[0], [], []
    for _ in range(count):
        rates.append(float(group["lr"]))
        momenta.append(group["momentum"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SequentialLR calls its parts in a way that PyTorch warns of
            if rates and len(rates) < count:
                scheduler.step()
    return np.array(rates), np.array(momenta)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SEQUENCES)
def test_every_rate_and_momentum(name: str) -> None:
    schedule, make, count = SEQUENCES[name]
    rates, momenta = sequence(make, count)
    np.testing.assert_allclose(schedule.values(0, count), rates, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose([schedule(step) for step in range(count)], rates, rtol=1e-12, atol=1e-15)
    ours = schedule.momentum_values(0, count)
    np.testing.assert_allclose(np.full(count, 0.9) if ours is None else ours, momenta, rtol=1e-12)
    assert (ours is not None) == name.startswith("one_cycle")


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("patience", "cooldown", "min_lr"), [(0, 0, 0.0), (2, 0, 0.001), (1, 3, 0.01), (3, 1, 0.5)])
def test_reduce_on_plateau(mode: str, patience: int, cooldown: int, min_lr: float) -> None:
    rng = np.random.default_rng(3)
    numbers = np.round(np.exp(-np.arange(60) / 20) + 0.1 * rng.standard_normal(60), 2)
    numbers[20] = np.nan
    schedule = s.ReduceOnPlateau(
        RATE, "loss", factor=0.5, patience=patience, min_delta=0.01, cooldown=cooldown, min_lr=min_lr, mode=mode
    )
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    peer = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, 0.5, patience, threshold=0.01, threshold_mode="abs", cooldown=cooldown, min_lr=min_lr, eps=0.0
    )
    state = schedule.begin()
    for number in numbers:
        assert schedule.values(0, 1, state)[0] == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-14)
        state = schedule.follow(state, {"loss": number})
        peer.step(number)
    assert min_lr > RATE or state["learning_rate"] < RATE, "the rate must have fallen"


# ---- runs ----------------------------------------------------------------------------------------------------------
ROWS, SIZES = 24, (11, 20, 5)
OPTIMIZERS: dict[str, tuple[Callable[[Any], bp.optimizers.Optimizer], Callable[[Any], Any]]] = {
    "sgd, momentum": (
        lambda rate: bp.SGD(learning_rate=rate, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    ),
    "sgd, nesterov": (
        lambda rate: bp.SGD(learning_rate=rate, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "adam": (lambda rate: bp.Adam(learning_rate=rate), lambda p: torch.optim.Adam(p, lr=0.05)),
}
RUNS: dict[str, tuple[s.Schedule, Torch]] = {
    "one cycle": (s.OneCycle(0.05, STEPS), lambda o: lr_scheduler.OneCycleLR(o, 0.05, total_steps=STEPS)),
    "cosine": (s.Cosine(0.05, STEPS), lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS)),
}


@pytest.mark.parametrize("way", ["fit", "step"])
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_trajectories(optimizer: str, run: str, way: str) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(4)
    x = rng.standard_normal((STEPS, ROWS, SIZES[0]))
    y = (x @ rng.standard_normal((SIZES[0], SIZES[-1]))) / 3
    network = bp.mlp(list(SIZES), activation="tanh", dtype="float64", seed=7)
    begin = network.parameters.copy()
    parameters = [
        torch.tensor(part, requires_grad=True) for layer in network.layers for part in (layer.weight, layer.bias)
    ]
    trainer = bp.Trainer(network, "mse", optimizer=OPTIMIZERS[optimizer][0](RUNS[run][0]))
    if way == "fit":
        trainer.fit(x.reshape(-1, SIZES[0]), y.reshape(-1, SIZES[-1]), batch_size=ROWS, shuffle=False)
    else:
        for part, target in zip(x, y, strict=True):
            trainer.step(part, target)
    peer = OPTIMIZERS[optimizer][1](parameters)
    scheduler = RUNS[run][1](peer)
    for part, target in zip(x, y, strict=True):
        hidden = torch.tanh(torch.nn.functional.linear(torch.tensor(part), parameters[0], parameters[1]))
        output = torch.nn.functional.linear(hidden, parameters[2], parameters[3])
        peer.zero_grad()
        torch.nn.functional.mse_loss(output, torch.tensor(target)).backward()
        peer.step()
        scheduler.step()
    wanted = np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters])
    assert relative_distance(begin, wanted) > 1e-2, "training must have moved them"
    assert relative_distance(network.parameters, wanted) < 1e-9
