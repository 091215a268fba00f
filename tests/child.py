"""Python code run in a process of its own: for tests of import, environment, fork, signals and exit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LINUX = sys.platform == "linux"
needs_linux = pytest.mark.skipif(not LINUX, reason="reads /proc or sets the affinity of a process")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# A fork of the process of the tests, where other tests have loaded packages that warn of one, as JAX does.
beside_any_package = pytest.mark.filterwarnings("ignore:.*os.fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")

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


def processor_seconds(process: int) -> float:
    """What a process has used of all cores until now, as its own time.process_time() would tell it."""
    with open(f"/proc/{process}/stat") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def start(code: str, *options: str, before: str = "", **changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *options, "-c", before + PRELUDE + code],
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *options: str, before: str = "", **changes: str) -> str:
    """What the code prints; it must end by itself, well, in minutes. `before` runs before bpnative is imported."""
    process = start(code, *options, before=before, **changes)
    try:
        printed, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, f"exit code {process.returncode}:\n{errors}"
    return printed.strip()
