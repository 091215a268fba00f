"""Updates against the oracle: settings, sizes, steps, NaN; a weight moves by itself, so its bits are equal anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from bpnative import _bpnative as native
from bpnative import kernels
from bpnative.optimizers import Optimizer
from compare import Array, assert_close, assert_same_bits
from optimizer_cases import OPTIMIZERS as CASES
from optimizer_cases import oracle_settings, with_rate
from reference import OPTIMIZERS
from reference import Array as Numbers
from reference_cases import FMA_ISAS, SIZES, empty, in_both_types, normal, on_every_isa

every_case = pytest.mark.parametrize("optimizer", CASES, ids=repr)


class Update:
    """A flat array of weights with the state of its optimizer, updated by the kernel."""

    def __init__(self, optimizer: Optimizer, weight: Array) -> None:
        self.optimizer, self.weight = optimizer, weight.copy()
        self.state = kernels.optimizer_state(optimizer, self.weight)

    def step(self, gradient: Array, step: int, isa: str) -> None:
        """Update once."""
        kernels.optimizer_update(self.optimizer, self.weight, gradient, self.state, step, isa=isa)


def oracle(
    optimizer: Optimizer, weight: Numbers, gradient: Numbers, state: dict[str, Numbers], step: int
) -> dict[str, Numbers]:
    """Return the weights and states after a step."""
    after = dict(state)
    rate = optimizer.learning_rates(step - 1, 1).item()
    weight = OPTIMIZERS[optimizer.name](weight, gradient, after, step, rate, **oracle_settings(optimizer))
    return {"weight": weight, **after}


def conditioning(
    optimizer: Optimizer, weight: Numbers, gradient: Numbers, state: dict[str, Numbers], step: int
) -> dict[str, Numbers]:
    """Return how far each result moves if each input does, relative to itself: what rounding must be measured by.

    The sum over all inputs x of |d result / d x · x|, by differences, and the size of the result itself.
    """
    inputs, tiny = {"weight": weight, "gradient": gradient, **state}, 1e-6
    base = oracle(optimizer, weight, gradient, state, step)
    scale = {part: np.abs(value) for part, value in base.items()}
    for name, values in inputs.items():
        moved = inputs | {name: values * (1.0 + tiny)}
        rest = {part: moved[part] for part in state}
        for part, value in oracle(optimizer, moved["weight"], moved["gradient"], rest, step).items():
            scale[part] = scale[part] + np.abs(value - base[part]) / tiny
    return scale


def test_every_optimizer_has_settings_here() -> None:
    assert {optimizer.name for optimizer in CASES} == set(native.optimizer_names())
    assert {optimizer.native_name for optimizer in CASES} == set(native.optimizer_names())


@on_every_isa
@in_both_types
@every_case
def test_steps_at_every_size(optimizer: Optimizer, isa: str, dtype: str) -> None:
    """Each step is compared from the state that the kernel itself reached, so errors do not pile up unseen."""
    rng = np.random.default_rng(40)
    for size in (*SIZES, 1000, 4099):
        update = Update(with_rate(optimizer, 0.05), normal(rng, size, dtype))
        for step in range(1, 7):
            gradient = normal(rng, size, dtype)
            before, gradient64 = update.weight.astype(np.float64), gradient.astype(np.float64)
            state: dict[str, Numbers] = {part: array.astype(np.float64) for part, array in update.state.items()}
            wanted = oracle(update.optimizer, before, gradient64, state, step)
            scale = conditioning(update.optimizer, before, gradient64, state, step)
            update.step(gradient, step, isa)
            what = f"{optimizer!r}, {size} weights, step {step}"
            # A weight's own rounding, and the move's, which is a small part of it.
            move = scale["weight"] - np.abs(wanted["weight"]) + np.abs(wanted["weight"] - before)
            assert_close(update.weight, wanted["weight"], np.abs(before) + 3 * move, 2, what)
            for part, array in update.state.items():
                assert_close(array, wanted[part], scale[part], 4, f"{part} of {what}")


@on_every_isa
@in_both_types
@every_case
def test_the_move_of_a_weight_of_zero_is_exact(optimizer: Optimizer, isa: str, dtype: str) -> None:
    """The move must be right to more than the weight's rounding, at early and at late steps."""
    rng, zeros = np.random.default_rng(41), np.zeros(77)
    for step in (1, 2, 6, 10, 1000, 10**6):
        update, gradient = Update(with_rate(optimizer, 1e-3), zeros.astype(dtype)), normal(rng, 77, dtype)
        for part, array in update.state.items():
            # Squares are at least those of the mean beside them, as in any history.
            array[:] = (
                1 + normal(rng, 77, dtype) ** 2 if part in ("v", "u", "step_size") else normal(rng, 77, dtype) / 2
            )
        gradient64 = gradient.astype(np.float64)
        state: dict[str, Numbers] = {part: array.astype(np.float64) for part, array in update.state.items()}
        wanted = oracle(update.optimizer, zeros, gradient64, state, step)
        scale = conditioning(update.optimizer, zeros, gradient64, state, step)
        update.step(gradient, step, isa)
        assert_close(update.weight, wanted["weight"], scale["weight"], 6, f"{optimizer!r}, step {step}")


@on_every_isa
@in_both_types
def test_no_gradient_no_move(isa: str, dtype: str) -> None:
    weight = normal(np.random.default_rng(42), 100, dtype)
    for optimizer in CASES:
        if getattr(optimizer, "weight_decay", 0.0):
            continue
        update = Update(optimizer, weight)
        for step in range(1, 9):
            update.step(np.zeros(100, dtype), step, isa)
        assert_same_bits(update.weight, weight, repr(optimizer))


