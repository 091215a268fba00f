"""From the arguments of `Trainer.fit` and `evaluate` to what an epoch goes over: all checked, nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import Batches
from .class_weights import class_numbers, with_class_weight
from .data import Checker, check_columns
from .frames import is_frame
from .inputs import check_codes
from .samples import Array, Samples
from .scaled import Scaled, is_on_disk
from .seeds import seed_words
from .sources import WINDOW_BYTES, Augmentation, Source
from .sparse import SparseRows, as_sparse_rows, is_sparse
from .specification import check_number
from .splitting import split_rows

if TYPE_CHECKING:
    from .trainer import Trainer


def training_data(
    trainer: Trainer,
    X: Any,
    y: object,
    epochs: int,
    sample_weight: object,
    class_weight: Any,
    validation_data: Any,
    validation_split: float | None,
    augment: Any,
) -> tuple[Samples | Source | Batches, Samples | Source | None]:
    """What `Trainer.fit` trains on, and what it validates with.

    Raises:
        TypeError: An argument has the wrong type, or data are no real numbers.
        ValueError: Data do not fit the network and the loss, or arguments do not go together.
    """
    checker = trainer._data
    if validation_data is not None and validation_split is not None:
        raise ValueError("expected validation_data or validation_split, got both")
    validation = validation_samples(trainer, validation_data)
    if y is None:
        if hasattr(X, "shape") or hasattr(X, "__dlpack__") or is_frame(X):
            raise TypeError(f"expected y beside X, or batches (X, y) as X; got X of type {type(X).__name__} alone")
        refused = {"sample_weight": sample_weight, "validation_split": validation_split, "augment": augment}
        for name, value in refused.items():
            if value is not None:
                raise ValueError(f"{name} goes with arrays X and y; X is batches here: let them come with it")
        if trainer.accumulate != 1:
            raise ValueError("accumulate goes with arrays X and y: each batch of X is a step here, so make them larger")
        return Batches(X, epochs, class_weight), validation
    x, target, weight = _arrays(checker, X, y, sample_weight)
    trainer.check_metrics(target)
    words = seed_words(trainer._generator)
    augmentation = None if augment is None else Augmentation(augment, [*words, 1], checker.dtype)
    rows = None
    if validation_split is not None:
        fraction = check_number(validation_split, "validation_split", "(0, 1)")
        generator = np.random.default_rng([*words, 2])
        rows, held_out = split_rows(len(x), class_numbers(target, checker.loss), fraction, generator)
        validation = _part(x, target, weight, held_out, checker)
    if class_weight is not None:
        weight = _class_weighted(class_weight, target, weight, rows, checker)
    if rows is None and augmentation is None and isinstance(x, np.ndarray):
        return Samples(x, target, weight), validation
    return Source(x, target, weight, rows, checker.dtype, augmentation, checker.codes, checker.forms), validation


NAMES = ("X", "y", "sample_weight")


def evaluation_data(
    trainer: Trainer, X: Any, y: object, sample_weight: object, names: tuple[str, str, str] = NAMES
) -> Samples | Source:
    """What `Trainer.evaluate` goes over.

    Raises:
        TypeError: Data are no real numbers.
        ValueError: Data do not fit the network and the loss.
    """
    x, target, weight = _arrays(trainer._data, X, y, sample_weight, names)
    trainer.check_metrics(target)
    if isinstance(x, np.ndarray):
        return Samples(x, target, weight)
    checker = trainer._data
    return Source(x, target, weight, None, checker.dtype, codes=checker.codes, forms=checker.forms)


def validation_samples(trainer: Trainer, validation_data: Any) -> Samples | Source | None:
    """(X, y) or (X, y, sample_weight) to validate with, checked; None stays None.

    Raises:
        TypeError: It is no such tuple, or data are no real numbers.
        ValueError: Data do not fit the network and the loss.
    """
    if validation_data is None:
        return None
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        kind = type(validation_data).__name__
        raise TypeError(f"expected validation_data as (X, y) or (X, y, sample_weight), got {kind}")
    X, y, *weight = validation_data
    names = ("X of validation_data", "y of validation_data", "sample_weight of validation_data")
    return evaluation_data(trainer, X, y, weight[0] if weight else None, names)


def _arrays(
    checker: Checker,
    X: Any,
    y: object,
    sample_weight: object,
    names: tuple[str, str, str] = NAMES,
) -> tuple[Array | Scaled | SparseRows, Array, Array | None]:
    """X, y and weights, every value looked at but those of X on disk: they are, when they are read."""
    if is_sparse(X):
        X = as_sparse_rows(X, checker.n_inputs, checker.dtype, names[0], "input_size of the network")
        check_codes(X, checker.codes or {}, names[0])
        return X, *_beside(checker, X, y, sample_weight, names)
    if not isinstance(X, Scaled):
        if not (is_on_disk(X) and X.nbytes > WINDOW_BYTES):
            return checker.dataset(X, y, sample_weight, names)
        X = Scaled(X)
    check_columns(X.array, checker.n_inputs, names[0], "input_size of the network")
    if not X.on_disk:
        source = Source(X, np.empty(0), None, None, checker.dtype, codes=checker.codes)
        block = max(1, 2**20 // checker.n_inputs)
        if X.array.dtype.kind == "f" or checker.codes:
            for start in range(0, len(X), block):
                source.gather(source.rows[start : start + block])
    return X, *_beside(checker, X, y, sample_weight, names)


def _beside(
    checker: Checker, X: Scaled | SparseRows, y: object, sample_weight: object, names: tuple[str, str, str]
) -> tuple[Array, Array | None]:
    """Targets and weights of as many rows as X has, at least one."""
    if len(X) == 0:
        raise ValueError(f"expected {names[0]} with at least one row, got shape {X.shape}")
    target = checker.targets(y, len(X), names[1], every_value=True)
    return target, checker.weights(sample_weight, len(X), names[2])


def _part(
    x: Array | Scaled | SparseRows, y: Array, weight: Array | None, rows: Any, checker: Checker
) -> Samples | Source:
    if isinstance(x, np.ndarray):
        return Samples(x[rows], y[rows], None if weight is None else weight[rows])
    return Source(x, y, weight, rows, checker.dtype, codes=checker.codes, forms=checker.forms)


def _class_weighted(class_weight: Any, y: Array, weight: Array | None, rows: Any, checker: Checker) -> Array | None:
    """Weights of all rows, "balanced" by those that are trained on."""
    settings = (checker.n_outputs, checker.loss, checker.dtype)
    if rows is None:
        return with_class_weight(class_weight, y, weight, *settings)
    part = with_class_weight(class_weight, y[rows], None if weight is None else weight[rows], *settings)
    whole = np.zeros(len(y), checker.dtype)
    whole[rows] = part
    return whole
