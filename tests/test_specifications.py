"""Specifications: every registered name has one, each rebuilds itself, and initializers draw what their papers say."""

from __future__ import annotations

import dataclasses
import pickle
import re
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from bpnative.names import unknown_name
from bpnative.specification import Specification, check_count, check_flag, check_number
from optimizer_cases import OPTIMIZERS

EXAMPLES: list[Specification] = [
    *(kind() for kind in bp.activations.ACTIVATIONS.values()),
    *(kind() for kind in bp.initializers.INITIALIZERS.values()),
    *(kind() for kind in bp.losses.LOSSES.values()),
    *(kind() for kind in bp.optimizers.OPTIMIZERS.values()),
    bp.activations.ELU(alpha=0.5),
    bp.activations.CELU(alpha=2.0),
    bp.activations.Softplus(beta=3.0),
    bp.Dense(3),
    bp.Dense(256, activation="relu", bias=False, trainable=False),
    bp.Dense(2, activation=bp.activations.LeakyReLU(0.25), weight_initializer="he_normal", bias_initializer=[1, 2]),
    bp.Dense(4, l1=1e-4, l2=1e-3, max_norm=2.0),
    bp.Activation("relu"),
    bp.Activation(bp.activations.LeakyReLU(0.25)),
    bp.Dropout(0.5),
    bp.AlphaDropout(0.1),
    bp.GaussianNoise(0.2),
    bp.BatchNorm(momentum=0.01, trainable=False),
    bp.LayerNorm(epsilon=1e-6),
    bp.RMSNorm(),
    bp.Residual([bp.Dense(4, activation="relu"), "tanh", bp.Residual([bp.Dense(3)])], activation="relu"),
    bp.Normalize(),
    bp.Embedding({3: 12, 1: 4}),
    bp.Embedding({3: 12, 1: 4}, size={1: 2, 3: 5}),
    bp.SGD(learning_rate=0.5, momentum=0.9, nesterov=True),
    bp.Adam(learning_rate=3e-4, beta1=0.5, beta2=0.9, epsilon=1e-6),
    *OPTIMIZERS,
    bp.EMA(0.9),
    bp.SWA(start=100, every=10),
]
NAMES: dict[str, Any] = {
    **vars(bp.activations),
    **vars(bp),
    **{name: getattr(bp.initializers, name) for name in ("FromArray", "Zeros", *map(str, vars(bp.initializers)))},
}


@pytest.mark.parametrize(
    ("registered", "table"),
    [
        (native.activation_names(), bp.activations.ACTIVATIONS),
        (native.loss_names(), bp.losses.LOSSES),
        (native.optimizer_names(), bp.optimizers.OPTIMIZERS),
        # A residual block is its layers and, natively, the sum at its end.
        ([*(set(native.layer_names()) - {"add"}), "residual"], bp.layers.LAYERS),
    ],
)
def test_what_is_native_has_a_specification_and_the_other_way_round(registered, table):
    assert sorted(registered) == sorted(table)
    for name, kind in table.items():
        assert kind.name == name
        assert "Example:" in kind.__doc__


@pytest.mark.parametrize(
    "kind",
    [
        *list(bp.activations.ACTIVATIONS.values())[1:],
        *bp.losses.LOSSES.values(),
        *bp.optimizers.OPTIMIZERS.values(),
        *bp.layers.LAYERS.values(),
    ],
)
def test_docstrings_name_their_source(kind):
    assert "Source" in kind.__doc__


@pytest.mark.parametrize("example", EXAMPLES, ids=repr)
class TestEach:
    def test_repr_rebuilds_it(self, example):
        again = eval(repr(example), dict(NAMES))
        assert type(again) is type(example)
        assert again == example
        assert hash(again) == hash(example)

    def test_pickle_rebuilds_it(self, example):
        assert pickle.loads(pickle.dumps(example)) == example

    def test_it_is_frozen(self, example):
        with pytest.raises(dataclasses.FrozenInstanceError):
            example.learning_rate = 3


def test_a_damaged_pickle_is_rejected():
    rebuild, (kind, settings) = bp.SGD().__reduce__()
    with pytest.raises(ValueError, match="momentum"):
        rebuild(kind, settings | {"momentum": -1.0})


def test_names_and_objects_are_one():
    assert bp.Dense(3, activation=bp.activations.ReLU()) == bp.Dense(3, activation="relu")
    assert bp.Dense(3, weight_initializer=bp.initializers.HeNormal()) == bp.Dense(3, weight_initializer="he_normal")
    assert bp.losses.get("mse") == bp.MSE()
    assert bp.optimizers.get("adam") == bp.Adam(learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8)
    assert bp.optimizers.get("sgd") == bp.SGD(learning_rate=1e-2, momentum=0.0, nesterov=False)
    assert bp.Dense(3) != bp.Dense(3, bias=False)


