"""Trajectories against scikit-learn's perceptron: same start, same batches, plain gradient descent, same weights.

scikit-learn trains a whole batch with partial_fit. Its weights can only be set once it has made them, so it makes them
in a first step, which is copied; from there both go on. Its squared loss is half of ours: our rate is half of its.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bpnative as bp
from compare import Array, relative_distance

neural_network = pytest.importorskip(
    "sklearn.neural_network", reason="scikit-learn is not installed: pip install 'bpnative[peers]'"
)

ROWS, COLUMNS, RATE = 40, 7, 0.1
ACTIVATIONS = {"linear": "identity", "relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


def network_of(estimator: Any, activation: str) -> bp.Network:
    """Return a network with the weights of a fitted perceptron."""
    pairs = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    layers = [
        bp.Dense(
            len(bias),
            activation=activation if at < len(pairs) - 1 else "linear",
            weight_initializer=weight.T,
            bias_initializer=bias,
        )
        for at, (weight, bias) in enumerate(pairs)
    ]
    return bp.Network(layers, input_size=COLUMNS, dtype="float64")


def parameters_of(estimator: Any) -> Array:
    """Return a perceptron's weights, laid out as ours."""
    pairs = zip(estimator.coefs_, estimator.intercepts_, strict=True)
    return np.concatenate([part for weight, bias in pairs for part in (weight.T.ravel(), bias)])


@pytest.mark.parametrize("kind", ["classes", "two classes", "numbers"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_trajectories(activation: str, kind: str) -> None:
    rng = np.random.default_rng(92)
    x = rng.standard_normal((30, ROWS, COLUMNS))
    settings = {
        "hidden_layer_sizes": (16, 9), "activation": ACTIVATIONS[activation], "solver": "sgd", "alpha": 0.0,
        "learning_rate_init": RATE, "momentum": 0.0, "nesterovs_momentum": False, "batch_size": ROWS, "random_state": 0,
    }  # fmt: skip
    first: dict[str, Any] = {}
    if kind == "numbers":
        estimator, loss, rate = neural_network.MLPRegressor(**settings), "mse", RATE / 2
        y = np.sin(x[..., 0]) + x[..., 1]
    else:
        edges = [-0.5, 0.0, 0.5] if kind == "classes" else [0.0]
        loss, rate = ("cross_entropy" if kind == "classes" else "binary_cross_entropy"), RATE
        estimator, y = neural_network.MLPClassifier(**settings), np.digitize(x[..., 0], edges)
        first["classes"] = np.arange(len(edges) + 1)
    estimator.partial_fit(x[0], y[0], **first)
    network = network_of(estimator, activation)
    trainer = bp.Trainer(network, loss=loss, optimizer=bp.SGD(learning_rate=rate))
    begin = network.parameters.copy()
    for batch, target in zip(x[1:], y[1:], strict=True):
        estimator.partial_fit(batch, target)
        trainer.step(batch, target)
    assert relative_distance(begin, network.parameters) > 1e-3, "training must have moved them"
    assert relative_distance(network.parameters, parameters_of(estimator)) < 1e-9
