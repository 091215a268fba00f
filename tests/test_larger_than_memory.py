"""Files larger than memory: training, evaluating and predicting take a bounded part of it.

The file is a hole of forty gigabytes, which no disk has to hold; the process may not take 400 MB more than it has.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

import bpnative as bp
from bpnative import scaled
from child import needs_linux, run

CODE = """
import json, resource
path, dtype = PATH, np.dtype(DTYPE)
k = 16384
n = 40 * 2**30 // (k * dtype.itemsize)
with open(path, "wb") as file:
    file.truncate(n * k * dtype.itemsize)
big = np.memmap(path, dtype, "r", shape=(n, k))
labels = np.zeros(n, np.int32)
labels[1::2] = 1
# Half a gigabyte, or a quarter that would take more as float32.
part = slice(n // 2, n // 2 + (2**29 if dtype == "float32" else 2**28) // (k * dtype.itemsize))

def written_memory(name):
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith(name)).split()[1]) * 1024

class Stop(bp.Callback):
    def on_train_begin(self, trainer):
        self.calls, self.seen = 8, 0

    def on_run_end(self, trainer, run):
        self.calls -= 1
        self.seen = run.samples_done
        trainer.stop_training = not self.calls

bp.set_num_threads(2)
limit = written_memory("VmData") + 400 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.ones(2**29, np.uint8)
    raise SystemExit("no limit")
except MemoryError:
    pass
net = bp.mlp([k, 4, 2], seed=0)
trainer, stop = bp.Trainer(net, "cross_entropy", metrics=["accuracy"]), Stop()
seen = []
for X in (big, bp.Scaled(big, scale=0.5, offset=1.0)):
    trainer.fit(X, labels, callbacks=stop, progress=False, validation_data=(big[:1000], labels[:1000]))
    seen.append(stop.seen)
some = big[part]
result = trainer.evaluate(some, labels[part])
assert len(net.predict(some)) == len(some)
assert len(net.predict(bp.Scaled(some, scale=0.5))) == len(some)
print(json.dumps([seen, sorted(result), written_memory("RssAnon") / 2**20]))
"""


@needs_linux
@pytest.mark.not_sanitized("its shadow of memory is larger than the limit")
@pytest.mark.parametrize("dtype", ["float32", "uint8", "float16"])
def test_forty_gigabytes_are_trained_on_in_bounded_memory(dtype, tmp_path):
    code = CODE.replace("PATH", repr(str(tmp_path / "big"))).replace("DTYPE", repr(dtype))
    try:
        seen, names, megabytes = json.loads(run(code))
    finally:
        (tmp_path / "big").unlink()
    print(f"{megabytes:.0f} MB of its own")
    assert all(samples > 32 for samples in seen)
    assert names == ["accuracy", "loss"]


# ---- predicting block by block -------------------------------------------------------------------------------------
RNG = np.random.default_rng(0)
STORED = {
    "bytes": lambda: RNG.integers(0, 255, (700, 6)).astype(np.uint8),
    "halves": lambda: RNG.standard_normal((700, 6)).astype(np.float16),
    "big-endian": lambda: RNG.standard_normal((700, 6)).astype(">f4"),
    "columns": lambda: np.asfortranarray(RNG.standard_normal((700, 6)).astype(np.float32)),
    "every other": lambda: RNG.standard_normal((1400, 6)).astype(np.float32)[::2],
    "scaled": lambda: bp.Scaled(RNG.integers(0, 255, (700, 6)).astype(np.uint8), scale=1 / 255, offset=-0.5),
    "as it is": lambda: RNG.standard_normal((700, 6)).astype(np.float32),
}


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_stored_otherwise_is_predicted_as_its_numbers(kind, dtype, monkeypatch):
    monkeypatch.setattr(scaled, "STORED_VALUES", 1000)  # blocks of 256 rows
    net, X = bp.mlp([6, 5, 2], seed=0, dtype=dtype), STORED[kind]()
    numbers = X.rows(np.arange(700), dtype) if kind == "scaled" else np.ascontiguousarray(X, dtype)
    assert scaled.is_stored(X, 6, net.dtype) == (not (kind == "as it is" and dtype == "float32"))
    np.testing.assert_array_equal(net.predict(X), net.predict(numbers))
    with pytest.raises(ValueError, match="X with 6 columns"):
        net.predict(X[:, :5] if kind != "scaled" else bp.Scaled(X.array[:, :5]))


@pytest.mark.parametrize("first", ["Dense", "Embedding"])
def test_few_scaled_rows_have_the_bits_of_many(first, monkeypatch):
    """float32 between the stored numbers and a float64 network would round them."""
    monkeypatch.setattr(scaled, "STORED_VALUES", 1000)
    layers = [bp.Embedding({0: 255})] if first == "Embedding" else []
    net = bp.Network([*layers, bp.Dense(2)], 6, seed=0, dtype="float64")
    stored = RNG.integers(0, 255, (700, 6)).astype(np.uint8)
    scale = np.where(np.arange(6), 1 / 255, 1)
    many = net.predict(bp.Scaled(stored, scale))
    np.testing.assert_array_equal(net.predict(bp.Scaled(stored[:10], scale)), many[:10])
    np.testing.assert_array_equal(many, net.predict(stored * scale))
    assert net.predict(bp.Scaled(stored[:0], scale)).shape == (0, 2)


def test_codes_are_looked_at_block_by_block(monkeypatch):
    monkeypatch.setattr(scaled, "STORED_VALUES", 1000)
    blocks = []
    as_contiguous = scaled.as_contiguous
    monkeypatch.setattr(scaled, "as_contiguous", lambda x, dtype: blocks.append(len(x)) or as_contiguous(x, dtype))
    net = bp.Network([bp.Embedding({0: 9}), bp.Dense(2)], 6, seed=0)
    stored = RNG.integers(0, 9, (700, 6)).astype(np.uint8)
    np.testing.assert_array_equal(net.predict(stored), net.predict(stored.astype(np.float32)))
    assert blocks == [256, 256, 188]
    stored[600, 0] = 9
    with pytest.raises(ValueError, match=r"codes 0 to 8 in column 0 of X \(Embedding\), got 9.0 in row 600"):
        net.predict(stored)
