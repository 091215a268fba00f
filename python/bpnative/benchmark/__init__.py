"""The benchmark behind ``python -m bpnative bench``: workloads, a trainer in pure NumPy, and processes to time them in.

workloads.py says what is timed, one list for every bench and test. numpy_trainer.py is the yardstick: the same training
as a good NumPy user writes it. peers/ drives each library through one small interface, worker.py is the child process
that holds one of them, rounds.py the parent that has them take turns.
"""

from __future__ import annotations

from .workloads import WORKLOADS, Workload

__all__ = ["WORKLOADS", "Workload"]
