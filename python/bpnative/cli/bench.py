"""``bpnative bench``: every workload against pure NumPy, and against other libraries where they are installed."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
from collections.abc import Sequence
from typing import Any

import bpnative as bp

from ..benchmark import WORKLOADS, Workload
from ..benchmark.peers import PEERS, installed, versions
from ..benchmark.rounds import Measurement, Settings, run_rounds
from ..names import unknown_name
from .text import Printer, duration

__all__ = ["add_parser", "run"]

_WORKLOADS = {workload.name: workload for workload in WORKLOADS}
_OPTIONAL = [name for name, peer in PEERS.items() if peer.optional]

_EXAMPLES = """\
examples:
  %(prog)s
  %(prog)s --workloads tiny,mnist --threads 1
  %(prog)s --peers                           with all that are installed
  %(prog)s --peers torch,jax --json > bench.json"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    workloads = "\n".join(f"  {workload.name:13} {workload.describe()}" for workload in WORKLOADS)
    parser = commands.add_parser(
        "bench",
        help="time training steps against pure NumPy and other libraries",
        description="Time one training step of each workload, inside of fit, and one call of predict.\n\n"
        "Each library runs in a process of its own, limited to the same number of threads; they take turns, and a\n"
        "ratio is the median over the turns. Time is the median as well.",
        epilog=f"workloads:\n{workloads}\n\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--workloads", type=_workloads, default=WORKLOADS, metavar="NAMES", help="some of them (default: all)"
    )
    parser.add_argument(
        "--peers",
        nargs="?",
        type=_peers,
        default=[],
        const=[name for name in _OPTIONAL if installed(name)],
        metavar="NAMES",
        help=f"other libraries: some of {', '.join(_OPTIONAL)} (default with --peers alone: those installed)",
    )
    parser.add_argument("--threads", type=_threads, metavar="NUMBERS", help="such as 1,2 (default: 1 and all cores)")
    parser.add_argument("--rounds", type=_positive, default=5, metavar="N", help="turns of each (default: 5)")
    parser.add_argument("--seconds", type=_seconds, default=0.3, metavar="S", help="length of a turn (default: 0.3)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--quick", action="store_true", help="little data and few turns: does it all run?")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, out: Printer) -> None:
    """Measure and print."""
    config = bp.show_config("dict")
    threads = options.threads or sorted({1, bp.get_num_threads()})
    if max(threads) > config["cores"]:
        raise ValueError(f"expected at most {config['cores']} threads, the cores of this machine, got {max(threads)}")
    names = ["bpnative", "numpy", *options.peers]
    settings = Settings(options.rounds, options.seconds, options.quick, options.dtype)
    if options.quick:
        settings = dataclasses.replace(settings, rounds=min(2, options.rounds), seconds=min(0.02, options.seconds))
    found = {"python": platform.python_version(), **versions(names)}
    if options.json:
        groups = run_rounds(options.workloads, names, threads, settings)
        machine = {name: config[name] for name in ("processor", "cores", "isa", "compiler")} | {"versions": found}
        results = _json([measurement for group in groups for measurement in group])
        report = {"machine": machine, "settings": dataclasses.asdict(settings), "results": results}
        out(json.dumps(report, indent=2))
        return
    out(f"{config['processor']}, {config['isa']}; {', '.join(map(' '.join, found.items()))}")
    out(f"{settings.dtype}; one process a library, {settings.rounds} rounds by turns; medians. The ratio is bpnative's")
    out(
        "time ÷ the other's: below 1 bpnative is faster. The peak is measured in the same rounds, one core's × threads."
    )
    out.heading(_header(names))
    remarks: dict[str, None] = {}
    for group in run_rounds(options.workloads, names, threads, settings):
        for count in threads:
            row = {m.peer: m for m in group if m.threads == count}
            if "bpnative" in row and not row["bpnative"].skipped:
                out(_row(row, names))
        remarks |= dict.fromkeys(_remarks(group))
    if remarks:
        out()
    for remark in remarks:
        out(remark)


def _header(names: Sequence[str]) -> str:
    others = "".join(f"{name:>16}  ratio" for name in names[1:])
    return f"{'workload':13} threads    bpnative  GFLOP/s  of peak{others}"


def _row(row: dict[str, Measurement], names: Sequence[str]) -> str:
    mine = row["bpnative"]
    text = (
        f"{mine.workload:13} {mine.threads:7} {duration(mine.seconds):>11}  {mine.gflops:7.2f}  {mine.peak_share:7.1%}"
    )
    for name in names[1:]:
        other = row[name]
        text += (
            f"{'–':>16}  {'':>5}" if other.skipped else f"{duration(other.seconds):>16}  {mine.ratio_to(other):5.2f}"
        )
    return text


def _remarks(group: Sequence[Measurement]) -> list[str]:
    """Whatever a reader should know: what was left out, how, and whether all computed the same."""
    remarks = []
    reference = {m.threads: m for m in group if m.peer == "numpy" and not m.skipped}
    for m in group:
        if m.skipped:
            if _WORKLOADS[m.workload].task in PEERS[m.peer].tasks:
                remarks.append(f"{m.workload}, {m.peer}: left out: {m.skipped}")
            continue
        if m.note:
            remarks.append(f"{m.peer}: {m.note}")
        if m.prepare_seconds > 5:
            remarks.append(f"{m.workload}, {m.peer}: {m.prepare_seconds:.0f} s to prepare, not counted")
        other = reference.get(m.threads)
        if other is not None and not m.agrees_with(other):
            remarks.append(
                f"{m.workload}, {m.peer}: differs: its first epoch gave {m.result:.6g}, NumPy's {other.result:.6g}"
            )
    return remarks


def _json(results: Sequence[Measurement]) -> list[dict[str, Any]]:
    native = {(m.workload, m.threads): m for m in results if m.peer == "bpnative" and not m.skipped}
    rows = []
    for m in results:
        mine = native.get((m.workload, m.threads))
        rows.append(m.as_json() | ({"ratio": mine.ratio_to(m)} if mine and not m.skipped else {}))
    return rows


def _workloads(text: str) -> list[Workload]:
    return [_WORKLOADS[name] for name in _names(text, list(_WORKLOADS), "workload")]


def _peers(text: str) -> list[str]:
    names = _names(text, _OPTIONAL, "peer")
    missing = [name for name in names if not installed(name)]
    if missing:
        packages = ", ".join(sorted({package for name in missing for package in PEERS[name].needs}))
        raise argparse.ArgumentTypeError(f"{', '.join(missing)} cannot be imported: install {packages}")
    return names


def _names(text: str, known: Sequence[str], what: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(str(unknown_name(what, name, known)))
    return names


def _threads(text: str) -> list[int]:
    return sorted({_positive(number) for number in text.split(",")})


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"expected seconds above 0 and at most 3600, got {text!r}")
    return seconds


def _positive(text: str) -> int:
    if not text.strip().isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)
