"""A child process that holds one peer and does what its parent asks: a JSON object a line, asked and answered.

Run as ``python -m bpnative.benchmark.worker NAME THREADS``. One process a peer keeps their thread pools, allocators and
floating-point settings apart, and the environment that limits their threads is set before any library is imported.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from typing import Any, TextIO

import numpy as np

from . import peers
from .workloads import DIGITS, WORKLOADS, Workload, make_data

__all__ = ["Session", "main"]


class Session:
    """What the worker is asked for, a method each; every answer is a dictionary of plain values.

    Args:
        name: the peer, a key of `peers.PEERS`.
        threads: how many threads it may use.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name, self._threads = name, threads
        self._peer: peers.Peer | None = None
        self._workload = WORKLOADS[0]
        self._seconds = 1.0

    def prepare(self, workload: str, quick: bool, dtype: str) -> dict[str, Any]:
        """Build the network and run it once: compiling and warming up happen here, outside of what is timed.

        Returns:
            ``seconds`` that took; ``result``, by which the parent sees that all peers do the same arithmetic: the mean
            loss of one epoch in the rows' own order, or the spread of the first prediction's outputs, which is the same
            for logits and log-probabilities; or ``skip``, a reason.
        """
        self._peer = None  # frees the last one's memory first
        self._workload = find_workload(workload, quick)
        data = make_data(self._workload, dtype)
        start = time.perf_counter()
        try:
            self._peer = peers.build(self._name, self._workload, data, self._threads)
        except NotImplementedError as error:
            return {"skip": str(error)}
        if self._workload.task == "fit":
            result = self._peer.fit(1, shuffle=False)
        else:
            first = np.asarray(self._peer.predict(1))[0]
            result = float(first.max() - first.min() if len(first) > 1 else first[0])
        seconds = time.perf_counter() - start
        self._seconds = self._time(1)
        return {"seconds": seconds, "result": result, "note": self._peer.note}

    def measure(self, seconds: float) -> dict[str, Any]:
        """Train from the starting weights, or predict, for about so long; return the seconds of one step."""
        units = max(1, round(seconds / self._seconds))
        elapsed = self._time(units)
        self._seconds = elapsed / units
        steps = self._workload.steps if self._workload.task == "fit" else 1
        return {"seconds": elapsed / (units * steps)}

    def peak(self, dtype: str, seconds: float) -> dict[str, Any]:
        """Measure what one core can do in fused multiply-adds: the roof that shares are stated against."""
        from bpnative import _bpnative

        return {"gflops": float(_bpnative.fma_peak(dtype, _bpnative.config()["isa"], seconds))}

    def _time(self, units: int) -> float:
        if self._peer is None:
            raise RuntimeError("prepare comes before measure")
        self._peer.reset()
        start = time.perf_counter()
        if self._workload.task == "fit":
            self._peer.fit(units, shuffle=True)
        else:
            self._peer.predict(units)
        return time.perf_counter() - start


def find_workload(name: str, quick: bool) -> Workload:
    """Return the workload of that name, its quick form if wanted."""
    workload = next(workload for workload in (*WORKLOADS, DIGITS) if workload.name == name)
    return workload.quick() if quick else workload


def serve(session: Session, requests: TextIO, answers: TextIO) -> None:
    """Answer requests ``{"do": method, …arguments}`` until there are no more."""
    for line in requests:
        request = json.loads(line)
        try:
            answer = getattr(session, request.pop("do"))(**request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Serve on standard input and output; what libraries print goes to standard error instead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which closes our input
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        serve(Session(sys.argv[1], int(sys.argv[2])), sys.stdin, answers)


if __name__ == "__main__":
    main()
