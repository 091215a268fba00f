"""Tables: what becomes of columns that are known, scores, and models in files."""

import json

import numpy as np
import pytest

import bpnative as bp
from bpnative import table as tables
from bpnative.io import safetensors
from bpnative.table import Finding, Preparation, Settings, Table, TableModel, Target
from bpnative.table.columns import Category, Date, Number, from_json
from bpnative.table.dense import as_dense, dense_inputs
from bpnative.table.report import report
from bpnative.table.scores import area, baseline, importance, score
from bpnative.table.training import split


def many(*values, n=60):
    return [str(values[index % len(values)]) for index in range(n)]


# ---- preparation -----------------------------------------------------------------------------------------------------
ROWS = Table.of(
    {
        "size": [1, 2, None, 4, 5, 100],
        "color": ["red", "blue", "red", None, "blue", "red"],
        "day": ["2024-01-01", "2024-02-15", "2024-02-16", None, "2023-12-31", "2024-03-01"],
        "y": [1, 2, 3, 4, 5, 6],
    }
)
FOUND = {"size": Finding("number", "point"), "color": Finding("category"), "day": Finding("date", "year")}
GOAL = Target("y", "regression", (), "point", 3.5, 2.0)


def test_features_of_known_rows():
    preparation = Preparation.fit(ROWS, FOUND, GOAL)
    assert preparation.features == [
        ("size", "value"), ("size", "missing"), ("day", "year"), ("day", "month"), ("day", "day of week"),
        ("day", "days"), ("day", "missing"), ("color", "category"),
    ]  # fmt: skip
    assert preparation.codes == {7: 4}
    X = preparation.transform(ROWS).X
    assert X.dtype == np.float32
    filled = np.array([1, 2, 4, 4, 5, 100.0])
    np.testing.assert_allclose(X[:, 0], (filled - filled.mean()) / filled.std(), rtol=1e-6)
    assert X[:, 1].tolist() == [0, 0, 1, 0, 0, 0]
    assert X[:, 6].tolist() == [0, 0, 0, 1, 0, 0]
    assert X[:, 7].tolist() == [3, 2, 3, 1, 2, 3]


def test_order_extras_news_and_absent_columns():
    preparation = Preparation.fit(ROWS, FOUND, GOAL)
    new = Table.of({"extra": [1], "day": ["2024-01-01"], "color": ["green"], "size": [1]})
    prepared = preparation.transform(new)
    assert (prepared.unknown, prepared.ignored, prepared.X[0, 7]) == ({"color": 1}, ["extra"], 0)
    less = Table.of({"Size": [1], "color": ["red"]})
    with pytest.raises(ValueError, match=r"lacks 2 of the columns .*'size' \(there is 'size'\), 'day'"):
        preparation.transform(less)
    assert preparation.transform(less, allow_missing_columns=True).absent == ["size", "day"]


def test_numbers_may_be_written_otherwise_than_in_training():
    preparation = Preparation.fit(ROWS, FOUND, GOAL)
    rest = {"color": ["red"] * 2, "day": ["2024-01-01"] * 2}
    point = preparation.transform(Table.of({"size": ["1.5", "2"], **rest})).X
    comma = preparation.transform(Table.of({"size": ["1,5", "2"], **rest})).X
    np.testing.assert_array_equal(point, comma)
    with pytest.raises(ValueError, match="'size' held numbers in training"):
        preparation.transform(Table.of({"size": ["x", "y"], **rest}))


def test_a_preparation_survives_json():
    preparation = Preparation.fit(ROWS, FOUND, GOAL)
    assert Preparation.from_json(json.loads(json.dumps(preparation.to_json()))) == preparation


@pytest.mark.parametrize("column", [
    {}, {"kind": "number"}, {"kind": "magic", "name": "a"}, 7, None,
    {**Number("a", False, "point", 0.0, 0.0, 1.0).to_json(), "scale": 0.0},
    {**Number("a", False, "point", 0.0, 0.0, 1.0).to_json(), "mean": "x"},
    {**Category("a", False, ("x",)).to_json(), "categories": [1]},
    {**Date("a", False, "year", (), ()).to_json(), "parts": ["century"]},
    {**Date("a", False, "year", (), ()).to_json(), "order": "upside down"},
])  # fmt: skip
def test_damaged_columns_are_refused(column):
    with pytest.raises(ValueError, match="the file describes"):
        from_json(column)


