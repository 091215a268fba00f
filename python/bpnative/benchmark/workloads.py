"""What the benchmark times: networks, batches, losses and optimizers, in one list."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..datasets import load_digits

__all__ = ["DIGITS", "WORKLOADS", "Data", "Workload", "make_data", "make_parameters", "split_parameters"]

Array: TypeAlias = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Workload:
    """One network with the way it is trained, or with its prediction of one row at a time.

    Attributes:
        name: what the command line calls it.
        sizes: units of every layer, the input first.
        batch: rows of a training step, or of a prediction.
        activation: of the hidden layers; the last layer is linear.
        loss: ``"mse"`` or ``"cross_entropy"``.
        optimizer: ``"adam"`` or ``"sgd"``.
        learning_rate: the optimizer's.
        momentum: of ``"sgd"``.
        rows: how many rows the data has.
        task: what is timed, a step of ``"fit"`` or a call of ``"predict"``.
        density: the share of the inputs that are not zero.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    activation: str = "relu"
    loss: Literal["mse", "cross_entropy"] = "cross_entropy"
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    rows: int = 8192
    task: Literal["fit", "predict"] = "fit"
    density: float = 1.0

    @property
    def steps(self) -> int:
        """Minibatches in one epoch."""
        return -(-self.rows // self.batch)

    @property
    def flops(self) -> int:
        """Floating-point operations of the dense products of one step: the count that every peer is judged by.

        A training step computes, for each layer of n_in × n_out weights, the output, the weights' gradient and, but for
        the first layer, the input's gradient: 2 · n_in · n_out operations a row each. A prediction computes the output.
        """
        products = [n_in * n_out for n_in, n_out in itertools.pairwise(self.sizes)]
        if self.task == "predict":
            return 2 * self.batch * sum(products)
        return 2 * self.batch * (3 * sum(products) - products[0])

    def starts(self, calls: int) -> Iterator[int]:
        """The first rows of so many batches, walking through the data again and again."""
        return itertools.islice(itertools.cycle(range(0, self.rows - self.batch + 1, self.batch)), calls)

    def describe(self) -> str:
        """The workload in a line.

        >>> WORKLOADS[0].describe()
        '32-64-64-1, batch 32, relu, mse, adam'
        """
        layers = "-".join(map(str, self.sizes))
        if len(self.sizes) > 8:
            layers = f"{self.sizes[0]}, {len(self.sizes) - 2} × {self.sizes[1]}, {self.sizes[-1]}"
        if self.task == "predict":
            return f"{layers}, batch {self.batch}, {self.activation}, predict"
        momentum = f" with momentum {self.momentum}" if self.momentum else ""
        inputs = f", {self.density:g} of the inputs not zero" if self.density < 1 else ""
        return f"{layers}, batch {self.batch}, {self.activation}, {self.loss}, {self.optimizer}{momentum}{inputs}"

    def quick(self) -> Workload:
        """The same arithmetic on a few batches, to see in seconds that all of it works."""
        return dataclasses.replace(self, rows=min(self.rows, 4 * self.batch)) if self.task == "fit" else self


_TINY = (32, 64, 64, 1)
_MNIST = (784, 256, 128, 10)

WORKLOADS: tuple[Workload, ...] = (
    Workload("tiny", _TINY, 32, loss="mse"),
    Workload("small", (64, 128, 128, 8), 64, activation="tanh", loss="mse"),
    Workload("mnist", _MNIST, 128),
    Workload("pixels", _MNIST, 128, density=0.19),  # as in MNIST's images
    Workload("deep", (256, *[256] * 20, 10), 64),
    Workload("gelu", (512, 1024, 512, 100), 256, activation="gelu"),
    Workload("wide", (1024, 2048, 2048, 1000), 512, optimizer="sgd", learning_rate=0.01, momentum=0.9, rows=4096),
    Workload("reader-tiny", _TINY, 1, loss="mse", task="predict"),
    Workload("reader-mnist", _MNIST, 1, task="predict"),
)
"""Every workload, smallest first; the readers predict one row a call."""

DIGITS = Workload("digits", (64, 256, 128, 10), 32, rows=1437)
"""What the demo trains: four fifths of the digits that ship with the package."""


@dataclasses.dataclass(frozen=True)
class Data:
    """Rows to train on and the weights to start from, the same for every peer.

    Attributes:
        X: inputs, (rows, n_in).
        y: targets, int32 labels of shape (rows,) for ``cross_entropy`` and (rows, n_out) for ``mse``.
        parameters: one flat array, for each layer its weight (n_out, n_in) and then its bias (n_out,).
    """

    X: Array
    y: Array
    parameters: Array


def make_data(workload: Workload, dtype: str = "float32", seed: int = 0) -> Data:
    """Draw inputs, targets that a random linear map of the inputs gives, and starting weights; or take the digits.

    Args:
        workload: what the data is for.
        dtype: ``"float32"`` or ``"float64"``.
        seed: the same seed draws the same data.
    """
    random = np.random.default_rng(seed)
    if workload == DIGITS:
        images, labels = load_digits()
        rows = random.permutation(len(images))[: workload.rows]
        return Data(images[rows].astype(dtype), labels[rows], make_parameters(workload.sizes, dtype))
    X = random.standard_normal((workload.rows, workload.sizes[0])).astype(dtype)
    if workload.density < 1:
        X[random.random(X.shape) >= workload.density] = 0
    teacher = random.standard_normal((workload.sizes[0], workload.sizes[-1])) / np.sqrt(workload.sizes[0])
    answers = X @ teacher
    y: Array = np.tanh(answers).astype(dtype)
    if workload.loss == "cross_entropy":
        y = answers.argmax(axis=1).astype(np.int32)
        y[: workload.sizes[-1]] = np.arange(workload.sizes[-1])  # scikit-learn counts the classes that it meets
    return Data(X, y, make_parameters(workload.sizes, dtype))


def make_parameters(sizes: tuple[int, ...], dtype: str = "float32", seed: int = 1) -> Array:
    """Draw starting weights from N(0, 2 / n_in) (He et al. 2015), biases zero, as one flat array.

    Args:
        sizes: units of every layer, the input first.
        dtype: of the array.
        seed: the same seed draws the same weights.
    """
    random = np.random.default_rng(seed)
    pieces = []
    for n_in, n_out in itertools.pairwise(sizes):
        pieces += [random.standard_normal(n_out * n_in) * np.sqrt(2 / n_in), np.zeros(n_out)]
    return np.concatenate(pieces).astype(dtype)


def split_parameters(flat: Array, sizes: tuple[int, ...]) -> list[tuple[Array, Array]]:
    """Cut a flat array into the views (weight, bias) of every layer, weight (n_out, n_in) and bias (n_out,).

    Raises:
        ValueError: the array's length is not that of the layers.
    """
    expected = sum(n_out * (n_in + 1) for n_in, n_out in itertools.pairwise(sizes))
    if flat.size != expected:
        raise ValueError(f"expected {expected} parameters for layers of {sizes} units, got {flat.size}")
    pieces, at = [], 0
    for n_in, n_out in itertools.pairwise(sizes):
        split, end = at + n_out * n_in, at + n_out * (n_in + 1)
        pieces.append((flat[at:split].reshape(n_out, n_in), flat[split:end]))
        at = end
    return pieces
