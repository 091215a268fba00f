"""Runs killed at random moments: each goes on from its checkpoint, and the end must be that of a run never killed.

``python tests/kill_and_resume.py 100`` kills a hundred times; tests/test_checkpoints.py does so twenty times. The
children are forks of one process, so that a kill costs no import.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import bpnative as bp

EPOCHS = 8


def spread(output, target):
    """A metric that needs all outputs of an epoch."""
    return float(np.median(output))


def run(checkpoint=None, seed=0):
    """One training run with all that has state; returns what must not depend on kills."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((2005, 20)).astype(np.float32)
    y = (X[:, :3] + 0.3 * rng.standard_normal((2005, 3))).argmax(axis=1)
    weight = rng.random(2005)
    optimizer = bp.Adam(3e-3) if seed % 2 else bp.SGD(0.05, momentum=0.9, nesterov=True)
    data = {"X": X, "y": y, "batch_size": 4, "sample_weight": weight}
    if seed % 2:  # every other run gets its batches from a function of the epoch

        def batches(epoch):
            order = np.random.default_rng([seed, epoch]).permutation(len(X))
            return ((X[rows], y[rows], weight[rows]) for rows in np.array_split(order, 20))

        data = {"X": batches}
    net = bp.mlp([20, 64, 64, 3], activation="tanh", seed=seed)
    metrics = ["accuracy", bp.metrics.FunctionMetric(spread)]
    trainer = bp.Trainer(net, loss="cross_entropy", optimizer=optimizer, metrics=metrics)
    history = trainer.fit(
        **data,
        epochs=EPOCHS,
        validation_data=(X[:100], y[:100]),
        callbacks=[bp.EarlyStopping(patience=3 + 9 * (seed % 3))],
        checkpoint=checkpoint,
        checkpoint_every=0,
        progress=False,
    )
    state = {name: view.tobytes() for name, view in trainer.state.items()}
    return net.parameters.tobytes(), state, dict(history), trainer.step_count, trainer._generator.random()


def main(kills: int) -> None:
    bp.set_num_threads(1)
    chance = random.Random(0)
    killed = runs = resumed_inside = 0
    with tempfile.TemporaryDirectory() as folder:
        while killed < kills or runs < 2:
            path = Path(folder) / f"{runs}.safetensors"
            expected, runs = run(seed=runs), runs + 1
            for _ in range(100):
                child = os.fork()
                if child == 0:
                    try:
                        run(path, seed=runs - 1)
                    finally:
                        os._exit(0)
                time.sleep(chance.choice([0.002, 0.02, 0.08]) * chance.random())
                os.kill(child, signal.SIGKILL)
                status = os.waitpid(child, 0)[1]
                if path.exists():
                    bp.load(path)  # a whole file, always
                    text = bp.io.safetensors.read(path)[1]["bpnative"]
                    resumed_inside += '"partial": {' in text
                if not os.WIFSIGNALED(status):
                    break
                killed += 1
            assert run(path, seed=runs - 1) == expected, f"run {runs - 1} ended otherwise after kills"
            assert sorted(os.listdir(folder))[-1:] != [], "no checkpoint"
    print(f"{killed} kills in {runs} runs, {resumed_inside} of them within an epoch: every end the same, bit for bit")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