def test_settings_of_optimizers():
    assert bp.SGD(momentum=0.5, nesterov=True).settings() == {"momentum": 0.5, "nesterov": 1.0, "weight_decay": 0.0}
    assert bp.Adam().settings() == {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}
    assert bp.AdamW(amsgrad=True).settings() == bp.AMSGrad(weight_decay=0.01, decoupled_weight_decay=True).settings()
    assert bp.AdamW(amsgrad=True).native_name == bp.AMSGrad().native_name == "amsgrad"


@pytest.mark.parametrize("kind", bp.optimizers.OPTIMIZERS.values())
def test_settings_of_optimizers_are_checked(kind):
    """Every number has an interval and every flag is a flag: -1, 1e400 and "a" are none of either."""
    for field in dataclasses.fields(kind):
        for bad in (-1.0, float("inf"), float("nan"), "a", None):
            with pytest.raises((ValueError, TypeError), match=f"{field.name} of {kind.__name__}"):
                kind(**{field.name: bad})


def test_learning_rates_of_steps():
    assert bp.SGD(learning_rate=0.5).learning_rates(7, 3).tolist() == [0.5, 0.5, 0.5]
    assert bp.SGD(learning_rate=lambda step: step / 4).learning_rates(7, 3).tolist() == [1.75, 2.0, 2.25]
    for rate in (lambda step: -1.0, lambda step: float("nan"), lambda step: float("inf")):
        with pytest.raises(ValueError, match="learning rate of step 2"):
            bp.Adam(learning_rate=rate).learning_rates(2, 1)
    with pytest.raises(TypeError, match="learning rate of step 2"):
        bp.Adam(learning_rate=lambda step: None).learning_rates(2, 1)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.Dense(3, activation=max), TypeError, "expected activation as a name or an object"),
        (lambda: bp.Dense(3, activation=bp.activations.ReLU), TypeError, "expected activation"),
        (lambda: bp.Dense(True), TypeError, "units of Dense as a whole number"),
        (lambda: bp.Dense(3, bias="yes"), TypeError, "bias of Dense as True or False, got 'yes'"),
        (lambda: bp.Dense(3, weight_initializer=3.0), TypeError, "expected weight_initializer as a name"),
        (lambda: bp.Dense(3, weight_initializer=bp.initializers.Zeros), TypeError, "got the class Zeros"),
        (lambda: bp.Dense(3, bias_initializer="zero"), ValueError, "did you mean 'zeros'"),
        (lambda: bp.Dense(3, weight_initializer=["a"]), TypeError, "real numbers"),
        (lambda: bp.SGD(nesterov=True), ValueError, "needs momentum above 0"),
        (lambda: bp.SGD(learning_rate="0.1"), TypeError, "learning_rate of SGD as a number"),
        (lambda: bp.Adam(epsilon=0.0), ValueError, r"epsilon of Adam as a finite number in \(0, inf\)"),
        (lambda: bp.Adam(beta2=True), TypeError, "beta2 of Adam"),
        (lambda: bp.activations.LeakyReLU(float("inf")), ValueError, "negative_slope of LeakyReLU"),
        (lambda: bp.activations.ELU(-1.0), ValueError, r"alpha of ELU as a finite number in \[0, inf\), got -1.0"),
        (lambda: bp.activations.CELU(0), ValueError, r"alpha of CELU as a finite number in \(0, inf\), got 0"),
        (lambda: bp.activations.Softplus("1"), TypeError, "beta of Softplus as a number"),
        (lambda: bp.Dense(3, activation="swish"), ValueError, "did you mean 'silu'"),
        (lambda: bp.Dense(3, activation="Logistic"), ValueError, "did you mean 'sigmoid'"),
        (lambda: bp.Dense(3, activation="hardtanh"), ValueError, "did you mean 'hard_tanh'"),
        (lambda: bp.losses.get(bp.MSE), TypeError, "expected loss as a name or an object"),
        (lambda: bp.optimizers.get(0.1), TypeError, "expected optimizer as a name or an object"),
        (lambda: bp.metrics.get(3), TypeError, "expected a metric"),
        (lambda: bp.metrics.get(bp.metrics.R2), TypeError, "expected a metric"),
    ],
)
def test_wrong_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_unknown_names_say_the_nearest_and_all():
    error = unknown_name("loss", "crossentropy", ["mse", "cross_entropy"])
    assert str(error) == "unknown loss 'crossentropy': did you mean 'cross_entropy'? Known: 'mse', 'cross_entropy'"
    assert str(unknown_name("loss", "zzz", ["mse"])) == "unknown loss 'zzz': Known: 'mse'"
    assert "did you mean 'mse'" in str(unknown_name("loss", "zzz", ["mse"], {"zzz": "mse"}))


