"""Layers as users meet them: errors with the chain of shapes, codes, frozen blocks, pickle, copy, repr, summary."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from compare import assert_same_bits
from layer_cases import ALONE, make
from reference_cases import DTYPES, in_both_types

EMBEDDING = bp.Embedding({1: 3}, size=2)

# What is wrong: how a layer is made, the error, and what its message must name.
WRONG_ARGUMENTS: list[tuple[Any, type[Exception], str]] = [
    (lambda: bp.Dense(0), ValueError, "units of Dense of at least 1, got 0"),
    (lambda: bp.Dense("3"), TypeError, "units of Dense as a whole number, got '3'"),
    (lambda: bp.Dense(3, activation="rleu"), ValueError, "did you mean 'relu'"),
    (lambda: bp.Dense(3, l1=-1), ValueError, "l1 of Dense as a finite number in [0, 1e30], got -1"),
    (lambda: bp.Dense(3, l2=float("nan")), ValueError, "l2 of Dense"),
    (lambda: bp.Dense(3, l2=1e31), ValueError, "l2 of Dense"),
    (lambda: bp.Dense(3, max_norm=0), ValueError, "max_norm of Dense as a finite number in (0, 1e30], got 0"),
    (lambda: bp.Dense(3, max_norm="2"), TypeError, "max_norm of Dense as a number"),
    (lambda: bp.Dense(3, trainable=1), TypeError, "trainable of Dense as True or False"),
    (lambda: bp.Activation("tahn"), ValueError, "did you mean 'tanh'"),
    (lambda: bp.Activation(3), TypeError, "expected activation as a name"),
    (lambda: bp.Dropout(1.0), ValueError, "rate of Dropout as a finite number in [0, 1), got 1.0"),
    (lambda: bp.Dropout(-0.1), ValueError, "rate of Dropout"),
    (lambda: bp.Dropout(float("nan")), ValueError, "rate of Dropout"),
    (lambda: bp.Dropout(None), TypeError, "rate of Dropout as a number in [0, 1), got None"),
    (lambda: bp.AlphaDropout(2), ValueError, "rate of AlphaDropout"),
    (lambda: bp.AlphaDropout(True), TypeError, "rate of AlphaDropout"),
    (lambda: bp.GaussianNoise(-1), ValueError, "stddev of GaussianNoise as a finite number in [0, 1e30], got -1"),
    (lambda: bp.GaussianNoise(float("inf")), ValueError, "stddev of GaussianNoise"),
    (lambda: bp.GaussianNoise("1"), TypeError, "stddev of GaussianNoise"),
    (lambda: bp.BatchNorm(momentum=1.1), ValueError, "momentum of BatchNorm as a finite number in [0, 1], got 1.1"),
    (lambda: bp.BatchNorm(epsilon=0), ValueError, "epsilon of BatchNorm as a finite number in [1e-30, 1e30], got 0"),
    (lambda: bp.BatchNorm(trainable=None), TypeError, "trainable of BatchNorm"),
    (lambda: bp.LayerNorm(epsilon=-1e-5), ValueError, "epsilon of LayerNorm"),
    (lambda: bp.LayerNorm(epsilon="x"), TypeError, "epsilon of LayerNorm"),
    (lambda: bp.RMSNorm(epsilon=1e31), ValueError, "epsilon of RMSNorm"),
    (lambda: bp.Residual([]), ValueError, "at least one layer in layers of Residual"),
    (lambda: bp.Residual(bp.Dense(3)), TypeError, "expected layers of Residual as a list"),
    (lambda: bp.Residual([3]), TypeError, "expected layer 0 as a specification such as Dense(10), got 3"),
    (lambda: bp.Residual(["relu"], activation="soft"), ValueError, "unknown activation 'soft'"),
    (lambda: bp.Residual(["relu"], projection=1), TypeError, "projection of Residual as True or False"),
    (lambda: bp.Residual(["relu"], trainable="no"), TypeError, "trainable of Residual"),
    (lambda: bp.Embedding({}), ValueError, "columns of Embedding as {column: codes}, at least one"),
    (lambda: bp.Embedding([3]), TypeError, "columns of Embedding as a mapping such as {3: 12}, got [3]"),
    (lambda: bp.Embedding("3"), TypeError, "columns of Embedding as a mapping"),
    (lambda: bp.Embedding({-1: 3}), ValueError, "a column in columns of Embedding of at least 0, got -1"),
    (lambda: bp.Embedding({1: 0}), ValueError, "the number for column 1 in columns of Embedding of at least 1, got 0"),
    (lambda: bp.Embedding({1: 2.5}), TypeError, "the number for column 1 in columns of Embedding as a whole number"),
    (lambda: bp.Embedding(((1, 2), (1, 3))), ValueError, "each column once in columns of Embedding"),
    (lambda: bp.Embedding({1: 2**24 + 1}), ValueError, "at most 2**24 codes for column 1"),
    (lambda: bp.Embedding({1: 3}, size=0), ValueError, "size of Embedding of at least 1, got 0"),
    (lambda: bp.Embedding({1: 3}, size={2: 3}), ValueError, "size of Embedding for the columns [1], got {2: 3}"),
    (lambda: bp.Embedding({1: 3}, size="big"), TypeError, "size of Embedding"),
    (lambda: bp.Embedding({1: 3}, initializer_of_tables="uniformly"), ValueError, "unknown initializer"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG_ARGUMENTS)
def test_wrong_arguments(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        wrong()
    assert message in str(caught.value)
    assert type(caught.value) is error


# Layers that do not go together: the chain of shapes up to where it breaks is in the message.
WRONG_PLACES: list[tuple[list[Any], str]] = [
    ([bp.Dense(4), bp.Normalize()], "layer 1, Normalize() (shapes: 5 -> 4 -> ?): Normalize scales raw inputs: put it"),
    ([bp.Dense(4), bp.Dense(3), EMBEDDING], "(shapes: 5 -> 4 -> 3 -> ?): Embedding takes the codes that users pass"),
    ([EMBEDDING, EMBEDDING], "layer 1, Embedding(((1, 3),), size=2) (shapes: 5 -> 6 -> ?)"),
    ([bp.Normalize(), bp.Normalize()], "layer 1, Normalize() (shapes: 5 -> 5 -> ?)"),
    ([bp.Residual([bp.Normalize()])], "(shapes: 5 -> ?): Normalize takes raw inputs: it can't stand in a block"),
    ([bp.Dense(5), bp.Residual([bp.Residual([EMBEDDING])])], "(shapes: 5 -> 5 -> ?): Embedding takes raw inputs"),
    ([bp.Residual([bp.Dense(3)], projection=False)], "gives the 5 columns it takes, got 3: end it with Dense(5)"),
    ([bp.Dense(7), bp.Residual(["relu", bp.Dense(3)], projection=False)], "(shapes: 5 -> 7 -> ?)"),
    ([bp.Embedding({5: 3})], "(shapes: 5 -> ?): expected columns of Embedding from 0 to 4, got 5"),
    ([bp.Dense(2**31)], "fewer than 2**31 units"),
    ([bp.Dense(2**40), bp.Dense(2**40)], "expected layers that fit in memory"),
    ([bp.Residual([bp.Dense(2**40)])], "expected layers that fit in memory"),
    ([bp.Embedding({0: 2**24}, size=2**45)], "expected layers that fit in memory"),
    ([bp.Embedding({0: 3}, size=2**31)], "expected layers that fit in memory"),
]


@pytest.mark.parametrize(("layers", "message"), WRONG_PLACES)
def test_wrong_places(layers: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        bp.Network(layers, input_size=5)


@pytest.mark.parametrize(
    ("given", "suggestion"),
    [
        ("dropout", "did you mean 'Dropout(…)'"),
        ("BatchNorm", "did you mean 'BatchNorm(…)'"),
        ("batch_norm", "did you mean 'BatchNorm(…)'"),
        ("layernorm", "did you mean 'LayerNorm(…)'"),
        ("residual", "did you mean 'Residual(…)'"),
        ("rleu", "did you mean 'relu'"),
        ("sofmax", "did you mean 'softmax'"),
    ],
)
def test_unknown_names_of_layers(given: str, suggestion: str) -> None:
    for call in (lambda: bp.Network([given], input_size=3), lambda: bp.Residual([bp.Dense(3), given])):
        with pytest.raises(ValueError, match=f"unknown layer '{given}': ") as caught:
            call()
        assert suggestion in str(caught.value)
    with pytest.raises(TypeError, match=r"expected layer 0 .* got .*Dropout.*: make one with Dropout\(…\)"):
        bp.Network([bp.Dropout], input_size=3)


@in_both_types
@pytest.mark.parametrize("wrong", [3, -1, 1.5, np.nan, np.inf, -np.inf, 1e30])
def test_codes_are_checked_everywhere(wrong: float, dtype: str) -> None:
    """Before anything changes, and with column and row; in numbers of any kind."""
    network = bp.Network([bp.Embedding({1: 3}), bp.Dense(2)], input_size=3, dtype=dtype, seed=0)
    trainer = bp.Trainer(network, loss="mse")
    x, y = np.zeros((20, 3), dtype), np.zeros((20, 2), dtype)
    x[7, 1] = wrong
    before, statistics = network.parameters.copy(), network.statistics.copy()
    good = np.zeros((20, 3), dtype)
    for call in (
        lambda: trainer.fit(x, y, progress=False),
        lambda: trainer.fit(good, y, validation_data=(x, y), progress=False),
        lambda: trainer.step(x, y),
        lambda: trainer.gradients(x, y),
        lambda: trainer.evaluate(x, y),
        lambda: network.predict(x),
        lambda: network(x),
        lambda: network.forward(x),
        lambda: network.forward(x, training=False),
    ):
        with pytest.raises(ValueError, match=r"column 1.*row 7|row 7, column 1"):
            call()
    assert_same_bits(network.parameters, before, "weights")
    assert_same_bits(network.statistics, statistics, "statistics")
    assert trainer.step_count == 0
    x[7, 1] = 2
    trainer.step(x.astype(np.int64), y)
    network.predict(x.tolist())


@in_both_types
def test_normalize_and_codes(dtype: str) -> None:
    """Fitted by the first fit or by hand, once; columns of codes stay as they are either way."""
    rng = np.random.default_rng(260)
    x = 1e3 + 50 * rng.standard_normal((200, 4))
    x[:, 1], x[:, 2] = rng.integers(0, 6, 200), 7.0
    y = rng.standard_normal((200, 1))
    wanted_mean, wanted_scale = x.mean(axis=0), 1 / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    wanted_mean[1], wanted_scale[1] = 0, 1
    for by_hand in (False, True):
        network = bp.Network([bp.Normalize(), bp.Embedding({1: 6}), bp.Dense(1)], input_size=4, dtype=dtype, seed=0)
        statistics = network.layers[0].statistics
        if by_hand:
            network.layers[0].adapt(x)
        trainer = bp.Trainer(network, loss="mse")
        trainer.fit(x, y, epochs=1, progress=False)
        np.testing.assert_allclose(statistics["mean"], wanted_mean, rtol=1e-6)
        np.testing.assert_allclose(statistics["scale"], wanted_scale, rtol=1e-5)
        before = network.statistics.copy()
        trainer.fit(3 * x[:, [0, 1, 2, 3]] * [1, 1 / 3, 1, 1], y, epochs=1, progress=False)
        assert_same_bits(network.statistics, before, "a second fit")


@in_both_types
def test_adapting_to_odd_columns(dtype: str) -> None:
    layer = bp.Network([bp.Normalize()], input_size=3, dtype=dtype).layers[0]
    tiny = 1e-20 * np.array([1.0, 2.0, 3.0, 4.0])
    layer.adapt(np.stack([tiny, np.full(4, 12345.678), np.zeros(4)], axis=1))
    np.testing.assert_allclose(layer.statistics["scale"], [1 / tiny.std(), 1, 1], rtol=1e-5)
    layer.adapt([[1, 2, 3]])
    assert layer.statistics["scale"].tolist() == [1, 1, 1]
    before = layer.statistics["mean"].copy()
    for wrong, error, message in (
        ([[1.0, 2.0]], ValueError, "expected X with 3 columns"),
        (np.zeros((0, 3)), ValueError, "at least one row"),
        ([[1.0, np.nan, 2.0]], ValueError, "finite numbers in X, got nan in row 0, column 1"),
        ([["a", "b", "c"]], TypeError, "X as real numbers"),
    ):
        with pytest.raises(error, match=message):
            layer.adapt(wrong)
    if dtype == "float64":
        with pytest.raises(ValueError, match="finite variance, column 1"):
            layer.adapt([[0.0, 1e200, 0.0], [0.0, -1e200, 0.0]])
    assert_same_bits(layer.statistics["mean"], before, "mean")
    with pytest.raises(TypeError, match="expected a Normalize layer to adapt"):
        bp.mlp([3, 1]).layers[0].adapt(np.zeros((2, 3)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALONE)
def test_pickle_copy_and_repr(name: str, dtype: str) -> None:
    rng = np.random.default_rng(261)
    names = {**vars(bp.layers), **vars(bp.activations), **vars(bp.initializers), **vars(bp)}
    for layers in ALONE[name]:
        network = make([*layers(6), bp.Dense(2)], 6, dtype, rng)
        x = rng.integers(0, 3, (9, 6)).astype(dtype)
        again = eval(repr(network), dict(names))
        assert repr(again) == repr(network)
        assert [layer.specification for layer in again.layers] == [layer.specification for layer in network.layers]
        again.parameters, again.statistics[...] = network.parameters, network.statistics
        for other in (again, pickle.loads(pickle.dumps(network)), copy.copy(network), copy.deepcopy(network)):
            assert repr(other) == repr(network)
            assert_same_bits(other.predict(x), network.predict(x), name)
            assert not np.shares_memory(other.parameters, network.parameters)
        assert_same_bits(copy.deepcopy(network).forward(x), network.forward(x), name)
        for specification in [layer.specification for layer in network.walk()]:
            assert pickle.loads(pickle.dumps(specification)) == specification
            assert hash(pickle.loads(pickle.dumps(specification))) == hash(specification)


def test_settings_in_a_repr() -> None:
    layers = [
        bp.Normalize(),
        bp.Embedding({2: 9, 0: 4}, size={0: 2, 2: 5}, trainable=False),
        bp.Residual([bp.Dense(5, l1=0.1, max_norm=3.0), bp.activations.LeakyReLU(0.2)], "tanh", projection=True),
        bp.AlphaDropout(0.25),
        bp.BatchNorm(momentum=0.5, trainable=False),
        bp.GaussianNoise(0.1),
    ]
    network = bp.Network(layers, input_size=4, dtype="float64", seed=3)
    again = eval(repr(network), {**vars(bp.layers), **vars(bp.activations), **vars(bp)})
    assert_same_bits(again.parameters, network.parameters, "the same seed and settings, the same weights")
    assert [each.specification for each in again.walk()] == [each.specification for each in network.walk()]


@in_both_types
def test_freezing_blocks(dtype: str) -> None:
    """A block's flag counts for all inside; each inside can be set by itself; all of it survives pickle and repr."""
    block = bp.Residual([bp.Dense(4), bp.Dropout(0.1), bp.Residual([bp.Dense(3)])], trainable=False)
    network = bp.Network([block, bp.Dense(1)], input_size=2, dtype=dtype, seed=0)

    def flags(net: bp.Network) -> dict[str, bool]:
        return {layer.name: layer.trainable for layer in net.walk() if layer.parameter_count}

    def moved(net: bp.Network) -> set[str]:
        before = {layer.name: [view.copy() for view in layer.tensors.values()] for layer in net.walk()}
        bp.Trainer(net, loss="mse", optimizer=bp.SGD(0.1)).step(np.ones((5, 2)), np.ones((5, 1)) * 9)
        return {
            layer.name
            for layer in net.walk()
            for old, new in zip(before[layer.name], layer.tensors.values(), strict=True)
            if not np.array_equal(old, new)
        }

    def check(net: bp.Network, learning: set[str]) -> None:
        for each in (net, pickle.loads(pickle.dumps(net))):
            leaves = {layer.name for layer in each.walk() if not layer.layers}
            assert {name for name, learns in flags(each).items() if learns and name in leaves} == learning
            assert moved(pickle.loads(pickle.dumps(each))) == learning

    names = {"0.0", "0.2.0", "0.2.projection", "0.projection"}
    check(network, {"1"})
    assert flags(network) == dict.fromkeys([*names, "0", "0.2"], False) | {"1": True}
    network.layers[0].layers[2].trainable = True
    check(network, {"1", "0.2.0", "0.2.projection"})
    assert network.layers[0].trainable
    network.layers[0].trainable = True
    check(network, {"1", *names})
    network.layers[0].layers[-1].trainable = False  # the projection alone
    check(network, {"1", *names} - {"0.projection"})
    network.layers[0].trainable = False
    check(network, {"1"})


