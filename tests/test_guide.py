"""The code of the guide runs and prints what the guide shows."""

from __future__ import annotations

from pathlib import Path

import pytest

import markdown

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs" / "guide").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    if "bp.TensorBoard(" in text:
        pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    if "import pandas" in text:
        pytest.importorskip("pandas", reason="pandas is not installed")
    assert markdown.run(text, page.name) > 0


def test_there_are_pages_and_a_wrong_output_fails():
    assert {"progress", "metrics", "callbacks", "data"} <= {page.stem for page in PAGES}
    page = "```python\nprint('loss', 0.5)\n```\n\n```text\nloss 0.5\n```\n"
    assert markdown.run(page, "page") == 1
    for wrong in (page.replace("text\nloss 0.5", "text\nloss 0.6"), page.replace("text\nloss", "text\ngain")):
        with pytest.raises(AssertionError):
            markdown.run(wrong, "page")
