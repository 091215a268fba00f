"""What the tests of the kernels and networks share: awkward sizes, random data, and pairs of oracle and library.

The names tested are those that the compiled module registers, so nothing registered can go untested: a name without a
line in the oracle is a failing test (test_kernels_elementwise.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from reference import LOSSES, Array, Dense, Network, as_rows

ISAS: list[str] = native.config()["isa_available"]
FMA_ISAS = [isa for isa in ISAS if isa in ("x86-64-v4", "x86-64-v3", "neon")]
DTYPES = ("float32", "float64")

# Nothing, one, two, three; around the widths of vectors (4, 8, 16), tiles and panels (32, 48, 64); primes.
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 31, 32, 33, 47, 48, 49, 63, 64, 65, 77, 131)

on_every_isa = pytest.mark.parametrize("isa", ISAS)
in_both_types = pytest.mark.parametrize("dtype", DTYPES)


def shapes(count: int, dimensions: int, smallest: int = 0) -> Iterator[tuple[int, ...]]:
    """Yield ``count`` shapes: every size takes its turn in every place, beside sizes that keep changing."""
    rng = np.random.default_rng(count + dimensions)
    sizes = [size for size in SIZES if size >= smallest]
    columns: list[list[int]] = []
    for _ in range(dimensions):
        column: list[int] = []
        while len(column) < count:
            column += rng.permutation(sizes).tolist()
        columns.append(column[:count])
    yield from zip(*columns, strict=True)


def normal(rng: np.random.Generator, shape: int | tuple[int, ...], dtype: str = "float64") -> Array:
    """Return random numbers of the type, exact in it: what the oracle sees in float64 is what the kernel sees."""
    return rng.standard_normal(shape).astype(dtype)


def wide(*arrays: Array) -> tuple[Array, ...]:
    """Return arrays in float64, for the oracle."""
    return tuple(array.astype(np.float64) for array in arrays)


def empty(shape: int | tuple[int, ...], dtype: str) -> Array:
    """Return an array for a result, full of NaN: what a kernel forgets to write is seen."""
    return np.full(shape, np.nan, dtype)


@dataclass(frozen=True)
class LossCase:
    """A loss with settings, which may depend on the number of outputs."""

    name: str
    settings_of: Callable[[int], dict[str, Any]] = lambda outputs: {}
    outputs_a_target: int = 1
    rates: bool = False  # outputs are above 0

    def outputs(self, at_least: int) -> int:
        """Return the next number of outputs that the loss can use."""
        return -(-at_least // self.outputs_a_target) * self.outputs_a_target

    def outputs_like(self, z: Array) -> Array:
        """Return outputs that the loss takes, of random numbers of any sign."""
        return np.abs(z) + z.dtype.type(0.125) if self.rates else z

    def native_settings(self, outputs: int) -> dict[str, list[float]]:
        """Return the settings as native code takes them."""
        return self.specification(outputs).settings()

    def specification(self, outputs: int) -> Any:
        """Return the library's object for a network of so many outputs."""
        return bp.losses.LOSSES[self.name](**self.settings_of(outputs))

    def targets(self, rng: np.random.Generator, rows: int, outputs: int, dtype: str) -> dict[str, Array]:
        """Return a target of each kind, see the function `targets`."""
        return targets(self.name, rng, rows, outputs, dtype, self.outputs_a_target)


def ramp(outputs: int) -> list[float]:
    """Return a weight for each output, exact in both types."""
    return [0.25 + 0.125 * (o % 17) for o in range(outputs)]


