"""JAX in its strongest form: a whole epoch in one compiled call, the steps in lax.scan, buffers donated."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from ..workloads import Data, Workload, split_parameters


class JaxPeer:
    """`Peer` with one jitted function for an epoch and one for a prediction."""

    note = "a whole epoch in one lax.scan"

    def __init__(self, workload: Workload, data: Data) -> None:
        jax: Any = importlib.import_module("jax")
        jax.config.update("jax_enable_x64", data.X.dtype == np.float64)
        self._jax, self._workload, self._data = jax, workload, data
        self._random = np.random.default_rng(0)
        self._X, self._y = jax.numpy.asarray(data.X), jax.numpy.asarray(data.y)
        forward, epoch = _functions(jax, workload)
        self._forward = jax.jit(forward)
        self._epoch = jax.jit(epoch, donate_argnums=0)
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        jnp, tree = self._jax.numpy, self._jax.tree_util
        pieces = split_parameters(self._data.parameters, self._workload.sizes)
        weights = [(jnp.array(weight.T), jnp.array(bias)) for weight, bias in pieces]
        zeros = [tree.tree_map(jnp.zeros_like, weights) for _ in range(2)]
        self._state = (weights, *zeros, jnp.zeros((), weights[0][0].dtype))

    def fit(self, epochs: int, shuffle: bool) -> float:
        """Train for some epochs."""
        w, rows = self._workload, len(self._data.X)
        for _ in range(epochs):
            order = self._random.permutation(rows) if shuffle else np.arange(rows)
            self._state, loss = self._epoch(
                self._state, self._X, self._y, order.astype(np.int32).reshape(w.steps, w.batch)
            )
        return float(loss)  # waits until all of it is done

    def predict(self, calls: int) -> Any:
        """Predict batch after batch."""
        X, batch = self._data.X, self._workload.batch
        for start in self._workload.starts(calls):
            output = np.asarray(self._forward(self._state[0], X[start : start + batch]))
        return output


def _functions(jax: Any, w: Workload) -> tuple[Any, Any]:
    jnp, tree = jax.numpy, jax.tree_util
    activation = {
        "relu": jax.nn.relu,
        "tanh": jnp.tanh,
        "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    }[w.activation]

    def forward(weights: Any, x: Any) -> Any:
        for weight, bias in weights[:-1]:
            x = activation(x @ weight + bias)
        return x @ weights[-1][0] + weights[-1][1]

    def objective(weights: Any, x: Any, y: Any) -> Any:
        output = forward(weights, x)
        if w.loss == "mse":
            return jnp.mean((output - y) ** 2)
        chosen = jnp.take_along_axis(output, y[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(output, axis=1) - chosen)

    def adam(weights: Any, m: Any, v: Any, t: Any, gradients: Any) -> Any:
        m = tree.tree_map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
        v = tree.tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
        root = jnp.sqrt(1 - 0.999**t)
        rate = w.learning_rate * root / (1 - 0.9**t)
        weights = tree.tree_map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8 * root), weights, m, v)
        return weights, m, v

    def sgd(weights: Any, m: Any, v: Any, t: Any, gradients: Any) -> Any:
        m = tree.tree_map(lambda m, g: w.momentum * m + g, m, gradients)
        return tree.tree_map(lambda p, m: p - w.learning_rate * m, weights, m), m, v

    update = adam if w.optimizer == "adam" else sgd

    def epoch(state: Any, X: Any, y: Any, order: Any) -> Any:
        def step(state: Any, rows: Any) -> Any:
            weights, m, v, t = state
            loss, gradients = jax.value_and_grad(objective)(weights, X[rows], y[rows])
            return (*update(weights, m, v, t + 1, gradients), t + 1), loss

        state, losses = jax.lax.scan(step, state, order)
        return state, losses.mean()

    return forward, epoch


def build(name: str, workload: Workload, data: Data, threads: int) -> JaxPeer:
    """Make the peer. JAX sizes its pool by the processors it may run on, so that is what is limited."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    return JaxPeer(workload, data)
