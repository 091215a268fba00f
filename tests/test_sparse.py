"""Sparse matrices: the same bits as their dense forms give, in memory that does not know of the dense size."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

scipy_sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed: pip install 'bpnative[scipy]'")

import bpnative as bp  # noqa: E402 - after the skip
from bpnative import sparse  # noqa: E402
from bpnative.sparse import SparseRows  # noqa: E402

RNG = np.random.default_rng(0)
N, K = 90, 7
DENSE = np.where(RNG.random((N, K)) < 0.3, RNG.standard_normal((N, K)), 0.0)
DENSE[[3, 4, N - 1]] = 0.0  # rows without an entry
LABELS = (DENSE[:, :3].argmax(axis=1)).astype(np.int32)
WEIGHT = RNG.random(N)
FORMATS = ["csr", "csc", "coo", "bsr", "dia", "dok", "lil"]
KINDS = [f"{name}_{kind}" for name in FORMATS for kind in ("matrix", "array")]


def long_indices(matrix):
    matrix = matrix.copy()
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


def unsorted(matrix):
    """Entries of a row in another order, with three of each place."""
    coo = matrix.tocoo()
    order = RNG.permutation(3 * coo.nnz)
    row, column = (np.tile(part, 3)[order] for part in (coo.row, coo.col))
    values = RNG.standard_normal(3 * coo.nnz).astype(matrix.dtype)
    by_row = np.argsort(row, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=matrix.shape[0]))])
    return scipy_sparse.csr_array((values[by_row], column[by_row], starts), shape=matrix.shape)


def laid_out_otherwise(matrix, change):
    matrix = matrix.copy()
    for name in ("indptr", "indices", "data"):
        setattr(matrix, name, change(getattr(matrix, name)))
    return matrix


def with_gaps(array):
    return np.repeat(array, 2)[::2]


def unaligned(array):
    there = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype)
    there[:] = array
    return there


CSR = scipy_sparse.csr_array(DENSE)
CASES = {
    "int64 indices": long_indices(CSR),
    "unsorted, duplicates": unsorted(CSR),
    "duplicates in float32": unsorted(CSR.astype(np.float32)),
    "coo with duplicates": scipy_sparse.coo_array(
        (RNG.standard_normal(500), (RNG.integers(0, N, 500), RNG.integers(0, K, 500))), shape=(N, K)
    ),
    "explicit zeros and -0": scipy_sparse.csr_array(
        (np.array([0.0, -0.0, 2.0, -0.0]), np.array([0, 1, 2, 3]), np.r_[0, 2, np.full(N - 1, 4)]), shape=(N, K)
    ),
    "too small for float32": scipy_sparse.csr_array(([-1e-300, 1e-300], ([0, 1], [0, 1])), shape=(N, K)),
    "nothing": scipy_sparse.csr_array((N, K)),
    "bytes": scipy_sparse.csr_array((DENSE * 40).astype(np.int8)),
    "booleans": scipy_sparse.csr_array(DENSE > 0),
    "float32": CSR.astype(np.float32),
    "a slice": scipy_sparse.csr_array(np.vstack([DENSE, DENSE]))[N // 2 : N // 2 + N],
    "reversed": CSR[::-1],
    "arrays with gaps": laid_out_otherwise(long_indices(CSR), with_gaps),
    "unaligned": laid_out_otherwise(CSR.astype(np.float32), unaligned),
    "of the other byte order": laid_out_otherwise(CSR, lambda array: array.astype(array.dtype.newbyteorder())),
}


@pytest.fixture(params=[*KINDS, *CASES])
def matrix(request):
    return CASES[request.param] if request.param in CASES else getattr(scipy_sparse, request.param)(DENSE)


def trained(X, dtype="float32", y=LABELS, **settings):
    net = bp.mlp([K, 8, 3], dtype=dtype, seed=0)
    trainer = bp.Trainer(net, "cross_entropy", metrics=["accuracy"])
    history = trainer.fit(X, y, **{"epochs": 3, "batch_size": 16, "progress": False, **settings})
    return net.parameters.copy(), dict(history), trainer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_as_the_dense_form(matrix, dtype):
    dense = matrix.toarray()
    before = [part.copy() for part in vars(matrix).values() if isinstance(part, np.ndarray)]
    (mine, history, trainer), (other, expected, _) = trained(matrix, dtype), trained(dense, dtype)
    np.testing.assert_array_equal(mine, other)
    assert history == expected
    assert trainer.evaluate(matrix, LABELS) == trainer.evaluate(dense, LABELS)
    np.testing.assert_array_equal(trainer.network.predict(matrix), trainer.network.predict(dense))
    after = [part for part in vars(matrix).values() if isinstance(part, np.ndarray)]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new, strict=True)


def test_blocks_are_the_dense_rows_to_the_bit(matrix):
    index = np.r_[RNG.permutation(N), 0, 0, N - 1]
    for dtype in ("float32", "float64"):
        rows, dense = SparseRows(matrix, np.dtype(dtype), "X"), matrix.toarray().astype(dtype)
        assert rows.rows(index).tobytes() == dense[index].tobytes()
        assert rows.part(index).rows(np.arange(len(index))).tobytes() == dense[index].tobytes()
        assert rows[10:20].tobytes() == dense[10:20].tobytes()
        np.testing.assert_array_equal(rows[:, 2], dense[:, 2])
        assert rows.rows(index[:0]).shape == (0, K)


@pytest.mark.parametrize(
    "settings",
    [
        {"validation_split": 0.25},
        {"validation_data": (CSR, LABELS)},
        {"sample_weight": WEIGHT},
        {"class_weight": "balanced"},
        {"shuffle": False, "batch_size": 1000},
        {"augment": lambda x, rng: x + rng.standard_normal(x.shape)},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_goes_with_it(settings):
    np.testing.assert_array_equal(trained(CSR, **settings)[0], trained(DENSE, **settings)[0])
    assert trained(CSR, **settings)[1] == trained(DENSE, **settings)[1]


def test_in_small_blocks(monkeypatch):
    expected = trained(DENSE)
    monkeypatch.setattr(sparse, "BLOCK_VALUES", 3 * K)
    monkeypatch.setattr(bp.sources, "BLOCK_VALUES", 3 * K)
    net = expected[2].network
    mine, history, trainer = trained(CSR)
    np.testing.assert_array_equal(mine, expected[0])
    assert history == expected[1]
    np.testing.assert_array_equal(trainer.network.predict(CSR), net.predict(DENSE))


@pytest.mark.parametrize("first", [[], [bp.Normalize()]], ids=["taken as it is", "made dense"])
def test_checkpoints(first, tmp_path):
    def run(X, **settings):
        net = bp.Network([*first, bp.Dense(8, "relu"), bp.Dense(3)], K, seed=0)
        bp.Trainer(net, "cross_entropy").fit(X, LABELS, validation_split=0.2, progress=False, **settings)
        return net.parameters.copy()

    run(CSR, epochs=2, checkpoint=tmp_path / "run")
    np.testing.assert_array_equal(run(CSR, epochs=4, checkpoint=tmp_path / "run"), run(DENSE, epochs=4))
    with pytest.raises(ValueError, match="data is"):
        run(CSR * 2.0, epochs=5, checkpoint=tmp_path / "run")
    run(DENSE, epochs=5, checkpoint=tmp_path / "run")  # the same data, whatever form they have


def test_split(matrix):
    parts, expected = bp.stratified_split(matrix, LABELS, seed=1), bp.stratified_split(matrix.toarray(), LABELS, seed=1)
    for (mine, y), (dense, other) in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(mine.toarray(), dense)
        np.testing.assert_array_equal(y, other)
    with pytest.raises(ValueError, match=r"the same length, got 90 and \(89,\)"):
        bp.stratified_split(matrix, LABELS[1:])


def test_with_lbfgs_and_codes():
    codes = scipy_sparse.csr_array(np.column_stack([RNG.integers(0, 3, N), DENSE[:, 1]]))
    for optimizer in ("adam", "lbfgs"):
        both = []
        for X in (codes, codes.toarray()):
            net = bp.Network([bp.Embedding({0: 3}), bp.Dense(3)], 2, dtype="float64", seed=0)
            bp.Trainer(net, "cross_entropy", optimizer).fit(X, LABELS, epochs=3, progress=False)
            both.append(net.predict(X))
        np.testing.assert_array_equal(*both)
    for call in (lambda X: bp.Trainer(net, "cross_entropy").fit(X, LABELS, progress=False), net.predict):
        with pytest.raises(ValueError, match=r"codes 0 to 2 in column 0 of X \(Embedding\), got 3.0 in row 5"):
            call(scipy_sparse.csr_array(([3.0], ([5], [0])), shape=(N, 2)))


def broken(kind="csr", **parts):
    matrix = scipy_sparse.csr_array(np.eye(4)).asformat(kind)
    for name, value in parts.items():
        setattr(matrix, name, np.asarray(value))
    return matrix


def broken_lil():
    matrix = scipy_sparse.lil_array(np.eye(4))
    matrix.data[3] = [1.0] * 1000
    return matrix


def broken_blocks(**parts):
    matrix = scipy_sparse.bsr_array(np.eye(4), blocksize=(2, 2))
    for name, value in parts.items():
        setattr(matrix, name, np.asarray(value))
    return matrix


WRONG = {
    "columns": (scipy_sparse.csr_array((5, 3)), r"expected X with 4 columns .*, got shape \(5, 3\)"),
    "one dimension": (scipy_sparse.coo_array(np.ones(4)), r"got shape \(4,\); for one sample"),
    "no rows": (scipy_sparse.csr_array((0, 4)), "at least one row"),
    "rows of y": (scipy_sparse.csr_array((5, 4)), "expected y with 5 rows"),
    "complex": (scipy_sparse.csr_array(np.eye(4) * 1j), "real numbers, got a sparse matrix of dtype complex128"),
    "nan": (scipy_sparse.csr_array([[0, 0, 0, 0], [0, 0, np.nan, 0]]), "got nan in row 1, column 2: drop or fill"),
    "large": (scipy_sparse.csr_array(np.diag([1, 1e300, 1, 1])), "1e.300 in row 1, column 1: too large for float32"),
    "far column": (broken(indices=[0, 1, 2, 4]), "column indices from 0 to 3 in X, got 4"),
    "negative column": (broken(indices=[0, -1, 2, 3]), "column indices from 0 to 3 in X, got -1"),
    "starts that fall": (broken(indptr=[0, 3, 2, 3, 4]), "index arrays that fit its 4 rows"),
    "starts beyond": (broken(indptr=[0, 1, 2, 3, 9]), "index arrays that fit its 4 rows"),
    "few starts": (broken(indptr=[0, 1, 2]), "index arrays that fit its 4 rows"),
    "few values": (broken(data=[1.0]), "index arrays that fit its 4 rows"),
    "values in two dimensions": (broken(data=np.ones((4, 1))), r"data of 1 dimensions, got shape \(4, 1\)"),
    "columns of floats": (broken(indices=[0.0, 1.0, 2.0, 3.0]), "index arrays of whole numbers, got dtype float64"),
    "starts of floats": (broken(indptr=[0, 1, 2, 3, np.nan]), "index arrays of whole numbers, got dtype float64"),
    "columns of booleans": (broken(indices=[False, True, True, False]), "whole numbers, got dtype bool"),
    "coo of floats": (broken("coo", coords=([0.0, 1, 2, 3], np.arange(4))), "whole numbers, got dtype float64"),
    "coo row": (broken("coo", coords=([0, 1, -2, 3], np.arange(4))), "row indices from 0 to 3 in X, got -2"),
    # These would make SciPy's own conversion write beyond its arrays.
    "csc row": (broken("csc", indices=[0, 10**8, 2, 3]), "row indices from 0 to 3 in X, got 100000000"),
    "csc negative row": (broken("csc", indices=[0, -(10**8), 2, 3]), "row indices from 0 to 3 in X, got -100000000"),
    "csc starts": (broken("csc", indptr=[0, 10**9, 2, 3, 4]), "index arrays that fit its 4 columns"),
    "csc values": (broken("csc", data=[1.0]), "index arrays that fit its 4 columns"),
    "bsr block": (broken_blocks(indices=[0, 2]), "block indices from 0 to 1 in X, got 2"),
    "bsr starts": (broken_blocks(indptr=[0, 10**9, 2]), "index arrays that fit its 2 rows of blocks"),
    "bsr values": (broken_blocks(data=np.ones((1, 2, 2))), "index arrays that fit its 2 rows of blocks"),
    "bsr height": (broken_blocks(data=np.ones((2, 3, 2))), r"blocks that fit its shape \(4, 4\), got blocks \(3, 2\)"),
    "dia offsets": (broken("dia", offsets=[0, 1]), "an offset for each of its 1 diagonals"),
    "dia far offset": (broken("dia", offsets=np.array([2**32])), "an offset for each of its 1 diagonals"),
    "lil values": (broken_lil(), "as many column indices as values in each of its 4 rows"),
    "too many to count": (
        scipy_sparse.coo_array(([1.0], ([0], [0])), shape=(2**45, 2**45)),
        r"expected X with 4 columns .*, got shape \(35184372088832, 35184372088832\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_matrices(name):
    X, message = WRONG[name]
    net = bp.mlp([4, 3], seed=0)
    before = net.parameters.copy()
    with pytest.raises((ValueError, TypeError), match=message):
        bp.Trainer(net, "cross_entropy").fit(X, np.zeros(4, np.int32), progress=False)
    np.testing.assert_array_equal(net.parameters, before)


def test_what_takes_one_batch_stays_dense():
    net = bp.mlp([K, 3], seed=0)
    for call in (net.forward, lambda x: bp.Trainer(net, "cross_entropy").step(x, LABELS)):
        with pytest.raises(TypeError, match=r"dense array, got the sparse csr_array: use .toarray\(\)"):
            call(CSR)
    with pytest.raises(TypeError, match="expected y as a dense array"):
        bp.Trainer(net, "cross_entropy").fit(CSR, scipy_sparse.csr_array(LABELS[:, None]), progress=False)
    assert np.isnan(net.predict(scipy_sparse.csr_array(np.full((2, K), np.nan)))).all()


def test_memory_is_that_of_a_batch():
    rows, columns = 20_000, 50_000  # 8 GB of float64, 4 of float32
    entries = rows * columns // 10_000
    matrix = scipy_sparse.coo_array(
        (np.ones(entries, np.float32), (RNG.integers(0, rows, entries), RNG.integers(0, columns, entries))),
        shape=(rows, columns),
    ).tocsr()
    trainer = bp.Trainer(bp.mlp([columns, 2, 1], seed=0), "mse", bp.SGD(0.1), metrics=["mae"])
    tracemalloc.start()
    try:
        trainer.fit(matrix, np.zeros(rows), batch_size=50, progress=False, validation_split=0.1)
        trainer.network.predict(matrix)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200e6
