"""Frames and series of pandas and polars: the same numbers as arrays, columns by position, names in messages."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp

X = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)
NAMES = ["age", "height", "weight"]


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return pytest.importorskip(request.param, reason=f"{request.param} is not installed")


def frame(library, columns):
    return library.DataFrame(columns)


def columns(x=X):
    return {name: x[:, k] for k, name in enumerate(NAMES)}


def trainer():
    return bp.Trainer(bp.mlp([3, 4, 2], seed=0), "cross_entropy")


def test_a_frame_trains_as_its_array_does(library):
    first, second = trainer(), trainer()
    series = library.Series("label", LABELS) if library.__name__ == "polars" else library.Series(LABELS, name="label")
    first.fit(frame(library, columns()), series, epochs=3, validation_split=0.2)
    second.fit(X, LABELS, epochs=3, validation_split=0.2)
    np.testing.assert_array_equal(first.network.parameters, second.network.parameters)
    np.testing.assert_array_equal(first.network.predict(frame(library, columns())), second.network.predict(X))
    assert first.evaluate(frame(library, columns()), series) == second.evaluate(X, LABELS)


def test_columns_of_several_kinds(library):
    mixed = {"age": np.arange(40), "height": LABELS.astype(bool), "weight": X[:, 2].astype(np.float64)}
    array = np.column_stack([mixed["age"], mixed["height"], mixed["weight"]])
    first, second = trainer(), trainer()
    assert first.evaluate(frame(library, mixed), LABELS) == second.evaluate(array, LABELS)


def test_missing_numbers_are_named_by_column(library):
    values = X[:, 1].astype(float).tolist()
    values[7] = None
    with pytest.raises(ValueError, match=r"finite numbers in X, got nan in row 7, column 1 \('height'\): drop or fill"):
        trainer().fit(frame(library, {**columns(), "height": values}), LABELS)


@pytest.mark.parametrize("kind", ["text", "categories", "dates"])
def test_columns_without_numbers_are_named(library, kind):
    words = ["a", "b"] * 20
    if kind == "categories":
        words = (
            library.Categorical(words)
            if library.__name__ == "pandas"
            else library.Series(words, dtype=library.Categorical)
        )
    if kind == "dates":
        words = np.arange(40).astype("datetime64[D]").astype("datetime64[ms]")
    subject = trainer()
    with pytest.raises(TypeError, match=r"X as real numbers, got dtype .* in column 'height': drop it or encode it"):
        subject.fit(frame(library, {**columns(), "height": words}), LABELS)
    with pytest.raises(TypeError, match=r"\(and 1 more such columns\)"):
        subject.fit(frame(library, {"age": words, "height": words, "weight": X[:, 2]}), LABELS)
    with pytest.raises(TypeError, match="y as real numbers, got dtype"):
        subject.fit(X, frame(library, {"y": words})["y"])
    assert subject.step_count == 0


def test_nullable_numbers_of_pandas():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame({"age": pandas.array(range(40), dtype="Int64"), "height": X[:, 1], "weight": X[:, 2]})
    array = np.column_stack([np.arange(40), X[:, 1], X[:, 2]])
    assert trainer().evaluate(table, pandas.Series(LABELS, dtype="Int64")) == trainer().evaluate(array, LABELS)
    table.loc[3, "age"] = pandas.NA
    with pytest.raises(ValueError, match=r"got nan in row 3, column 0 \('age'\)"):
        trainer().evaluate(table, LABELS)


def test_stratified_split_keeps_frames(library):
    (first, _), (second, labels) = bp.stratified_split(frame(library, columns()), LABELS, fraction=0.25)
    assert type(first) is type(second) is library.DataFrame
    assert (first.shape, second.shape) == ((30, 3), (10, 3))
    np.testing.assert_array_equal(np.asarray(second["age"]) > 0, labels)
