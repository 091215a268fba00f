"""How long imports take, in fresh interpreters by turns; what bpnative adds to NumPy is what counts."""

import importlib.util
import subprocess
import sys

from turns import arguments, by_turns, report

MODULES = ["numpy", "bpnative", "sklearn.neural_network", "jax", "torch"]


def main():
    options = arguments(__doc__, rounds=9).parse_args()
    modules = [name for name in MODULES if importlib.util.find_spec(name.split(".")[0])]

    def runner(code):
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    bare, *times = by_turns([runner("pass"), *(runner(f"import {name}") for name in modules)], options.rounds, 0.0)
    imports = dict(zip(modules, times, strict=True))
    rows = [
        {"import": name, "ms": (time - bare) * 1e3, "beyond NumPy, ms": (time - imports["numpy"]) * 1e3}
        for name, time in imports.items()
    ]
    report(rows, {"import": "", "ms": ".1f", "beyond NumPy, ms": ".1f"}, options.json)


if __name__ == "__main__":
    main()
