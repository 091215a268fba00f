"""What becomes of X, y and weights: no copy where none is needed, the right target for each loss, helpful errors."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from bpnative import data, labels
from bpnative.data import Checker
from bpnative.samples import sample_order

F32 = np.dtype("float32")


def checker(loss="cross_entropy", n_inputs=3, n_outputs=4, dtype="float32"):
    return Checker(n_inputs, n_outputs, np.dtype(dtype), bp.losses.get(loss))


def test_right_arrays_are_passed_on_as_they_are():
    x = np.ones((5, 3), np.float32)
    y = np.zeros(5, np.int32)
    target = np.zeros((5, 4), np.float32)
    weight = np.ones(5, np.float32)
    for array in (x, y, target, weight):
        array.flags.writeable = False
    samples = checker().dataset(x, y, weight)
    assert samples.x is x
    assert np.shares_memory(samples.y, y)
    assert np.shares_memory(samples.weight, weight)
    assert checker("mse").batch(x, target).y is target
    assert checker("mse").dataset(x, target).y is target


def test_memory_maps_are_not_read_into_memory(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((5, 3), np.float32))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(checker().inputs(x), x)


def test_conversions():
    x = np.arange(15).reshape(3, 5).T
    for given in (x, x.tolist(), x.astype(">f8"), x.astype(np.float16), x[::1]):
        got = checker().inputs(given)
        assert got.dtype == F32
        assert got.flags.c_contiguous
        np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "float16", "float64", ">i8", ">f4"])
def test_labels_of_every_type(dtype):
    y = checker().targets(np.array([0, 3, 1], dtype), 3)
    assert y.dtype == np.int32
    assert y.tolist() == [0, 3, 1]
    assert checker().targets(np.array([[0], [3], [1]], dtype), 3).tolist() == [0, 3, 1]


def test_labels_of_bools():
    assert checker(n_outputs=2).targets([True, False], 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("loss", "n_outputs", "y", "expected"),
    [
        ("cross_entropy", 2, [[0, 1], [1, 0]], [[0, 1], [1, 0]]),
        ("cross_entropy", 2, [[0.25, 0.75], [0.5, 0.5]], [[0.25, 0.75], [0.5, 0.5]]),
        ("binary_cross_entropy", 1, [0, 1], [[0], [1]]),
        ("binary_cross_entropy", 1, [True, False], [[1], [0]]),
        ("binary_cross_entropy", 2, [[0, 1], [1, 1]], [[0, 1], [1, 1]]),
        ("mse", 1, [3, 4], [[3], [4]]),
        ("mse", 1, [[3], [4]], [[3], [4]]),
        ("mse", 2, [[3, 4], [5, 6]], [[3, 4], [5, 6]]),
    ],
)
def test_targets_by_loss(loss, n_outputs, y, expected):
    got = checker(loss, n_outputs=n_outputs).targets(y, 2, every_value=True)
    assert got.dtype == F32
    assert got.tolist() == expected


@pytest.mark.parametrize(
    ("loss", "n_outputs", "y", "message"),
    [
        ("cross_entropy", 3, [1, 2, 3], r"labels 0 to 2 in y \(the network has 3 outputs\), got 1 to 3.*pass y - 1"),
        ("cross_entropy", 2, [-1, 1, 1], r"got -1 to 1: for labels -1 and 1 pass \(y > 0\)"),
        ("cross_entropy", 3, [0, 5, 1], "give the last layer 6 units, or renumber"),
        ("cross_entropy", 3, [-2, 0, 1], "renumber them with np.unique"),
        ("cross_entropy", 3, np.array([2**32, 0, 1]), "got 0 to 4294967296"),
        ("cross_entropy", 3, np.array([2**63, 0, 1], np.uint64), "got 0 to 9223372036854775808"),
        ("cross_entropy", 3, [0.0, np.nan, 1.0], "whole numbers, got nan in row 1: drop unlabelled rows"),
        ("cross_entropy", 3, [0.0, 1.5, 1.0], "got 1.5 in row 1: for numbers use loss='mse'"),
        ("cross_entropy", 3, [[0.5, 0.1, 0.4], [1, 1, 0], [0, 0, 1]], "the sum 2 in row 1.*binary_cross_entropy"),
        ("cross_entropy", 3, [[0, 1]] * 3, r"integer labels of shape \(3,\), or one-hot.*\(3, 3\), got shape \(3, 2\)"),
        ("binary_cross_entropy", 1, [-1, 1, 1], r"0 to 1 in y, got -1.0 to 1.0: for labels -1 and 1 pass \(y > 0\)"),
        ("binary_cross_entropy", 1, [1, 2, 1], "for labels 1 and 2 pass y - 1"),
        ("binary_cross_entropy", 3, [0, 1, 2], "for class labels use loss='cross_entropy'"),
        ("mse", 2, [0, 1, 2], r"expected y of shape \(3, 2\).*for one number a sample a last layer of 1 unit"),
        ("mse", 1, [[0, 1]] * 3, r"expected y of shape \(3,\) or \(3, 1\)"),
        ("mse", 1, [0, np.inf, 2], "finite numbers in y, got inf in row 1"),
        ("mse", 1, 3.0, r"expected y with 3 rows, as many as X, got shape \(\)"),
    ],
)
def test_wrong_targets(loss, n_outputs, y, message):
    with pytest.raises(ValueError, match=message):
        checker(loss, n_outputs=n_outputs).targets(y, 3, every_value=True)


def test_the_error_of_a_value_names_its_place_also_in_later_blocks():
    x = np.ones((70_000, 30), np.float32)
    data.check_finite(x, x, "X")
    x[65_432, 7] = np.nan
    with pytest.raises(ValueError, match="got nan in row 65432, column 7: drop or fill such rows"):
        data.check_finite(x, x, "X")
    x[12, 0] = -np.inf
    with pytest.raises(ValueError, match="got -inf in row 12, column 0"):
        data.check_finite(x, x, "X")


def test_finite_numbers_whose_sum_overflows_are_fine():
    x = np.full((100, 3), 3e38, np.float32)
    data.check_finite(x, x, "X")
    assert checker().dataset(x, np.zeros(100, int)).x is x


def test_numbers_beyond_the_type_are_named_as_given():
    x = np.ones((4, 3))
    x[2, 1] = 1e39
    with pytest.raises(ValueError, match=r"got 1e\+39 in row 2, column 1: too large for float32"):
        checker().dataset(x, np.zeros(4, int))
    assert checker(dtype="float64").dataset(x, np.zeros(4, int)).x is x


class Sparse:
    def toarray(self):
        raise AssertionError("a sparse matrix must not be made dense behind the user's back")


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (Sparse(), TypeError, r"dense array, got the sparse Sparse: use .toarray\(\)"),
        (np.ma.masked_equal([[1, 2, 3]], 2), ValueError, "without masked values"),
        ([["a", "b", "c"]], TypeError, "encode strings as numbers"),
        (np.array([[None, 1, 2]]), TypeError, "np.asarray"),
        (np.array([[1j, 1, 2]]), TypeError, "real and imaginary parts"),
        ({"a": 1}, TypeError, "real numbers, got dtype object"),
        (
            np.zeros(3),
            ValueError,
            r"expected X with 3 columns \(input_size of the network\), got shape \(3,\).*None, :",
        ),
        (np.zeros((2, 3, 1)), ValueError, r"X.reshape\(len\(X\), -1\)"),
    ],
)
def test_wrong_inputs(x, error, message):
    with pytest.raises(error, match=message):
        checker().inputs(x)


def test_masked_arrays_without_a_mask_are_arrays():
    assert checker().inputs(np.ma.array(np.ones((2, 3)))).shape == (2, 3)


def test_one_column_is_named_as_one():
    with pytest.raises(ValueError, match=r"expected X with 1 column \(.*pass X\[:, None\]"):
        checker(n_inputs=1).inputs(np.zeros(5))


def test_what_an_object_raises_is_passed_on_in_words():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("on another device")

    with pytest.raises(TypeError, match="expected X as an array of numbers, got Broken: on another device"):
        checker().inputs(Broken())


def test_order_of_samples():
    assert sample_order(4, None).tolist() == [0, 1, 2, 3]
    first, second = (sample_order(50, np.random.default_rng(3)) for _ in range(2))
    assert first.dtype == np.int64
    np.testing.assert_array_equal(first, second)
    assert sorted(first.tolist()) == list(range(50))
    assert first.tolist() != list(range(50))


def test_batch_size_is_at_most_all():
    assert data.check_batch_size(np.int32(7), 100) == 7
    assert data.check_batch_size(2**80, 100) == 100


def test_probabilities_of_half_precision_sum_nearly_to_one():
    rows = np.random.default_rng(0).dirichlet(np.ones(1000), 20).astype(np.float16)
    labels.check_probabilities(rows, True)
