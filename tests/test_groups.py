"""Groups of layers: each layer trains as in a trainer that has its settings; wrong groups are named."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest

import bpnative as bp
from compare import assert_same_bits
from reference_cases import in_both_types, normal

SETTINGS = bp.SGD().settings()


def make(optimizer="adam", dtype="float32", frozen=(), **settings):
    network = bp.mlp([4, 6, 5, 1], activation="tanh", dtype=dtype, seed=2)
    for layer in frozen:
        network.layers[layer].trainable = False
    return bp.Trainer(network, "mse", optimizer, seed=0, **settings)


def data(dtype="float32"):
    rng = np.random.default_rng(3)
    return normal(rng, (30, 4), dtype), normal(rng, (30, 1), dtype)


@in_both_types
def test_groups_with_the_same_settings_change_no_bit(dtype):
    x, y = data(dtype)
    plain = make("adam", dtype)
    grouped = make("adam", dtype, groups=[bp.Group([0, 2]), bp.Group(1, learning_rate=1e-3, beta1=0.9)])
    for trainer in (plain, grouped):
        trainer.fit(x, y, epochs=4, batch_size=7)
        trainer.step(x, y)
    assert_same_bits(grouped.network.parameters, plain.network.parameters)


@pytest.mark.parametrize("callable_rate", [False, True])
def test_a_rate_of_zero_holds_a_layer(callable_rate):
    """The others train as beside a frozen layer, bit for bit."""
    x, y = data()
    rate = (lambda step: 0.0) if callable_rate else 0.0
    held = make(bp.AdamW(0.01, weight_decay=0.1), groups=[bp.Group([1], learning_rate=rate)])
    frozen = make(bp.AdamW(0.01, weight_decay=0.1), frozen=[1])
    for trainer in (held, frozen):
        trainer.fit(x, y, epochs=4, batch_size=7)
        trainer.step(x, y)
    assert_same_bits(held.network.parameters, frozen.network.parameters)
    assert held.state["m"].all()


def test_each_layer_moves_by_its_own_rate_and_settings():
    x, y = data("float64")
    rates = [0.5, 0.25, lambda step: 0.125 / (1 + step)]
    groups = [bp.Group(0, rates[0]), bp.Group(-1, rates[2], weight_decay=0.5)]
    trainer = make(bp.SGD(rates[1]), "float64", groups=groups)
    for step in range(3):
        before = trainer.network.parameters.copy()
        gradient = trainer.gradients(x, y)[1]
        trainer.step(x, y)
        wanted = before.copy()
        for layer, part in enumerate((slice(0, 30), slice(30, 65), slice(65, 71))):
            rate = rates[layer](step) if layer == 2 else rates[layer]
            wanted[part] -= rate * (gradient[part] + (0.5 * before[part] if layer == 2 else 0.0))
        np.testing.assert_allclose(trainer.network.parameters, wanted, rtol=1e-13, atol=1e-15)


def test_momentum_in_one_group_alone():
    x, y = data("float64")
    trainer = make(bp.SGD(0.1), "float64", groups=[bp.Group(1, momentum=0.9)])
    plain = make(bp.SGD(0.1), "float64")
    for one in (trainer, plain):
        one.step(x, y)
    assert trainer.state["velocity"][30:65].all()
    assert not trainer.state["velocity"][:30].any()
    assert_same_bits(trainer.network.parameters, plain.network.parameters)  # momentum is felt from the second step on
    for one in (trainer, plain):
        one.step(x, y)
    assert (trainer.network.parameters[30:65] != plain.network.parameters[30:65]).any()


def test_the_trainers_rate_moves_the_groups_without_one():
    x, y = data()
    trainer = make(bp.SGD(0.1), groups=[bp.Group(0, weight_decay=0.5), bp.Group(1, learning_rate=0.1)])
    trainer.learning_rate = 0.0
    before = trainer.network.parameters.copy()
    trainer.fit(x, y, epochs=2)
    changed = trainer.network.parameters != before
    assert not changed[:30].any()
    assert changed[30:65].any()
    assert not changed[65:].any()


def test_runs_report_the_trainers_rates():
    class Watch(bp.Callback):
        def on_run_end(self, trainer, run):
            assert run.learning_rates.ndim == 1
            assert set(run.learning_rates) == {0.1}

    x, y = data()
    make(bp.SGD(0.1), groups=[bp.Group(0, 0.3)]).fit(x, y, epochs=2, callbacks=[Watch()])


def test_threads_change_no_bit():
    x, y = data()
    results = []
    for threads in (1, 2, 3):
        bp.set_num_threads(threads)
        network = bp.mlp([4, 300, 200, 1], seed=0)
        groups = [bp.Group(1, 1e-4, weight_decay=0.1)]
        trainer = bp.Trainer(network, "mse", "nadam", groups=groups, average=bp.EMA(0.9))
        trainer.fit(x, y, epochs=5, batch_size=15, shuffle=False)
        results.append((network.parameters.copy(), trainer.average.copy()))
    for weights, average in results[1:]:
        assert_same_bits(weights, results[0][0])
        assert_same_bits(average, results[0][1])


def test_a_group_is_a_specification():
    group = bp.Group(layers=[0, 1], learning_rate=1e-4, weight_decay=0.0)
    assert eval(repr(group), vars(bp)) == group
    assert pickle.loads(pickle.dumps(group)) == group
    assert hash(group) == hash(bp.Group((0, 1), 1e-4, weight_decay=0.0))
    assert group != bp.Group([0, 1], 1e-4)
    with pytest.raises(AttributeError):
        group.layers = (3,)
    assert bp.Group(range(2)).layers == bp.Group(np.arange(2)).layers == (0, 1)


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (lambda: [bp.Group([])], ValueError, "at least one layer"),
        (lambda: [bp.Group("01")], TypeError, "whole numbers.*got '01'"),
        (lambda: [bp.Group([0.5])], TypeError, "got 0.5"),
        (lambda: [bp.Group([True])], TypeError, "got True"),
        (lambda: [bp.Group([3])], ValueError, "layers of a group from 0 to 2.*got 3"),
        (lambda: [bp.Group([-4])], ValueError, "got -4"),
        (lambda: [bp.Group([0, 1]), bp.Group([1])], ValueError, "layer 1 twice"),
        (lambda: [bp.Group([0, 0])], ValueError, "layer 0 twice"),
        (lambda: [bp.Group([2, -1])], ValueError, "layer 2 twice"),
        (lambda: [bp.Group(0, weigth_decay=0.0)], ValueError, "did you mean 'weight_decay'"),
        (lambda: [bp.Group(0, momentum=0.5)], ValueError, "unknown setting of Adam in a group 'momentum'"),
        (lambda: [bp.Group(0, beta1=1.5)], ValueError, "beta1 of Adam"),
        (lambda: [bp.Group(0, learning_rate=-1)], ValueError, "learning_rate of Adam"),
        (lambda: [bp.Group(0, amsgrad=True)], ValueError, "settings that layers can differ in"),
        (lambda: [{"layers": [0]}], TypeError, "bpnative.Group objects"),
        (lambda: 3, TypeError, "groups as bpnative.Group objects"),
    ],
)
def test_wrong_groups(groups, error, message):
    with pytest.raises(error, match=re.compile(message, re.DOTALL)):
        make(groups=groups())


def test_a_callable_rate_of_a_group_is_checked():
    x, y = data()
    trainer = make(groups=[bp.Group(0, learning_rate=lambda step: -1.0)])
    before = trainer.network.parameters.copy()
    with pytest.raises(ValueError, match="learning rate of step 0"):
        trainer.step(x, y)
    assert_same_bits(trainer.network.parameters, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], None), "at least one group"),
        (([{}], [], None), "setting 'weight_decay' is missing"),
        (([SETTINGS | {"speed": 1.0}], [], None), "a setting that it does not have"),
        (([SETTINGS], [0, 0], None), "an entry a layer, 3, got 2"),
        (([SETTINGS], [0, 0, 1], None), "groups of layers must be from 0 to 0, got 1"),
        (([SETTINGS], [], {"decay": float("nan")}), "an average needs"),
        (([SETTINGS], [], {"start": 1e300, "every": 1.0}), "an average needs"),
        (([SETTINGS], [], {"start": 0.0}), "an average needs"),
    ],
)
def test_the_private_module_checks_as_well(arguments, message):
    network = bp.mlp([4, 6, 5, 1], seed=2)
    with pytest.raises(ValueError, match=message):
        bp._bpnative.Trainer(network._native, "mse", "sgd", *arguments)


def test_rates_of_the_private_module_have_a_column_a_group():
    x, y = data()
    trainer, losses, order = make(groups=[bp.Group(0)]), np.empty(1), np.arange(30)
    with pytest.raises(ValueError, match=r"'learning_rate' must have shape \(1, 2\), got \(1,\)"):
        trainer._native.train(losses, None, x, y, None, order, np.ones(1), 30)
