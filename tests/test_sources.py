"""Scaled data, files on disk, parts of X, augmentation: the same numbers as arrays give, in bounded memory."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import bpnative as bp
from bpnative import prepare, scaled, sources
from bpnative.sources import blockwise_order

RNG = np.random.default_rng(0)
N, K = 400, 6
BYTES = RNG.integers(0, 256, (N, K)).astype(np.uint8)
X = BYTES.astype(np.float32) * np.float32(1 / 255)
LABELS = (X[:, :3].argmax(axis=1)).astype(np.int32)
WEIGHT = RNG.random(N).astype(np.float32)


def trainer(**settings):
    return bp.Trainer(bp.mlp([K, 16, 3], seed=0), "cross_entropy", metrics=["accuracy", "log_loss"], **settings)


def trained(X, y=LABELS, **settings):
    """Weights and history of a run."""
    subject = trainer()
    history = subject.fit(X, y, **{"epochs": 3, "batch_size": 32, "progress": False, **settings})
    return subject.network.parameters.copy(), dict(history)


def assert_same(first, second):
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]


def on_disk(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


# ---- Scaled --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "settings", [{}, {"sample_weight": WEIGHT, "class_weight": "balanced", "validation_split": 0.2}]
)
def test_scaled_bytes_train_as_the_floats_do(settings):
    assert_same(trained(bp.Scaled(BYTES, scale=1 / 255), **settings), trained(X, **settings))


def test_scaled_data_evaluate_validate_and_predict():
    subject, data = trainer(), bp.Scaled(BYTES, scale=1 / 255)
    assert subject.evaluate(data, LABELS, sample_weight=WEIGHT) == subject.evaluate(X, LABELS, sample_weight=WEIGHT)
    np.testing.assert_array_equal(subject.network.predict(data), subject.network.predict(X))
    assert_same(trained(X, validation_data=(data, LABELS)), trained(X, validation_data=(X, LABELS)))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float64", ">f4", "bool"])
@pytest.mark.parametrize("target", ["float32", "float64"])
def test_rows_are_converted(dtype, target, monkeypatch):
    monkeypatch.setattr(scaled, "BLOCK_VALUES", 20)  # blocks of 3 rows
    values = RNG.integers(0, 2, (10, K)).astype(dtype)
    scale, offset = np.arange(1, K + 1) / 4, -0.5
    got = bp.Scaled(values, scale, offset).rows(np.array([7, 0, 0, 9, 3]), target)
    assert got.dtype == target
    np.testing.assert_array_equal(got, (values[[7, 0, 0, 9, 3]] * scale + offset).astype(target))


def test_indexing_is_an_arrays():
    data = bp.Scaled(BYTES[:10])
    floats = np.asarray(data)
    assert floats.dtype == np.float32
    for index in (3, -1, slice(2, 9, 3), slice(None, None, -1), [1, 1], np.arange(10) > 4, np.array([-1, 0])):
        np.testing.assert_array_equal(data[index], floats[index])
    with pytest.raises(IndexError):
        data[10]
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(data, copy=False)


def test_scaled_data_stay_small():
    import tracemalloc

    large = np.zeros((50_000, 200), np.uint8)
    labels = np.zeros(len(large), np.int32)
    subject = bp.Trainer(bp.mlp([200, 2], seed=0), "cross_entropy")
    tracemalloc.start()
    try:
        subject.evaluate(bp.Scaled(large), labels)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < large.nbytes * 2  # as floats it has four times as many bytes


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.Scaled(np.zeros(3)), ValueError, r"shape \(n, k\), got shape \(3,\)"),
        (lambda: bp.Scaled([["a"]]), TypeError, "real numbers"),
        (lambda: bp.Scaled(BYTES, scale=[1, 2]), ValueError, "scale of Scaled as one number or 6"),
        (lambda: bp.Scaled(BYTES, offset=np.nan), ValueError, "offset of Scaled as finite"),
        (lambda: trained(bp.Scaled(BYTES[:, :5])), ValueError, r"X with 6 columns.*got shape \(400, 5\)"),
        (lambda: trained(bp.Scaled(BYTES[:0]), LABELS[:0]), ValueError, "at least one row"),
        (lambda: trained(bp.Scaled(BYTES), LABELS[:9]), ValueError, "y with 400 rows"),
        (
            lambda: trained(bp.Scaled(np.where(BYTES == 7, np.nan, 1))),
            ValueError,
            r"finite numbers in X, got nan in row",
        ),
    ],
)
def test_wrong_scaled_data(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---- files on disk -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_a_file_trains_as_its_array_does(tmp_path, dtype):
    array = BYTES.astype(dtype)
    assert_same(trained(on_disk(tmp_path, array)), trained(array))
    assert_same(trained(bp.Scaled(on_disk(tmp_path, array), 1 / 255)), trained(bp.Scaled(array, 1 / 255)))


@pytest.fixture
def small_windows(monkeypatch):
    for module in (sources, prepare):
        monkeypatch.setattr(module, "WINDOW_BYTES", 2400)
    monkeypatch.setattr(sources, "BLOCK_BYTES", 240)


def test_a_large_file_is_gathered_by_blocks(tmp_path, small_windows, monkeypatch):
    array = on_disk(tmp_path, X)
    converted = []
    rows = scaled.Scaled.rows
    monkeypatch.setattr(
        scaled.Scaled, "rows", lambda self, index, *rest: converted.append(index) or rows(self, index, *rest)
    )
    weights, history = trained(array, validation_split=0.1)
    assert_same((weights, history), trained(array, validation_split=0.1))
    assert history["accuracy"][-1] > history["accuracy"][0]
    assert all(len(index) < N for index in converted)
    seen = np.concatenate(converted)
    assert set(seen.tolist()) == set(range(N))
    unshuffled = trained(array, shuffle=False)
    np.testing.assert_array_equal(unshuffled[0], trained(X, shuffle=False)[0])


def test_nan_in_a_large_file_is_found_when_it_is_read(tmp_path, small_windows):
    spoiled = X.copy()
    spoiled[123, 4] = np.nan
    with pytest.raises(ValueError, match="finite numbers in X, got nan in row 123, column 4"):
        trained(on_disk(tmp_path, spoiled))


def test_blockwise_order():
    generator = np.random.default_rng(3)
    plain = np.random.default_rng(3).permutation(1000)
    np.testing.assert_array_equal(blockwise_order(np.arange(1000), 0, generator), plain)
    uneven = np.arange(100_005)
    np.testing.assert_array_equal(np.sort(blockwise_order(uneven, 2**14, np.random.default_rng(3))), uneven)
    rows = np.arange(5, 5 + 1600 * 64)
    order = blockwise_order(rows, 2**14, np.random.default_rng(3))  # 64 rows a block, 128 blocks a window
    np.testing.assert_array_equal(np.sort(order), rows)
    window = 128 * 64
    for start in range(0, len(order), window):
        blocks = (order[start : start + window] - 5) // 64
        assert len(np.unique(blocks)) <= 128, "a window reads whole blocks"
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.3
    assert len(np.unique(order[:100] // 64)) > 50, "neighbours come from many blocks"


# ---- augmentation --------------------------------------------------------------------------------------------------
def test_augmentation_is_what_is_trained_on():
    assert_same(trained(X, augment=lambda x: 2 * x), trained(2 * X))
    assert_same(trained(X, augment=lambda x: x), trained(X))
    assert_same(
        trained(bp.Scaled(BYTES), augment=lambda x: x / 255), trained(BYTES.astype(float), augment=lambda x: x / 255)
    )


def test_each_batch_has_a_generator_of_seed_and_step():
    seen = []

    def jitter(x, rng):
        seen.append((len(x), rng.random()))
        x += rng.standard_normal(x.shape) / 100
        return x

    before = X.copy()
    first = trained(X, augment=jitter, batch_size=150)
    drawn, seen = seen, []
    second = trained(X, augment=jitter, batch_size=150)
    assert_same(first, second)
    assert seen == drawn
    assert [size for size, _ in drawn] == [150, 150, 100] * 3
    assert len({number for _, number in drawn}) == 9
    np.testing.assert_array_equal(X, before)
    subject = trainer()
    subject.fit(X, LABELS, augment=jitter, batch_size=150, epochs=1)
    again = pickle.loads(pickle.dumps(subject))
    again.fit(X, LABELS, augment=jitter, batch_size=150, epochs=2)
    np.testing.assert_array_equal(again.network.parameters, first[0])


@pytest.mark.parametrize(
    ("augment", "error", "message"),
    [
        (3, TypeError, r"augment as a callable\(x\) or callable\(x, rng\), got 3"),
        (lambda x: None, TypeError, "the result of augment"),
        (lambda x: x[:, :2], ValueError, "the result of augment with 6 columns"),
        (lambda x: x[:5], ValueError, "the result of augment with 32 rows like its batch, got 5"),
    ],
)
def test_wrong_augmentation(augment, error, message):
    with pytest.raises(error, match=message):
        trained(X, augment=augment)


# ---- validation split ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("one_hot", [False, True])
def test_validation_split_is_stratified_and_never_trained_on(one_hot):
    labels = np.repeat([0, 1, 2], [300, 80, 20]).astype(np.int32)
    x = np.eye(N, dtype=np.float32)
    target = np.eye(3, dtype=np.float32)[labels] if one_hot else labels
    subject = bp.Trainer(
        bp.Network([bp.Dense(3, weight_initializer="zeros")], input_size=N, seed=0), "cross_entropy", "sgd"
    )
    history = subject.fit(x, target, epochs=2, validation_split=0.25)
    assert len(history["val_loss"]) == 2
    held_out = ~subject.network.layers[0].weight.any(axis=0)  # the columns of rows that made no update
    assert np.bincount(labels[held_out]).tolist() == [75, 20, 5]
    assert history.params["samples"] == 300
    again = subject.network.layers[0].weight.any(axis=0).copy()
    subject.fit(x, target, epochs=2, validation_split=0.25)
    np.testing.assert_array_equal(subject.network.layers[0].weight.any(axis=0), again)


def test_validation_split_of_numbers_and_restored_best_weights():
    target = X[:, :1] * 3
    subject = bp.Trainer(bp.mlp([K, 4, 1], seed=0), "mse", bp.SGD(learning_rate=0.9))
    stopping = bp.EarlyStopping(patience=2)
    history = subject.fit(X, target, epochs=60, validation_split=0.2, callbacks=stopping)
    assert stopping.best_value == min(history["val_loss"])
    assert history["val_loss"].index(stopping.best_value) == stopping.best_epoch


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"validation_split": 0.0}, ValueError, r"validation_split as a finite number in \(0, 1\)"),
        ({"validation_split": 1}, ValueError, "validation_split"),
        ({"validation_split": "0.1"}, TypeError, "validation_split"),
        ({"validation_split": 0.0001}, ValueError, "both parts need at least one row"),
        ({"validation_split": 0.1, "validation_data": (X, LABELS)}, ValueError, "or validation_split, got both"),
    ],
)
def test_wrong_splits(settings, error, message):
    with pytest.raises(error, match=message):
        trained(X, **settings)


def test_stratified_split():
    labels = RNG.permutation(np.repeat([0, 1, 2], [500, 290, 10]))
    x = np.arange(1600).reshape(800, 2)
    for seed in range(5):
        (a, la), (b, lb) = bp.stratified_split(x, labels, fraction=0.3, seed=seed)
        np.testing.assert_array_equal(np.sort(np.concatenate([a[:, 0], b[:, 0]])), x[:, 0])
        np.testing.assert_array_equal(labels[a[:, 0] // 2], la)
        assert np.abs(np.bincount(lb) - [150, 87, 3]).max() <= 1
        assert len(lb) == 240
    first, second = (bp.stratified_split(x, labels, seed=seed)[1][0] for seed in (1, 2))
    assert (first != second).any()
    with pytest.raises(ValueError, match="same length, got 800"):
        bp.stratified_split(x, labels[:5])
    with pytest.raises(ValueError, match="fraction"):
        bp.stratified_split(x, labels, fraction=2)


# ---- class weights -------------------------------------------------------------------------------------------------
def test_class_weights_are_sample_weights():
    counts = np.bincount(LABELS)
    balanced = (N / (3 * counts))[LABELS].astype(np.float32)
    assert_same(trained(X, class_weight="balanced"), trained(X, sample_weight=balanced))
    factors = [0.5, 2.0, 0.0]
    weighted = np.array(factors, np.float32)[LABELS]
    for form in (factors, np.array(factors), dict(enumerate(factors)), {np.int64(0): 0.5, 1: 2, 2: 0}):
        assert_same(trained(X, class_weight=form), trained(X, sample_weight=weighted))
    one_hot = np.eye(3, dtype=np.float32)[LABELS]
    assert_same(trained(X, one_hot, class_weight=factors), trained(X, one_hot, sample_weight=weighted))
    both = (np.array(factors)[LABELS] * WEIGHT).astype(np.float32)
    assert_same(trained(X, class_weight=factors, sample_weight=WEIGHT), trained(X, sample_weight=both))


def test_class_weights_of_one_output():
    y = (LABELS == 2).astype(np.float32)[:, None]
    runs = []
    for settings in ({"class_weight": {1: 3}}, {"sample_weight": np.where(y[:, 0] > 0, 3, 1)}):
        subject = bp.Trainer(bp.mlp([K, 1], seed=0), "binary_cross_entropy")
        runs.append(subject.fit(X, y, epochs=2, **settings)["loss"])
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("class_weight", "error", "message"),
    [
        ("balance", ValueError, "as 'balanced', a dict or an array, got 'balance'"),
        ({3: 1.0}, ValueError, "for classes 0 to 2, got class 3"),
        ([1, 2], ValueError, "with 3 numbers, one a class"),
        ([1, 2, -1], ValueError, "at least 0"),
        ([1, 2, np.nan], ValueError, "finite"),
        ({"a": 1}, ValueError, "got class 'a'"),
        (object(), TypeError, "class_weight as"),
    ],
)
def test_wrong_class_weights(class_weight, error, message):
    with pytest.raises(error, match=message):
        trained(X, class_weight=class_weight)


def test_class_weights_need_classes():
    with pytest.raises(ValueError, match="goes with one class a sample, not with the targets of loss 'mse'"):
        bp.Trainer(bp.mlp([K, 1], seed=0), "mse").fit(X, X[:, 0], class_weight="balanced")


def test_wrong_codes_in_scaled_data_are_refused_as_in_arrays():
    net = bp.Network([bp.Embedding({0: 9}), bp.Dense(int(LABELS.max()) + 1)], 6, seed=0)
    subject = bp.Trainer(net, "cross_entropy")
    right = BYTES % 9
    wrong = right.copy()
    wrong[77, 0] = 9
    subject.fit(bp.Scaled(right), LABELS)
    before = net.parameters.copy()
    for data in (wrong, bp.Scaled(wrong)):
        for call in (subject.fit, subject.evaluate, lambda X, y: subject.fit(right, y, validation_data=(X, y))):
            with pytest.raises(ValueError, match=r"codes 0 to 8 in column 0 of X.*, got 9.0 in row 77"):
                call(data, LABELS)
    np.testing.assert_array_equal(net.parameters, before)
