"""The code of the guide runs and prints what the guide shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import markdown

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs" / "guide").glob("*.md"))

# What a page needs beside NumPy, by what stands in its code.
NEEDS = {
    "onnx": ("to_onnx(", "from_onnx("),
    "torch": ("to_torch(", "from_torch(", "import torch"),
    "sklearn": ("bpnative.sklearn", "from_sklearn(", "import sklearn", "from sklearn"),
    "scipy": ("LBFGS(", "import scipy"),
    "polars": ("import polars",),
}
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "guide" / "images"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    if "bp.TensorBoard(" in text:
        pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    if "import pandas" in text:
        pytest.importorskip("pandas", reason="pandas is not installed")
    for need, marks in NEEDS.items():
        if any(mark in text for mark in marks):
            pytest.importorskip(need, reason=f"{need} is not installed")
    if "savefig(" in text:
        pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
        pyplot.close("all")
    assert markdown.run(text, page.name) > 0
    if "savefig(" in text:
        pyplot.close("all")
        saved = {path.name for path in tmp_path.glob("*.png")}
        assert (
            saved == set(re.findall(r"\(images/([\w-]+\.png)\)", text)) == {path.name for path in IMAGES.glob("*.png")}
        )


def test_there_are_pages_and_a_wrong_output_fails():
    assert {"progress", "metrics", "callbacks", "data"} <= {page.stem for page in PAGES}
    page = "```python\nprint('loss', 0.5)\n```\n\n```text\nloss 0.5\n```\n"
    assert markdown.run(page, "page") == 1
    for wrong in (page.replace("text\nloss 0.5", "text\nloss 0.6"), page.replace("text\nloss", "text\ngain")):
        with pytest.raises(AssertionError):
            markdown.run(wrong, "page")
