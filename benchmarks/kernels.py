"""Single kernels over shapes: GFLOP/s, share of the peak measured in the same run, and NumPy's time beside them."""

import os

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np

import bpnative as bp
from bpnative import _bpnative as native
from turns import arguments, by_turns, report

# Batch × inputs × outputs of dense layers: those of the workloads, odd ones, and strides of large powers of two.
SHAPES = [
    (32, 32, 64),
    (32, 64, 64),
    (50, 77, 51),
    (64, 128, 128),
    (64, 256, 256),
    (128, 784, 256),
    (128, 256, 10),
    (256, 512, 1024),
    (512, 2048, 2048),
    (1, 784, 256),
]


def products(batch, n_in, n_out, dtype, isa):
    """The three products of a dense layer: name, bpnative's call, NumPy's call, operations."""
    random = np.random.default_rng(0)
    x, weight, dz = (
        random.standard_normal(shape).astype(dtype) for shape in ((batch, n_in), (n_out, n_in), (batch, n_out))
    )
    y, dx, dw, plain = np.empty_like(dz), np.empty_like(x), np.empty_like(weight), np.empty_like(dz)
    transposed = np.ascontiguousarray(weight.T)
    flops = 2 * batch * n_in * n_out

    def both():
        native.dense_backward(dx, dw, None, dz, x, weight, "linear", 0.0, isa)

    def numpys_both():
        np.matmul(dz, weight, out=dx)
        np.matmul(dz.T, x, out=dw)

    return [
        (
            "matmul",
            lambda: native.matmul(plain, x, transposed, isa),
            lambda: np.matmul(x, transposed, out=plain),
            flops,
        ),
        (
            "forward",
            lambda: native.dense_forward(y, x, weight, None, "linear", 0.0, isa),
            lambda: np.matmul(x, weight.T, out=y),
            flops,
        ),
        ("backward", both, numpys_both, 2 * flops),
    ]


def activations(dtype, isa, rounds, features=256, samples=64):
    """Rows: each activation on a slice, less what linear takes, which is the same call with the same copies."""
    random = np.random.default_rng(0)
    z, dy = random.standard_normal((2, samples, features)).astype(dtype)
    y, same = np.empty_like(z), np.empty_like(z)

    def forward(name):
        return lambda: native.activation(y, z, name, 1.0, isa)

    def both(name):
        return lambda: native.activation_derivative(y, dy, z, name, 1.0, isa)

    rows = []
    for name in native.activation_names():
        calls = [lambda: np.copyto(same, z), forward("linear"), forward(name), both("linear"), both(name)]
        copy, plain, one, plain_both, two = by_turns(calls, rounds)
        rows.append(
            {
                "activation": name,
                "forward ns": (one - plain) / z.size * 1e9,
                "with slope, derivative ns": (two - plain_both) / z.size * 1e9,
                "copy ns": copy / z.size * 1e9,
            }
        )
    return rows


def main():
    parser = arguments(__doc__)
    parser.add_argument(
        "--isa", default=bp.show_config("dict")["isa"], help="instruction set (default: the chosen one)"
    )
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--shape", action="append", metavar="BATCHxINxOUT", help="instead of the usual ones")
    parser.add_argument("--activations", action="store_true", help="time activations instead, by the element")
    options = parser.parse_args()
    bp.set_num_threads(1)
    if options.activations:
        rows = activations(options.dtype, options.isa, options.rounds)
        report(rows, {name: "" if name == "activation" else ".3f" for name in rows[0]}, options.json)
        return
    shapes = [tuple(map(int, text.split("x"))) for text in options.shape or ()] or SHAPES
    rows = []
    for batch, n_in, n_out in shapes:
        for name, ours, numpys, flops in products(batch, n_in, n_out, options.dtype, options.isa):
            peak = native.fma_peak(options.dtype, options.isa, 0.02)
            mine, other = by_turns([ours, numpys], options.rounds)
            rate = flops / mine / 1e9
            rows.append(
                {
                    "batch × in × out": f"{batch} × {n_in} × {n_out}",
                    "kernel": name,
                    "µs": mine * 1e6,
                    "GFLOP/s": rate,
                    "of peak": rate / peak,
                    "NumPy µs": other * 1e6,
                    "ratio": mine / other,
                }
            )
    columns = {"batch × in × out": "", "kernel": "", "µs": ".2f", "GFLOP/s": ".1f", "of peak": ".1%"}
    report(rows, columns | {"NumPy µs": ".2f", "ratio": ".2f"}, options.json)


if __name__ == "__main__":
    main()
