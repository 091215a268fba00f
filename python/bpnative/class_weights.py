"""Class weights: factors of the loss by class, turned into weights of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .losses import Loss

Array = npt.NDArray[Any]
ClassWeight: TypeAlias = "str | Mapping[Any, float] | npt.ArrayLike | None"


def class_numbers(y: Array, loss: Loss) -> npt.NDArray[np.intp] | None:
    """The class of each sample where targets are classes: labels, one-hot rows, or one column of 0 and 1.

    None where they are not: numbers, or several labels a sample.

    Example:
        >>> from bpnative.losses import CrossEntropy
        >>> class_numbers(np.array([[0.0, 1.0], [1.0, 0.0]]), CrossEntropy())
        array([1, 0])
    """
    if y.ndim == 1:
        return y.astype(np.intp)
    if loss.targets == "classes":
        return np.asarray(y.argmax(axis=1))
    if y.shape[1] == 1 and ((y == 0) | (y == 1)).all():
        return y[:, 0].astype(np.intp)
    return None


def check_class_weight(class_weight: ClassWeight, n_classes: int) -> Array | None:
    """The factor of each class (n_classes,), float64; None for "balanced", which depends on the data.

    Raises:
        TypeError: It is none of the forms.
        ValueError: A class is unknown, a weight negative or not finite, or their number is wrong.

    Example:
        >>> check_class_weight({1: 5.0}, 3)
        array([1., 5., 1.])
    """
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"expected class_weight as 'balanced', a dict or an array, got {class_weight!r}")
        return None
    factors = np.ones(n_classes)
    if isinstance(class_weight, Mapping):
        for label, weight in class_weight.items():
            if label not in range(n_classes):
                raise ValueError(f"expected class_weight for classes 0 to {n_classes - 1}, got class {label!r}")
            factors[int(label)] = weight
    else:
        try:
            factors = np.array(class_weight, np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"expected class_weight as 'balanced', a dict or an array, got {class_weight!r}") from None
    if factors.shape != (n_classes,):
        raise ValueError(f"expected class_weight with {n_classes} numbers, one a class, got shape {factors.shape}")
    if not (np.isfinite(factors) & (factors >= 0)).all():
        raise ValueError(f"expected class_weight as finite numbers of at least 0, got {factors.tolist()}")
    return factors


def with_class_weight(
    class_weight: ClassWeight, y: Array, weight: Array | None, n_outputs: int, loss: Loss, dtype: np.dtype[Any]
) -> Array | None:
    """Weights of samples times the factors of their classes.

    ``"balanced"`` gives class c the factor n / (classes that occur · samples of c), as in scikit-learn, so that all
    classes have the same sum and the mean factor is 1.

    Raises:
        TypeError: As of `check_class_weight`.
        ValueError: As of `check_class_weight`, or the targets are no classes.

    Example:
        >>> from bpnative.losses import CrossEntropy
        >>> with_class_weight("balanced", np.array([0, 0, 0, 1]), None, 2, CrossEntropy(), np.dtype("float64"))
        array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    if class_weight is None:
        return weight
    classes = class_numbers(y, loss)
    if classes is None:
        raise ValueError(f"class_weight goes with one class a sample, not with the targets of loss {loss.name!r} here")
    n_classes = max(n_outputs, 2)
    factors = check_class_weight(class_weight, n_classes)
    if factors is None:
        counts = np.bincount(classes, minlength=n_classes)
        factors = len(classes) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    by_sample = factors[classes]
    return (by_sample if weight is None else by_sample * weight).astype(dtype)
