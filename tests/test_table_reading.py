"""Tables: reading every dialect, finding out what columns hold, preparing them, and models in files."""

import gzip
import importlib.util

import numpy as np
import pytest

from bpnative.table import Table, examine, find_target, read_table
from bpnative.table.parsing import find_order, find_style, to_numbers, to_seconds


def written(tmp_path, text, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return path


# ---- reading ---------------------------------------------------------------------------------------------------------
DIALECTS = {
    "commas": ("a,b\n1,x\n2,y\n", "utf-8"),
    "semicolons": ("a;b\n1;x\n2;y\n", "utf-8"),
    "tabs": ("a\tb\n1\tx\n2\ty\n", "utf-8"),
    "bars": ("a|b\n1|x\n2|y\n", "utf-8"),
    "quotes": ('"a","b"\n"1","x"\n"2","y"\n', "utf-8"),
    "crlf": ("a,b\r\n1,x\r\n2,y\r\n", "utf-8"),
    "cr": ("a,b\r1,x\r2,y\r", "utf-8"),
    "mark": ("a;b\n1;x\n2;y\n", "utf-8-sig"),
    "utf-16": ("a,b\n1,x\n2,y\n", "utf-16"),
    "spaces": (" a , b \n 1 , x \n 2 , y \n", "utf-8"),
    "empty lines": ("\n\na,b\n\n1,x\n2,y\n\n", "utf-8"),
    "no end": ("a,b\n1,x\n2,y", "utf-8"),
    "trailing separators": ("a,b\n1,x,\n2,y,,\n", "utf-8"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_table(tmp_path, dialect):
    text, encoding = DIALECTS[dialect]
    assert read_table(written(tmp_path, text, encoding=encoding)).columns == {"a": ["1", "2"], "b": ["x", "y"]}


def test_gzip_quotes_and_line_ends_within_cells(tmp_path):
    text = 'name,note\nA,"one, two\nthree ""four"""\nB,\n'
    path = written(tmp_path, gzip.compress(text.encode()), "t.csv.gz")
    assert read_table(path).columns == {"name": ["A", "B"], "note": ['one, two\nthree "four"', ""]}


def test_semicolons_win_over_decimal_commas(tmp_path):
    rows = "".join(f"{i},5;{i},25;x\n" for i in range(50))
    assert list(read_table(written(tmp_path, "a;b;c\n" + rows)).columns) == ["a", "b", "c"]


def test_windows_1252_is_read_and_told(tmp_path):
    found = read_table(written(tmp_path, "name,y\nKöln,1\n", encoding="cp1252"))
    assert found.columns["name"] == ["Köln"]
    assert any("Windows-1252" in note for note in found.notes)


def test_names_missing_or_twice_are_told(tmp_path):
    found = read_table(written(tmp_path, ",x,x\n0,1,2\n"))
    assert list(found.columns) == ["column 1", "x", "x (again)"]
    assert sum("called" in note for note in found.notes) == 2


def test_a_few_ragged_rows_are_left_out_and_told(tmp_path):
    rows = "".join(f"{i},x\n" for i in range(500))
    found = read_table(written(tmp_path, "a,b\n" + rows + "7\n1,2,3\n"))
    assert len(found) == 500
    assert any("2 rows have not 2 cells" in note and "lines 502, 503" in note for note in found.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"PK\x03\x04....", "spreadsheet"),
        (b"\x89PNG\x00\x00\x00\x00", "no text file"),
        (b"1,2\n3,4\n", "no row of names"),
        (b"a,b\n1\n2\n3\n4,5\n", r"3 of 4 rows have not 2 cells"),
        (b'a,b\n1,"' + b"x" * 140_000 + b'"\n', "line 2"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_table(written(tmp_path, content))


def test_no_header(tmp_path):
    assert read_table(written(tmp_path, "1,2\n3,4\n"), header=False).columns == {
        "column 1": ["1", "3"],
        "column 2": ["2", "4"],
    }


def test_unknown_encodings_and_separators_are_refused(tmp_path):
    path = written(tmp_path, "a,b\n1,2\n")
    with pytest.raises(ValueError, match="name of an encoding"):
        read_table(path, encoding="klingon")
    with pytest.raises(ValueError, match="one character"):
        read_table(path, separator="::")


@pytest.mark.skipif(importlib.util.find_spec("polars") is None, reason="polars is not installed")
def test_parquet(tmp_path):
    import polars

    frame = polars.DataFrame({"a": [1, None], "b": ["x", "y"], "c": [0.5, 2.0], "d": [True, False]})
    frame.write_parquet(tmp_path / "t.parquet")
    columns = read_table(tmp_path / "t.parquet").columns
    assert (columns["b"], columns["c"], columns["d"]) == (["x", "y"], ["0.5", "2"], ["True", "False"])
    assert columns["a"] == ["1", ""]


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_a_table_of_a_pandas_frame():
    import pandas

    frame = pandas.DataFrame({"a": [1.0, np.nan], "d": pandas.to_datetime(["2024-05-01", None])})
    found = Table.of({name: frame[name] for name in frame.columns})
    assert found.columns["a"] == ["1", ""]
    assert find_order([found.columns["d"][0]]) == ("year", True)
    assert found.columns["d"][1] == ""


# ---- numbers and dates -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("texts", "style", "numbers"),
    [
        (["1", "-2.5", "+3e2", ".5"], "point", [1, -2.5, 300, 0.5]),
        (["1,5", "1.234,25", "-0,5", "2", "1.5"], "comma", [1.5, 1234.25, -0.5, 2, 1.5]),
        (["1,234.5", "12", "1,000,000"], "thousands", [1234.5, 12, 1e6]),
        (["$1,200", "$3.50"], "thousands", [1200, 3.5]),
        (["12%", "5 %"], "point", [12, 5]),
        (["1 234", "12 345 678.5"], "point", [1234, 12345678.5]),
        (["1 234,5", "12 345 678"], "comma", [1234.5, 12345678]),
    ],
)
def test_numbers_in_the_style_that_is_found(texts, style, numbers):
    assert find_style(texts) == (style, True)
    assert to_numbers(texts, style).tolist() == numbers


@pytest.mark.parametrize("text", ["x", "1_000", "nan", "inf", "1e999", "1,2,3", "0x10", "--1", "1 2"])
@pytest.mark.parametrize("style", ["point", "comma", "thousands"])
def test_what_is_no_number_is_none(text, style):
    assert np.isnan(to_numbers([text], style)).all()


@pytest.mark.parametrize(
    ("text", "order"),
    [("2024-02-29", "year"), ("2024/2/29", "year"), ("2024-02-29T00:00:00Z", "year"), ("2024-02-29 00:00", "year"),
     ("29.02.2024", "day"), ("29/02/2024", "day"), ("02/29/2024", "month"), ("2-29-2024", "month")],
)  # fmt: skip
def test_dates(text, order):
    assert find_order([text]) == (order, True)
    assert to_seconds([text], order).tolist() == [1709164800.0]


def test_dates_that_do_not_exist_are_missing():
    assert np.isnan(to_seconds(["2023-02-29", "2023-13-01", "31.04.2023", "2023-01-01 25:00"], "year")).all()


def test_day_first_is_as_asked():
    assert find_order(["01/02/2024"], True) == ("day", True)


# ---- what columns hold -----------------------------------------------------------------------------------------------
def many(*values, n=60):
    return [str(values[index % len(values)]) for index in range(n)]


@pytest.mark.parametrize(
    ("name", "texts", "kind", "said"),
    [
        ("a", many(1, 2, 3), "number", ""),
        ("a", many(1, "", "NA", 2), "number", ""),
        ("a", many("1,5", "2"), "number", "decimal comma"),
        ("a", ["oops", *many(1, 2, n=59)], "number", "mixed: 1 cells are no numbers ('oops')"),
        ("a", ["inf", *many(1, 2, n=59)], "number", "infinite values"),
        ("a", many(1, "x"), "category", ""),
        ("zip", many("01234", "55555"), "category", "leading zeros"),
        ("a", many("red", "blue"), "category", ""),
        ("a", many(""), "dropped", "empty"),
        ("a", many("NA", ""), "dropped", "empty"),
        ("a", many("same"), "dropped", "'same' in every row"),
        ("a", many("yes", ""), "category", ""),
        ("a", [str(i) for i in range(60)], "dropped", "identifier"),
        ("user_id", [str(i * 37) for i in range(60)], "dropped", "identifier"),
        ("price", [str(i * 37) for i in range(60)], "number", ""),
        ("a", [f"text {i}" for i in range(60)], "dropped", "another text"),
        ("a", many("2024-01-01", "2024-02-01"), "date", "year-month-day"),
        ("a", many("01/02/2024", "03/04/2024"), "date", "--day-first"),
        ("a", ["soon", *many("2024-01-01", "2024-02-01", n=59)], "date", "1 cells are no dates ('soon')"),
    ],
)
def test_what_a_column_holds_and_what_is_said(name, texts, kind, said):
    found = examine(name, texts)
    assert (found.kind, said in found.decision) == (kind, True), found


def test_the_user_knows_better():
    assert examine("a", many(1, 2), kind="category").kind == "category"
    assert examine("id", [str(i) for i in range(60)], keep=True).kind == "number"
    assert examine("a", [f"text {i}" for i in range(60)], keep=True).kind == "category"
    assert examine("zip", many("01234", "55555"), kind="number").kind == "number"
    assert examine("a", many("1,234", "2,345"), ",", decimal=",").how == "comma"
    assert examine("a", many("1,234", "2,345"), ";", decimal=".").how == "thousands"
    with pytest.raises(ValueError, match="'a' was asked for as numbers"):
        examine("a", many("x", "y"), kind="number")
    with pytest.raises(ValueError, match="'a' was asked for as dates"):
        examine("a", many("x", "y"), kind="date")


def test_commas_that_may_mean_two_things_are_told():
    found = examine("a", many("1,234", "2,345"))
    assert found.warning
    assert "--decimal" in found.decision


# ---- the target ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("texts", "task", "classes"),
    [
        (many("yes", "no"), "classification", ("no", "yes")),
        (many(0, 1), "classification", ("0", "1")),
        (many("1.0", "1", "2"), "classification", ("1", "2")),
        (many(*range(12), n=600), "classification", tuple(map(str, range(12)))),
        (many(*range(12), n=60), "regression", ()),
        (many(0.5, 1.5, 2.5), "regression", ()),
        (many("none", "mild", ""), "classification", ("mild", "none")),
        (many(1, "x"), "classification", ("1", "x")),
    ],
)
def test_the_task_of_a_target(texts, task, classes):
    found, notes = find_target("y", texts)
    assert (found.task, found.classes) == (task, classes)
    assert any(task in note for note in notes)


@pytest.mark.parametrize(
    ("texts", "task", "message"),
    [
        (many(""), None, "empty in every row"),
        (many("a"), None, "'a' in every row"),
        (many("a", "b"), "regression", "no numbers"),
        ([f"text {i}" for i in range(60)], None, "too many for classes"),
        ([f"{i}.5" for i in range(60)], "classification", "too many for classes"),
    ],
)
def test_targets_that_give_nothing_to_learn(texts, task, message):
    with pytest.raises(ValueError, match=message):
        find_target("y", texts, task=task)
