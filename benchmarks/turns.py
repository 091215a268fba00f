"""What the scripts here share: timing several things by turns, and printing tables or JSON."""

import argparse
import json
import statistics
import time

import bpnative as bp
from bpnative.cli.text import table


def arguments(description, *, rounds=5):
    """A parser with the options that all scripts have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"turns of each (default: {rounds})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def by_turns(functions, rounds, seconds=0.02):
    """Median seconds of a call of each function: in every round, each is called for about so many seconds."""
    counts = []
    for function in functions:
        start = time.perf_counter()
        function()
        counts.append(max(1, int(seconds / max(time.perf_counter() - start, 1e-7))))
    times = [[] for _ in functions]
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            for _ in range(counts[i]):
                function()
            elapsed = time.perf_counter() - start
            times[i].append(elapsed / counts[i])
            counts[i] = max(1, int(counts[i] * seconds / elapsed))
    return [statistics.median(one) for one in times]


def report(rows, columns, as_json):
    """Print rows (dictionaries): as JSON with the machine, or in the columns given as name → format."""
    config = bp.show_config("dict")
    if as_json:
        print(json.dumps({"processor": config["processor"], "isa": config["isa"], "rows": rows}, indent=2))
        return
    print(f"{config['processor']}, {config['isa']}")
    cells = [[f"{row[name]:{form}}" if name in row else "" for name, form in columns.items()] for row in rows]
    alignment = "".join("<" if isinstance(rows[0].get(name), str) else ">" for name in columns)
    print("\n".join(table([list(columns), *cells], alignment)))
