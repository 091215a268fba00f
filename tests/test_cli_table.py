"""train, predict, evaluate and info for tables: a stranger's file trains or gets a clear error, without a traceback."""

import csv
import html.parser
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import bpnative as bp
from bpnative import cli
from bpnative.cli.reading import as_json, stem

COMMAND = [sys.executable, "-m", "bpnative"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(capsys, *arguments, code=0):
    """What a command prints to both streams, its exit code checked."""
    capsys.readouterr()
    found = cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert found == code, printed
    assert "Traceback" not in printed.err
    return printed


def write(name, rows, separator=",", encoding="utf-8", **options):
    with open(name, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator, **options).writerows(rows)
    return name


def houses(n=300, seed=0):
    """Rows of a stranger: decimal commas, gaps, dates, an id, an empty and a constant column, texts."""
    generator = np.random.default_rng(seed)
    rows = [["id", "area", "city", "sold", "floor", "empty", "country", "remark", "price"]]
    for index in range(n):
        area, city = generator.normal(100, 30), str(generator.choice(["Köln", "Berlin", "Ulm"]))
        price = 3 * area + {"Köln": 0, "Berlin": 150, "Ulm": -100}[city] + generator.normal(0, 10)
        cells = [f"{area:.2f}".replace(".", ","), city, f"{index % 28 + 1:02}.03.{2015 + index % 9}", index % 5]
        cells = ["" if generator.random() < 0.05 else cell for cell in cells]
        cells[3] = "ground" if index % 50 == 0 else cells[3]
        target = "" if generator.random() < 0.03 else f"{price:.2f}".replace(".", ",")
        rows.append([1000 + index, *cells, "", "DE", f'seen by "{index}"; fine', target])
    return rows


def flowers(n=150, seed=0):
    """Three classes like Fisher's irises."""
    generator = np.random.default_rng(seed)
    centers = {"setosa": (5.0, 3.4, 1.5, 0.2), "versicolor": (5.9, 2.8, 4.3, 1.3), "virginica": (6.6, 3.0, 5.6, 2.0)}
    rows = [["sepal length", "sepal width", "petal length", "petal width", "species"]]
    for index in range(n):
        name = list(centers)[index % 3]
        values = generator.normal(centers[name], (0.4, 0.3, 0.3, 0.15))
        rows.append([*(f"{value:.1f}" for value in values), name])
    return rows


# ---- end to end ------------------------------------------------------------------------------------------------------
def test_a_strangers_table_from_training_to_predictions(capsys):
    rows = houses()
    write("houses.csv", rows, ";", "utf-8-sig")
    text = run(capsys, "train", "houses.csv", "--target", "price").out
    for said in (
        "byte order mark", "semicolon", "rows without a target are left out", "The task is regression",
        "looks like an identifier", "decimal comma", "day-month-year", "'ground'", "it is empty", "'DE' in every row",
        "another text", "baseline", "What matters",
    ):  # fmt: skip
        assert said in text
    assert float(re.search(r"R² +([\d.]+)", text)[1]) > 0.8
    new = [["price2", "city", "area", "floor", "sold"], ["?", "Berlin", "100,0", "2", "01.03.2016"],
           ["?", "Bonn", "", "", ""]]  # fmt: skip
    write("new.csv", new, ";")
    printed = run(capsys, "predict", "houses.safetensors", "new.csv", "-o", "out.csv")
    assert printed.out == ""
    assert "Column 'city': 1 of 2 cells hold what training has not seen" in printed.err
    assert "Ignored, the model does not read it: 'price2'" in printed.err
    with open("out.csv", newline="") as file:
        head, *predictions = csv.reader(file)
    assert head == ["prediction"]
    assert float(predictions[0][0]) == pytest.approx(450, abs=60)
    assert np.isfinite(float(predictions[1][0]))
    write("later.csv", houses(seed=1), ";")
    found = json.loads(run(capsys, "evaluate", "houses.safetensors", "later.csv", "--json").out)
    assert found["metrics"]["R²"] > 0.8
    assert found["without_target"] > 0
    assert "'price' (regression)" in run(capsys, "info", "houses.safetensors").out


def test_classes_from_training_to_predictions(capsys):
    rows = flowers()
    write("flowers.csv", rows)
    told = json.loads(run(capsys, "train", "flowers.csv", "--target", "species", "--json").out)
    assert told["classes"] == ["setosa", "versicolor", "virginica"]
    assert told["metrics"]["accuracy"] > 0.85 > told["baseline"]["accuracy"]
    assert next(iter(told["importance"])).startswith("petal")
    reader = csv.DictReader(io.StringIO(run(capsys, "predict", "flowers.safetensors", "flowers.csv").out))
    predicted = list(reader)
    assert np.mean([row["prediction"] == given[4] for row, given in zip(predicted, rows[1:], strict=True)]) > 0.9
    for row in predicted:
        chances = {name.removeprefix("probability "): float(p) for name, p in row.items() if name != "prediction"}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-4)
        assert max(chances, key=chances.get) == row["prediction"]
    with_columns = run(capsys, "predict", "flowers.safetensors", "flowers.csv", "--with-columns").out
    assert with_columns.splitlines()[0].startswith("sepal length,sepal width,petal length,petal width,species,predict")
    assert "accuracy" in run(capsys, "evaluate", "flowers.safetensors", "flowers.csv").out


