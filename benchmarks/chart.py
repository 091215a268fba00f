"""The picture and the table of docs/speed.md, from what the bench measured.

python -m bpnative bench --peers --json > bench.json
python benchmarks/chart.py bench.json --picture docs/speed.png > table.md
"""

import argparse
import json

from bpnative.cli.text import duration

NAMES = {
    "numpy": "NumPy",
    "torch": "PyTorch",
    "torch-compiled": "PyTorch compiled",
    "jax": "JAX",
    "sklearn": "scikit-learn",
    "onnxruntime": "ONNX Runtime",
}


def by_case(results):
    """Results of each workload and number of threads: {(workload, threads): {peer: result}}."""
    cases = {}
    for result in results:
        if not result["skipped"]:
            cases.setdefault((result["workload"], result["threads"]), {})[result["peer"]] = result
    return cases


def table(cases, peers):
    """A row for each case: our time, the share of the peak, and our time divided by that of each peer, the median."""
    yield "| workload | threads | a step | of peak | " + " | ".join(NAMES[peer] for peer in peers) + " |"
    yield "|---|---|" + "---|" * (len(peers) + 2)
    for (workload, threads), case in cases.items():
        ours = case["bpnative"]
        share = f"{ours['peak_share']:.0%}" if threads == 1 else ""
        ratios = [f"{case[peer]['ratio']:.2f}" if peer in case else "" for peer in peers]
        yield f"| {workload} | {threads} | {duration(ours['seconds'])} | {share} | " + " | ".join(ratios) + " |"


def picture(cases, peers, machine, path):
    """Bars of each peer's time as a multiple of ours, one thread."""
    from matplotlib.figure import Figure

    shown = [(workload, case) for (workload, threads), case in cases.items() if threads == 1]
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(peers)
    for i, peer in enumerate(peers):
        places = [n + (i - (len(peers) - 1) / 2) * width for n, (_, case) in enumerate(shown) if peer in case]
        heights = [1 / case[peer]["ratio"] for _, case in shown if peer in case]
        axes.bar(places, heights, width, label=NAMES[peer])
    axes.axhline(1, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.set_yticks([0.5, 1, 2, 5, 10, 20, 50], ["0.5", "1", "2", "5", "10", "20", "50"])
    axes.set_xticks(range(len(shown)), [workload.replace("-", "\n") for workload, _ in shown])
    axes.set_ylabel("times as long as bpnative")
    axes.set_title(f"{machine['processor']}, {machine['isa']}, 1 thread", fontsize=10)
    figure.legend(loc="outside lower center", ncols=len(peers), fontsize=8, frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="what `python -m bpnative bench --json` printed")
    parser.add_argument("--picture", metavar="FILE", help="draw it, too (needs matplotlib)")
    options = parser.parse_args()
    with open(options.file) as file:
        measured = json.load(file)
    cases = by_case(measured["results"])
    peers = [peer for peer in NAMES if any(peer in case for case in cases.values())]
    if options.picture:
        picture(cases, peers, measured["machine"], options.picture)
    print("\n".join(table(cases, peers)))


if __name__ == "__main__":
    main()
