"""Our safetensors files are read by the safetensors package, and its files by us."""

import numpy as np
import pytest

import bpnative as bp
from bpnative.io import safetensors as ours
from test_safetensors import MALFORMED

theirs = pytest.importorskip("safetensors.numpy")


def arrays():
    random = np.random.default_rng(0)
    codes = {name: code for name, code in ours.DTYPES.items() if name != "BF16"}
    found = {}
    for name, code in codes.items():
        for shape in ((), (0, 3), (5,), (2, 3, 4)):
            found[f"{name} {shape}"] = np.asarray(random.random(shape) * 100).astype(code)
    return found


def test_they_read_ours(tmp_path):
    ours.write(tmp_path / "f", arrays(), {"ä": "ß"})
    found = theirs.load_file(tmp_path / "f")
    assert set(found) == set(arrays())
    for name, array in arrays().items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_we_read_theirs(tmp_path):
    theirs.save_file(arrays(), tmp_path / "f", {"ä": "ß"})
    found, metadata = ours.read(tmp_path / "f")
    assert metadata == {"ä": "ß"}
    for name, array in arrays().items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_models(tmp_path):
    net = bp.mlp([3, 4, 2], seed=0)
    net.save(tmp_path / "m")
    found = theirs.load_file(tmp_path / "m")
    for index, layer in enumerate(net.layers):
        np.testing.assert_array_equal(found[f"layers.{index}.weight"], layer.weight)
        np.testing.assert_array_equal(found[f"layers.{index}.bias"], layer.bias)


# Where we are stricter than the package: names that stand twice, surplus fields, shapes that NumPy can't make.
STRICTER = {
    "a surplus field",
    "flags that are none",
    "a field twice",
    "a name twice",
    "too many dimensions",
    "a space before the header",
}


@pytest.mark.parametrize("attack", sorted(set(MALFORMED) - STRICTER))
def test_what_we_refuse_they_refuse(attack):
    content, reason = MALFORMED[attack]
    if "F8" in reason:
        pytest.skip("a type that NumPy lacks")
    with pytest.raises(Exception, match=r".+"):
        theirs.load(content)
