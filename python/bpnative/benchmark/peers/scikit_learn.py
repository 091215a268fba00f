"""scikit-learn's MLPClassifier and MLPRegressor."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from ..workloads import Data, Workload, split_parameters


class SklearnPeer:
    """`Peer` with ``fit`` of so many iterations; scikit-learn's BLAS takes its threads from the environment."""

    def __init__(self, workload: Workload, data: Data) -> None:
        module: Any = importlib.import_module("sklearn.neural_network")
        if workload.activation not in ("relu", "tanh"):
            raise NotImplementedError(f"scikit-learn's MLP has no activation {workload.activation!r}")
        self.note = ""
        self._workload, self._data = workload, data
        estimator = module.MLPClassifier if workload.loss == "cross_entropy" else module.MLPRegressor
        self._model = estimator(
            hidden_layer_sizes=workload.sizes[1:-1],
            activation=workload.activation,
            solver=workload.optimizer,
            learning_rate_init=workload.learning_rate,
            momentum=workload.momentum,
            nesterovs_momentum=False,
            batch_size=workload.batch,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=1_000_000_000,
            warm_start=True,
            max_iter=1,
        )
        self._y = data.y.ravel() if workload.sizes[-1] == 1 else data.y
        self._fit(64)  # makes the arrays that reset fills
        self.reset()

    def reset(self) -> None:
        """Start anew: a fit makes fresh optimizer state anyway, so the weights are all there is."""
        pieces = split_parameters(self._data.parameters, self._workload.sizes)
        self._model.coefs_ = [weight.T.copy() for weight, _ in pieces]
        self._model.intercepts_ = [bias.copy() for _, bias in pieces]

    def fit(self, epochs: int, shuffle: bool) -> float:
        """Train for some epochs."""
        self._model.set_params(max_iter=epochs, shuffle=shuffle)
        self._fit(self._workload.rows)
        return float(self._model.loss_) * (2 if self._workload.loss == "mse" else 1)

    def _fit(self, rows: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            self._model.fit(self._data.X[:rows], self._y[:rows])

    def predict(self, calls: int) -> Any:
        """Predict batch after batch."""
        X, batch = self._data.X, self._workload.batch
        classify = self._workload.loss == "cross_entropy"
        predict = self._model.predict_log_proba if classify else self._model.predict
        for start in self._workload.starts(calls):
            output = predict(X[start : start + batch])
        return output.reshape(batch, -1)


def build(name: str, workload: Workload, data: Data, threads: int) -> SklearnPeer:
    """Make the peer."""
    return SklearnPeer(workload, data)
