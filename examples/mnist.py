"""MNIST to a wanted accuracy: how long from starting Python to 98 % of the test images right?

    python examples/mnist.py FOLDER

FOLDER holds the four files of MNIST (train-images-idx3-ubyte and so on, gzipped or not). Stopping on the test images
measures speed; to choose a model, hold out a part of the training images instead.
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
parser.add_argument("--target", type=float, default=0.98, help="test accuracy to reach (default: 0.98)")
parser.add_argument("--epochs", type=int, default=20, help="at most (default: 20)")
parser.add_argument("--seed", type=int, default=0, help="of weights and sample order (default: 0)")
parser.add_argument("--threads", type=int, default=0, help="default: all cores")
options = parser.parse_args()

bp.set_num_threads(options.threads)
(X, y), (X_test, y_test) = bp.datasets.load_mnist(options.folder)
print(f"{len(X):,} + {len(X_test):,} images read, {seconds_since_start():.2f} s")

net = bp.mlp([784, 256, 128, 10], activation="relu", seed=options.seed)
trainer = bp.Trainer(net, loss="cross_entropy", optimizer=bp.Adam(learning_rate=1e-3), metrics=["accuracy"])
for epoch in range(options.epochs):
    loss = trainer.fit(X, y, batch_size=128, progress=False)["loss"][-1]
    accuracy = trainer.evaluate(X_test, y_test)["accuracy"]
    print(
        f"epoch {epoch + 1:2}  loss {loss:.4f}  test accuracy {accuracy:.2%}  {seconds_since_start():.2f} s", flush=True
    )
    if accuracy >= options.target:
        break