def test_digits_from_a_file(capsys):
    X, y = bp.datasets.load_digits()
    rows = [[*(f"pixel {index}" for index in range(64)), "digit"]]
    write("digits.csv", rows + [[*map(float, pixels), int(digit)] for pixels, digit in zip(X, y, strict=True)])
    told = json.loads(run(capsys, "train", "digits.csv", "--target", "digit", "--json", "--epochs", 30).out)
    assert told["task"] == "classification"
    assert told["metrics"]["accuracy"] > 0.93


def test_the_same_seed_gives_the_same_file(capsys):
    write("flowers.csv", flowers())
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run(capsys, "train", "flowers.csv", "--target", "species", "-o", name, "--seed", seed, "--no-report", "--quiet")
    a, b, c = (pathlib.Path(name).read_bytes() for name in "abc")
    assert a == b
    assert a != c
    assert not os.path.exists("a.html")


def test_quiet_says_nothing(capsys):
    write("flowers.csv", flowers())
    for arguments in (
        ("train", "flowers.csv", "--target", "species"), ("predict", "flowers.safetensors", "flowers.csv", "-o", "o"),
        ("evaluate", "flowers.safetensors", "flowers.csv"),
    ):  # fmt: skip
        printed = run(capsys, *arguments, "--quiet")
        assert (printed.out, printed.err) == ("", "")


def test_the_report_is_whole(capsys):
    write("flowers.csv", flowers())
    run(capsys, "train", "flowers.csv", "--target", "species")
    with open("flowers.html", encoding="utf-8") as file:
        text = file.read()
    open_tags = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "line", "rect", "circle", "polyline"):
                open_tags.append(tag)

        def handle_endtag(self, tag):
            if tag not in ("line", "rect", "circle", "polyline"):
                assert open_tags.pop() == tag

    Parser().feed(text)
    assert open_tags == []
    assert text.count("<svg") == 2
    for said in ("petal width", "virginica", "baseline", "Which columns matter", "balanced accuracy"):
        assert said in text


# ---- strangers' files: each trains or says why not -------------------------------------------------------------------
def columns(n=60, **more):
    generator = np.random.default_rng(0)
    x = generator.normal(size=n)
    return {"x": [f"{value:.4f}" for value in x], "y": [f"{2 * value + 1:.4f}" for value in x], **more}