@on_every_isa
@in_both_types
@every_case
def test_a_learning_rate_of_zero_holds_the_weights(optimizer: Optimizer, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(46)
    weight = normal(rng, 100, dtype)
    update = Update(with_rate(optimizer, 0.0), weight)
    for step in range(1, 9):
        update.step(normal(rng, 100, dtype), step, isa)
    assert_same_bits(update.weight, weight, repr(optimizer))


@on_every_isa
@in_both_types
@every_case
def test_a_nan_is_seen_and_stays_in_its_place(optimizer: Optimizer, isa: str, dtype: str) -> None:
    for bad in (np.nan, np.inf):
        for size in (1, 7, 16, 77):
            gradient, hit = np.ones(size, dtype), np.arange(size) == size - 1
            gradient[-1] = bad
            update = Update(optimizer, np.zeros(size, dtype))
            update.step(gradient, 1, isa)
            update.step(np.ones(size, dtype), 2, isa)
            # Lion goes by signs alone, and an infinity has one.
            seen = hit & (np.isnan(bad) or optimizer.name != "lion")
            np.testing.assert_array_equal(~np.isfinite(update.weight), seen)


@on_every_isa
@in_both_types
@every_case
def test_a_weight_moves_by_itself(optimizer: Optimizer, isa: str, dtype: str) -> None:
    """The bits do not depend on where in the array a weight stands, so not on how the array is cut among threads."""
    rng = np.random.default_rng(43)
    weight, gradients = normal(rng, 131, dtype), normal(rng, (3, 131), dtype)
    whole = Update(optimizer, weight)
    for step, gradient in enumerate(gradients, 1):
        whole.step(gradient, step, isa)
    for first, last in ((0, 1), (1, 4), (5, 22), (64, 131), (130, 131)):
        part = Update(optimizer, weight[first:last])
        for step, gradient in enumerate(gradients, 1):
            part.step(np.ascontiguousarray(gradient[first:last]), step, isa)
        assert_same_bits(part.weight, whole.weight[first:last], f"{optimizer!r} {first}:{last}")


@in_both_types
@every_case
def test_every_fma_instruction_set_gives_the_same_bits(optimizer: Optimizer, dtype: str) -> None:
    if len(FMA_ISAS) < 2:
        pytest.skip(f"this machine has one instruction set with fused multiply-add: {FMA_ISAS}")
    rng = np.random.default_rng(44)
    weight, gradients = normal(rng, 1003, dtype), normal(rng, (10, 1003), dtype)
    results = []
    for isa in FMA_ISAS:
        update = Update(optimizer, weight)
        for step, gradient in enumerate(gradients, 1):
            update.step(gradient, step, isa)
        results.append({"weight": update.weight, **update.state})
    for other in results[1:]:
        for part, values in other.items():
            assert_same_bits(values, results[0][part], f"{part} of {optimizer!r}")


@on_every_isa
@in_both_types
@every_case
def test_only_what_is_given_is_written(optimizer: Optimizer, isa: str, dtype: str) -> None:
    rng = np.random.default_rng(45)
    update, gradient = Update(optimizer, normal(rng, 37, dtype)), normal(rng, 37, dtype)
    given, rooms = gradient.copy(), []
    for array in (update.weight, *update.state.values()):
        rooms.append(empty(64, dtype))
        rooms[-1][:37] = array
    update.weight = rooms[0][:37]
    update.state = {part: room[:37] for part, room in zip(update.state, rooms[1:], strict=True)}
    update.step(gradient, 1, isa)
    assert_same_bits(gradient, given, "gradient")
    for room in rooms:
        assert np.isnan(room[37:]).all(), f"{optimizer!r} wrote beyond its arrays"
        assert np.isfinite(room[:37]).all()


@on_every_isa
@every_case
def test_huge_gradients_of_float32(optimizer: Optimizer, isa: str) -> None:
    """Squares overflow to infinity, which stops a weight; what is finite stays right. As PyTorch, see tests/peers."""
    gradient = np.array([1e30, -1e30, 1.0, 1e15], np.float32)
    update = Update(optimizer, np.zeros(4, np.float32))
    update.step(gradient, 1, isa)
    with np.errstate(over="ignore", invalid="ignore"):
        state = {part: value.astype(np.float32) for part, value in Update(optimizer, np.zeros(4)).state.items()}
        wanted = oracle(optimizer, np.zeros(4, np.float32), gradient, state, 1)["weight"]
    np.testing.assert_allclose(update.weight, wanted, rtol=1e-5, atol=1e-12)


@on_every_isa
@in_both_types
def test_averages_of_weights(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(47)
    for size in (*SIZES, 1000):
        for fraction in (0.0, 0.001, 1 / 3, 1.0):
            room, weight = empty(size + 20, dtype), normal(rng, size, dtype)
            mean = room[:size]
            mean[:] = before = normal(rng, size, dtype)
            kernels.average_update(mean, weight, fraction, isa=isa)
            old, new = before.astype(np.float64), weight.astype(np.float64)
            wanted, scale = old + fraction * (new - old), np.abs(old) + np.abs(new)
            assert_close(mean, wanted, scale, 1, f"{size} weights, fraction {fraction}")
            assert np.isnan(room[size:]).all()
            if fraction in (0.0, 1.0):
                assert_same_bits(mean, weight if fraction else before)


@in_both_types
def test_averages_have_the_same_bits_on_every_fma_instruction_set(dtype: str) -> None:
    rng = np.random.default_rng(48)
    mean, weight = normal(rng, 1003, dtype), normal(rng, 1003, dtype)
    results = [mean.copy() for _ in FMA_ISAS]
    for isa, result in zip(FMA_ISAS, results, strict=True):
        kernels.average_update(result, weight, 0.001, isa=isa)
        assert_same_bits(result, results[0], isa)
        assert (result != mean).any()
