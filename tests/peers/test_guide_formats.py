"""The guide's pages on files run, block by block, and print what they show."""

import contextlib
import io
import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"


@pytest.mark.parametrize("page", ["files", "checkpoints", "c", "exporting"])
def test_page(page, tmp_path, monkeypatch):
    if page == "exporting":
        for package in ("torch", "onnxruntime", "sklearn"):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    text = (GUIDE / f"{page}.md").read_text(encoding="utf-8")
    namespace, printed, shown = {}, "", 0
    for language, content in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(content, page, "exec"), namespace)
            printed = output.getvalue()
        elif language == "text":
            assert printed == content
            shown += 1
    assert shown >= 2
    for link in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (GUIDE / link).exists(), link
