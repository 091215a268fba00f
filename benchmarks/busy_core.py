"""Training while another process takes one of the cores: time a step, undisturbed and disturbed, by turns."""

import contextlib
import os
import statistics
import subprocess
import sys
import time

import bpnative as bp
from bpnative import _bpnative as native
from bpnative.benchmark import WORKLOADS, peers
from bpnative.benchmark.workloads import make_data
from turns import arguments, report

SPIN = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nprint(flush=True)\nwhile True: pass"


@contextlib.contextmanager
def spinning(core):
    """A process that keeps one core busy."""
    with subprocess.Popen([sys.executable, "-c", SPIN, str(core)], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def seconds_a_step(peer, workload, threads, at_least=0.3):
    bp.set_num_threads(threads)
    peer.reset()
    epochs, start = 0, time.perf_counter()
    while time.perf_counter() - start < at_least:
        peer.fit(1, shuffle=True)
        epochs += 1
    return (time.perf_counter() - start) / (epochs * workload.steps)


def main():
    options = arguments(__doc__).parse_args()
    cores = sorted(os.sched_getaffinity(0))
    rows = []
    for workload in WORKLOADS:
        if workload.task != "fit" or workload.activation not in native.activation_names():
            continue
        peer = peers.build("bpnative", workload, make_data(workload), 0)
        times = {}
        for _ in range(options.rounds):
            for threads in (1, len(cores)):
                times.setdefault((threads, "free"), []).append(seconds_a_step(peer, workload, threads))
                with spinning(cores[-1]):
                    times.setdefault((threads, "busy"), []).append(seconds_a_step(peer, workload, threads))
        median = {key: statistics.median(values) for key, values in times.items()}
        one, all_free, all_busy = median[1, "busy"], median[len(cores), "free"], median[len(cores), "busy"]
        rows.append(
            {
                "workload": workload.name,
                "1 thread, µs": median[1, "free"] * 1e6,
                "1 thread, busy": one * 1e6,
                f"{len(cores)} threads, µs": all_free * 1e6,
                f"{len(cores)} threads, busy": all_busy * 1e6,
                "busy ÷ free": all_busy / all_free,
                f"busy, {len(cores)} ÷ 1": all_busy / one,
            }
        )
    forms = {name: ".1f" if "thread" in name else ".2f" for name in rows[0]}
    report(rows, forms | {"workload": ""}, options.json)


if __name__ == "__main__":
    main()
