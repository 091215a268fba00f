"""Threads in the life of a process: none at import, none that spin, forks, signals, exits. Each in its own child."""

from __future__ import annotations

import signal
import time

import pytest

from child import needs_fork, needs_linux, processor_seconds, run, start


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
for _ in range(100):  # where other programs take the cores, a run goes on without helpers
    if count_threads() > before_import:
        break
    time.sleep(0.1)
    train()
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
    assert sys.platform != "linux" or count_threads() == before_import, "workers outlived the fork"
    assert os.waitpid(child, 0)[1] == 0
    assert (train() == expected).all()
"""


@needs_fork
def test_fork_while_idle_works_and_is_silent():
    # From Python 3.12 on a fork beside live threads is a DeprecationWarning; NumPy's own are switched off here.
    run(FORK, "-W", "error")


@needs_fork
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


@needs_fork
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
        process.communicate(timeout=240)
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
    stopped = time.process_time()
    assert (train() == expected).all()
    print(stopped)
"""
    process = start(code)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(0.3)
        sent = processor_seconds(process.pid)  # its own clock: others may have taken the cores
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
