"""What optimizers are beside their arithmetic: Lion by hand, resuming, frozen layers, the names of settings."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import bpnative as bp
from bpnative import kernels
from bpnative.optimizers import Optimizer
from compare import assert_same_bits
from optimizer_cases import OPTIMIZERS
from reference_cases import in_both_types, normal

every_case = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
ROWS = 40


def problem(dtype: str = "float32") -> tuple[bp.Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    network = bp.mlp([5, 9, 7, 2], activation="tanh", dtype=dtype, seed=3)
    return network, normal(rng, (ROWS, 5), dtype), normal(rng, (ROWS, 2), dtype)


def test_lion_by_hand():
    """Algorithm 2 of Chen et al. (2023), beta1 = 0.5, beta2 = 0.75, learning rate 0.125, weight decay 0.5."""
    lion = bp.Lion(learning_rate=0.125, beta1=0.5, beta2=0.75, weight_decay=0.5)
    weight = np.array([1.0, -2.0, 0.0, 4.0])
    state = kernels.optimizer_state(lion, weight)
    kernels.optimizer_update(lion, weight, np.array([4.0, -8.0, 0.0, 2.0]), state, 1)
    # c = 0.5 g, so the signs are 1, -1, 0, 1; w - 0.125 (sign + 0.5 w); m = 0.25 g
    assert weight.tolist() == [0.8125, -1.75, 0.0, 3.625]
    assert state["m"].tolist() == [1.0, -2.0, 0.0, 0.5]
    kernels.optimizer_update(lion, weight, np.array([-2.0, 1.0, 0.0, -0.5]), state, 2)
    # c = 0.5 m + 0.5 g = -0.5, -0.5, 0, 0: the third and the fourth only decay; m = 0.75 m + 0.25 g
    assert weight.tolist() == [0.88671875, -1.515625, 0.0, 3.3984375]
    assert state["m"].tolist() == [0.25, -1.25, 0.0, 0.25]


def test_rprop_by_hand():
    """Steps of 0.1 first, times 1.5 where the sign stays, times 0.5 where it turns, and then a step without a move."""
    rprop = bp.Rprop(learning_rate=0.125, eta_plus=1.5)
    weight, state = np.array([1.0]), {}
    state = kernels.optimizer_state(rprop, weight)
    seen = []
    for step, gradient in enumerate((3.0, 0.5, -9.0, -1.0, -1.0), 1):
        kernels.optimizer_update(rprop, weight, np.array([gradient]), state, step)
        seen.append((weight.item(), state["step_size"].item()))
    assert seen == [(0.875, 0.125), (0.6875, 0.1875), (0.6875, 0.09375), (0.78125, 0.09375), (0.921875, 0.140625)]


@in_both_types
@every_case
def test_a_pickled_trainer_goes_on_bit_for_bit(optimizer: Optimizer, dtype: str) -> None:
    """Everything but the state is a function of the step count, NAdam's product and Adagrad's rate included."""
    network, x, y = problem(dtype)
    trainer = bp.Trainer(network, "mse", optimizer, groups=[bp.Group(1, learning_rate=0.004)], average=bp.EMA(0.9))
    trainer.fit(x, y, epochs=3, batch_size=8)
    again = pickle.loads(pickle.dumps(trainer))
    for one in (trainer, again):
        one.fit(x, y, epochs=3, batch_size=8)
    assert_same_bits(again.network.parameters, network.parameters)
    assert_same_bits(again.average, trainer.average)
    for name, values in trainer.state.items():
        assert_same_bits(again.state[name], values, name)


@every_case
def test_frozen_layers_keep_weights_and_state(optimizer: Optimizer) -> None:
    network, x, y = problem()
    trainer = bp.Trainer(network, "mse", optimizer)
    trainer.fit(x, y, epochs=2, batch_size=8)
    network.layers[1].trainable = False
    first, last = 5 * 9 + 9, 5 * 9 + 9 + 9 * 7 + 7
    before = {name: values.copy() for name, values in {"weights": network.parameters, **trainer.state}.items()}
    trainer.fit(x, y, epochs=2, batch_size=8)
    for name, values in {"weights": network.parameters, **trainer.state}.items():
        assert_same_bits(values[first:last], before[name][first:last], name)
    assert (network.parameters[:first] != before["weights"][:first]).any()
    network.layers[1].trainable = True
    trainer.fit(x, y, epochs=1)
    assert (network.parameters[first:last] != before["weights"][first:last]).any()


@every_case
def test_training_lowers_the_loss(optimizer: Optimizer) -> None:
    network, x, y = problem()
    rate = {"adadelta": 1.0, "sgd": 0.1}.get(optimizer.name, 0.01)
    trainer = bp.Trainer(network, "mse", optimizer)
    trainer.learning_rate = rate
    history = trainer.fit(x, y, epochs=40, batch_size=ROWS)
    assert history["loss"][-1] < 0.97 * history["loss"][0]


def test_the_initial_accumulator_is_set():
    network, _, _ = problem()
    adagrad = bp.Adagrad(initial_accumulator_value=0.25)
    groups = [bp.Group(2, initial_accumulator_value=4.0)]
    trainer = bp.Trainer(network, "mse", adagrad, groups=groups)
    assert np.unique(trainer.state["v"]).tolist() == [0.25, 4.0]
    assert (trainer.state["v"] == 4.0).sum() == 7 * 2 + 2


def test_late_steps_are_the_same_from_anywhere():
    """NAdam's product of a million steps, multiplied at once, is that of a run that came there step by step."""
    nadam = bp.NAdam(beta1=0.9999, momentum_decay=1e-5)
    network, x, y = problem("float64")
    trainer = bp.Trainer(network, "mse", nadam)
    for _ in range(500):
        trainer.step(x, y)
    state = {name: values.copy() for name, values in trainer.state.items()}
    weight, gradient = network.parameters.copy(), trainer.gradients(x, y)[1]
    trainer.step(x, y)
    kernels.optimizer_update(nadam, weight, gradient, state, 501)
    assert_same_bits(weight, network.parameters)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda w: kernels.optimizer_update("adm", w, w.copy(), {}, 1), ValueError, "did you mean 'adam'"),
        (lambda w: kernels.optimizer_update("adam", w, w.copy(), {}, 1), ValueError, r"state of adam as \['m', 'v'\]"),
        (lambda w: kernels.optimizer_update("sgd", w, w.copy(), {"m": w}, 1), ValueError, r"as \[\], got \['m'\]"),
        (lambda w: kernels.optimizer_update("sgd", w, w.copy(), {}, 0), ValueError, "step of at least 1"),
        (lambda w: kernels.optimizer_update("sgd", w, w[:1], {}, 1), ValueError, "gradient as weight"),
        (lambda w: kernels.optimizer_update("sgd", w, w.copy(), {}, 1, isa="mmx"), ValueError, "instruction set"),
        (lambda w: kernels.optimizer_state("adam", [1.0]), TypeError, "weight as an array"),
        (lambda w: bp.Rprop(step_min=1.0, step_max=0.5), ValueError, "step_max of at least step_min=1.0, got 0.5"),
        (lambda w: bp.Adam(amsgrad=1), TypeError, "amsgrad of Adam as True or False"),
    ],
)
def test_wrong_arguments(call, error, message):
    weight = np.ones(3)
    with pytest.raises(error, match=message):
        call(weight)
    assert weight.tolist() == [1, 1, 1]
