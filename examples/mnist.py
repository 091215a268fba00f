"""MNIST in two epochs: how long from starting Python to more than 98 % of the test images right?

    python examples/mnist.py FOLDER

FOLDER holds the four files of MNIST (train-images-idx3-ubyte and so on, gzipped or not). A learning rate that rises and
falls once and targets smoothed by a tenth reach in two epochs what a constant rate needs ten for.
"""

import time

START = time.time()

import argparse  # noqa: E402

import bpnative as bp  # noqa: E402


def seconds_since_start():
    """Since the process began where the system tells, else since this script did."""
    try:
        with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
            ticks = int(stat.read().rsplit(")", 1)[1].split()[19])
            return float(uptime.read().split()[0]) - ticks / 100
    except OSError:
        return time.time() - START


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("folder", help="where MNIST's files are")
parser.add_argument("--epochs", type=int, default=2, help="of the one cycle (default: 2)")
parser.add_argument("--seed", type=int, default=0, help="of weights and sample order (default: 0)")
parser.add_argument("--threads", type=int, default=0, help="default: all cores")
options = parser.parse_args()

bp.set_num_threads(options.threads)
(X, y), (X_test, y_test) = bp.datasets.load_mnist(options.folder, as_bytes=True)
print(f"{len(X):,} + {len(X_test):,} images read, {seconds_since_start():.2f} s")

BATCH_SIZE = 128
steps = options.epochs * -(-len(X) // BATCH_SIZE)
trainer = bp.Trainer(
    bp.mlp([784, 256, 128, 10], activation="relu", seed=options.seed),
    loss=bp.CrossEntropy(label_smoothing=0.1),
    optimizer=bp.Adam(learning_rate=bp.schedules.OneCycle(6e-3, steps)),
    metrics=["accuracy"],
    seed=options.seed,
)
trainer.fit(X, y, epochs=options.epochs, batch_size=BATCH_SIZE, progress=False)
accuracy = trainer.evaluate(X_test, y_test)["accuracy"]
print(f"epochs: {options.epochs}  test accuracy {accuracy:.2%}  {seconds_since_start():.2f} s")
