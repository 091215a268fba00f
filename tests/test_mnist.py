"""Real data: 784-256-128-10 with Adam on MNIST, five epochs, at least 97.5 % of the test images right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import bpnative as bp

FOLDER = Path(os.environ.get("BPNATIVE_MNIST") or Path(__file__).parents[2] / "shared" / "data" / "mnist")


@pytest.mark.skipif(
    not FOLDER.is_dir(),
    reason=f"no MNIST: {os.path.relpath(FOLDER)} is absent; set BPNATIVE_MNIST to a folder with its files",
)
def test_mnist() -> None:
    (x, y), (x_test, y_test) = bp.datasets.load_mnist(FOLDER)
    assert x.shape == (60_000, 784)
    assert x_test.shape == (10_000, 784)
    network = bp.mlp([784, 256, 128, 10], activation="relu", seed=0)
    trainer = bp.Trainer(network, loss="cross_entropy", optimizer=bp.Adam(learning_rate=1e-3), metrics=["accuracy"])
    history = trainer.fit(x, y, epochs=5, batch_size=128, progress=False)
    assert history["loss"] == sorted(history["loss"], reverse=True)
    scores = trainer.evaluate(x_test, y_test)
    assert scores["accuracy"] >= 0.975, scores
    assert (network.predict(x_test).argmax(axis=1) == y_test).mean() == pytest.approx(scores["accuracy"], abs=1e-12)
