"""bpnative itself, through the public interface that its users have."""

from __future__ import annotations

from typing import Any

import bpnative as bp
from bpnative import _bpnative

from ..workloads import Data, Workload


class NativePeer:
    """`Peer` with `bpnative.Trainer.fit` and `bpnative.Network.predict`."""

    note = ""

    def __init__(self, workload: Workload, data: Data) -> None:
        self._workload, self._data = workload, data
        self._network = bp.mlp(list(workload.sizes), activation=workload.activation, dtype=data.X.dtype.name, seed=0)
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        w = self._workload
        self._network.parameters[:] = self._data.parameters
        optimizer = (
            bp.Adam(learning_rate=w.learning_rate)
            if w.optimizer == "adam"
            else bp.SGD(learning_rate=w.learning_rate, momentum=w.momentum)
        )
        self._trainer = bp.Trainer(self._network, loss=w.loss, optimizer=optimizer)

    def fit(self, epochs: int, shuffle: bool) -> float:
        """Train for some epochs."""
        history = self._trainer.fit(
            self._data.X,
            self._data.y,
            epochs=epochs,
            batch_size=self._workload.batch,
            shuffle=shuffle,
            progress=False,
        )
        return float(history["loss"][-1])

    def predict(self, calls: int) -> Any:
        """Predict batch after batch."""
        X, batch, predict = self._data.X, self._workload.batch, self._network.predict
        for start in self._workload.starts(calls):
            output = predict(X[start : start + batch])
        return output


def build(name: str, workload: Workload, data: Data, threads: int) -> NativePeer:
    """Make the peer."""
    if workload.activation not in _bpnative.activation_names():
        raise NotImplementedError(f"bpnative {bp.__version__} has no activation {workload.activation!r} yet")
    return NativePeer(workload, data)
