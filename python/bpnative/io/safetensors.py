"""The safetensors format: 8 bytes of length, a JSON header, the data. Nothing in a file is ever executed.

Little-endian u64 N · N bytes of JSON ``{"name": {"dtype": "F32", "shape": […], "data_offsets": [begin, end]}, …,
"__metadata__": {string: string}}`` · the tensors in C order, offsets counted from the end of the header.
Format: https://github.com/huggingface/safetensors, section "Format"; every rule of it is checked before data are read.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from . import atomic
from .atomic import PathLike

Array: TypeAlias = npt.NDArray[Any]

LONGEST_HEADER = 100_000_000
# Names of the format and NumPy's. BF16, which NumPy lacks, is read as the float32 of the same value.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "|b1",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1",
}  # fmt: skip
NAMES = {np.dtype(code).newbyteorder("="): name for name, code in DTYPES.items() if name != "BF16"}


class Entry(NamedTuple):
    """One tensor of a file: its dtype's name, shape, and bytes from begin to end, counted behind the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Header(NamedTuple):
    """What a file holds: its tensors, its metadata, and where the data begin."""

    tensors: dict[str, Entry]
    metadata: dict[str, str]
    data_start: int


def write(path: PathLike, tensors: Mapping[str, npt.ArrayLike], metadata: Mapping[str, str] | None = None) -> None:
    """Write named arrays and strings, all or nothing.

    Args:
        path: The file, replaced if it is there.
        tensors: Arrays of real numbers by name.
        metadata: Strings by name.

    Raises:
        TypeError: A name or a string is none, or an array has a dtype that the format lacks.
        ValueError: A tensor is named ``"__metadata__"``, or the header would be longer than readers accept.
        OSError: The file can't be written; the old one is untouched.

    Example:
        >>> write("two.safetensors", {"a": np.eye(2, dtype=np.float32)}, {"made by": "hand"})
        >>> tensors, metadata = read("two.safetensors")
        >>> tensors["a"].tolist(), metadata
        ([[1.0, 0.0], [0.0, 1.0]], {'made by': 'hand'})
    """
    arrays = {name: _storable(name, values) for name, values in tensors.items()}
    # Larger elements first keeps every tensor aligned to its element, as the format's own writer does.
    arrays = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    for item in (metadata or {}).items():
        if not all(isinstance(text, str) for text in item):
            raise TypeError(f"expected metadata as strings by name, got {item[0]!r}: {item[1]!r}")
    begin = 0
    for name, array in arrays.items():
        end = begin + array.nbytes
        dtype = NAMES[array.dtype.newbyteorder("=")]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LONGEST_HEADER:
        raise ValueError(f"expected a header of at most {LONGEST_HEADER:,} bytes, got {len(text):,}")
    data = (array.reshape(-1).view(np.uint8) for array in arrays.values() if array.size)
    atomic.write(path, (chunk for part in ([struct.pack("<Q", len(text)), text], data) for chunk in part))


def _storable(name: str, values: npt.ArrayLike) -> Array:
    if not isinstance(name, str):
        raise TypeError(f"expected names of tensors as strings, got {name!r}")
    if name == "__metadata__":
        raise ValueError("the format keeps the name '__metadata__' for itself: give the tensor another one")
    array = np.asarray(values)
    if array.dtype.newbyteorder("=") not in NAMES:
        raise TypeError(f"safetensors has no type for {array.dtype} of tensor {name!r}; it has {', '.join(DTYPES)}")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def read(path: PathLike) -> tuple[dict[str, Array], dict[str, str]]:
    """All tensors, new arrays by name, and the metadata.

    Raises:
        ValueError: The file breaks a rule of the format; the message says which.
        OSError: It can't be read.
    """
    with open(path, "rb") as file:
        header = read_header(file)
        return {name: read_tensor(file, header, name) for name in header.tensors}, header.metadata


