"""How many threads and which kernels, by environment and by choice, and several Python threads at once.

That results don't depend on the number of threads is in test_determinism; the life of the workers in test_processes;
the pool itself is tested in tests/cpp.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from child import LINUX, PRELUDE, environment, run, start

needs_two_cores = pytest.mark.skipif(
    not LINUX or len(os.sched_getaffinity(0)) < 2, reason="needs two processors to choose from"
)

# ---- how many, and why ---------------------------------------------------------------------------------------------
SHOW = "config = bp.show_config('dict'); print(bp.get_num_threads(), config['threads_reason'])"


@pytest.mark.parametrize("name", ["BPNATIVE_NUM_THREADS", "OMP_NUM_THREADS"])
def test_environment_limits_threads(name):
    assert run(SHOW, **{name: "1"}) == f"1 {name}"


def test_our_variable_goes_before_openmps():
    assert run(SHOW, BPNATIVE_NUM_THREADS="1", OMP_NUM_THREADS="2") == "1 BPNATIVE_NUM_THREADS"


def test_environment_cannot_ask_for_more_than_there_are_cores():
    count, reason = run(SHOW, BPNATIVE_NUM_THREADS="500").split(" ", 1)
    assert int(count) <= (os.cpu_count() or 1)
    assert "BPNATIVE_NUM_THREADS asks for 500" in reason


def test_environment_of_several_levels_and_nonsense_of_others():
    assert run(SHOW, OMP_NUM_THREADS="1,4") == "1 OMP_NUM_THREADS"
    default = run(SHOW)
    assert run(SHOW, OMP_NUM_THREADS="plenty") == default
    assert run(SHOW, BPNATIVE_NUM_THREADS="") == default


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_nonsense_in_our_variable_is_an_error_of_the_import(value):
    process = start("", BPNATIVE_NUM_THREADS=value)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    assert f"ImportError: BPNATIVE_NUM_THREADS is '{value}': expected a whole number of at least 1" in errors


@needs_two_cores
def test_affinity_limits_threads():
    processor = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{processor}}})\n"
    process = subprocess.run(
        [sys.executable, "-c", code + PRELUDE + SHOW], env=environment(), capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "1 physical cores in the affinity mask"


def test_a_choice_wins_over_the_environment():
    code = "bp.set_num_threads(3); print(bp.get_num_threads()); bp.set_num_threads(0); print(bp.get_num_threads())"
    assert run(code, BPNATIVE_NUM_THREADS="1").split() == ["3", "1"]


def test_more_threads_than_the_pool_holds():
    before = bp.get_num_threads()
    with pytest.raises(ValueError, match="from 1 to 512, or 0 for the default, got 100000"):
        bp.set_num_threads(100_000)
    assert bp.get_num_threads() == before


# ---- which kernels -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("isa", native.config()["isa_available"])
def test_environment_forces_kernels(isa):
    code = "config = bp.show_config('dict'); print(config['isa'], config['isa_requested'], train(1)[:4].sum() != 0)"
    for name in {isa, isa.removeprefix("x86-64-")}:
        assert run(code, BPNATIVE_ISA=name) == f"{isa} {name} True"


def import_error(isa: str) -> str:
    process = start("", BPNATIVE_ISA=isa)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    return errors


def test_unknown_kernels_are_an_error_of_the_import():
    errors = import_error("x86-64-v33")
    assert "ImportError: BPNATIVE_ISA: unknown instruction set 'x86-64-v33'; did you mean 'x86-64-v3'?" in errors
    assert f"available here: {', '.join(native.config()['isa_available'])}" in errors


def test_kernels_that_cannot_run_here_are_an_error_of_the_import():
    config = native.config()
    lacking = [isa for isa in config["isa_compiled"] if isa not in config["isa_available"]]
    if lacking:
        assert f"instruction set '{lacking[0]}' needs instructions that this processor" in import_error(lacking[0])
    absent = next(isa for isa in ("x86-64-v3", "neon") if isa not in config["isa_compiled"])
    assert f"instruction set '{absent}' is not compiled into this build" in import_error(absent)


# ---- several Python threads ----------------------------------------------------------------------------------------
def make_trainer(seed: int) -> bp.Trainer:
    return bp.Trainer(bp.mlp([64, 128, 8], seed=seed), loss="cross_entropy", seed=seed)


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return rng.standard_normal((1000, 64)).astype(np.float32), rng.integers(0, 8, 1000)


def in_threads(*functions) -> None:
    errors: list[BaseException] = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_two_networks_in_two_threads(samples):
    X, y = samples
    bp.set_num_threads(2)
    alone, together = [make_trainer(seed) for seed in range(3)], [make_trainer(seed) for seed in range(3)]
    for trainer in alone:
        trainer.fit(X, y, epochs=10, batch_size=100, progress=False)
    in_threads(*(lambda t=t: t.fit(X, y, epochs=10, batch_size=100, progress=False) for t in together))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.network.parameters, other.network.parameters)


def test_one_network_predicts_in_two_threads(samples):
    X, _ = samples
    bp.set_num_threads(2)
    net = bp.mlp([64, 128, 8], seed=0)
    expected = net.predict(X)

    def predict():
        for _ in range(50):
            np.testing.assert_array_equal(net.predict(X), expected)

    in_threads(predict, predict, predict)


def test_threads_change_while_others_train(samples):
    X, y = samples
    expected, trainer = make_trainer(5), make_trainer(5)
    bp.set_num_threads(1)
    expected.fit(X, y, epochs=30, batch_size=100, progress=False)
    over = threading.Event()

    def change():
        for n in 200 * [1, 2, 3, 7, 4]:
            if over.is_set():
                return
            bp.set_num_threads(n)
            native.stop_threads()
            time.sleep(0.001)

    def train():
        try:
            trainer.fit(X, y, epochs=30, batch_size=100, progress=False)
        finally:
            over.set()

    in_threads(change, train)
    np.testing.assert_array_equal(trainer.network.parameters, expected.network.parameters)


def test_python_goes_on_during_native_calls():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((4000, 256)).astype(np.float32), rng.integers(0, 8, 4000)
    net = bp.mlp([256, 1024, 1024, 8], seed=0)
    trainer = bp.Trainer(net, loss="cross_entropy")
    ticks, over = 0, threading.Event()

    def count():
        nonlocal ticks
        while not over.wait(0.002):
            ticks += 1

    def train():
        try:
            trainer.evaluate(X, y)
            trainer.fit(X, y, epochs=1, batch_size=4000, progress=False)  # one step, so one native call
        finally:
            over.set()

    in_threads(count, train)
    assert ticks >= 2
