"""Handwritten digits to train on: a small set that ships with the package, and readers for the MNIST file format.

>>> import bpnative as bp
>>> X, y = bp.datasets.load_digits()
>>> X.shape, y.shape
((1797, 64), (1797,))
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast, overload

import numpy as np
import numpy.typing as npt

from .scaled import Scaled

__all__ = ["load_digits", "load_mnist", "read_idx"]

Samples: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]
ScaledSamples: TypeAlias = tuple[Scaled, npt.NDArray[np.int32]]

# The third byte of an IDX file names the type of its elements, which are stored big-endian.
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_LIMIT = 1032  # no deflate stream expands more than this, so a header that promises more is false


def load_digits() -> Samples:
    """Return the 1,797 handwritten digits of 8 × 8 pixels that ship with the package.

    Returns:
        ``(X, y)``: ``X`` is float32 of shape (1797, 64), one image a row, 0 is paper and 1 is full ink (the original
        integers 0 … 16 divided by 16, which is exact); ``y`` is int32 of shape (1797,), the digit 0 … 9. The order is
        that of the source: shuffle before you split.

    Source: the test set of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine
    Learning Repository, 1998, https://doi.org/10.24432/C50P49, licensed CC BY 4.0. Digits of 13 people; each pixel
    counts the ink in a 4 × 4 block of a 32 × 32 bitmap.

    >>> import bpnative as bp
    >>> X, y = bp.datasets.load_digits()
    >>> print(y[:5], X.min(), X.max())
    [0 1 2 3 4] 0.0 1.0
    """
    table = read_idx(Path(__file__).with_name("_data") / "digits.idx.gz")  # rows of 64 pixels and the digit
    return np.multiply(table[:, :64], np.float32(1 / 16), dtype=np.float32), table[:, 64].astype(np.int32)


@overload
def load_mnist(folder: str | os.PathLike[str], *, as_bytes: Literal[False] = ...) -> tuple[Samples, Samples]: ...
@overload
def load_mnist(folder: str | os.PathLike[str], *, as_bytes: Literal[True]) -> tuple[ScaledSamples, ScaledSamples]: ...
def load_mnist(
    folder: str | os.PathLike[str], *, as_bytes: bool = False
) -> tuple[Samples, Samples] | tuple[ScaledSamples, ScaledSamples]:
    """Read MNIST, or a set of the same form such as Fashion-MNIST, from the four IDX files in ``folder``.

    The files are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
    ``t10k-labels-idx1-ubyte``, each plain or gzipped (with ``.gz`` at the end). They are not downloaded for you.

    Args:
        folder: where the files are.
        as_bytes: leave the pixels as the bytes that they are, in a `Scaled`: a quarter of the memory, and read sooner.

    Returns:
        ``((X, y), (X_test, y_test))``: ``X`` is float32 of shape (n, 784), pixels 0 … 255 scaled to 0 … 1; ``y`` is
        int32 of shape (n,), classes 0 … 9.

    Raises:
        FileNotFoundError: a file is missing; the message names it.
        ValueError: a file is malformed, or its images and labels do not belong together; the message says why.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86, 1998.
    """
    base = Path(folder)
    if not base.is_dir():
        raise FileNotFoundError(f"expected a folder with the four MNIST files, got {str(base)!r}, which is no folder")
    train, test = _load_pair(base, "train"), _load_pair(base, "t10k")
    if as_bytes:
        return (Scaled(train[0], scale=1 / 255), train[1]), (Scaled(test[0], scale=1 / 255), test[1])
    return _as_floats(*train), _as_floats(*test)


def _as_floats(pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32]) -> Samples:
    return np.divide(pixels, np.float32(255), dtype=np.float32), labels


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read one IDX file, plain or gzipped (told by its content, not by its name), and check all of it.

    An IDX file is two zero bytes, a byte for the type of the elements, a byte for the number of dimensions, each
    dimension as a big-endian 32-bit integer, then the elements in C order, big-endian.

    Args:
        path: the file.

    Returns:
        A new array in the machine's own byte order.

    Raises:
        ValueError: the file is malformed, truncated or longer than its header says; the message says which.
        OSError: the file cannot be read.

    Source: the description of the format on http://yann.lecun.com/exdb/mnist/.
    """
    try:
        with open(path, "rb") as file:
            stored = file.seek(0, os.SEEK_END)
            file.seek(0)
            compressed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if not compressed:
                return _parse_idx(file, path, stored)
            with gzip.GzipFile(fileobj=file) as plain:
                return _parse_idx(cast(BinaryIO, plain), path, stored * _DEFLATE_LIMIT)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _malformed(path, f"its gzip compression is damaged or cut short ({error})") from error


def _parse_idx(file: BinaryIO, path: str | os.PathLike[str], most_bytes: int) -> npt.NDArray[Any]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise _malformed(path, f"expected two zero bytes, a type and a number of dimensions, it starts {head!r}")
    if head[2] not in _IDX_TYPES:
        known = ", ".join(f"0x{code:02x}" for code in _IDX_TYPES)
        raise _malformed(path, f"expected an element type among {known}, got 0x{head[2]:02x}")
    dimensions = head[3]
    if not 1 <= dimensions <= 32:
        raise _malformed(path, f"expected 1 to 32 dimensions, got {dimensions}")
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise _malformed(path, f"it ends within its header of {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", sizes)
    dtype = np.dtype(_IDX_TYPES[head[2]])
    promised = math.prod(shape) * dtype.itemsize
    if promised > most_bytes:  # checked before memory is asked for: a damaged header may promise anything
        raise _malformed(path, f"its header promises shape {shape}, {promised} bytes, more than the file can hold")
    try:
        array = np.empty(shape, dtype)
    except ValueError as error:  # a size of 0 beside sizes that overflow
        raise _malformed(path, f"no array can have the shape {shape} of its header") from error
    got = _read_into(file, array.reshape(-1).view(np.uint8).data)
    if got < promised:
        raise _malformed(path, f"its header promises shape {shape}, {promised} bytes, and {got} are there")
    if file.read(1):
        raise _malformed(path, f"its header promises shape {shape}, {promised} bytes, and more follow")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_into(file: BinaryIO, buffer: memoryview) -> int:
    got = 0
    while got < len(buffer):
        count = cast(Any, file).readinto(buffer[got:])
        if not count:
            break
        got += count
    return got


def _load_pair(folder: Path, part: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    images_path, labels_path = _find(folder, f"{part}-images-idx3-ubyte"), _find(folder, f"{part}-labels-idx1-ubyte")
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise _malformed(images_path, f"expected images of (n, 28, 28) bytes, got {images.shape} of {images.dtype}")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise _malformed(labels_path, f"expected labels of (n,) bytes, got {labels.shape} of {labels.dtype}")
    if len(images) != len(labels):
        raise ValueError(
            f"expected one label an image, got {len(images)} images in {str(images_path)!r} and {len(labels)} labels "
            f"in {str(labels_path)!r}; take both from the same set"
        )
    if labels.size and int(labels.max()) > 9:
        raise _malformed(labels_path, f"expected labels 0 … 9, got {int(labels.max())} at index {labels.argmax()}")
    return images.reshape(len(images), 28 * 28), labels.astype(np.int32)


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"expected {name} or {name}.gz in {str(folder)!r}, found neither; put the file there")


def _malformed(path: str | os.PathLike[str], reason: str) -> ValueError:
    return ValueError(f"{os.fspath(path)!r} is no valid IDX file: {reason}; fetch or write the file anew")