def test_summary_of_all() -> None:
    layers = [
        bp.Normalize(),
        EMBEDDING,
        bp.Dropout(0.1),
        bp.Residual([bp.Dense(8, activation="relu"), bp.BatchNorm(trainable=False)], activation="tanh"),
        bp.LayerNorm(),
        "gelu",
    ]
    network = bp.Network(layers, input_size=5, seed=0)
    lines = []

    class File:
        """What summary prints to."""

        def write(self, text: str) -> None:
            """Keep the text."""
            lines.append(text)

    network.summary(File())  # type: ignore[arg-type]
    text = "".join(lines)
    wanted = ["0 Normalize", "1 Embedding", "2 Dropout", "3 Residual, tanh", "3.0 Dense, relu", "3.1 BatchNorm"]
    for part in [*wanted, "3.projection Dense", "4 LayerNorm", "5 Activation, gelu"]:
        assert part in text
    rows = {line.split()[0]: line.split() for line in text.splitlines()}
    assert rows["1"][-2:] == ["6", "yes"]
    assert rows["3.1"][-2:] == ["16", "no"]
    assert rows["3.projection"][-2:] == ["48", "yes"]
    assert f"{6 + 56 + 16 + 48 + 16} parameters, {6 + 56 + 48 + 16} trainable" in text


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"clip_norm": 0}, ValueError, "clip_norm as a finite number in (0, inf), got 0"),
        ({"clip_norm": "1"}, TypeError, "clip_norm as a number"),
        ({"clip_value": -1.0}, ValueError, "clip_value as a finite number in (0, inf), got -1.0"),
        ({"clip_value": float("nan")}, ValueError, "clip_value"),
        ({"accumulate": 0}, ValueError, "accumulate of at least 1, got 0"),
        ({"accumulate": 1.5}, TypeError, "accumulate as a whole number"),
    ],
)
def test_wrong_settings_of_updates(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        bp.Trainer(bp.mlp([2, 1]), loss="mse", **settings)
    assert message in str(caught.value)


def test_huge_accumulation() -> None:
    """More minibatches than there are is all of them; more than a machine can count is said so."""
    x, y = np.ones((10, 2)), np.ones((10, 1))
    trainer = bp.Trainer(bp.mlp([2, 1], seed=0), loss="mse", accumulate=10**6)
    assert len(trainer.fit(x, y, epochs=2, batch_size=3, progress=False)["loss"]) == 2
    assert trainer.step_count == 2
    with pytest.raises(ValueError, match="accumulate"):
        bp.Trainer(bp.mlp([2, 1], seed=0), loss="mse", accumulate=2**40).fit(x, y, progress=False)