def as_rows(table):
    return [list(table), *zip(*table.values(), strict=True)]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"e": [""] * 60}, "it is empty"),
        ({"c": ["1"] * 60}, "'1' in every row"),
        ({"m": ["7", "x,y", "2024-01-01"] * 20}, "category"),
        ({"b": ["TRUE", "FALSE"] * 30}, "category"),
        ({"huge": ["1e300", "-1e300"] * 30}, "number"),
        ({"inf": ["inf", "1", "2"] * 20}, "infinite"),
        ({"": ["a", "b"] * 30}, "without a name"),
        ({"名前": ["一", "二"] * 30}, "名前"),
        ({"one": ["a"] * 59 + ["b"]}, "category"),
        ({"half": ["", "5"] * 30}, "number"),
        ({"late": [""] * 59 + ["5"]}, "number"),
        ({"same": columns()["y"]}, "number"),
        ({"<b>&": ["<i>", '"'] * 30}, "<b>&"),
    ],
)
def test_a_strange_column_trains(capsys, more, said):
    write("t.csv", as_rows(columns(**more)))
    assert said in run(capsys, "train", "t.csv", "--target", "y", "--epochs", 3).out
    run(capsys, "predict", "t.safetensors", "t.csv")


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        (columns(), ["--target", "z"], "unknown column 'z'"),
        (columns(), ["--target", "y", "--drop", "x"], "no column is left"),
        (columns(), ["--target", "y", "--drop", "nix"], "unknown column 'nix'"),
        ({"y": ["1", "2"] * 30}, ["--target", "y"], "no column is left"),
        (columns(10), ["--target", "y"], "at least 20 rows"),
        (columns(0), ["--target", "y"], "no rows of data"),
        (columns() | {"y": [""] * 60}, ["--target", "y"], "empty in every row"),
        (columns() | {"y": ["a"] * 60}, ["--target", "y"], "nothing to learn"),
        (columns() | {"y": [f"text {i}" for i in range(60)]}, ["--target", "y"], "too many for classes"),
        (columns() | {"y": ["a", "b"] * 30}, ["--target", "y", "--task", "regression"], "no numbers"),
        (columns() | {"t": ["a", "b"] * 30}, ["--target", "y", "--numeric", "t"], "asked for as numbers"),
        (columns(), ["--target", "y", "-o", "no/where.safetensors"], "there is no folder"),
        (columns(), ["--target", "y", "--separator", "ab"], "one character"),
        (columns(), ["--target", "y", "--dropout", "1"], "--dropout"),
        (columns(), ["--target", "y", "--seed", "-1"], "--seed"),
        (columns(), ["--target", "y", "--learning-rate", "nan"], "learning_rate"),
    ],
)
def test_what_can_not_be_trained_is_said_and_nothing_written(capsys, table, arguments, message):
    write("t.csv", as_rows(table))
    printed = run(capsys, "train", "t.csv", *arguments, code=1)
    assert message in printed.err
    assert "error: " in printed.err
    assert os.listdir() == ["t.csv"]


def test_files_that_are_there_are_kept(capsys):
    write("t.csv", as_rows(columns()))
    for name in ("t.safetensors", "t.html"):
        pathlib.Path(name).touch()
        assert "--force" in run(capsys, "train", "t.csv", "--target", "y", code=1).err
        assert os.path.getsize(name) == 0
    run(capsys, "train", "t.csv", "--target", "y", "--force", "--epochs", 2)
    assert os.path.getsize("t.html") > 1000


def test_classes_with_one_row_train(capsys):
    write("t.csv", as_rows(columns() | {"y": ["a"] * 40 + ["b"] * 19 + ["c"]}))
    run(capsys, "train", "t.csv", "--target", "y", "--epochs", 2)


