"""``bpnative demo``: train on handwritten digits, look at the result, and hold it against pure NumPy."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import bpnative as bp

from ..benchmark.rounds import Settings, run_rounds
from ..benchmark.workloads import DIGITS
from .text import Printer, duration, table

__all__ = ["PROGRAM", "add_parser", "run"]

# What the demo does, as a user writes it; the tests run it and hold its result against the demo's.
PROGRAM = """\
import bpnative as bp
import numpy as np

X, y = bp.datasets.load_digits()
order = np.random.default_rng(0).permutation(len(X))
X, y = X[order], y[order]

net = bp.mlp([64, 256, 128, 10], activation="relu", seed={seed})
trainer = bp.Trainer(net, loss="cross_entropy", optimizer=bp.Adam(learning_rate=1e-3), metrics=["accuracy"])
trainer.fit(X[:1437], y[:1437], epochs={epochs}, batch_size=32, validation_data=(X[1437:], y[1437:]))
print(trainer.evaluate(X[1437:], y[1437:]))
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="train on handwritten digits, in seconds",
        description="Train on 1,437 handwritten digits, test on 360 others, and time the same in pure NumPy.",
        epilog="examples:\n  %(prog)s\n  %(prog)s --epochs 5 --threads 1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=20, metavar="N", help="passes over the digits (default: 20)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first weights (default: 0)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of bpnative (default: all cores)")
    parser.set_defaults(run=run)


class _Lines(bp.Callback):
    """Prints a line at the end of each epoch."""

    def __init__(self, out: Printer, epochs: int) -> None:
        self._out, self._epochs, self._highest = out, epochs, 0.0

    def on_epoch_end(self, trainer: bp.Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """Print it."""
        loss, width = logs["loss"], 2 * len(str(self._epochs)) + 1
        self._highest = max(self._highest, loss)
        numbers = f"{loss:8.4f}  {logs['accuracy']:8.1%}  {logs['val_accuracy']:8.1%}"
        bar = "█" * round(30 * loss / self._highest) if self._highest else ""
        self._out(f"  {f'{epoch + 1}/{self._epochs}':>{width}}  {numbers}  {self._out.style(bar, 'cyan')}".rstrip())


def run(options: argparse.Namespace, out: Printer) -> None:
    """Run the demo."""
    if options.threads is not None:
        bp.set_num_threads(options.threads)
    X, y = bp.datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    learn, held_out = (X[: DIGITS.rows], y[: DIGITS.rows]), (X[DIGITS.rows :], y[DIGITS.rows :])

    out(out.style(f"bpnative {bp.__version__}", "bold") + f": {_machine()}")
    out()
    for line in _pictures(held_out[0][:4]):
        out(f"  {line}")
    out()
    out(f"Handwritten digits of 8 × 8 pixels: {len(learn[1]):,} to learn from, {len(held_out[1])} held out.")
    net = _train(out, learn, held_out, options)
    _judge(out, held_out[1], net.predict(held_out[0]).argmax(axis=1))
    _compare(out, options.epochs)
    out.heading("The same in Python:")
    out()
    for line in PROGRAM.format(seed=options.seed, epochs=options.epochs).splitlines():
        out(f"    {line}".rstrip())


def _train(out: Printer, learn: Any, held_out: Any, options: argparse.Namespace) -> bp.Network:
    net = bp.mlp(DIGITS.sizes, activation=DIGITS.activation, seed=options.seed)
    optimizer = bp.Adam(learning_rate=DIGITS.learning_rate)
    trainer = bp.Trainer(net, loss=DIGITS.loss, optimizer=optimizer, metrics=["accuracy"])
    layers = "-".join(map(str, DIGITS.sizes))
    out(f"A network of {layers} units, {net.parameters.size:,} parameters; Adam, batches of {DIGITS.batch}.")
    out.heading(f"  {'epoch':>{2 * len(str(options.epochs)) + 1}}      loss  accuracy  held out")
    trainer.fit(
        *learn,
        epochs=options.epochs,
        batch_size=DIGITS.batch,
        validation_data=held_out,
        callbacks=[_Lines(out, options.epochs)],
        progress=False,
    )
    return net


def _machine() -> str:
    config, threads = bp.show_config("dict"), bp.get_num_threads()
    return f"{config['processor']}, {config['isa']}, {threads} thread{'s' if threads > 1 else ''}"


def _pictures(images: npt.NDArray[np.float32]) -> list[str]:
    """The images side by side, two characters a pixel."""
    shades = np.array([" ", ".", ":", "+", "#"])
    pixels = shades[np.rint(images.reshape(-1, 8, 8) * 4).astype(int)]
    return ["  ".join("".join(2 * pixel for pixel in row) for row in line).rstrip() for line in pixels.swapaxes(0, 1)]


def _judge(out: Printer, truth: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> None:
    """Print the accuracy and the confusion matrix."""
    right = int((predicted == truth).sum())
    out()
    out(out.style(f"Held-out accuracy {right / len(truth):.1%}", "green") + f": {right} of {len(truth)} digits right.")
    out.heading("Confusion matrix (a row for each digit, a column for what the network reads)")
    for line in bp.plot.text.confusion_matrix(truth, predicted, range(10)).splitlines():
        out(f"  {line}")


def _compare(out: Printer, epochs: int) -> None:
    """Time the same training by bpnative and NumPy, by turns, without reports and validation."""
    out.heading(f"The same training in pure NumPy {np.__version__}, one thread each, by turns:")
    (group,) = run_rounds([DIGITS], ["bpnative", "numpy"], [1], Settings(rounds=3))
    native, numpy = group
    steps = epochs * DIGITS.steps
    ratio = 1 / native.ratio_to(numpy)
    lines = [
        [name, f"{steps * one.seconds:.2f} s", f"{duration(one.seconds)} a step"]
        for name, one in (("bpnative", native), ("NumPy", numpy))
    ]
    lines[1][2] += f", {ratio:.1f} times bpnative's"
    for line in table(lines, "<><"):
        out(f"  {line}")
