"""The benchmark computes what it says: NumPy trainer, workloads, processes and ratios. Nothing here depends on time."""

import dataclasses
import io
import json
import math
import tempfile

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative
from bpnative.benchmark import WORKLOADS, numpy_activations, peers, worker
from bpnative.benchmark.numpy_trainer import NumpyTrainer
from bpnative.benchmark.rounds import BenchError, Measurement, Settings, Worker, run_rounds
from bpnative.benchmark.workloads import Workload, make_data, make_parameters, split_parameters

TRAINING = [workload for workload in WORKLOADS if workload.task == "fit"]
READING = [workload for workload in WORKLOADS if workload.task == "predict"]


def by_name(workload):
    return workload.name


def reduced(workload):
    """The same layers and settings with narrow layers, and a last batch that is not full."""
    sizes = tuple(min(size, 70 + i) for i, size in enumerate(workload.sizes))
    return dataclasses.replace(workload, sizes=sizes, batch=33, rows=4 * 33 + 5)


def trainer_for(workload, data, **changes):
    settings = {
        "activation": workload.activation,
        "loss": workload.loss,
        "optimizer": workload.optimizer,
        "learning_rate": workload.learning_rate,
        "momentum": workload.momentum,
        "parameters": data.parameters,
        "batch": workload.batch,
    }
    return NumpyTrainer(workload.sizes, **settings | changes)


def skip_without(activation):
    if activation not in _bpnative.activation_names():
        pytest.skip(f"this version of bpnative has no activation {activation!r}")


