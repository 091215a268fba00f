"""Cliffs: is any shape of a dense layer much slower per operation than the next ones? One thread, all three products.

Batch, inputs and outputs run over 1 … 130, one at a time with 64 for the others, and over sizes around large powers of
two, whose rows fall into few sets of the caches. Each shape is stated beside the faster of its neighbours.
"""

import math
import time

import bpnative as bp
from kernels import products
from turns import arguments, report

ROLES = ("batch", "inputs", "outputs")
POWERS = (256, 512, 1024, 2048, 4096)


def seconds(shape, dtype, rounds):
    """Least seconds of forward and backward over so many turns: a disturbed turn is longer, never shorter."""
    calls = {name: ours for name, ours, _, _ in products(*shape, dtype, bp.show_config("dict")["isa"])}

    def both():
        calls["forward"]()
        calls["backward"]()

    both()
    turn, least = max(1, int(2e7 / (6 * math.prod(shape)))), math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(turn):
            both()
        least = min(least, (time.perf_counter() - start) / turn)
    return least


def line(role, sizes, others, options):
    """Rows of one role: the rate of each size beside the faster of the sizes next to it."""
    rates = []
    for size in sizes:
        shape = [others] * 3
        shape[ROLES.index(role)] = size
        rates.append(6 * math.prod(shape) / seconds(shape, options.dtype, options.rounds) / 1e9)
    return [
        {"role": role, "size": size, "others": others, "GFLOP/s": rates[i], "of its neighbours": rates[i] / max(beside)}
        for i, size in enumerate(sizes)
        if (beside := rates[max(i - 1, 0) : i] + rates[i + 1 : i + 2])
    ]


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--worst", type=int, default=8, help="how many shapes to show, the worst first (default: 8)")
    options = parser.parse_args()
    bp.set_num_threads(1)
    rows = []
    for role in ROLES:
        rows += line(role, range(1, 131), 64, options)
        if role != "batch":
            for power in POWERS:
                rows += line(role, (power - 16, power, power + 16), 128, options)[1:2]
    rows.sort(key=lambda row: row["of its neighbours"])
    columns = {"role": "", "size": "d", "others": "d", "GFLOP/s": ".1f", "of its neighbours": ".2f"}
    report(rows[: options.worst], columns, options.json)


if __name__ == "__main__":
    main()
