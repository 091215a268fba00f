"""Updates against the oracle: settings, sizes, steps, NaN; a weight moves by itself, so its bits are equal anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bpnative import _bpnative as native
from compare import Array, assert_close, assert_same_bits
from reference import OPTIMIZERS
from reference import Array as Numbers
from reference_cases import FMA_ISAS, SIZES, empty, in_both_types, normal, on_every_isa, wide

# Of each optimizer the settings that take different ways through its kernel.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "adam": [
        {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
        {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3},
        {"beta1": 0.0, "beta2": 0.99, "epsilon": 1e-8},
    ],
}
CASES = [(name, settings) for name in native.optimizer_names() for settings in SETTINGS.get(name, [{}])]
every_case = pytest.mark.parametrize(("name", "settings"), CASES)


class Update:
    """A flat array of weights with the state of its optimizer, updated by the kernel."""

    def __init__(self, name: str, settings: dict[str, Any], weight: Array) -> None:
        self.name, self.settings, self.weight = name, settings, weight.copy()
        names = {"sgd": ["velocity"] if settings.get("momentum") else [], "adam": ["m", "v"]}[name]
        self.state = {part: np.zeros_like(weight) for part in names}

    def step(self, gradient: Array, step: int, learning_rate: float, isa: str) -> None:
        """Update once."""
        s = self.settings
        if self.name == "sgd":
            momentum, nesterov = s.get("momentum", 0.0), s.get("nesterov", False)
            velocity = self.state.get("velocity")
            native.sgd_update(self.weight, velocity, gradient, learning_rate, momentum, nesterov, isa)
        else:
            m, v = self.state["m"], self.state["v"]
            settings = (s["beta1"], s["beta2"], s["epsilon"])
            native.adam_update(self.weight, m, v, gradient, step, learning_rate, *settings, isa)


def test_every_optimizer_has_settings_here() -> None:
    assert sorted(SETTINGS) == sorted(native.optimizer_names())


@on_every_isa
@in_both_types
@every_case
def test_steps_at_every_size(name: str, settings: dict[str, Any], isa: str, dtype: str) -> None:
    """Each step is compared from the state that the kernel itself reached, so errors do not pile up unseen."""
    rng = np.random.default_rng(40)
    for size in (*SIZES, 1000, 4099):
        update, rate = Update(name, settings, normal(rng, size, dtype)), 0.05
        for step in range(1, 6):
            gradient = normal(rng, size, dtype)
            before, gradient64 = update.weight.astype(np.float64), gradient.astype(np.float64)
            state: dict[str, Numbers] = {part: array.astype(np.float64) for part, array in update.state.items()}
            wanted = OPTIMIZERS[name](before, gradient64, state, step, rate, **settings)
            update.step(gradient, step, rate, isa)
            what = f"{name} {settings}, {size} weights, step {step}"
            moved = np.abs(before - wanted) + rate * np.abs(gradient64)
            assert_close(update.weight, wanted, np.abs(before) + 4 * moved, 2, what)
            # The move itself, which is a small part of the weight, must be right to more than the weight's rounding.
            for part, array in update.state.items():
                addends = np.abs(state[part]) + np.abs(gradient64) ** (2 if part == "v" else 1)
                assert_close(array, state[part], addends, 4, f"{part} of {what}")


@on_every_isa
@in_both_types
@every_case
def test_the_move_of_a_weight_of_zero_is_exact(name: str, settings: dict[str, Any], isa: str, dtype: str) -> None:
    rng = np.random.default_rng(41)
    for step in (1, 2, 10, 1000, 10**6):
        update, gradient = Update(name, settings, np.zeros(77, dtype)), normal(rng, 77, dtype)
        for part, array in update.state.items():
            array[:] = normal(rng, 77, dtype) ** (2 if part == "v" else 1)
        (gradient64,) = wide(gradient)
        state = {part: array.astype(np.float64) for part, array in update.state.items()}
        parts = {part: array.copy() for part, array in state.items()}
        wanted = OPTIMIZERS[name](np.zeros(77), gradient64, state, step, 1e-3, **settings)
        update.step(gradient, step, 1e-3, isa)
        addends = np.abs(gradient64) + np.abs(parts.get("velocity", parts.get("m", np.zeros(77))))
        if name == "adam":
            corrections = np.sqrt(1 - settings["beta2"] ** step) / (1 - settings["beta1"] ** step)
            addends = addends * corrections / np.sqrt(state["v"])
        assert_close(update.weight, wanted, 1e-3 * (np.abs(wanted) / 1e-3 + 2 * addends), 8, f"{name}, step {step}")


@on_every_isa
@in_both_types
def test_no_gradient_no_move(isa: str, dtype: str) -> None:
    weight = normal(np.random.default_rng(42), 100, dtype)
    for name, settings in CASES:
        update = Update(name, settings, weight)
        for step in range(1, 4):
            update.step(np.zeros(100, dtype), step, 0.1, isa)
        assert_same_bits(update.weight, weight, f"{name} {settings}")


@on_every_isa
@in_both_types
@every_case
def test_a_nan_is_seen_and_stays_in_its_place(name: str, settings: dict[str, Any], isa: str, dtype: str) -> None:
    for bad in (np.nan, np.inf):
        for size in (1, 7, 16, 77):
            gradient, hit = np.ones(size, dtype), np.arange(size) == size - 1
            gradient[-1] = bad
            update = Update(name, settings, np.zeros(size, dtype))
            update.step(gradient, 1, 0.1, isa)
            update.step(np.ones(size, dtype), 2, 0.1, isa)
            np.testing.assert_array_equal(~np.isfinite(update.weight), hit)


@on_every_isa
@in_both_types
@every_case
def test_a_weight_moves_by_itself(name: str, settings: dict[str, Any], isa: str, dtype: str) -> None:
    """The bits do not depend on where in the array a weight stands, so not on how the array is cut among threads."""
    rng = np.random.default_rng(43)
    weight, gradients = normal(rng, 131, dtype), normal(rng, (3, 131), dtype)
    whole = Update(name, settings, weight)
    for step, gradient in enumerate(gradients, 1):
        whole.step(gradient, step, 0.01, isa)
    for first, last in ((0, 1), (1, 4), (5, 22), (64, 131), (130, 131)):
        part = Update(name, settings, weight[first:last])
        for step, gradient in enumerate(gradients, 1):
            part.step(np.ascontiguousarray(gradient[first:last]), step, 0.01, isa)
        assert_same_bits(part.weight, whole.weight[first:last], f"{name} {first}:{last}")


@in_both_types
@every_case
def test_every_fma_instruction_set_gives_the_same_bits(name: str, settings: dict[str, Any], dtype: str) -> None:
    if len(FMA_ISAS) < 2:
        pytest.skip(f"this machine has one instruction set with fused multiply-add: {FMA_ISAS}")
    rng = np.random.default_rng(44)
    weight, gradients = normal(rng, 1003, dtype), normal(rng, (10, 1003), dtype)
    results = []
    for isa in FMA_ISAS:
        update = Update(name, settings, weight)
        for step, gradient in enumerate(gradients, 1):
            update.step(gradient, step, 0.01, isa)
        results.append(update.weight)
    for other in results[1:]:
        assert_same_bits(other, results[0], name)


@on_every_isa
@in_both_types
def test_only_what_is_given_is_written(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(45)
    for name, settings in CASES:
        update, gradient = Update(name, settings, normal(rng, 37, dtype)), normal(rng, 37, dtype)
        given = gradient.copy()
        room = empty(64, dtype)
        room[:37] = update.weight
        update.weight = room[:37]
        update.step(gradient, 1, 0.1, isa)
        assert_same_bits(gradient, given, "gradient")
        assert np.isnan(room[37:]).all(), f"{name} wrote beyond its weights"
