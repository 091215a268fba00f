"""What a network answers: classes, yes or no, or numbers; and its data, checked for that."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..data import Checker, as_numbers
from ..losses import MSE, BinaryCrossEntropy, CrossEntropy, Loss
from ..network import Network
from ..samples import Samples
from ..trainer import Trainer

Array: TypeAlias = npt.NDArray[Any]

# Losses of classes, of outputs that are yes or no each, and of numbers; others make no probability.
_KINDS = {"classes": "classes", "distributions": "classes", "binary": "binary", "values": "values", "counts": "values"}


@dataclasses.dataclass(frozen=True)
class Task:
    """A network and what its outputs mean.

    Attributes:
        network: The network.
        kind: ``"classes"`` (one output for each), ``"binary"`` (each output yes or no) or ``"values"``.
        loss: What says which targets are right.
        columns: The outputs that are compared with the columns of targets, None: all.
    """

    network: Network
    kind: str
    loss: Loss
    columns: list[int] | None = None

    def samples(self, X: object, y: object) -> Samples:
        """X and y, every value looked at.

        Raises:
            TypeError: They are no real numbers.
            ValueError: They do not fit the network or are not finite.
        """
        net = self.network
        return Checker(net.input_size, net.output_size, net.dtype, self.loss, net.codes).dataset(X, y)

    def probabilities(self, outputs: Array) -> Array:
        """Probabilities of outputs, in float64: themselves, or softmax or sigmoid of logits."""
        return to_probabilities(self.logits(outputs), self.kind)

    def logits(self, outputs: Array) -> Array:
        """Logits of outputs, in float64.

        Where the outputs are probabilities, their logarithms, or log p - log(1 - p); a 0 or a 1 that rounding made
        counts as the number next to it.
        """
        last, z = self.network.output_activation.name, outputs.astype(np.float64)
        limits = np.finfo(self.network.dtype)
        if last == "softmax":
            return np.log(np.maximum(z, float(limits.tiny)))
        if last == "sigmoid":
            z = np.clip(z, float(limits.tiny), 1.0 - float(limits.epsneg))
            return np.log(z) - np.log1p(-z)
        return z


def to_probabilities(logits: Array, kind: str) -> Array:
    """Softmax of each row, or sigmoid of each element, without overflow.

    Example:
        >>> to_probabilities(np.array([[0.0, 0.0]]), "classes").tolist()
        [[0.5, 0.5]]
    """
    if kind == "classes":
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))
    e = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, e) / (1.0 + e)


def network_of(model: object) -> Network:
    """The network of a network or trainer.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(model, Trainer):
        return model.network
    if isinstance(model, Network):
        return model
    raise TypeError(f"expected a bpnative.Network or bpnative.Trainer, got {model!r} ({type(model).__name__})")


def task_of(model: object, y: object, classifier: bool = False) -> Task:
    """What a network or trainer answers: a trainer's loss says it, else the last activation, else the targets.

    Args:
        model: The network or trainer.
        y: The targets; one column of them with several linear outputs is class labels.
        classifier: Whether linear outputs are logits whatever y is: one of yes and no, several of classes.

    Raises:
        TypeError: The model is neither, or y holds no numbers.
        ValueError: The trainer's loss is none of probabilities or numbers.

    Example:
        >>> import bpnative as bp
        >>> task_of(bp.mlp([2, 3, 4]), [0, 1, 3]).kind
        'classes'
    """
    network = network_of(model)
    if isinstance(model, Trainer):
        kind = _KINDS.get(model.loss.targets)
        if kind is None:
            raise ValueError(
                f"expected a trainer whose loss is one of probabilities or numbers, got {model.loss!r}: its outputs "
                f"are neither. Train with 'cross_entropy', 'binary_cross_entropy' or 'mse', or pass the network itself"
            )
        rates = network.output_activation.name == "exponential" or not getattr(model.loss, "log_input", True)
        if model.loss.targets == "counts" and not rates:
            raise ValueError(
                "expected a network whose outputs are counts, got one of their logarithms: end it in "
                "activation='exponential', with which poisson fuses"
            )
        return Task(network, kind, model.loss, model.loss.compared_columns(network.output_size))
    last, columns = network.output_activation.name, network.output_size
    if last in ("softmax", "log_softmax"):
        kind = "classes"
    elif last == "sigmoid":
        kind = "binary"
    elif classifier or columns == 1:
        kind = ("classes" if columns > 1 else "binary") if classifier else "values"
    else:
        target = as_numbers(y, "y")
        kind = "classes" if target.ndim == 1 or target.shape[1:] == (1,) else "values"
    losses: dict[str, Loss] = {"classes": CrossEntropy(), "binary": BinaryCrossEntropy(), "values": MSE()}
    return Task(network, kind, losses[kind])