# Every registered name with its defaults, and every setting; numbers are exact in both types.
LOSS_CASES: dict[str, LossCase] = {
    **{name: LossCase(name, outputs_a_target=LOSSES[name].outputs_a_target) for name in native.loss_names()},
    "huber, delta": LossCase("huber", lambda k: {"delta": 0.25}),
    "quantile, high": LossCase("quantile", lambda k: {"levels": (0.875,)}),
    "quantile, three levels": LossCase("quantile", lambda k: {"levels": (0.125, 0.5, 0.75)}, 3),
    "poisson, rates": LossCase("poisson", lambda k: {"log_input": False, "epsilon": 0.0625}, rates=True),
    "gaussian_nll, epsilon": LossCase("gaussian_nll", lambda k: {"epsilon": 0.0625}, 2),
    "cosine, long": LossCase("cosine", lambda k: {"epsilon": 2.0}),
    "cross_entropy, smooth": LossCase("cross_entropy", lambda k: {"label_smoothing": 0.125}),
    "cross_entropy, weights": LossCase("cross_entropy", lambda k: {"class_weight": ramp(k)}),
    "cross_entropy, both": LossCase("cross_entropy", lambda k: {"label_smoothing": 0.25, "class_weight": ramp(k)}),
    "binary_cross_entropy, weight": LossCase("binary_cross_entropy", lambda k: {"positive_weight": 2.5}),
    "binary_cross_entropy, weights": LossCase("binary_cross_entropy", lambda k: {"positive_weight": ramp(k)}),
    "focal, plain": LossCase("focal", lambda k: {"alpha": None, "gamma": 0.0}),
    "focal, one": LossCase("focal", lambda k: {"alpha": 0.75, "gamma": 1.0}),
    "focal, half": LossCase("focal", lambda k: {"gamma": 0.5}),
    "categorical_focal, plain": LossCase("categorical_focal", lambda k: {"gamma": 0.0}),
    "categorical_focal, weights": LossCase("categorical_focal", lambda k: {"gamma": 3.0, "class_weight": ramp(k)}),
}


def targets(
    loss: str, rng: np.random.Generator, rows: int, outputs: int, dtype: str, outputs_a_target: int | None = None
) -> dict[str, Array]:
    """Return a target of each kind that a loss takes, by a name for messages."""
    columns = outputs // (outputs_a_target or LOSSES[loss].outputs_a_target)
    if loss in ("hinge", "squared_hinge"):
        yes = rng.integers(0, 2, (rows, columns)).astype(dtype)
        return {"0 and 1": yes, "-1 and 1": 2 * yes - 1}
    if loss == "poisson":
        return {"counts": rng.poisson(2.0, (rows, columns)).astype(dtype)}
    if loss == "kl_divergence":
        soft = rng.dirichlet(np.ones(outputs), rows).astype(dtype) if outputs > 1 else np.ones((rows, 1), dtype)
        return {"soft": soft, "one-hot": as_rows(rng.integers(0, outputs, rows), outputs).astype(dtype)}
    if LOSSES[loss].classes:
        labels = rng.integers(0, outputs, rows).astype(np.int32)
        soft = rng.dirichlet(np.ones(outputs), rows).astype(dtype)
        return {"labels": labels, "one-hot": as_rows(labels, outputs).astype(dtype), "soft": soft}
    if loss in ("binary_cross_entropy", "focal"):
        hard = rng.integers(0, 2, (rows, outputs)).astype(dtype)
        return {"hard": hard, "soft": rng.random((rows, outputs)).astype(dtype)}
    return {"numbers": normal(rng, (rows, columns), dtype)}


def random_network(
    rng: np.random.Generator, sizes: Sequence[int], activations: Sequence[str | bp.activations.Activation], dtype: str
) -> bp.Network:
    """Return a network of dense layers with random weights and biases; one layer in four has no bias."""
    layers = [
        bp.Dense(units, activation=activation, bias=bool(rng.random() < 0.75), bias_initializer=normal_biases)
        for units, activation in zip(sizes[1:], activations, strict=True)
    ]
    return bp.Network(layers, input_size=sizes[0], dtype=dtype, seed=int(rng.integers(1 << 30)))


def normal_biases(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Return biases that matter: those of a new network are zeros."""
    return 0.3 * generator.standard_normal(shape)


def oracle_of(network: bp.Network) -> Network:
    """Return the oracle's copy of a network, in float64."""
    layers = []
    for layer in network.layers:
        activation = bp.activations.get(layer.activation)
        bias = None if layer.bias is None else layer.bias.astype(np.float64)
        weight = layer.weight.astype(np.float64)
        layers.append(Dense(weight, bias, activation.name, activation.parameter, layer.trainable))
    return Network(layers)


def run_child(code: str, **environment: str | int) -> str:
    """Run a Python program in a process of its own, with these environment variables; return what it printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BPNATIVE_")}
    child = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert child.returncode == 0, f"the child process ended with {child.returncode}:\n{child.stderr}"
    return child.stdout.strip()
