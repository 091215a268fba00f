"""The parent of the benchmark: starts one process a peer and thread count, and has them take turns.

The turns are what makes ratios hold on a machine whose speed drifts: each round times every peer once, a few tenths of
a second apart, and a ratio is taken within a round.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from . import peers
from .workloads import Workload

__all__ = ["BenchError", "Measurement", "Settings", "Worker", "run_rounds"]

# What the common BLAS and threading libraries read; each child gets all of them.
_THREAD_VARIABLES = (
    "BPNATIVE_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class BenchError(ChildProcessError):
    """A peer's process failed; the message has its reason."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        rounds: turns of every peer.
        seconds: about how long a turn takes, at least one epoch.
        quick: small data, to see that all of it works.
        dtype: ``"float32"`` or ``"float64"``.
    """

    rounds: int = 5
    seconds: float = 0.3
    quick: bool = False
    dtype: str = "float32"


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One workload by one peer with one number of threads.

    Attributes:
        workload: the workload's name.
        peer: the peer's name.
        threads: how many it may use.
        rounds: seconds a step, by round.
        flops: operations a step.
        peak: GFLOP/s of fused multiply-adds of one core, measured in the same rounds.
        prepare_seconds: what building, compiling and the first epoch took, before the rounds.
        result: the first epoch's loss (or first output), by which peers can be held against each other.
        note: what a reader should know.
        skipped: why there are no rounds, or "".
    """

    workload: str
    peer: str
    threads: int
    rounds: tuple[float, ...] = ()
    flops: int = 0
    peak: float = 0.0
    prepare_seconds: float = 0.0
    result: float = 0.0
    note: str = ""
    skipped: str = ""

    @property
    def seconds(self) -> float:
        """Median seconds of one step."""
        return statistics.median(self.rounds)

    @property
    def gflops(self) -> float:
        """Operations per second, in units of 10⁹."""
        return self.flops / self.seconds / 1e9

    @property
    def peak_share(self) -> float:
        """`gflops` over the peak of as many cores as there are threads."""
        return self.gflops / (self.peak * self.threads)

    def ratio_to(self, other: Measurement) -> float:
        """This one's time over the other's: the median over rounds of the ratio within a round."""
        return statistics.median(mine / its for mine, its in zip(self.rounds, other.rounds, strict=True))

    def agrees_with(self, other: Measurement) -> bool:
        """Whether both computed the same, but for rounding (which training amplifies)."""
        return abs(self.result - other.result) <= 0.02 * max(abs(self.result), abs(other.result))

    def as_json(self) -> dict[str, Any]:
        """All of it, with the derived figures, as plain values."""
        fields = dataclasses.asdict(self)
        if not self.skipped:
            fields |= {"seconds": self.seconds, "gflops": self.gflops, "peak_share": self.peak_share}
        return fields


class Worker:
    """One child process with one peer.

    Args:
        peer: a key of `peers.PEERS`.
        threads: how many threads it may use.
        errors: an open file for what it prints to standard error.
    """

    def __init__(self, peer: str, threads: int, errors: BinaryIO) -> None:
        self.peer, self.threads = peer, threads
        environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))
        self._errors = errors
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", peer, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have the child do something and return its answer.

        Raises:
            BenchError: it failed or died.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchError(f"the process of {self.peer} has no pipes")
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
            code = self._process.wait()
            raise BenchError(f"the process of {self.peer} ended with exit code {code}: {''.join(last) or 'no message'}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchError(f"{self.peer} failed: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._process.kill()
        self._process.communicate()


def run_rounds(
    workloads: Sequence[Workload], names: Sequence[str], threads: Sequence[int], settings: Settings
) -> Iterator[list[Measurement]]:
    """Measure one workload after another.

    Args:
        workloads: which.
        names: peers, keys of `peers.PEERS`, bpnative among them.
        threads: numbers of threads to use, each in processes of its own.
        settings: how.

    Yields:
        For each workload, every peer's measurement, by threads and then in the order of ``names``.

    Raises:
        BenchError: a peer failed. (An optional one that cannot even be prepared is left out, with the reason.)
    """
    with contextlib.ExitStack() as stack:
        workers = []
        for count in threads:
            for name in names:
                worker = Worker(name, count, stack.enter_context(tempfile.TemporaryFile()))
                stack.callback(worker.close)
                workers.append(worker)
        for workload in workloads:
            yield _run_workload(workload, workers, settings)


def _run_workload(workload: Workload, workers: list[Worker], settings: Settings) -> list[Measurement]:
    native = next(worker for worker in workers if worker.peer == "bpnative")
    prepared = {worker: _prepare(worker, workload, settings) for worker in [native]}
    if "skip" not in prepared[native]:  # else there is nothing to compare with
        prepared = {worker: prepared.get(worker) or _prepare(worker, workload, settings) for worker in workers}
    taking_part = [worker for worker, answer in prepared.items() if "skip" not in answer]
    times: dict[Worker, list[float]] = {worker: [] for worker in taking_part}
    peaks = []
    for turn in range(settings.rounds if taking_part else 0):
        peaks.append(native.ask("peak", dtype=settings.dtype, seconds=settings.seconds / 10)["gflops"])
        start = turn % len(taking_part)  # nobody always follows the same neighbor
        for worker in taking_part[start:] + taking_part[:start]:
            times[worker].append(worker.ask("measure", seconds=settings.seconds)["seconds"])
    measurements = []
    for worker, answer in prepared.items():
        common: dict[str, Any] = {"workload": workload.name, "peer": worker.peer, "threads": worker.threads}
        if "skip" in answer:
            measurements.append(Measurement(**common, skipped=answer["skip"]))
            continue
        measurements.append(
            Measurement(
                **common,
                flops=workload.flops,
                rounds=tuple(times[worker]),
                peak=statistics.median(peaks),
                prepare_seconds=answer["seconds"],
                result=answer["result"],
                note=answer["note"],
            )
        )
    return measurements


def _prepare(worker: Worker, workload: Workload, settings: Settings) -> dict[str, Any]:
    info = peers.PEERS[worker.peer]
    if workload.task not in info.tasks:
        return {"skip": f"{worker.peer} takes no part in {workload.task}"}
    try:
        return worker.ask("prepare", workload=workload.name, quick=settings.quick, dtype=settings.dtype)
    except BenchError as error:
        if not info.optional:
            raise
        return {"skip": str(error)}