# ---- the NumPy trainer -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("workload", TRAINING, ids=by_name)
def test_numpy_gradients_are_differences_of_the_loss(workload):
    workload = dataclasses.replace(reduced(workload), sizes=(5, 7, 6, 3), batch=8, rows=8)
    data = make_data(workload, "float64")
    random = np.random.default_rng(0)
    start = data.parameters + 0.1 * random.standard_normal(data.parameters.size)
    # With SGD at learning rate 1 and no momentum, one step subtracts the gradient.
    still = {"optimizer": "sgd", "momentum": 0.0}
    trainer = trainer_for(workload, data, parameters=start, learning_rate=1.0, **still)
    trainer.step(data.X, data.y)
    gradient = start - trainer.parameters

    def loss(parameters):
        return trainer_for(workload, data, parameters=parameters, learning_rate=0.0, **still).step(data.X, data.y)

    direction = random.standard_normal(start.size)
    h = 1e-6
    slope = (loss(start + h * direction) - loss(start - h * direction)) / (2 * h)
    # Without SciPy the derivative of erf is exact but erf itself is a polynomial of error 1.5e-7.
    tolerance = 1e-4 if workload.activation == "gelu" and "polynomial" in numpy_activations.ERF_SOURCE else 1e-7
    assert gradient @ direction == pytest.approx(slope, rel=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("workload", TRAINING, ids=by_name)
def test_numpy_and_bpnative_train_alike(workload, dtype):
    skip_without(workload.activation)
    workload = reduced(workload)
    data = make_data(workload, dtype)
    ours, numpys = (peers.build(name, workload, data, 1) for name in ("bpnative", "numpy"))
    # float32: 15 steps of Adam divide by small second moments, which amplifies rounding
    tolerance = 2e-3 if dtype == "float32" else 1e-9
    if workload.activation == "gelu" and "polynomial" in numpy_activations.ERF_SOURCE:
        tolerance = 2e-3  # NumPy's side has erf to 1.5e-7 only
    assert ours.fit(3, shuffle=False) == pytest.approx(numpys.fit(3, shuffle=False), rel=tolerance)
    got, expected = ours.predict(2), numpys.predict(2)
    assert np.abs(got - expected).max() <= tolerance * np.abs(expected).max()
    ours.reset()
    numpys.reset()
    assert ours.fit(1, shuffle=False) == pytest.approx(numpys.fit(1, shuffle=False), rel=tolerance)


@pytest.mark.parametrize("workload", TRAINING[:3], ids=by_name)
def test_numpy_trainer_takes_any_order_and_a_short_batch(workload):
    workload = reduced(workload)
    data = make_data(workload, "float64")
    order = np.random.default_rng(0).permutation(workload.rows)
    whole = trainer_for(workload, data)
    losses = whole.fit(data.X, data.y, batch_size=workload.batch, order=order)
    by_hand = trainer_for(workload, data)
    expected = [by_hand.step(data.X[rows], data.y[rows]) for rows in np.split(order, range(33, len(order), 33))]
    assert losses.tolist() == expected
    assert len(losses) == workload.steps == 5
    np.testing.assert_array_equal(whole.parameters, by_hand.parameters)


def test_large_parameter_blocks_are_all_updated():
    sizes = (300, 300, 10)  # more parameters than one block of the optimizer
    parameters = make_parameters(sizes, "float64")
    for optimizer in ("sgd", "adam"):
        trainer = NumpyTrainer(
            sizes,
            activation="linear",
            loss="mse",
            optimizer=optimizer,
            learning_rate=0.1,
            parameters=parameters,
            batch=4,
        )
        random = np.random.default_rng(0)
        trainer.step(random.standard_normal((4, 300)), random.standard_normal((4, 10)))
        assert (trainer.parameters != parameters).all()


def test_erf_without_scipy():
    z = np.linspace(-6, 6, 1001)
    out = np.empty_like(z)
    numpy_activations._erf_of_root_half(z, np.exp(-z * z / 2), out)
    expected = [math.erf(value / math.sqrt(2)) for value in z]
    np.testing.assert_allclose(out, expected, atol=1.6e-7)


def test_parameters_of_the_wrong_length_are_refused():
    with pytest.raises(ValueError, match=r"expected 11 parameters for layers of \(2, 3, 0\)|expected 13 parameters"):
        split_parameters(np.zeros(12), (2, 3, 1))


# ---- the workloads ---------------------------------------------------------------------------------------------------
def test_operations_of_a_step_counted_by_hand():
    tiny = WORKLOADS[0]
    forward = 32 * 64 + 64 * 64 + 64 * 1
    assert tiny.flops == 2 * 32 * (forward + forward + (64 * 64 + 64 * 1))
    assert READING[0].flops == 2 * forward


def test_workloads_are_distinct_and_their_data_is_of_use():
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    for workload in WORKLOADS:
        assert workload.rows % workload.batch == 0, "JAX scans whole batches"
        assert workload.rows >= 4096, "data of some thousand rows does not fit the first caches"
    data = make_data(WORKLOADS[0])
    assert data.X.dtype == data.y.dtype == data.parameters.dtype == np.float32
    labels = make_data(TRAINING[2]).y
    assert labels.dtype == np.int32
    assert np.unique(labels).tolist() == list(range(10))
    assert np.array_equal(make_data(WORKLOADS[0]).X, data.X)


@pytest.mark.parametrize("workload", WORKLOADS, ids=by_name)
def test_start_is_laid_out_as_in_bpnative(workload):
    sizes = reduced(workload).sizes
    net = bp.mlp(list(sizes), activation="relu", seed=0)
    net.parameters[:] = make_parameters(sizes)
    for layer, (weight, bias) in zip(net.layers, split_parameters(make_parameters(sizes), sizes), strict=True):
        np.testing.assert_array_equal(layer.weight, weight)
        np.testing.assert_array_equal(layer.bias, bias)


def test_starts_walk_through_the_data():
    assert list(Workload("x", (1, 1), 2, rows=5).starts(5)) == [0, 2, 0, 2, 0]


# ---- the figures -----------------------------------------------------------------------------------------------------
def test_ratios_are_taken_within_a_round():
    mine = Measurement("x", "bpnative", 2, rounds=(1.0, 4.0, 3.0), flops=6_000_000_000, peak=4.0)
    other = Measurement("x", "numpy", 2, rounds=(2.0, 40.0, 4.0))
    assert mine.ratio_to(other) == 0.5
    assert (mine.seconds, mine.gflops, mine.peak_share) == (3.0, 2.0, 0.25)
    assert json.loads(json.dumps(mine.as_json()))["gflops"] == 2.0
    assert "seconds" not in Measurement("x", "jax", 1, skipped="absent").as_json()


def test_a_peer_that_computes_something_else_is_noticed():
    right = Measurement("x", "numpy", 1, rounds=(1.0,), result=2.3)
    for result, agrees in ((2.3, True), (2.31, True), (-2.3, False), (2.0, False), (math.nan, False)):
        assert Measurement("x", "jax", 1, rounds=(1.0,), result=result).agrees_with(right) is agrees


# ---- the processes ---------------------------------------------------------------------------------------------------
@pytest.fixture
def start():
    """Starts workers, and ends them after the test."""
    workers = []
    with tempfile.TemporaryFile() as errors:

        def begin(name, threads=1):
            workers.append(Worker(name, threads, errors))
            return workers[-1]

        yield begin
        for one in workers:
            one.close()


def test_worker_prepares_and_measures(start):
    numpys = start("numpy")
    for workload in ("tiny", "reader-tiny"):
        assert math.isfinite(numpys.ask("prepare", workload=workload, quick=True, dtype="float32")["result"])
        assert numpys.ask("measure", seconds=0.0)["seconds"] > 0
    assert start("bpnative").ask("peak", dtype="float32", seconds=0.01)["gflops"] > 0


def test_worker_reports_what_fails_and_lives_on(start):
    numpys = start("numpy")
    with pytest.raises(BenchError, match="numpy failed: RuntimeError: prepare comes before measure"):
        numpys.ask("measure", seconds=0.0)
    assert "result" in numpys.ask("prepare", workload="tiny", quick=True, dtype="float64")


def test_a_worker_that_dies_says_why(start):
    broken = start("no-such-peer")
    with pytest.raises(BenchError, match="KeyError"):
        broken.ask("prepare", workload="tiny", quick=True, dtype="float32")
    broken._process.kill()
    broken._process.wait()
    with pytest.raises(BenchError, match="ended with exit code -9"):
        broken.ask("measure", seconds=0.0)


def test_serve_answers_each_line():
    requests = io.StringIO('{"do": "measure", "seconds": 0}\n{"do": "nothing"}\n')
    answers = io.StringIO()
    worker.serve(worker.Session("numpy", 1), requests, answers)
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert "prepare comes before" in first["error"]
    assert "AttributeError" in second["error"]


def test_rounds_measure_every_peer():
    chosen = [WORKLOADS[0], READING[0]]
    settings = Settings(rounds=2, seconds=0.01, quick=True)
    groups = list(run_rounds(chosen, ["bpnative", "numpy"], [1], settings))
    assert [[(m.workload, m.peer, len(m.rounds)) for m in group] for group in groups] == [
        [(w.name, "bpnative", 2), (w.name, "numpy", 2)] for w in chosen
    ]
    for ours, numpys in groups:
        assert ours.agrees_with(numpys)
        assert ours.peak > 0
        assert ours.ratio_to(numpys) > 0
