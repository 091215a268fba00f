"""The numbers behind pictures, which text and matplotlib share; wrong arguments are found here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..data import as_numbers
from ..history import History
from ..lbfgs import LBFGS
from ..network import Network
from ..optimizers import SGD, LearningRate, Optimizer
from ..specification import check_count
from ..trainer import Trainer

Array: TypeAlias = npt.NDArray[Any]


def columns_of(history: object) -> dict[str, list[tuple[str, Array]]]:
    """The columns of a history: for ``"loss"`` and each metric its curves, training first, where there are any.

    Raises:
        TypeError: It is no history, trainer or dict of lists.
        ValueError: It holds no numbers.

    Example:
        >>> columns_of({"loss": [2.0, 1.0], "val_loss": [3.0, 2.0]})
        {'loss': [('training', array([2., 1.])), ('validation', array([3., 2.]))]}
    """
    given = history.history if isinstance(history, Trainer) else history
    if not isinstance(given, Mapping):
        raise TypeError(f"expected the history of a fit, a dict of lists, got {type(history).__name__}")
    found: dict[str, list[tuple[str, Array]]] = {}
    for name, values in given.items():
        column, kind = (name[4:], "validation") if name.startswith("val_") else (name, "training")
        if len(values):
            found.setdefault(column, []).append((kind, np.asarray(values, dtype=np.float64)))
    if not found:
        raise ValueError("expected a history with at least one epoch, got an empty one: call fit first")
    return found


def column_of(history: object, column: str) -> list[tuple[str, Array]]:
    """The curves of one column.

    Raises:
        TypeError: It is no history.
        ValueError: It has no such column; the nearest one is suggested.
    """
    found = columns_of(history)
    if column not in found:
        near = difflib.get_close_matches(str(column), found, n=1, cutoff=0.5)
        suggestion = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"no column {column!r} in the history: {suggestion}It has {', '.join(map(repr, found))}")
    return found[column]


def epochs_of(history: object, count: int) -> Array:
    """The numbers of the epochs, from 1."""
    given = history.history if isinstance(history, Trainer) else history
    known = given.epochs if isinstance(given, History) else []
    return np.asarray(known if len(known) == count else range(count)) + 1


def rates_of(rate: LearningRate | Optimizer | Trainer, steps: int | None) -> Array:
    """The learning rate of each step: of a number, schedule, callable, optimizer or trainer.

    Raises:
        TypeError: It is none of them, or there is no number of steps.
        ValueError: The number of steps is below 1, or a rate is negative or not finite.

    Example:
        >>> rates_of(lambda step: 1.0 / (1 + step), 2).tolist()
        [1.0, 0.5]
    """
    if isinstance(rate, Trainer):
        steps, rate = rate.step_count if steps is None else steps, rate.learning_rate
    if steps is None:
        raise TypeError("expected steps, how many to draw, got none")
    if isinstance(rate, LBFGS):
        raise TypeError("expected a learning rate, got LBFGS, which has none: it searches along each direction")
    optimizer = rate if isinstance(rate, Optimizer) else SGD(learning_rate=rate)
    return optimizer.learning_rates(0, check_count(steps, "steps"))


def confusion_counts(y: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int | None = None) -> Array:
    """How often each label was answered by each: counts (classes, classes), a row for each true label.

    Args:
        y: True labels (n,), or one-hot rows.
        predicted: The labels answered (n,), or a network's outputs (n, classes), whose largest is the answer.
        n_classes: How many; None: as many as there are columns or labels.

    Raises:
        TypeError: They are no numbers.
        ValueError: Lengths differ, or there are labels that are no whole numbers from 0.

    Example:
        >>> confusion_counts([0, 1, 1], [0, 1, 0]).tolist()
        [[1, 0], [1, 1]]
    """
    pair = [_labels(values, what) for values, what in ((y, "y"), (predicted, "predicted"))]
    (truth, columns), (answer, more) = pair
    if len(truth) != len(answer):
        raise ValueError(f"expected predicted with {len(truth)} rows, as many as y, got {len(answer)}")
    largest = max((int(labels.max()) + 1 for labels in (truth, answer) if len(labels)), default=1)
    k = max(largest, columns, more) if n_classes is None else check_count(n_classes, "n_classes")
    if largest > k:
        raise ValueError(f"expected labels 0 to {k - 1}, got {largest - 1}")
    counts = np.zeros((k, k), dtype=np.int64)
    np.add.at(counts, (truth, answer), 1)
    return counts


def _labels(values: npt.ArrayLike, what: str) -> tuple[Array, int]:
    """Labels, and the number of columns that they were the largest of."""
    array = as_numbers(values, what)
    if array.ndim == 2 and array.shape[1] > 1:
        return array.argmax(axis=1), array.shape[1]
    if array.ndim not in (1, 2):
        raise ValueError(f"expected {what} as labels (n,) or rows (n, classes), got shape {array.shape}")
    array = array.reshape(-1)
    labels = array.astype(np.int64) if array.dtype.kind != "f" or np.isfinite(array).all() else None
    if labels is None or (labels != array).any() or (len(labels) and labels.min() < 0):
        raise ValueError(
            f"expected {what} as class labels, whole numbers from 0: of outputs of yes and no pass (output > 0.5)"
        )
    return labels, 0


def names_of(classes: Sequence[object] | None, count: int) -> list[str]:
    """The names of the classes, their numbers where there are none.

    Raises:
        ValueError: There are too many or too few.
    """
    names = list(map(str, range(count) if classes is None else classes))
    if len(names) != count:
        raise ValueError(f"expected classes with {count} names, one for each, got {len(names)}")
    return names


def tensors_of(model: object, gradients: bool, values: npt.ArrayLike | None = None) -> list[tuple[str, Array]]:
    """Each weight or gradient by layer: a name such as ``"0 Dense weight"``, and its values, flat.

    Args:
        model: A network or trainer.
        gradients: Whether gradients are wanted.
        values: Gradients laid out as the network's parameters; None: the network's own.

    Raises:
        TypeError: It is no network or trainer.
        ValueError: It has no parameters, the values have another shape or are not finite, or all gradients are 0.

    Example:
        >>> import bpnative as bp
        >>> [(name, values.size) for name, values in tensors_of(bp.mlp([2, 3, 1], seed=0), False)]
        [('0 Dense weight', 6), ('0 Dense bias', 3), ('1 Dense weight', 3), ('1 Dense bias', 1)]
    """
    network = model.network if isinstance(model, Trainer) else model
    if not isinstance(network, Network):
        raise TypeError(f"expected a bpnative.Network or bpnative.Trainer, got {type(model).__name__}")
    own = network.gradients if gradients else network.parameters
    given = own if values is None else as_numbers(values, "values")
    if given.shape != own.shape:
        raise ValueError(f"expected values of shape {own.shape}, as network.parameters, got {given.shape}")
    found, at = [], 0
    for layer in network.walk():
        for tensor, view in layer.tensors.items():
            part = given[at : at + view.size].astype(np.float64)
            found.append((f"{layer.name} {type(layer.specification).__name__} {tensor}", part))
            at += view.size
    if not found:
        raise ValueError(f"expected a network with parameters, got {network!r}")
    for name, part in found:
        if not np.isfinite(part).all():
            raise ValueError(f"{name} holds NaN or infinity: there is nothing to draw")
    if gradients and not given.any():
        raise ValueError("all gradients are 0: pass those of a batch, trainer.gradients(x, y)[1]")
    return found
