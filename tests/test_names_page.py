"""docs/names.md is what its script makes of the registries; each entry has a formula, and a reference but for a few."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What needs none: it does nothing, or points to another.
WITHOUT_REFERENCE = {"linear", "zeros"}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_names", ROOT / "tools" / "make_names.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_script_makes(script):
    committed = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
    assert committed == script.page(), "run tools/make_names.py and commit docs/names.md"


def test_every_entry_has_a_formula_and_a_reference(script):
    for title, registry, _, _ in script.SECTIONS:
        for name, kind in registry.items():
            formula, reference = script.formula_of(kind), script.reference_of(kind)
            assert len(formula) > 20, f"{title}: {name} says nothing"
            assert bool(reference) == (name not in WITHOUT_REFERENCE), f"{title}: {name} refers to {reference!r}"
            assert "Args:" not in formula
            assert "Example" not in reference


def test_every_row_has_four_cells(script):
    rows = [line for line in script.page().splitlines() if line.startswith("|")]
    assert len(rows) == sum(len(registry) + 2 for _, registry, _, _ in script.SECTIONS)
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_every_object_is_where_the_page_says(script):
    import bpnative as bp

    for path, arguments in re.findall(r"`(bp\.[\w.]+)\((.*?)\)` \|", script.page()):
        found = bp
        for part in path.split(".")[1:]:
            found = getattr(found, part)
        assert callable(found), (path, arguments)


def test_check_tells_an_old_page(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "PAGE", tmp_path / "names.md")
    monkeypatch.setattr(script.sys, "argv", ["make_names.py", "--check"])
    assert script.main() == 1
    assert "run tools/make_names.py" in capsys.readouterr().out
    monkeypatch.setattr(script.sys, "argv", ["make_names.py"])
    assert script.main() == 0
    monkeypatch.setattr(script.sys, "argv", ["make_names.py", "--check"])
    assert script.main() == 0
