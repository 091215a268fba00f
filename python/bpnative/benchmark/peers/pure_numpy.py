"""Pure NumPy, as the trainer in numpy_trainer.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..numpy_activations import ERF_SOURCE
from ..numpy_trainer import NumpyTrainer
from ..workloads import Data, Workload


class NumpyPeer:
    """`Peer` with `NumpyTrainer`; its BLAS takes the number of threads from the environment."""

    def __init__(self, workload: Workload, data: Data) -> None:
        self.note = f"erf: {ERF_SOURCE}" if workload.activation == "gelu" else ""
        self._workload, self._data = workload, data
        self._random = np.random.default_rng(0)
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        w = self._workload
        self._trainer = NumpyTrainer(
            w.sizes,
            activation=w.activation,
            loss=w.loss,
            optimizer=w.optimizer,
            learning_rate=w.learning_rate,
            momentum=w.momentum,
            parameters=self._data.parameters,
            batch=w.batch,
        )

    def fit(self, epochs: int, shuffle: bool) -> float:
        """Train for some epochs."""
        rows, batch, loss = len(self._data.X), self._workload.batch, np.nan
        sizes = np.diff(np.append(np.arange(0, rows, batch), rows))
        for _ in range(epochs):
            order = self._random.permutation(rows) if shuffle else np.arange(rows)
            losses = self._trainer.fit(self._data.X, self._data.y, batch_size=batch, order=order)
            loss = float(np.average(losses, weights=sizes))
        return loss

    def predict(self, calls: int) -> Any:
        """Predict batch after batch."""
        X, batch = self._data.X, self._workload.batch
        for start in self._workload.starts(calls):
            output = self._trainer.predict(X[start : start + batch])
        return output


def build(name: str, workload: Workload, data: Data, threads: int) -> NumpyPeer:
    """Make the peer."""
    return NumpyPeer(workload, data)