def test_constant_huge_and_tiny_numbers_stay_finite():
    for values in ([7.0] * 5, [1e300, -1e300, 5e299], [1e-300, 2e-300], [1e15 + 1, 1e15 + 2]):
        X = Number.fit("a", [repr(value) for value in values], "point").transform(list(map(repr, values)), ",")[0]
        assert np.isfinite(X).all()
        assert np.abs(X).max() <= 10


# ---- scores ----------------------------------------------------------------------------------------------------------
def test_scores_against_their_formulas():
    generator = np.random.default_rng(0)
    y, p = generator.normal(size=50), generator.normal(size=50)
    found = score("regression", p, y)
    assert found["RMSE"] == pytest.approx(np.sqrt(np.mean((p - y) ** 2)))
    assert found["R²"] == pytest.approx(1 - np.sum((p - y) ** 2) / np.sum((y - y.mean()) ** 2))
    classes, chance = generator.integers(0, 2, 50), generator.random(50)
    pairs = [(a > b) + 0.5 * (a == b) for a in chance[classes == 1] for b in chance[classes == 0]]
    assert area(chance, classes) == pytest.approx(np.mean(pairs))
    found = score("classification", np.stack([1 - chance, chance], 1), classes)
    assert found["log loss"] == pytest.approx(-np.mean(np.log(np.where(classes, chance, 1 - chance))))


def test_the_baseline_knows_only_the_rows_learned_from():
    assert score("regression", baseline("regression", np.array([1.0, 3.0]), 2, 1), np.array([2.0, 2.0]))["MAE"] == 0
    shares = baseline("classification", np.array([0, 1, 1, 1]), 3, 3)
    assert shares.tolist() == [[0.25, 0.75, 0.0]] * 3


def test_importance_finds_the_column_that_matters():
    rows = Table.of({"a": list(range(100)), "b": [i % 7 for i in range(100)], "y": list(range(100))})
    found = {"a": Finding("number", "point"), "b": Finding("number", "point")}
    preparation = Preparation.fit(rows, found, Target("y", "regression"))
    X = preparation.transform(rows).X
    gains = importance(preparation, lambda x: x[:, 0].astype(float), X, X[:, 0].astype(float), np.random.default_rng(0))
    assert list(gains) == ["a", "b"]
    assert gains["a"] > 1
    assert gains["b"] == 0


def test_split_keeps_shares_and_loses_nothing():
    labels = np.array([0.0] * 900 + [1.0] * 100 + [np.nan] * 10)
    parts = split(labels, "classification", np.random.default_rng(0))
    assert sorted(np.concatenate(parts)) == list(range(1000))
    assert [int((labels[part] == 1).sum()) for part in parts] == [70, 15, 15]


# ---- models ----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def trained():
    generator = np.random.default_rng(0)
    x, color = generator.normal(size=400), generator.choice(["red", "blue", "green"], 400)
    y = 3 * x + np.where(color == "red", 5, 0) + 0.1 * generator.normal(size=400) + 100
    rows = Table.of({"x": x, "color": color, "y": y})
    found = tables.survey(rows, "y")
    return rows, found, tables.train(rows, found, Settings(epochs=60))


def test_a_model_learns_and_beats_the_baseline(trained):
    _, _, result = trained
    assert result.metrics["R²"] > 0.95
    assert result.metrics["RMSE"] < result.baseline["RMSE"] / 4


def test_the_same_seed_gives_the_same_model(trained):
    rows, found, result = trained
    again = tables.train(rows, found, Settings(epochs=60))
    assert np.array_equal(again.model.network.parameters, result.model.network.parameters)
    other = tables.train(rows, found, Settings(epochs=60, seed=1))
    assert not np.array_equal(other.model.network.parameters, result.model.network.parameters)


def test_a_file_gives_the_same_predictions(trained, tmp_path):
    rows, _, result = trained
    result.model.save(tmp_path / "m.safetensors")
    again = TableModel.load(tmp_path / "m.safetensors")
    assert np.array_equal(again.predict(rows)[0], result.model.predict(rows)[0])
    assert np.array_equal(bp.load(tmp_path / "m.safetensors").parameters, result.model.network.parameters)
    assert again.facts == json.loads(json.dumps(result.model.facts))