def test_predict_refuses_what_it_can_not_read(capsys):
    write("t.csv", as_rows(columns(c=["a", "b"] * 30)))
    run(capsys, "train", "t.csv", "--target", "y", "--epochs", 2)
    write("less.csv", [["C"], ["a"]])
    assert "lacks 2 of the columns" in run(capsys, "predict", "t.safetensors", "less.csv", code=1).err
    printed = run(capsys, "predict", "t.safetensors", "less.csv", "--allow-missing-columns")
    assert "Column 'x' is not there" in printed.err
    assert len(printed.out.splitlines()) == 2
    write("text.csv", [["x", "c"], ["u", "a"], ["v", "b"]])
    assert "held numbers in training" in run(capsys, "predict", "t.safetensors", "text.csv", code=1).err
    assert "lacks the target" in run(capsys, "evaluate", "t.safetensors", "text.csv", code=1).err
    for command in ("predict", "evaluate"):
        assert "error" in run(capsys, command, "t.csv", "t.csv", code=1).err
        assert "nowhere" in run(capsys, command, "nowhere.safetensors", "t.csv", code=1).err
    assert "error" in run(capsys, "info", "t.csv", code=1).err
    write("none.csv", [["x", "c"]])
    assert run(capsys, "predict", "t.safetensors", "none.csv").out == "prediction\n"


def test_a_second_file_with_columns_named_as_results_is_refused(capsys):
    write("t.csv", as_rows(columns(prediction=["1", "2"] * 30)))
    run(capsys, "train", "t.csv", "--target", "y", "--epochs", 2)
    assert "'prediction'" not in run(capsys, "predict", "t.safetensors", "t.csv").err
    assert "leave out" in run(capsys, "predict", "t.safetensors", "t.csv", "--with-columns", code=1).err


def test_export_to_c_compiles_and_says_what_goes_in(capsys):
    write("flowers.csv", flowers())
    run(capsys, "train", "flowers.csv", "--target", "species", "--quiet")
    told = json.loads(run(capsys, "export", "flowers.safetensors", "--c", "--json").out)
    assert told["outputs"] == ["probability setosa", "probability versicolor", "probability virginica"]
    assert [one["column"] for one in told["inputs"]] == flowers()[0][:4]
    assert json.loads(pathlib.Path("flowers.inputs.json").read_text())["inputs"] == told["inputs"]
    assert "--force" in run(capsys, "export", "flowers.safetensors", "--c", code=1).err
    if compiler := shutil.which("cc"):
        subprocess.run([compiler, "-std=c99", "-Wall", "-Werror", "-c", "flowers.c", "-o", "flowers.o"], check=True)


def test_export_to_onnx_predicts_the_same(capsys):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    write("flowers.csv", flowers())
    run(capsys, "train", "flowers.csv", "--target", "species", "--quiet")
    run(capsys, "export", "flowers.safetensors", "--onnx")
    session = runtime.InferenceSession("flowers.onnx", providers=["CPUExecutionProvider"])
    X = np.array([row[:4] for row in flowers()[1:]], np.float64)
    out, labels = session.run(["output", "label"], {"input": X})
    rows = list(csv.DictReader(io.StringIO(run(capsys, "predict", "flowers.safetensors", "flowers.csv").out)))
    assert [row["prediction"] for row in rows] == labels.tolist()
    np.testing.assert_allclose(out[:, 0], [float(row["probability setosa"]) for row in rows], atol=1e-4)


@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "info", "export"])
def test_help_has_examples_that_parse(command, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    assert "examples:" in capsys.readouterr().out


def test_a_whole_process_ends_as_shells_expect():
    write("t.csv", as_rows(columns()))
    for arguments, code in (
        (["train", "t.csv", "--target", "y", "--epochs", "2"], 0),
        (["train", "t.csv", "--target", "nix"], 1),
        (["train", "t.csv"], 2),
        (["train", "t.csv", "--target", "y", "--epochs", "0"], 2),
    ):
        result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=240)
        assert result.returncode == code, result.stderr
        assert "Traceback" not in result.stderr


def test_small_helpers():
    assert as_json({"a": float("nan"), "b": 1.0}) == {"a": None, "b": 1.0}
    assert stem("/x/.hidden") == "table"
