"""Products over the non-zero elements of the input alone: the same bits as the dense ones, whoever computes them."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative
from child import run
from compare import assert_same_bits

in_both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


def rows_of(x):
    """(starts, columns, values) of the elements that are not zero, as native code takes them."""
    row, column = np.nonzero(x)
    starts = np.searchsorted(row, np.arange(len(x) + 1)).astype(np.int64)
    return starts, column.astype(np.int32), x[row, column]


def data(rng, n, inputs, outputs, density, dtype):
    x = np.where(rng.random((n, inputs)) < density, rng.standard_normal((n, inputs)), 0.0).astype(dtype)
    x[:: max(1, n // 7)] = 0  # rows without an element, and columns
    x[:, :: max(2, inputs // 5)] = 0
    return x, rng.standard_normal((n, outputs)).astype(dtype)


def pair(sizes, dtype, activation="tanh", **settings):
    """Two networks of the same numbers; a layer that does nothing stands before the first product of the second."""
    hidden = [bp.Dense(size, activation=activation, **settings) for size in sizes[1:-1]]
    net = bp.Network([*hidden, bp.Dense(sizes[-1])], sizes[0], dtype=dtype, seed=1)
    dense = bp.Network([bp.Activation("linear"), *hidden, bp.Dense(sizes[-1])], sizes[0], dtype=dtype, seed=2)
    dense.parameters = net.parameters
    assert net._native.takes_sparse
    assert not dense._native.takes_sparse
    return net, dense


def trained(net, x, y, *, batch_size, **settings):
    """Weights, losses and outputs after an epoch in a random order."""
    trainer = bp.Trainer(net, loss="mse", optimizer=bp.Adam(learning_rate=0.01), seed=3, **settings)
    history = trainer.fit(x, y, epochs=2, batch_size=batch_size, progress=False)
    return net.parameters.copy(), np.array(history["loss"])


# Every width of a strip of vectors, rows of all lengths, blocks of features that end within a vector.
SIZES = [(64, 16, 1), (65, 17, 3), (100, 33, 2), (131, 64, 1), (784, 100, 10), (333, 129, 4), (1000, 257, 2)]


@in_both_types
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("density", [0.0, 0.01, 0.1])
def test_the_same_bits_as_dense(sizes, density, dtype):
    rng = np.random.default_rng(sum(sizes))
    x, y = data(rng, 150, sizes[0], sizes[-1], density, dtype)
    net, dense = pair(sizes, dtype)
    weights, losses = trained(net, x, y, batch_size=64)
    expected, expected_losses = trained(dense, x, y, batch_size=64)
    assert_same_bits(weights, expected, "weights")
    assert (losses == expected_losses).all()
    assert np.isfinite(weights).all()


@in_both_types
@pytest.mark.parametrize("batch_size", [1, 2, 15, 33, 150])
@pytest.mark.parametrize("density", [0.02, 0.5, 1.0])
def test_elements_alone(batch_size, density, dtype):
    """Rows that come as elements go this way whatever their density; outputs and losses, too."""
    sizes = (37, 50, 3)
    x, y = data(np.random.default_rng(5), 150, sizes[0], sizes[-1], density, dtype)
    net, dense = pair(sizes, dtype, "gelu")
    results = []
    for network, rows in ((net, rows_of(x)), (dense, x)):
        trainer = bp.Trainer(network, loss="mse", optimizer=bp.SGD(learning_rate=0.002, momentum=0.9))
        native, order = trainer._native, np.random.default_rng(6).permutation(150)
        losses, outputs = np.empty(-(-150 // batch_size)), np.empty((150, 3), dtype)
        native.train(losses, outputs, rows, y, None, order, np.full(len(losses), 0.002), batch_size)
        gradient, evaluated, predicted = np.empty_like(network.parameters), np.empty((150, 3), dtype), outputs.copy()
        loss = native.gradients(gradient, rows, y, None)
        value = native.evaluate(evaluated, rows, y, None)
        network._native.predict(predicted, rows)
        results.append(
            (losses, outputs, network.parameters.copy(), gradient, np.array([loss, value]), evaluated, predicted)
        )
    for mine, other in zip(*results, strict=True):
        assert_same_bits(mine, other, "")


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_any_number_of_threads(threads):
    x, y = data(np.random.default_rng(7), 500, 300, 5, 0.1, "float32")
    results = []
    for number in (1, threads):
        bp.set_num_threads(number)
        net, _ = pair((300, 200, 100, 5), "float32", "relu")
        results.append(trained(net, x, y, batch_size=128))
    assert_same_bits(results[0][0], results[1][0], "weights")
    assert (results[0][1] == results[1][1]).all()


INSTRUCTION_SETS = """
import sys
sys.path.insert(0, TESTS)
import itertools
import test_sparse_inputs as tests
for sizes, density, dtype in itertools.product(tests.SIZES, (0.01, 0.1), ("float32", "float64")):
    tests.test_the_same_bits_as_dense(sizes, density, dtype)
