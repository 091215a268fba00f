"""The network as an object: seeds, views, copies, printing, shapes, and when its memory goes."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import weakref

import numpy as np
import pytest

import bpnative as bp

X = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)


def network(**settings):
    layers = [bp.Dense(5, activation="tanh"), bp.Dense(3, bias=False), bp.Dense(2)]
    return bp.Network(layers, 4, **{"seed": 0, **settings})


def test_the_seed_decides_the_weights():
    first = network(seed=1).parameters
    np.testing.assert_array_equal(first, network(seed=1).parameters)
    np.testing.assert_array_equal(first, network(seed=np.int64(1)).parameters)
    np.testing.assert_array_equal(first, network(seed=np.random.default_rng(1)).parameters)
    np.testing.assert_array_equal(first, network(seed=1, dtype="float64").parameters.astype(np.float32))
    assert not np.array_equal(first, network(seed=2).parameters)
    assert not np.array_equal(network(seed=None).parameters, network(seed=None).parameters)


def test_a_generator_is_drawn_from():
    generator = np.random.default_rng(1)
    first, second = network(seed=generator), network(seed=generator)
    assert not np.array_equal(first.parameters, second.parameters)
    assert first.seed is None


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.dtype("float64"), ">f4", float])
def test_dtypes(dtype):
    made = network(dtype=dtype)
    assert made.dtype == np.dtype(np.dtype(dtype).name)
    assert made.parameters.dtype == made.gradients.dtype == made.predict(X).dtype == made.dtype


@pytest.mark.parametrize("dtype", [None, "int32", "float16", "flaot32", 3, np.int8])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match=r"unknown dtype .*Known: 'float32', 'float64'"):
        network(dtype=dtype)


def test_layers_are_views_in_order():
    made = network()
    first, middle, last = made.layers
    assert (made.input_size, made.output_size, len(made.layers)) == (4, 2, 3)
    assert [layer.units for layer in made.layers] == [5, 3, 2]
    assert [layer.input_size for layer in made.layers] == [4, 5, 3]
    assert [layer.activation for layer in made.layers] == ["tanh", "linear", "linear"]
    assert [layer.parameter_count for layer in made.layers] == [25, 15, 8]
    assert middle.bias is None
    assert middle.bias_gradient is None
    parts = [first.weight, first.bias, middle.weight, last.weight, last.bias]
    np.testing.assert_array_equal(np.concatenate([part.ravel() for part in parts]), made.parameters)
    made.gradients[...] = np.arange(48)
    assert first.weight_gradient.ravel().tolist() == list(range(20))
    assert last.bias_gradient.tolist() == [46, 47]
    assert np.shares_memory(first.weight, made.parameters)
    assert "layer 1: Dense(3, bias=False), 5 inputs" in repr(middle)


def test_assigning_copies_into_the_buffer():
    made = network()
    view, weight = made.parameters, made.layers[0].weight
    made.parameters = np.arange(48)
    made.parameters -= 1
    made.parameters *= 2
    made.layers[0].weight += 1
    made.layers[0].bias = [1, 2, 3, 4, 5]
    made.layers[2].bias -= 4
    made.gradients = np.ones(48)
    assert view[:3].tolist() == weight.ravel()[:3].tolist() == [-1, 1, 3]
    assert view[20:25].tolist() == [1, 2, 3, 4, 5]
    assert view[46:].tolist() == [86, 88]
    assert made.gradients.sum() == 48
    with pytest.raises(ValueError, match="no bias"):
        made.layers[1].bias = np.zeros(3)
    with pytest.raises(ValueError, match=r"parameters of shape \(48,\), got \(3,\)"):
        made.parameters = [1, 2, 3]


def test_predict():
    made = network()
    whole = made.predict(X)
    assert whole.shape == (20, 2)
    np.testing.assert_array_equal(made(X), whole)
    np.testing.assert_array_equal(made.forward(X, training=False), whole)
    hidden = np.tanh(X @ made.layers[0].weight.T + made.layers[0].bias)
    expected = hidden @ made.layers[1].weight.T @ made.layers[2].weight.T + made.layers[2].bias
    np.testing.assert_allclose(whole, expected, rtol=1e-4, atol=1e-6)


def test_predict_in_blocks_gives_the_same_bits(monkeypatch):
    made = network()
    whole = made.predict(X)
    monkeypatch.setattr(made, "_block_rows", 7)
    np.testing.assert_array_equal(made.predict(X), whole)


def test_blocks_are_bounded():
    for sizes in ([1, 1], [4, 4], [784, 256, 10], [8, 2**20], [2000, 2000, 2000]):
        made = bp.mlp(sizes, seed=0)
        rows = made._block_rows
        assert rows >= 256
        assert rows == 256 or rows * made.output_size * 4 <= 2**22


def test_no_rows_are_no_outputs():
    made = network()
    assert made.predict(X[:0]).shape == made.forward(X[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match="at least one row"):
        made.backward(np.zeros((0, 2)))


def test_backward_belongs_to_the_last_forward():
    made = network()
    with pytest.raises(ValueError, match="forward"):
        made.backward(np.ones((20, 2)))
    made.forward(X)
    dx = made.backward(np.ones((20, 2)))
    assert dx.shape == X.shape
    first = made.gradients.copy()
    assert first.any()
    made.backward(2 * np.ones((20, 2)))
    np.testing.assert_array_equal(made.gradients, 2 * first)
    with pytest.raises(ValueError, match="20 rows, as in forward, got 3"):
        made.backward(np.ones((3, 2)))
    made.forward(X, training=False)
    with pytest.raises(ValueError, match="forward"):
        made.backward(np.ones((20, 2)))
    with pytest.raises(TypeError, match="training as True or False"):
        made.forward(X, training="no")


def test_freezing_is_seen_everywhere():
    made = network()
    made.layers[1].trainable = False
    assert made.layers[1].specification == bp.Dense(3, bias=False, trainable=False)
    assert "Dense(3, bias=False, trainable=False)" in repr(made)
    assert not copy.deepcopy(made).layers[1].trainable
    frozen = bp.Network([bp.Dense(5, trainable=False), bp.Dense(2)], 4, seed=0)
    before = frozen.parameters.copy()
    bp.Trainer(frozen, "mse", bp.SGD(learning_rate=0.1)).step(X, np.ones((20, 2)))
    changed = frozen.parameters != before
    assert not changed[:25].any()
    assert changed[25:].all()
    with pytest.raises(TypeError, match="trainable of Dense as True or False"):
        made.layers[0].trainable = 1


@pytest.mark.parametrize(
    "made",
    [
        network(),
        network(dtype="float64", seed=None),
        bp.mlp([3, 4, 2], activation=bp.activations.LeakyReLU(0.5), output_activation="softmax", seed=3),
    ],
)
def test_repr_rebuilds(made):
    again = eval(repr(made), {**vars(bp), **vars(bp.activations)})
    assert repr(again) == repr(made)
    if made.seed is not None:
        np.testing.assert_array_equal(again.parameters, made.parameters)


def test_summary():
    made = bp.mlp([784, 256, 10], output_activation="softmax", seed=0)
    made.layers[0].trainable = False
    lines = io.StringIO()
    assert made.summary(file=lines) is None
    assert lines.getvalue().splitlines() == [
        "layer             output shape  parameters  trainable",
        "-----             ------------  ----------  ---------",
        "input             (n, 784)",
        "0 Dense, relu     (n, 256)         200,960  no",
        "1 Dense, softmax  (n, 10)            2,570  yes",
        "203,530 parameters, 2,570 trainable; float32, 795.0 KiB and as much for gradients",
    ]


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies_are_by_value(duplicate):
    made = bp.Network([bp.Dense(3, weight_initializer=lambda s, g: g.random(s)), bp.Dense(1)], 4, seed=7)
    made.layers[0].weight *= 3
    made.layers[1].trainable = False
    other = duplicate(made)
    assert type(other) is bp.Network
    np.testing.assert_array_equal(other.parameters, made.parameters)
    np.testing.assert_array_equal(other.predict(X), made.predict(X))
    assert [layer.trainable for layer in other.layers] == [True, False]
    assert (other.seed, other.dtype, other._training_seed) == (made.seed, made.dtype, made._training_seed)
    other.parameters[...] = 0
    assert made.parameters.all() or made.parameters.any()


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 99},
        {"parameters": np.zeros(3, np.float32)},
        {"parameters": np.zeros(48)},
        {"parameters": [["a"]]},
        {"layers": []},
        {"input_size": 2**70},
        {"input_size": 0},
        {"dtype": "float16"},
        {"seed": -1},
        {"training_seed": -1},
        {"surplus": 1},
    ],
    ids=lambda damage: ", ".join(damage),
)
def test_a_damaged_state_is_refused(damage):
    restore, (kind, state) = network().__reduce__()
    with pytest.raises(ValueError, match=r"expected|unknown"):
        restore(kind, state | damage)
    for other in ({}, None, []):
        with pytest.raises(ValueError, match="expected a pickled network"):
            restore(kind, other)
    with pytest.raises(TypeError, match="expected layer 0"):
        restore(kind, state | {"layers": [object()]})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.Network(bp.Dense(3), 2), TypeError, "expected layers as a list"),
        (lambda: bp.Network([bp.Dense], 2), TypeError, "expected layer 0"),
        (lambda: bp.Network(3, 2), TypeError, "expected layers as a list"),
        (lambda: bp.Network([bp.Dense(3)], 2.0), TypeError, "input_size as a whole number"),
        (lambda: bp.Network([bp.Dense(2**31)], 1), ValueError, r"fewer than 2\*\*31 units.*shapes: 1 -> 2147483648"),
        (lambda: bp.mlp([4, 3, 2], activation="rleu"), ValueError, "did you mean 'relu'"),
        (lambda: bp.mlp([4, 0, 2]), ValueError, "units of Dense of at least 1, got 0"),
        (lambda: network(seed=0.5), TypeError, "seed as a whole number"),
    ],
)
def test_what_cannot_be_made(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_memory_goes_with_the_last_reference():
    """No cycles: a loop that makes networks must not wait for the garbage collector to get their buffers back."""
    gc.disable()
    try:
        made = network()
        trainer = bp.Trainer(made, "mse")
        trainer.fit(X, np.ones((20, 2)), callbacks=[bp.EarlyStopping(monitor="loss")])
        references = [weakref.ref(thing) for thing in (made, trainer)]
        del made, trainer
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()
