"""PyTorch: eager with the fused optimizer, or the network and its loss under torch.compile."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

from ..workloads import Data, Workload, split_parameters


class TorchPeer:
    """`Peer` with torch.nn modules on the CPU."""

    def __init__(self, workload: Workload, data: Data, threads: int, compiled: bool) -> None:
        torch: Any = importlib.import_module("torch")
        torch.set_num_threads(threads)
        nn = torch.nn
        self.note = "torch.compile of network and loss" if compiled else "eager, fused optimizer"
        self._torch, self._workload, self._data = torch, workload, data
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}[workload.activation]
        modules: list[Any] = []
        for n_in, n_out in itertools.pairwise(workload.sizes):
            modules += [nn.Linear(n_in, n_out), activation()]
        self._network = nn.Sequential(*modules[:-1]).to(getattr(torch, data.X.dtype.name))
        self._X = torch.from_numpy(data.X)
        self._y = torch.from_numpy(data.y)
        if workload.loss == "cross_entropy":
            self._y = self._y.long()
        loss = nn.CrossEntropyLoss() if workload.loss == "cross_entropy" else nn.MSELoss()

        def objective(X: Any, y: Any) -> Any:
            return loss(self._network(X), y)

        self._objective: Any = torch.compile(objective) if compiled else objective
        self._forward: Any = torch.compile(self._network) if compiled else self._network
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        w, torch = self._workload, self._torch
        linear = [module for module in self._network if hasattr(module, "weight")]
        with torch.no_grad():
            for module, (weight, bias) in zip(linear, split_parameters(self._data.parameters, w.sizes), strict=True):
                module.weight.copy_(torch.from_numpy(weight))
                module.bias.copy_(torch.from_numpy(bias))
        weights = self._network.parameters()
        if w.optimizer == "adam":
            self._optimizer = torch.optim.Adam(weights, lr=w.learning_rate, fused=True)
        else:
            self._optimizer = torch.optim.SGD(weights, lr=w.learning_rate, momentum=w.momentum, fused=True)

    def fit(self, epochs: int, shuffle: bool) -> float:
        """Train for some epochs."""
        torch, X, y = self._torch, self._X, self._y
        rows = len(X)
        for _ in range(epochs):
            order = torch.randperm(rows) if shuffle else torch.arange(rows)
            total = torch.zeros(())
            for chosen in order.split(self._workload.batch):
                self._optimizer.zero_grad()
                loss = self._objective(X[chosen], y[chosen])
                loss.backward()
                self._optimizer.step()
                total += loss.detach()
        return float(total) / self._workload.steps

    def predict(self, calls: int) -> Any:
        """Predict batch after batch."""
        torch, X, batch = self._torch, self._data.X, self._workload.batch
        with torch.inference_mode():
            for start in self._workload.starts(calls):
                output = self._forward(torch.from_numpy(X[start : start + batch]))
        return output.numpy()


def build(name: str, workload: Workload, data: Data, threads: int) -> TorchPeer:
    """Make the peer."""
    return TorchPeer(workload, data, threads, compiled=name == "torch-compiled")