for batch_size, dtype in itertools.product((1, 33), ("float32", "float64")):
    tests.test_elements_alone(batch_size, 0.5, dtype)
print(bp._bpnative.config()["isa"])
"""


@pytest.mark.parametrize("isa", _bpnative.config()["isa_available"])
def test_every_instruction_set(isa, request):
    code = INSTRUCTION_SETS.replace("TESTS", repr(str(request.path.parent)))
    assert run(code, BPNATIVE_ISA=isa) == isa


def test_with_everything_around_it():
    """Batch norm cuts the step, accumulation and clipping need the whole gradient; bias, frozen layers, penalties."""
    x, y = data(np.random.default_rng(8), 300, 200, 3, 0.1, "float32")
    settings = {"bias": False, "l2": 0.01, "max_norm": 1.0}
    layers = [bp.Dense(64, **settings), bp.BatchNorm(), bp.Activation("relu"), bp.Dense(3)]
    results, start = [], None
    for before in ([], [bp.Activation("linear")]):
        net = bp.Network([*before, *layers], 200, seed=1)
        start = net.parameters.copy() if start is None else start
        net.parameters = start
        for how in ({"accumulate": 2}, {"clip_norm": 0.1}):
            trained(net, x, y, batch_size=100, **how)
        net.layers[len(before)].trainable = False
        trained(net, x, y, batch_size=100)
        results.append(np.concatenate([net.parameters, net.statistics, net.predict(x).ravel()]))
    assert_same_bits(results[0], results[1], "weights")
    assert np.isfinite(results[0]).all()


def test_data_that_become_dense_and_sparse_again():
    """What pays is asked anew for each run; batches of other sizes, predictions and evaluations in between."""
    rng = np.random.default_rng(9)
    thin, y = data(rng, 200, 120, 2, 0.05, "float32")
    full = rng.standard_normal((200, 120)).astype(np.float32)
    results = []
    for net in pair((120, 64, 2), "float32"):
        trainer = bp.Trainer(net, loss="mse", seed=0)
        for x, size in ((thin, 50), (full, 50), (thin, 200), (thin, 7), (full, 200), (thin, 64)):
            trainer.fit(x, y, batch_size=size, progress=False)
            trainer.step(x[:40], y[:40])
            trainer.evaluate(x, y)
        results.append(np.concatenate([net.parameters, net.predict(thin).ravel(), trainer.gradients(thin, y)[1]]))
    assert_same_bits(results[0], results[1], "weights, outputs and gradient")


@in_both_types
def test_memory_grows_and_shrinks_with_the_batch(dtype):
    rng = np.random.default_rng(12)
    y, results = rng.standard_normal((150, 2)).astype(dtype), []
    cases = [(0.01, 20), (0.3, 20), (0.02, 150), (1.0, 150), (0.0, 7), (0.6, 64)]
    data_of = [data(rng, 150, 70, 2, density, dtype)[0] for density, _ in cases]
    for net, as_native in zip(pair((70, 20, 2), dtype), (rows_of, np.asarray), strict=True):
        native, found = bp.Trainer(net, loss="mse", optimizer="sgd")._native, []
        for x, (_, size) in zip(data_of, cases, strict=True):
            losses, outputs = np.empty(-(-150 // size)), np.empty((150, 2), dtype)
            order, rates = np.arange(150)[::-1].copy(), np.full(len(losses), 0.01)
            native.train(losses, outputs, as_native(x), y, None, order, rates, size)
            gradient = np.empty_like(net.parameters)
            native.gradients(gradient, as_native(x[:size]), y[:size], None)
            found.append(np.concatenate([losses, outputs.ravel(), gradient, net.parameters]))
        results.append(np.concatenate(found))
    assert_same_bits(results[0], results[1], "all that was computed")


def test_one_long_row_among_many():
    """The memory of a batch is that of its elements: as many rows as long as the longest would be 40 GB."""
    inputs, n = 1 << 21, 1200
    starts, columns = np.full(n + 1, inputs), np.arange(inputs, dtype=np.int32)
    starts[0] = 0
    rows = starts, columns, np.ones(inputs, np.float32)
    net = bp.Network([bp.Dense(1)], inputs, seed=0)
    net.layers[0].weight[...] = 2.0**-21
    native, y, expected = (
        bp.Trainer(net, loss="mse", optimizer="sgd")._native,
        np.zeros((n, 1), np.float32),
        np.eye(n, 1),
    )
    predicted, loss, gradient = np.empty_like(y), np.empty(1), np.empty_like(net.parameters)
    net._native.predict(predicted, rows)
    assert (predicted == expected).all()
    assert native.evaluate(None, rows, y, None) == native.gradients(gradient, rows, y, None) == 1 / n
    np.testing.assert_allclose(gradient, 2 / n, rtol=1e-6)
    native.train(loss, predicted, rows, y, None, np.arange(n), np.full(1, 0.01), n)
    assert loss[0] == 1 / n
    assert (predicted == expected).all()


def test_not_a_number_is_an_element():
    x, y = data(np.random.default_rng(10), 64, 80, 1, 0.05, "float32")
    x[5, 7] = np.nan
    net, _ = pair((80, 32, 1), "float32")
    trainer = bp.Trainer(net, loss="mse")
    losses = np.empty(1)
    trainer._native.train(losses, None, x, y, None, np.arange(64), np.array([0.1]), 64)
    assert np.isnan(losses[0])


def test_which_data_go_this_way():
    """Told by a weight that is infinite and belongs to an input that is always zero: the dense product sees it."""
    rng = np.random.default_rng(11)
    thin, y = data(rng, 64, 80, 1, 0.05, "float32")
    dense = np.where(np.arange(80) > 0, rng.standard_normal((64, 80)), 0).astype(np.float32)
    for x, batch_size, seen in ((thin, 64, False), (thin, 31, True), (dense, 64, True)):
        net, _ = pair((80, 32, 1), "float32")
        net.layers[0].weight[0, 0] = np.inf
        losses, order = np.empty(-(-64 // batch_size)), np.arange(64)
        native = bp.Trainer(net, loss="mse", optimizer="sgd")._native
        native.train(losses, None, x, y, None, order, np.full(len(losses), 0.01), batch_size)
        assert np.isnan(losses[0]) == seen


# ---- what is refused -------------------------------------------------------------------------------------------------
def broken(change):
    starts, columns, values = rows_of(np.eye(4, 6, dtype=np.float32))
    return change(starts, columns, values)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (broken(lambda s, c, v: (s, c, v.astype(np.float64))), TypeError, "'values' must have dtype float32"),
        (broken(lambda s, c, v: (s.astype(np.int32), c, v)), TypeError, "'starts' must have dtype int64"),
        (broken(lambda s, c, v: (s, c.astype(np.int64), v)), TypeError, "'columns' must have dtype int32"),
        (broken(lambda s, c, v: (s, c, v[:2])), ValueError, r"'values' must have shape \(4,\)"),
        (broken(lambda s, c, v: (s[:0], c, v)), ValueError, "one element more than there are rows"),
        (broken(lambda s, c, v: (s + 1, c, v)), ValueError, "columns that rise from 0 to 5; row 3 has not"),
        (broken(lambda s, c, v: (s - 1, c, v)), ValueError, "row 0 has not"),
        (broken(lambda s, c, v: (s[[0, 2, 1, 3, 4]], c, v)), ValueError, "row 1 has not"),
        (broken(lambda s, c, v: (s, c + 6, v)), ValueError, "row 0 has not"),
        (broken(lambda s, c, v: (s, c - 1, v)), ValueError, "row 0 has not"),
        (broken(lambda s, c, v: (s // 2 * 2, c * 0, v)), ValueError, "row 1 has not"),
        (broken(lambda s, c, v: (s, c)), TypeError, "three arrays"),
        (broken(lambda s, c, v: (s, c, list(v))), TypeError, "three arrays"),
        ([[0.0] * 6], TypeError, "'x' must be an array"),
    ],
)
def test_bad_elements(rows, error, message):
    net = bp.mlp([6, 4, 1], seed=0)
    native, before = bp.Trainer(net, loss="mse")._native, net.parameters.copy()
    y, out = np.ones((4, 1), np.float32), np.empty((4, 1), np.float32)
    calls = [
        lambda: net._native.predict(out, rows),
        lambda: native.evaluate(None, rows, y, None),
        lambda: native.gradients(np.empty_like(before), rows, y, None),
        lambda: native.train(np.empty(1), None, rows, y, None, np.arange(4), np.ones(1), 4),
    ]
    for call in calls[: 1 if "one element more" in message else None]:
        with pytest.raises(error, match=message):
            call()
    assert_same_bits(net.parameters, before, "weights")


def test_a_network_that_needs_all_elements_says_so():
    rows = rows_of(np.eye(4, 6, dtype=np.float32))
    for first in (bp.LayerNorm(), bp.Normalize(), bp.Activation("relu"), bp.Residual([bp.Dense(6)])):
        net = bp.Network([first, bp.Dense(1)], 6, seed=0)
        assert not net._native.takes_sparse
        with pytest.raises(ValueError, match="its first layer is not Dense"):
            net._native.predict(np.empty((4, 1), np.float32), rows)
