"""The digits that ship with the package, and the reader of IDX files."""

import gzip
import os
import struct
import zlib

import numpy as np
import pytest

from bpnative import datasets

CRC = 0xE7D89AA3  # of the 1,797 rows of 64 pixels and the digit, a byte each
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
NAMES = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def idx(array):
    """The bytes of an IDX file."""
    head = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.fixture
def mnist(tmp_path):
    """A folder of the four files, with 5 and 3 random images, two files gzipped."""
    random = np.random.default_rng(0)
    for part, n in (("train", 5), ("t10k", 3)):
        images = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        write(tmp_path / f"{part}-images-idx3-ubyte", idx(images))
        write(tmp_path / f"{part}-labels-idx1-ubyte.gz", gzip.compress(idx(np.arange(n, dtype=np.uint8))))
    return tmp_path


def test_digits_are_those_of_the_source():
    X, y = datasets.load_digits()
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((1797, 64), np.float32, (1797,), np.int32)
    assert X.flags.c_contiguous
    assert X.flags.writeable
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    pixels = X * 16
    assert (pixels == np.rint(pixels)).all()
    assert (pixels.min(), pixels.max(), int(pixels.sum(dtype=np.float64))) == (0, 16, 561718)
    assert pixels[0].reshape(8, 8)[1].tolist() == [0, 0, 13, 15, 10, 15, 5, 0]
    table = np.column_stack([pixels, y]).astype(np.uint8)
    assert zlib.crc32(table.tobytes()) == CRC


def test_digits_equal_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    X, y = datasets.load_digits()
    expected = sklearn.load_digits()
    np.testing.assert_array_equal(X * 16, expected.data)
    np.testing.assert_array_equal(y, expected.target)


def test_each_call_gives_arrays_of_its_own():
    datasets.load_digits()[0][:] = 7
    assert datasets.load_digits()[0].max() == 1


def test_mnist_is_scaled_and_flat(mnist):
    (X, y), (X_test, y_test) = datasets.load_mnist(mnist)
    assert (X.shape, X.dtype, X_test.shape) == ((5, 784), np.float32, (3, 784))
    assert (y.dtype, y.tolist(), y_test.tolist()) == (np.int32, [0, 1, 2, 3, 4], [0, 1, 2])
    raw = datasets.read_idx(mnist / "train-images-idx3-ubyte")
    np.testing.assert_array_equal(X, raw.reshape(5, 784).astype(np.float32) / np.float32(255))


def test_mnist_takes_the_folder_as_text(mnist):
    assert len(datasets.load_mnist(str(mnist))[0][0]) == 5


def test_mnist_as_bytes(mnist):
    (X, y), (X_test, y_test) = datasets.load_mnist(mnist)
    (stored, labels), (stored_test, test_labels) = datasets.load_mnist(mnist, as_bytes=True)
    assert stored.array.dtype == stored_test.array.dtype == np.uint8
    np.testing.assert_allclose(stored[:], X, rtol=1e-6)
    np.testing.assert_allclose(stored_test[:], X_test, rtol=1e-6)
    np.testing.assert_array_equal(labels, y)
    np.testing.assert_array_equal(test_labels, y_test)


@pytest.mark.parametrize("name", NAMES)
def test_mnist_names_a_missing_file(mnist, name):
    for path in mnist.glob(f"{name}*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=f"expected {name} or {name}.gz in "):
        datasets.load_mnist(mnist)


def test_mnist_names_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="which is no folder"):
        datasets.load_mnist(tmp_path / "absent")


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        (
            "train-images-idx3-ubyte",
            np.zeros((5, 28, 27), np.uint8),
            r"images of \(n, 28, 28\) bytes, got \(5, 28, 27\)",
        ),
        ("train-images-idx3-ubyte", np.zeros((5, 28, 28), np.float32), "bytes, got .* of float32"),
        ("train-images-idx3-ubyte", np.zeros((4, 28, 28), np.uint8), "got 4 images in .* and 5 labels in"),
        ("t10k-images-idx3-ubyte", np.zeros(3, np.uint8), r"got \(3,\) of uint8"),
        ("train-labels-idx1-ubyte", np.array([0, 1, 2, 10, 3], np.uint8), "labels 0 … 9, got 10 at index 3"),
        ("train-labels-idx1-ubyte", np.zeros((5, 1), np.uint8), r"labels of \(n,\) bytes, got \(5, 1\)"),
        ("train-labels-idx1-ubyte", np.zeros(5, np.int32), "got .* of int32"),
    ],
)
def test_mnist_refuses_files_that_are_not_mnist(mnist, name, array, reason):
    write(mnist / name, idx(array))
    with pytest.raises(ValueError, match=reason):
        datasets.load_mnist(mnist)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 0, 3), (0,), (1, 1, 1, 2)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_of_every_type(tmp_path, dtype, shape, pack):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    got = datasets.read_idx(write(tmp_path / "array", pack(idx(array))))
    assert got.dtype == array.dtype
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, array)


GOOD = idx(np.arange(6, dtype=np.int16).reshape(2, 3))
BAD = [
    (b"", "two zero bytes"),
    (b"\0\0\x08", "two zero bytes"),
    (b"PNG\x01" + GOOD[4:], "it starts b'PNG"),
    (b"\0\0\x0a" + GOOD[3:], "element type among .*, got 0x0a"),
    (b"\0\0\x08\0", "1 to 32 dimensions, got 0"),
    (b"\0\0\x08\xff" + bytes(4 * 255), "1 to 32 dimensions, got 255"),
    (GOOD[:9], "ends within its header of 2 dimensions"),
    (GOOD[:-1], "12 bytes, and 11 are there"),
    (GOOD[:12], "12 bytes, and 0 are there"),
    (GOOD + b"\0", "12 bytes, and more follow"),
    (b"\0\0\x08\x04" + b"\xff" * 16, "more than the file can hold"),
    (b"\0\0\x08\x04" + b"\0" * 4 + b"\xff" * 12, "no array can have the shape"),
]


@pytest.mark.parametrize(("content", "reason"), BAD)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_malformed_idx_is_refused_with_the_reason(tmp_path, content, reason, pack):
    if pack is bytes and "are there" in reason:
        reason = "more than the file can hold|are there"
    with pytest.raises(ValueError, match=reason) as caught:
        datasets.read_idx(write(tmp_path / "digits.idx", pack(content)))
    assert "digits.idx" in str(caught.value)


@pytest.mark.parametrize(
    "spoil", [lambda c: c[:-9], lambda c: c[:-5] + b"\0\0\0\0\0", lambda c: c[:20] + b"\xff" * 9 + c[29:]]
)
def test_damaged_gzip_is_refused(tmp_path, spoil):
    array = np.random.default_rng(0).integers(0, 99, 999, dtype=np.uint8)
    path = write(tmp_path / "x.gz", spoil(gzip.compress(idx(array))))
    with pytest.raises(ValueError, match="no valid IDX file"):
        datasets.read_idx(path)


def test_every_truncation_is_refused(tmp_path):
    for content in (GOOD, gzip.compress(GOOD)):
        for length in range(len(content)):
            with pytest.raises(ValueError, match="no valid IDX file"):
                datasets.read_idx(write(tmp_path / "short", content[:length]))


def test_a_false_promise_costs_no_memory(tmp_path):
    content = b"\0\0\x0e\x02" + struct.pack(">II", 2**31, 2**20)
    with pytest.raises(ValueError, match="more than the file can hold"):
        datasets.read_idx(write(tmp_path / "huge.gz", gzip.compress(content)))


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        datasets.read_idx(tmp_path / "absent")
    assert not os.listdir(tmp_path)