def read_header(file: BinaryIO) -> Header:
    """What an open file holds, every rule of the format checked; no data are read.

    Raises:
        ValueError: The file breaks a rule of the format.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    first = file.read(8)
    if len(first) < 8:
        raise _malformed(f"it has {len(first)} bytes, the length of its header alone takes 8")
    (length,) = struct.unpack("<Q", first)
    if length > LONGEST_HEADER:
        raise _malformed(f"its header would be {length:,} bytes long, at most {LONGEST_HEADER:,} are accepted")
    if length > size - 8:
        raise _malformed(f"its header would be {length:,} bytes long, the file ends after {size - 8:,}")
    text = file.read(length)
    if len(text) < length:
        raise _malformed("its header is cut off")
    raw = _parse(text)
    metadata = _metadata(raw.pop("__metadata__", {}))
    tensors = {name: _entry(name, value) for name, value in raw.items()}
    _check_ranges(tensors, size - 8 - length)
    return Header(tensors, metadata, 8 + length)


def read_tensor(file: BinaryIO, header: Header, name: str) -> Array:
    """One tensor of a file whose header was read, as a new array in the machine's byte order.

    Raises:
        ValueError: The file has no such tensor, or became shorter meanwhile.
    """
    if name not in header.tensors:
        raise ValueError(f"the file has no tensor {name!r}; it has {', '.join(map(repr, header.tensors)) or 'none'}")
    entry = header.tensors[name]
    array = np.empty(entry.shape, DTYPES[entry.dtype])
    if array.size:
        file.seek(header.data_start + entry.begin)
        buffer = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        done = 0
        while done < len(buffer):  # one call of readinto may stop early on large reads
            count = file.readinto(buffer[done:])  # type: ignore[attr-defined]
            if not count:
                raise _malformed(f"tensor {name!r} is cut off")
            done += count
    if entry.dtype == "BF16":
        return np.asarray((array.astype(np.uint32) << np.uint32(16)).view(np.float32))
    if entry.dtype == "BOOL" and array.size and array.view(np.uint8).max() > 1:
        raise _malformed(f"tensor {name!r} of type BOOL holds bytes other than 0 and 1")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _malformed(reason: str) -> ValueError:
    return ValueError(f"expected a safetensors file, but {reason}")


def _parse(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise _malformed(f"its header begins with {text[:1]!r} instead of b'{{'")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"its header is not UTF-8: {error}") from None
    return parse_json(decoded, "its header", _malformed)


def parse_json(text: str, what: str, error_of: Any = ValueError) -> dict[str, Any]:
    """A JSON object, strictly: no name twice, no NaN or infinity, no text after it; any fault is a ValueError.

    Example:
        >>> parse_json('{"a": [1, 2]}', "the text")
        {'a': [1, 2]}
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"the name {twice!r} stands twice in one object")
        return found

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON")

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise error_of(f"{what} is no valid JSON: {reason}") from None
    if not isinstance(value, dict):
        raise error_of(f"{what} is no JSON object")
    return value


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _malformed("its __metadata__ is no object of strings")
    for key, text in value.items():
        if not isinstance(text, str):
            raise _malformed(f"its __metadata__ holds {key!r}: {type(text).__name__} instead of a string")
    return value


def _entry(name: str, value: object) -> Entry:
    what = f"tensor {name!r}"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _malformed(f"{what} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _malformed(f"{what} has the unknown dtype {dtype!r}; known: {', '.join(DTYPES)}")
    if not _are_sizes(shape):
        raise _malformed(f"{what} has no shape of whole numbers of at least 0")
    if len(shape) > 32:
        raise _malformed(f"{what} has {len(shape)} dimensions, at most 32 are accepted")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _malformed(f"data_offsets of {what} are not [begin, end] with begin <= end")
    # The product of all sizes but zeros: NumPy refuses such a shape even where a size of 0 makes it empty.
    if math.prod(filter(None, shape)) * np.dtype(DTYPES[dtype]).itemsize > 2**62:
        raise _malformed(f"the shape of {what} overflows")
    needed = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if offsets[1] - offsets[0] != needed:
        raise _malformed(f"{what} needs {needed:,} bytes, data_offsets give it {offsets[1] - offsets[0]:,}")
    return Entry(dtype, tuple(shape), offsets[0], offsets[1])


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 <= size < 2**63 for size in value)


def _check_ranges(tensors: Mapping[str, Entry], size: int) -> None:
    """The tensors follow one another from 0 to the end of the file, without holes or overlaps."""
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != end:
            kind = "a hole" if entry.begin > end else "an overlap"
            raise _malformed(f"there is {kind} before tensor {name!r}: it begins at {entry.begin:,}, not at {end:,}")
        end = entry.end
    if end != size:
        raise _malformed(f"its tensors take {end:,} bytes, {size:,} follow the header")
