"""The guides on what comes after training: their blocks run in order and print what is shown."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

import bpnative as bp

GUIDES = Path(__file__).resolve().parent.parent / "docs" / "guide"
NUMBER = r"-?\d+(?:\.\d+)?"
# Where products and sums are not fused, weights differ after many steps, and with them what is printed.
FUSED = bp.show_config("dict")["isa"] not in ("x86-64-v2", "v2")


@pytest.mark.parametrize("guide", ["after-training.md", "plots.md"])
def test_blocks_run_in_order_and_print_what_is_shown(guide, tmp_path, monkeypatch):
    if guide == "plots.md":
        pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib: pip install 'bpnative[plot]'")
    monkeypatch.chdir(tmp_path)
    text = (GUIDES / guide).read_text(encoding="utf-8")
    namespace, printed, shown = {}, "", 0
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        language, content = match.groups()
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(content, guide, "exec"), namespace)
            printed = "\n".join(line.rstrip() for line in output.getvalue().splitlines())
        elif language == "text":
            shown += 1
            assert printed
            if FUSED:
                content = content.rstrip("\n")
                assert re.sub(NUMBER, "0", printed) == re.sub(NUMBER, "0", content)
                numbers = [[float(number) for number in re.findall(NUMBER, part)] for part in (printed, content)]
                np.testing.assert_allclose(*numbers, rtol=0.05, atol=0.011)
    assert shown >= 4
    if guide == "plots.md":
        pyplot.close("all")
        saved = {path.name for path in tmp_path.glob("*.png")}
        assert saved == {path.name for path in (GUIDES / "images").glob("*.png")}


@pytest.mark.parametrize("guide", ["after-training.md", "plots.md", "../add-a-layer.md", "../names.md"])
def test_links_lead_somewhere(guide):
    path = GUIDES / guide
    for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
