"""Threads as a process sees them: how many and why, nothing at import, forks, signals, exits, two callers at once.

Most run in a child of their own, since they are about a whole process. That results don't depend on the number of
threads is in test_determinism; the pool itself is tested in tests/cpp/test_thread_pool.cpp.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native

LINUX = sys.platform == "linux"
needs_linux = pytest.mark.skipif(not LINUX, reason="reads /proc or sets the affinity of a process")
needs_two_cores = pytest.mark.skipif(
    not LINUX or len(os.sched_getaffinity(0)) < 2, reason="needs two processors to choose from"
)

PRELUDE = """
import os, sys, time, warnings
import numpy as np

def count_threads():
    return len(os.listdir("/proc/self/task"))

before_import = count_threads() if sys.platform == "linux" else 1
import bpnative as bp

rng = np.random.default_rng(0)
X, y = rng.standard_normal((2000, 64)).astype(np.float32), rng.integers(0, 8, 2000)

def train(epochs=2):
    net = bp.mlp([64, 256, 256, 8], seed=1)
    bp.Trainer(net, loss="cross_entropy", seed=2).fit(X, y, epochs=epochs, batch_size=256, progress=False)
    return net.parameters.copy()
"""


def environment(**changes: str) -> dict[str, str]:
    """This process's, without what would set threads or kernels, NumPy's own threads switched off, and `changes`."""
    ours = ("BPNATIVE_NUM_THREADS", "OMP_NUM_THREADS", "BPNATIVE_ISA")
    return {**{k: v for k, v in os.environ.items() if k not in ours}, "OPENBLAS_NUM_THREADS": "1", **changes}


def start(code: str, *options: str, **changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *options, "-c", PRELUDE + code],
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *options: str, **changes: str) -> str:
    """What the code prints; it must end by itself, well, within a minute."""
    process = start(code, *options, **changes)
    try:
        printed, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, f"exit code {process.returncode}:\n{errors}"
    return printed.strip()


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
    _, errors = process.communicate(timeout=60)
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
    _, errors = process.communicate(timeout=60)
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


# ---- the life of the workers ---------------------------------------------------------------------------------------
@needs_linux
def test_nothing_starts_at_import_and_workers_stop():
    code = """
assert count_threads() == before_import, "import started a thread"
bp.set_num_threads(1)
train()
assert count_threads() == before_import, "one thread is enough for one thread"
bp.set_num_threads(3)
first = train()
assert count_threads() > before_import
bp._bpnative.stop_threads()
bp._bpnative.stop_threads()
assert count_threads() == before_import
assert (train() == first).all()
"""
    run(code)


@pytest.mark.not_sanitized("instrumented code runs long after its work is done")
def test_nobody_spins_when_nothing_runs():
    code = """
bp.set_num_threads(2)
train()
before = time.process_time()
time.sleep(0.5)
print(time.process_time() - before)
"""
    assert float(run(code)) < 0.1


def test_the_floating_point_mode_stays_the_callers():
    code = """
bp.set_num_threads(2)
train()
tiny = np.float64(5e-324)
assert tiny > 0 and tiny * 1.0 == tiny, "subnormals are flushed outside of native code"
with np.errstate(all="raise"):
    train()
    np.float64(1.0) + tiny
"""
    run(code)


# ---- fork ----------------------------------------------------------------------------------------------------------
FORK = """
bp.set_num_threads(2)
expected = train()
for _ in range(3):
    child = os.fork()
    if child == 0:
        ok = (train() == expected).all()
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (train() == expected).all()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_while_idle_works_and_is_silent():
    # From Python 3.12 on a fork beside live threads is a DeprecationWarning; NumPy's own are switched off here.
    run(FORK, "-W", "error")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_while_another_thread_trains():
    code = """
import threading
warnings.simplefilter("ignore")
bp.set_num_threads(2)
expected = train()
over = False

def train_on():
    while not over:
        train(5)

thread = threading.Thread(target=train_on)
thread.start()
for _ in range(5):
    time.sleep(0.02)
    child = os.fork()
    if child == 0:
        os._exit(0 if (train() == expected).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
over = True
thread.join()
"""
    run(code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_pools_of_processes():
    code = """
import multiprocessing as mp
bp.set_num_threads(2)
expected = train()
for method in mp.get_all_start_methods():
    if method != "fork":
        continue  # the others import this module afresh, as every other test does
    with mp.get_context(method).Pool(2) as pool:
        for parameters in pool.map(train, [2] * 4):
            assert (parameters == expected).all()
"""
    run(code)


# ---- exits and signals ---------------------------------------------------------------------------------------------
def test_exit_while_a_daemon_thread_trains():
    code = """
import threading
bp.set_num_threads(2)
threading.Thread(target=lambda: train(10_000), daemon=True).start()
time.sleep(0.3)
print("end of main", flush=True)
"""
    began = time.monotonic()
    assert run(code) == "end of main"
    assert time.monotonic() - began < 30


def test_exit_by_an_exception_and_by_sys_exit():
    for ending, code in (("raise SystemExit(7)", 7), ("1 / 0", 1)):
        process = start(f"bp.set_num_threads(2)\ntrain()\n{ending}\n")
        process.communicate(timeout=60)
        assert process.returncode == code


@needs_linux
def test_ctrl_c_reaches_the_main_thread_and_leaves_all_usable():
    code = """
bp.set_num_threads(2)
expected = train()
print("started", flush=True)
try:
    train(1_000_000)
except KeyboardInterrupt:
    stopped = time.monotonic()
    assert (train() == expected).all()
    print(stopped)
"""
    process = start(code)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(0.3)
        sent = time.monotonic()  # one clock for all processes
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert float(printed) - sent < 2.0


@needs_linux
def test_workers_take_no_signals():
    code = """
bp.set_num_threads(3)
train()
others = [int(task) for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
blocked = {}
for task in others:
    with open(f"/proc/self/task/{task}/status") as status, open(f"/proc/self/task/{task}/comm") as name:
        fields = dict(line.split(":", 1) for line in status)
        blocked[task] = int(fields["SigBlk"], 16)
sigint, sigterm, sigsegv = (1 << (number - 1) for number in (2, 15, 11))
ours = [mask for mask in blocked.values() if mask & sigint]
assert len(ours) >= 1 and all(mask & sigterm and not mask & sigsegv for mask in ours), blocked
"""
    run(code)


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
