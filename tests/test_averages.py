"""Averages of weights: their sums step by step, the swap, resuming, and what is no time to use them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import bpnative as bp
from compare import assert_same_bits
from reference_cases import in_both_types, normal


def make(average, dtype="float64", **settings):
    network = bp.mlp([4, 6, 1], activation="tanh", dtype=dtype, seed=2)
    return bp.Trainer(network, "mse", bp.SGD(0.1), average=average, seed=0, **settings)


def data(dtype="float64"):
    rng = np.random.default_rng(3)
    return normal(rng, (30, 4), dtype), normal(rng, (30, 1), dtype)


@in_both_types
@pytest.mark.parametrize(
    ("average", "first"),
    [(bp.EMA(0.75), 1), (bp.EMA(0.0), 1), (bp.SWA(), 1), (bp.SWA(start=3, every=2), 5), (bp.SWA(every=4), 4)],
    ids=repr,
)
def test_the_average_step_by_step(average, first, dtype):
    trainer, (x, y) = make(average, dtype), data(dtype)
    assert average.first_step == first
    assert_same_bits(trainer.average, trainer.network.parameters)
    taken, wanted = [], trainer.network.parameters.astype(np.float64)
    for step in range(1, 20):
        trainer.step(x, y)
        weights = trainer.network.parameters.astype(np.float64)
        if isinstance(average, bp.EMA):
            wanted = weights if step == 1 else average.decay * wanted + (1 - average.decay) * weights
        elif step > average.start and (step - average.start) % average.every == 0:
            taken.append(weights)
            wanted = np.mean(taken, axis=0)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(trainer.average, wanted, rtol=8 * eps, atol=8 * eps)


def test_it_is_the_same_in_runs_as_in_single_steps():
    x, y = data("float32")
    runs, steps = make(bp.EMA(0.9), "float32"), make(bp.EMA(0.9), "float32")
    runs.fit(x, y, epochs=3, batch_size=10, shuffle=False)
    for _ in range(3):
        for at in range(0, 30, 10):
            steps.step(x[at : at + 10], y[at : at + 10])
    assert_same_bits(runs.average, steps.average)


def test_an_average_changes_no_bit_of_the_weights():
    x, y = data()
    results = []
    for average in (None, bp.EMA(), bp.SWA()):
        trainer = make(average)
        trainer.fit(x, y, epochs=3)
        results.append(trainer.network.parameters.copy())
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])
    assert make(None).average is None


def test_averaged_swaps_and_swaps_back():
    trainer, (x, y) = make(bp.EMA(0.9)), data()
    trainer.fit(x, y, epochs=3)
    weights, average = trainer.network.parameters.copy(), trainer.average.copy()
    assert (weights != average).any()
    before = trainer.evaluate(x, y)["loss"]
    with trainer.averaged():
        assert_same_bits(trainer.network.parameters, average)
        smooth = trainer.evaluate(x, y)["loss"]
        outputs = trainer.network.predict(x)
    assert smooth == pytest.approx(np.mean((outputs - y) ** 2))
    assert smooth != before
    with pytest.raises(RuntimeError, match="in the block"), trainer.averaged():
        raise RuntimeError("in the block")
    assert_same_bits(trainer.network.parameters, weights)
    assert_same_bits(trainer.average, average)
    trainer.use_average()
    assert_same_bits(trainer.network.parameters, average)
    trainer.step(x, y)


def test_in_the_block_nothing_may_train_or_pickle():
    trainer, (x, y) = make(bp.EMA(0.9)), data()
    trainer.fit(x, y)
    with trainer.averaged():
        held = trainer.network.parameters.copy()
        with pytest.raises(ValueError, match="train after the block"):
            trainer.step(x, y)
        with pytest.raises(ValueError, match="train after the block"):
            trainer.fit(x, y)
        with pytest.raises(ValueError, match="outside of a block"):
            trainer.use_average()
        with pytest.raises(ValueError, match="outside of a block"):
            pickle.dumps(trainer)
        with pytest.raises(ValueError, match="outside of a block"), trainer.averaged():
            pass
        assert_same_bits(trainer.network.parameters, held)
    trainer.step(x, y)


def test_too_early():
    trainer, (x, y) = make(bp.SWA(start=2, every=3)), data()
    for _ in range(4):
        trainer.step(x, y)
    for use in (trainer.use_average, lambda: trainer.averaged().__enter__()):
        with pytest.raises(ValueError, match=r"after step 5, the first that SWA\(start=2, every=3\) takes, got 4"):
            use()
    trainer.step(x, y)
    trainer.use_average()


def test_without_an_average():
    trainer = make(None)
    for use in (trainer.use_average, lambda: trainer.averaged().__enter__()):
        with pytest.raises(ValueError, match=r"average=bpnative.EMA\(\)"):
            use()


def test_frozen_layers_are_taken_over_at_the_first_step():
    """They are never updated, so what was written to them before training must come into the average as well."""
    trainer, (x, y) = make(bp.SWA(start=1)), data()
    trainer.network.layers[0].trainable = False
    trainer.network.layers[0].weight[:] = 0.125
    for _ in range(3):
        trainer.step(x, y)
    assert (trainer.average[:24] == 0.125).all()


def test_a_copy_goes_on_bit_for_bit():
    x, y = data()
    for average in (bp.EMA(0.9), bp.SWA(start=7, every=3)):
        for duplicate in (copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))):
            trainer = make(average)
            trainer.fit(x, y, epochs=2, batch_size=5)
            other = duplicate(trainer)
            assert_same_bits(other.average, trainer.average)
            for one in (trainer, other):
                one.fit(x, y, epochs=2, batch_size=5)
            assert_same_bits(other.average, trainer.average)
            assert_same_bits(other.network.parameters, trainer.network.parameters)


def test_a_damaged_pickle_is_rejected():
    state = make(bp.EMA()).__getstate__()
    with pytest.raises(ValueError, match="shape"):
        bp.Trainer.__new__(bp.Trainer).__setstate__(state | {"average_state": np.zeros(3)})
    with pytest.raises(ValueError, match="average of weights"):
        bp.Trainer.__new__(bp.Trainer).__setstate__(state | {"average_state": None})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bp.EMA(1.0), ValueError, "decay of EMA"),
        (lambda: bp.EMA("0.9"), TypeError, "decay of EMA"),
        (lambda: bp.SWA(start=-1), ValueError, "start of SWA"),
        (lambda: bp.SWA(every=0), ValueError, "every of SWA of at least 1"),
        (lambda: bp.SWA(start=0.5), TypeError, "start of SWA"),
        (lambda: bp.SWA(start=2**60), ValueError, "2\\^53"),
        (lambda: make("ema"), TypeError, r"average as bpnative.EMA\(decay=0.999\)"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 0.5}, {"accumulate": 2}], ids=repr)
@pytest.mark.parametrize("average", [bp.EMA(0.0), bp.SWA(every=4)], ids=repr)
def test_rows_are_shortened_before_they_are_averaged(average, settings):
    """Each of these takes over the weights of the last step whole, which max_norm had cut."""
    layers = [bp.Dense(6, activation="tanh", max_norm=0.3), bp.Residual([bp.Dense(6, max_norm=0.2)]), bp.Dense(1)]
    network = bp.Network(layers, input_size=4, dtype="float64", seed=2)
    trainer, (x, y) = bp.Trainer(network, "mse", bp.SGD(0.5), average=average, **settings), data()
    trainer.fit(x, y, epochs=4, batch_size=30, shuffle=False)
    lengths = np.linalg.norm(network.layers[0].weight, axis=1)
    assert np.isclose(lengths, 0.3, rtol=1e-12).any(), "else this would show nothing"
    np.testing.assert_allclose(trainer.average, network.parameters, rtol=1e-12, atol=1e-15)