def test_every_name_used_elsewhere_leads_to_one_of_ours():
    for theirs, ours in bp.activations._ELSEWHERE.items():
        assert ours in bp.activations.ACTIVATIONS
        with pytest.raises(ValueError, match=f"unknown activation '{theirs}': did you mean '{ours}'"):
            bp.activations.get(theirs)


def test_checks():
    assert check_count(np.int64(3), "n") == 3
    assert type(check_count(np.int64(3), "n")) is int
    assert check_number(np.float32(0.5), "x", "[0, 1]") == 0.5
    assert check_flag(np.bool_(True), "flag") is True
    for value in (0, 1, None, "True"):
        with pytest.raises(TypeError):
            check_flag(value, "flag")


# ---- initializers --------------------------------------------------------------------------------------------------
FAN_IN, FAN_OUT = 400, 250
VARIANCE = {
    "he_normal": 2 / FAN_IN,
    "he_uniform": 2 / FAN_IN,
    "glorot_normal": 2 / (FAN_IN + FAN_OUT),
    "glorot_uniform": 2 / (FAN_IN + FAN_OUT),
    "lecun_normal": 1 / FAN_IN,
    "lecun_uniform": 1 / FAN_IN,
    "zeros": 0.0,
}


@pytest.mark.parametrize("name", bp.initializers.INITIALIZERS)
def test_variance_and_range(name):
    values = bp.initializers.INITIALIZERS[name]()((FAN_OUT, FAN_IN), np.random.default_rng(0))
    assert values.shape == (FAN_OUT, FAN_IN)
    assert values.var() == pytest.approx(VARIANCE[name], rel=0.03)
    assert abs(values.mean()) <= 5 * np.sqrt(VARIANCE[name] / values.size)
    limit = np.sqrt(3 * VARIANCE[name])
    if name.endswith("uniform"):
        assert 0.99 * limit < np.abs(values).max() <= limit
    elif name.endswith("normal"):
        assert np.abs(values).max() > 2 * limit


@pytest.mark.parametrize("activation", bp.activations.ACTIVATIONS)
def test_the_default_is_chosen_by_the_activation(activation):
    rectifiers = "relu|elu|silu|mish"  # relu and its relatives cut off half of the inputs, which He's makes up for
    expected = "he_uniform" if re.search(rectifiers, activation) else "glorot_uniform"
    expected = "lecun_normal" if activation == "selu" else expected
    assert bp.Dense(3, activation=activation).initializer("weight") == expected
    assert bp.Dense(3, activation=activation).initializer("bias") == "zeros"


def test_an_array_is_copied_and_kept_as_it_was():
    values = np.arange(6.0).reshape(2, 3)
    layer = bp.Dense(2, weight_initializer=values)
    values += 100
    network = bp.Network([layer], input_size=3)
    assert network.layers[0].weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert layer == bp.Dense(2, weight_initializer=np.arange(6.0).reshape(2, 3))
    assert layer != bp.Dense(2, weight_initializer=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="read-only"):
        layer.weight_initializer.values[0, 0] = 1


def test_a_callable_gets_the_shape_and_the_generator():
    seen = []

    def draw(shape, generator):
        seen.append((shape, generator))
        return generator.standard_normal(shape)

    network = bp.Network([bp.Dense(4, weight_initializer=draw, bias_initializer=draw)], input_size=3, seed=5)
    assert [shape for shape, _ in seen] == [(4, 3), (4,)]
    expected = np.random.default_rng(5).standard_normal((4, 3)).astype(np.float32)
    np.testing.assert_array_equal(network.layers[0].weight, expected)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.zeros((4, 2)), ValueError, r"shape \(4, 3\) for weight of layer 1.*\(shapes: 5 -> 3 -> 4\), got \(4, 2\)"),
        (np.full((4, 3), np.nan), ValueError, "finite initial values for weight of layer 1"),
        (lambda shape, generator: np.full(shape, "a"), TypeError, "real numbers"),
        (lambda shape, generator: None, ValueError, r"got \(\)"),
    ],
)
def test_initial_values_that_do_not_fit(values, error, message):
    with pytest.raises(error, match=message):
        bp.Network([bp.Dense(3), bp.Dense(4, weight_initializer=values)], input_size=5)


def test_deep_networks_start_neither_vanishing_nor_exploding():
    x = np.random.default_rng(0).standard_normal((256, 64))
    for activation in ("relu", "leaky_relu", "tanh", "selu", "elu", "celu", "softsign"):
        network = bp.mlp([64] * 51, activation=activation, dtype="float64", seed=0)
        spread = network.predict(x).std()
        assert 1e-3 < spread < 1e2, f"{activation}: {spread}"
