"""The reader of safetensors files: every rule of the format, the attacks that its authors name, and mutated bytes."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import stat
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpnative as bp
from bpnative.io import atomic, safetensors

GOOD = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}


def file_of(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(**changes: object) -> dict[str, object]:
    return {"a": GOOD["a"] | changes}


DATA = np.arange(4, dtype="<f4").tobytes()
TWO = {"a": GOOD["a"], "b": {"dtype": "U8", "shape": [2], "data_offsets": [16, 18]}}
MALFORMED = {
    "empty": (b"", "0 bytes"),
    "seven bytes": (b"\0" * 7, "7 bytes"),
    "a header longer than the file": (file_of(GOOD, DATA, 10**6), "file ends after"),
    "a header that is too large": (file_of(GOOD, DATA, 2**40), "at most 100,000,000"),
    "the largest length": (file_of(GOOD, DATA, 2**64 - 1), "at most 100,000,000"),
    "a header cut in the middle": (file_of(GOOD, b"", 20), "no valid JSON"),
    "no header": (file_of(b""), "begins with b''"),
    "a space before the header": (file_of(b" {}"), "begins with b' '"),
    "a list": (file_of([]), "begins with"),
    "text behind the header": (file_of(b"{}x"), "no valid JSON"),
    "no UTF-8": (file_of(b'{"\xff":1}'), "not UTF-8"),
    "deep nesting": (file_of(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "nested too deeply"),
    "a name twice": (file_of(b'{"a":1,"a":2}'), "'a' stands twice"),
    "a field twice": (file_of(b'{"a":{"dtype":"F32","dtype":"F32"}}'), "'dtype' stands twice"),
    "NaN": (file_of(b'{"a":NaN}'), "NaN is no JSON"),
    "a huge number": (file_of(b'{"a":' + b"9" * 5000 + b"}"), "no valid JSON|not described"),
    "metadata of numbers": (file_of({"__metadata__": {"x": 1}}), "int instead of a string"),
    "metadata that is a list": (file_of({"__metadata__": []}), "no object of strings"),
    "a tensor that is a number": (file_of({"a": 1}), "not described"),
    "a missing field": (file_of({"a": {"dtype": "F32", "shape": []}}), "not described"),
    "a surplus field": (file_of(entry(stride=[1])), "not described"),
    "an unknown dtype": (file_of(entry(dtype="F8_E4M3"), DATA), "unknown dtype 'F8_E4M3'"),
    "a dtype that is a list": (file_of(entry(dtype=["F32"]), DATA), "unknown dtype"),
    "a negative size": (file_of(entry(shape=[-2, -2]), DATA), "no shape"),
    "a fraction": (file_of(entry(shape=[2.0, 2]), DATA), "no shape"),
    "a flag as size": (file_of(entry(shape=[True, 4]), DATA), "no shape"),
    "an overflowing shape": (file_of(entry(shape=[2**32, 2**32]), DATA), "overflows"),
    "an overflow that comes out at 0": (file_of(entry(shape=[2**62, 4, 0], data_offsets=[0, 0])), "overflows"),
    "too many dimensions": (file_of(entry(shape=[1] * 100), DATA), "dimensions"),
    "offsets that are none": (file_of(entry(data_offsets=[0]), DATA), "data_offsets"),
    "offsets backwards": (file_of(entry(data_offsets=[16, 0]), DATA), "data_offsets"),
    "negative offsets": (file_of(entry(data_offsets=[-16, 0]), DATA), "data_offsets"),
    "offsets that overflow": (file_of(entry(data_offsets=[2**63, 2**63 + 16]), DATA), "data_offsets"),
    "fewer bytes than the shape": (file_of(entry(data_offsets=[0, 12]), DATA[:12]), "needs 16 bytes"),
    "a hole at the start": (file_of(entry(data_offsets=[4, 20]), DATA + b"1234"), "a hole before tensor 'a'"),
    "an overlap": (file_of({"a": GOOD["a"], "b": GOOD["a"]}, DATA), "an overlap before"),
    "a hole between": (file_of({"a": GOOD["a"], "b": TWO["b"] | {"data_offsets": [17, 19]}}, DATA + b"123"), "a hole"),
    "bytes behind the last tensor": (file_of(GOOD, DATA + b"x"), "17 follow the header"),
    "data cut off": (file_of(GOOD, DATA[:-1]), "15 follow the header"),
    "no data": (file_of(GOOD), "0 follow the header"),
    "flags that are none": (file_of({"a": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}, b"\1\2"), "BOOL"),
}


@pytest.mark.parametrize("attack", MALFORMED)
def test_a_malformed_file_is_refused_with_the_reason(attack, tmp_path):
    content, reason = MALFORMED[attack]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        safetensors.read(path)
    with pytest.raises(ValueError, match="expected"):
        bp.load(path)


def test_what_is_well_formed_is_read(tmp_path):
    path = tmp_path / "good.safetensors"
    bits = np.array([0x3F80, 0xC040], "<u2")
    header = {"h": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}, "e": TWO["b"] | {"shape": [0, 2]}}
    header["e"] |= {"data_offsets": [4, 4]}
    path.write_bytes(file_of(json.dumps(header).encode() + b"   ", bits.tobytes()))
    tensors, metadata = safetensors.read(path)
    assert metadata == {}
    assert tensors["h"].tolist() == [1.0, -3.0]
    assert tensors["h"].dtype == np.float32
    assert tensors["e"].shape == (0, 2)
    path.write_bytes(file_of({}))
    assert safetensors.read(path) == ({}, {})


@pytest.mark.parametrize("name", sorted(set(safetensors.NAMES.values())))
def test_every_dtype_comes_back(name, tmp_path):
    path = tmp_path / "x.safetensors"
    for shape in ((), (0,), (3, 1, 2)):
        array = np.arange(np.prod(shape)).reshape(shape).astype(safetensors.DTYPES[name])
        swapped = array.astype(array.dtype.newbyteorder(">"))
        safetensors.write(
            path, {"x": array, "swapped": swapped, "strided": np.repeat(array[None], 4, 0)[::2]}, {"ä": "ß"}
        )
        tensors, metadata = safetensors.read(path)
        assert metadata == {"ä": "ß"}
        for found, expected in ((tensors["x"], array), (tensors["swapped"], array), (tensors["strided"][0], array)):
            assert found.dtype == array.dtype
            assert found.shape == shape
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("tensors", "metadata", "error"),
    [
        ({"a": np.array(["x"])}, None, TypeError),
        ({"a": np.ones(1, complex)}, None, TypeError),
        ({"a": None}, None, TypeError),
        ({1: np.ones(1)}, None, TypeError),
        ({"__metadata__": np.ones(1)}, None, ValueError),
        ({}, {"a": 1}, TypeError),
    ],
)
def test_what_the_format_lacks_is_not_written(tensors, metadata, error, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_text("old")
    with pytest.raises(error):
        safetensors.write(path, tensors, metadata)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.safetensors"]


# ---- bytes changed at random: a right answer or a ValueError ---------------------------------------------------------
@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    bp.Network([bp.Dense(3, activation="relu"), bp.Dense(2)], 4, seed=0).save(path)
    return path


edits = st.lists(
    st.tuples(st.sampled_from(["set", "cut", "insert", "delete"]), st.floats(0, 1), st.binary(min_size=1, max_size=9)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=400)
@given(edits=edits)
def test_mutated_files_are_read_or_refused(model, edits):
    content = bytearray(model.read_bytes())
    for kind, place, piece in edits:
        at = int(place * len(content))
        if kind == "set":
            content[at : at + len(piece)] = piece
        elif kind == "cut":
            del content[at:]
        elif kind == "insert":
            content[at:at] = piece
        else:
            del content[at : at + len(piece)]
    path = model.with_name("mutated.safetensors")
    path.write_bytes(content)
    for read in (safetensors.read, bp.load):
        with contextlib.suppress(ValueError):
            read(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(path=st.lists(st.integers(0, 30), min_size=1, max_size=6), value=json_values)
def test_descriptions_with_anything_in_any_place_are_read_or_refused(model, path, value):
    tensors, metadata = safetensors.read(model)
    description = json.loads(metadata["bpnative"])
    place = description
    for step in path:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        if not len(keys):
            break
        key = keys[step % len(keys)]
        if step == path[-1] or not isinstance(place[key], (dict, list)):
            place[key] = value
            break
        place = place[key]
    target = model.with_name("described.safetensors")
    safetensors.write(target, tensors, {"bpnative": json.dumps(description)})
    with contextlib.suppress(ValueError):
        bp.load(target)


# ---- all or nothing --------------------------------------------------------------------------------------------------
def test_mode_bits_are_as_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        atomic.write(tmp_path / "f", [b"x"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_devices_and_pipes_stay_what_they_are(tmp_path):
    """Written as root to /dev/null, a file would take its place for everybody."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match=f"got the device or pipe '.*{name}'"):
            atomic.write(tmp_path / name, [b"x"])
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_link_is_followed_and_leftovers_are_taken_over(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / ".target.tmp").write_bytes(b"left by a writer that was killed" * 9)
    atomic.write(tmp_path / "link", [b"new"])
    assert (tmp_path / "target").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    def chunks():
        yield b"half"
        raise RuntimeError("stop")

    atomic.write(tmp_path / "f", [b"old"])
    with pytest.raises(RuntimeError):
        atomic.write(tmp_path / "f", chunks())
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_folders_that_are_none_are_an_os_error(tmp_path):
    for path in (tmp_path, tmp_path / "missing" / "f", "/proc/version/f"):
        with pytest.raises(OSError, match=r"folder|No such|Not a directory"):
            bp.mlp([1, 1]).save(path)
    with pytest.raises(FileNotFoundError):
        bp.load(tmp_path / "missing")


def test_a_full_disk_is_an_os_error_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.safetensors"
    bp.mlp([3, 2], seed=0).save(path)
    before = path.read_bytes()
    code = """
import resource, signal, sys
import bpnative as bp
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
net = bp.mlp([300, 300], seed=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    net.save(sys.argv[1])
except OSError as error:
    print("refused", error.errno)
"""
    result = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=240)
    assert result.stdout.startswith("refused"), result.stderr
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.not_sanitized("memory is limited")
def test_a_small_file_cannot_ask_for_much_memory(model, tmp_path):
    tensors, metadata = safetensors.read(model)
    text = metadata["bpnative"].replace('"units": 3', '"units": 2000000000')
    assert text != metadata["bpnative"]
    safetensors.write(tmp_path / "f", tensors, {"bpnative": text})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="parameters of shape"):
        bp.load(tmp_path / "f")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