def test_damaged_models_are_refused(trained, tmp_path):
    path, bad = tmp_path / "m.safetensors", tmp_path / "bad.safetensors"
    trained[2].model.save(path)
    tensors, metadata = safetensors.read(path)
    given = json.loads(metadata["bpnative.table"])
    prepared = given["preparation"]
    name = next(name for name in tensors if name.endswith(".weight"))

    def without(key):
        return {other: tensor for other, tensor in tensors.items() if other != key}

    for changed, text in [
        (tensors, "{"), (tensors, "7"), (tensors, "{}"), (tensors, json.dumps({**given, "version": 99})),
        (tensors, json.dumps({**given, "preparation": {**prepared, "columns": prepared["columns"][:1]}})),
        (tensors, json.dumps({**given, "preparation": {"columns": [], "target": {}}})),
        (without(name), json.dumps(given)), ({**tensors, "layers.9.weight": tensors[name]}, json.dumps(given)),
        ({**tensors, name: tensors[name][:, :1]}, json.dumps(given)),
        ({**tensors, name: tensors[name].astype(np.float64)}, json.dumps(given)),
    ]:  # fmt: skip
        safetensors.write(bad, changed, {**metadata, "bpnative.table": text})
        with pytest.raises(ValueError, match=r"damaged|version|describes|tensor|metadata|expected pickled"):
            TableModel.load(bad)
    safetensors.write(bad, tensors, {})
    with pytest.raises(ValueError, match="holds no preparation"):
        TableModel.load(bad)


def test_digits_as_a_table():
    X, y = bp.datasets.load_digits()
    rows = Table.of({**{f"p{i}": X[:, i] for i in range(64)}, "digit": y})
    found = tables.survey(rows, "digit")
    assert (found.target.task, len(found.target.classes)) == ("classification", 10)
    assert tables.train(rows, found, Settings(epochs=30)).metrics["accuracy"] > 0.93


def test_a_report_escapes_what_strangers_write_and_loads_nothing():
    evil = "<script>alert(1)</script>"
    rows = Table.of({evil: many(1, 2, 3, 5), "b": many("<b>", "&"), "y": many("<i>", "x")})
    found = tables.survey(rows, "y")
    text = report(f"{evil}.csv", found, tables.train(rows, found, Settings(epochs=2)))
    assert "<script" not in text
    assert "<i>" not in text
    assert "<b>" not in text
    assert not any(word in text for word in ("http://", "https://", "src=", "href=", "@import", "url("))


# ---- export ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("target", ["y", "color"])
def test_dense_layers_over_raw_numbers_give_the_same(trained, target):
    rows, _, _ = trained
    holes = Table.of({
        "x": ["", *rows.columns["x"][1:]], "color": ["", "pink", *rows.columns["color"][2:]], "y": rows.columns["y"],
        "day": [f"20{index % 20 + 10}-0{index % 9 + 1}-11" if index % 7 else "" for index in range(len(rows))],
    })  # fmt: skip
    model = tables.train(holes, tables.survey(holes, target), Settings(epochs=5)).model
    network, inputs = as_dense(model)
    X = dense_inputs(model, holes)
    assert X.shape == (len(rows), len(inputs))
    out = network.predict(X)
    wanted = model.predict(holes)[0]
    np.testing.assert_allclose(out if target == "color" else out[:, 0], wanted, rtol=1e-4, atol=1e-4)
    for index, one in enumerate(inputs):
        texts = holes.columns[one.column]
        if one.meaning == "is" and one.category is not None:
            assert X[:, index].tolist() == [float(text == one.category) for text in texts]
        elif one.meaning == "missing":
            assert X[:, index].tolist() == [float(text == "") for text in texts]
        elif one.meaning == "value":
            np.testing.assert_allclose(X[:, index], [float(text or one.if_missing) for text in texts], atol=1e-12)


def test_a_new_category_says_nothing_either_way(trained):
    _, _, result = trained
    new = Table.of({"x": [0.0] * 4, "color": ["pink", "red", "blue", "green"]})
    pink, red, *others = result.model.predict(new)[0]
    assert red > 103.5
    assert max(others) < 101.5
    assert max(others) < pink < red
