"""Checking and normalising what users pass as X, y and weights, before anything changes.

Native code takes C-contiguous, aligned arrays of one dtype. Everything that NumPy can read as numbers is accepted and
converted once; an array that is right already is passed on as it is, never copied and never written to.

Two levels: `Checker.dataset` looks at every value (fit, evaluate); `inputs`, `targets` and `weights` look at shapes and
dtypes, and at labels, which native code uses as indices (step, gradients). NaN in a single batch is passed on and seen.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import frames, labels
from .dlpack import unpacked
from .inputs import check_codes
from .losses import Loss
from .samples import Form, Samples
from .specification import check_count

Array = npt.NDArray[Any]


def as_numbers(value: object, what: str) -> Array:
    """Any array-like of real numbers as an ndarray, not copied where it is one, or offers DLPack on the CPU.

    Raises:
        TypeError: It is sparse, or holds strings, objects, dates or complex numbers.
        ValueError: It is masked, or its rows differ in length.

    Example:
        >>> as_numbers([[1, 2], [3, 4]], "X").shape
        (2, 2)
    """
    if hasattr(value, "toarray"):
        raise TypeError(f"expected {what} as a dense array, got the sparse {type(value).__name__}: use .toarray()")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"expected {what} without masked values: fill them, for example with {what}.filled(0)")
    if frames.is_frame(value):
        return frames.frame_numbers(value, what)
    value = unpacked(value, what)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"expected {what} as rows of equal length: {error}") from None
    except Exception as error:
        raise TypeError(f"expected {what} as an array of numbers, got {type(value).__name__}: {error}") from None
    if array.dtype.kind in "buif":
        return array
    advice = {
        "O": f"convert it first, for example with np.asarray({what}, dtype=float)",
        "U": "encode strings as numbers first, for example with np.unique(…, return_inverse=True)",
        "c": "pass real and imaginary parts as separate columns",
    }
    kind = "U" if array.dtype.kind in "ST" else array.dtype.kind
    raise TypeError(
        f"expected {what} as real numbers, got dtype {array.dtype}: {advice.get(kind, 'convert it to numbers first')}"
    )


def as_contiguous(array: Array, dtype: npt.DTypeLike) -> Array:
    """The same values in C order, aligned, of this dtype and the machine's byte order; a copy only where needed.

    Example:
        >>> as_contiguous(np.ones((2, 3), order="F"), np.float32).flags.c_contiguous
        True
    """
    if array.dtype == dtype:
        contiguous = np.ascontiguousarray(array, dtype)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            contiguous = np.ascontiguousarray(array, dtype)
    return contiguous if contiguous.flags.aligned else contiguous.copy()


# Bits of ndarray.flags.num: one look instead of two, for these checks are a good part of a small step.
READY = 0x1 | 0x100  # C-contiguous, aligned
INT32 = np.dtype(np.int32)


def is_ready(value: object, dtype: np.dtype[Any], columns: int) -> bool:
    """Whether native code can take `value` as it is as rows of `columns` numbers: the short way of a single step."""
    return (
        type(value) is np.ndarray
        and value.dtype is dtype
        and value.ndim == 2
        and value.shape[1] == columns
        and value.flags.num & READY == READY
    )


def as_rows(value: object, columns: int, dtype: np.dtype[Any], what: str, owner: str) -> Array:
    """Rows of `columns` numbers, shape (n, columns), as native code takes them.

    Args:
        value: Any array-like.
        columns: How many columns there must be.
        dtype: float32 or float64.
        what: Its name in messages.
        owner: What demands so many columns, for messages.

    Raises:
        TypeError: It holds no real numbers.
        ValueError: Its shape is not (n, columns).

    Example:
        >>> as_rows([[1, 2]], 2, np.dtype("float32"), "X", "input_size of the network")
        array([[1., 2.]], dtype=float32)
    """
    if is_ready(value, dtype, columns):
        return value  # type: ignore[return-value]
    array = as_numbers(value, what)
    check_columns(array, columns, what, owner)
    return as_contiguous(array, dtype)


def check_columns(array: Any, columns: int, what: str, owner: str) -> None:
    """The shape is (n, columns), of an array or of anything else with a shape.

    Raises:
        ValueError: It is another, with what might help.

    Example:
        >>> check_columns(np.ones((3, 2)), 2, "X", "input_size of the network")
    """
    shape: tuple[int, ...] = array.shape
    if len(shape) != 2 or shape[1] != columns:
        advice = ""
        if len(shape) == 1 and shape[0] == columns:
            advice = f"; for one sample pass {what}[None, :]"
        elif len(shape) == 1 and columns == 1:
            advice = f"; for one column pass {what}[:, None]"
        elif len(shape) > 2 and math.prod(shape[1:]) == columns:
            advice = f"; pass {what}.reshape(len({what}), -1)"
        plural = "" if columns == 1 else "s"
        raise ValueError(f"expected {what} with {columns} column{plural} ({owner}), got shape {shape}{advice}")


def check_finite(array: Array, original: object, what: str) -> None:
    """Every value is finite; the error names the first row and column where one is not.

    A sum of each block of rows finds the usual case, no NaN at all, in one pass at the speed of memory.

    Raises:
        ValueError: There is a NaN or an infinity.
    """
    given = as_numbers(original, what) if array.dtype.kind == "f" else array
    if given.dtype.kind in "bui":
        return
    block = max(1, 2**20 // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), block):
        part = array[start : start + block]
        with np.errstate(all="ignore"):
            if math.isfinite(part.sum()):
                continue
        wrong = np.argwhere(~np.isfinite(part))
        if len(wrong):
            place = wrong[0].copy()
            place[0] += start
            where = f"row {place[0]}" + (f", column {place[1]}" if array.ndim == 2 else "")
            where += frames.column_name(original, place[-1])
            value = given.reshape(array.shape)[tuple(place)]
            reason = f"too large for {array.dtype}" if np.isfinite(value) else "drop or fill such rows"
            raise ValueError(f"expected finite numbers in {what}, got {value} in {where}: {reason}")


class Checker:
    """Checks data against one network and one loss.

    Args:
        n_inputs: Columns of X.
        n_outputs: Outputs of the network.
        dtype: The network's dtype.
        loss: What says which targets are right.
        codes: Columns of X that hold codes, and how many codes each has.
        forms: What native code takes as it is beside arrays, see `samples`.

    Example:
        >>> from bpnative.losses import MSE
        >>> checker = Checker(2, 1, np.dtype("float32"), MSE())
        >>> checker.dataset([[1, 2], [3, 4]], [0, 1]).y.tolist()
        [[0.0], [1.0]]
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        dtype: np.dtype[Any],
        loss: Loss,
        codes: Mapping[int, int] | None = None,
        forms: Collection[Form] = (),
    ) -> None:
        self.forms = forms
        self.n_inputs, self.n_outputs, self.dtype, self.loss, self.codes = n_inputs, n_outputs, dtype, loss, codes
        self.n_targets = loss.target_columns(n_outputs)

    def dataset(
        self,
        X: object,
        y: object,
        sample_weight: object = None,
        names: tuple[str, str, str] = ("X", "y", "sample_weight"),
    ) -> Samples:
        """X, y and weights of a whole data set, every value looked at.

        Raises:
            TypeError: Something holds no real numbers.
            ValueError: Shapes, lengths, labels, values or weights are not as the network and the loss need them.
        """
        x = self.inputs(X, names[0])
        check_finite(x, X, names[0])
        target = self.targets(y, len(x), names[1], every_value=True)
        weight = self.weights(sample_weight, len(x), names[2])
        return Samples(x, target, weight)

    def batch(self, x: object, y: object, sample_weight: object = None) -> Samples:
        """One batch for a step: shapes, dtypes and labels looked at, NaN passed on.

        Raises:
            TypeError: Something holds no real numbers.
            ValueError: Shapes, lengths or labels are not as the network and the loss need them.
        """
        short = sample_weight is None and not self.codes and is_ready(x, self.dtype, self.n_inputs)
        if short and is_ready(y, self.dtype, self.n_targets) and len(x) == len(y) > 0:  # type: ignore[arg-type]
            return Samples(x, y, None)  # type: ignore[arg-type]
        rows = self.inputs(x, "x")
        weight = None if sample_weight is None else self.weights(sample_weight, len(rows))
        return Samples(rows, self.targets(y, len(rows)), weight)

    def inputs(self, X: object, what: str = "X") -> Array:
        """X as (n, inputs), n at least 1.

        Raises:
            TypeError: X holds no real numbers.
            ValueError: Wrong columns, or no rows.
        """
        x = as_rows(X, self.n_inputs, self.dtype, what, "input_size of the network")
        if len(x) == 0:
            raise ValueError(f"expected {what} with at least one row, got shape {x.shape}")
        if self.codes:
            check_codes(x, self.codes, what)
        return x

    def targets(self, y: object, n: int, what: str = "y", every_value: bool = False) -> Array:
        """Targets as the loss takes them: int32 labels (n,), or numbers (n, columns).

        Raises:
            TypeError: y holds no real numbers.
            ValueError: Wrong length, shape, labels; with `every_value` also NaN or numbers out of the loss's range.
        """
        if is_ready(y, self.dtype, self.n_targets) and len(y) == n:  # type: ignore[arg-type]
            target: Array = y  # type: ignore[assignment]
        elif not every_value and self._are_labels(y, n):
            return y  # type: ignore[return-value]  # native code looks at each of them before it begins
        else:
            target = self._converted(as_numbers(y, what), n, what)
        if every_value and target.dtype.kind == "f":
            check_finite(target, target, what)
            labels.check_values(self.loss, target, what)
        return target

    def _are_labels(self, y: object, n: int) -> bool:
        return (
            type(y) is np.ndarray
            and y.dtype is INT32
            and y.shape == (n,)
            and y.flags.num & READY == READY
            and self.loss.targets == "classes"
        )

    def explain(self, samples: Samples) -> None:
        """Say more about a batch that native code refused: labels are what it alone has looked at.

        Raises:
            ValueError: A label is out of range.
        """
        if samples.y.dtype == INT32 and self.loss.targets == "classes":
            labels.class_labels(samples.y, self.n_outputs)

    def _converted(self, array: Array, n: int, what: str) -> Array:
        k = self.n_targets
        if array.ndim == 0 or len(array) != n:
            rows = len(array) if array.ndim else f"shape {array.shape}"
            raise ValueError(f"expected {what} with {n} rows, as many as X, got {rows}")
        if self.loss.targets == "any":
            return as_contiguous(array, self.dtype if array.dtype.kind == "f" else array.dtype.newbyteorder("="))
        column = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
        if column and self.loss.targets == "classes":
            return labels.class_labels(array.reshape(n), k, what)
        if column and k == 1:
            return as_contiguous(array.reshape(n, 1), self.dtype)
        if array.ndim != 2 or array.shape[1] != k:
            raise ValueError(labels.shape_advice(self.loss, array.shape, n, k, what, self.n_outputs))
        return as_contiguous(array, self.dtype)

    def weights(self, sample_weight: object, n: int, what: str = "sample_weight") -> Array | None:
        """Weights as (n,), finite and not negative; None stays None.

        Raises:
            TypeError: They are no real numbers.
            ValueError: Wrong length, or a weight that is negative, NaN or infinite.
        """
        if sample_weight is None:
            return None
        self.loss.check_weighted()
        array: Array = sample_weight if type(sample_weight) is np.ndarray else as_numbers(sample_weight, what)
        if array.dtype is not self.dtype:
            array = as_numbers(array, what)
        if array.shape != (n,):
            raise ValueError(f"expected {what} of shape ({n},), one number a sample, got shape {array.shape}")
        weight = as_contiguous(array, self.dtype)
        if n and not (np.minimum.reduce(weight) >= 0 and np.maximum.reduce(weight) < math.inf):  # False with NaN, too
            check_finite(weight, array, what)
            raise ValueError(f"expected {what} of at least 0, got {array.min()} in row {int(array.argmin())}")
        return weight


def check_batch_size(batch_size: object, n: int) -> int:
    """The number of samples of a step, at most all of them; n of 0 says that their number is not known.

    Raises:
        TypeError: It is not a whole number.
        ValueError: It is below 1.

    Example:
        >>> check_batch_size(128, 100)
        100
    """
    return min(check_count(batch_size, "batch_size"), n or sys.maxsize)
