"""The README's Python runs and prints what the README shows."""

import contextlib
import doctest
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from markdown import assert_alike, blocks

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = blocks(README)


def test_blocks_run_in_order_and_print_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    printed = ""
    kinds = []
    for language, content, line in BLOCKS:
        kinds.append(language)
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(content, f"README.md, block at line {line}", "exec"), namespace)
            printed = output.getvalue()
        elif language == "text" and kinds[-2:-1] == ["python"]:
            assert_alike(printed, content)
        elif language == "pycon":
            example = doctest.DocTestParser().get_doctest(content, namespace, "README", "README.md", line)
            report = []
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            results = doctest.DocTestRunner(optionflags=flags).run(example, out=report.append, clear_globs=False)
            assert results.failed == 0, "".join(report)
            namespace |= example.globs
    assert {"python", "text", "pycon", "sh"} <= set(kinds)


def test_the_first_blocks_are_the_two_commands():
    first, second = BLOCKS[:2]
    assert first[0] == second[0] == "sh"
    assert first[1].count("\n") == second[1].count("\n") == 1
    assert "python -m bpnative demo" in first[1]
    assert "python -m pytest" in second[1]


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


def run_example(*arguments):
    script, *rest = arguments
    result = subprocess.run(
        [sys.executable, ROOT / "examples" / script, *rest], capture_output=True, text=True, timeout=240
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_examples_are_listed():
    listed = set(re.findall(r"`(\w+\.py)`", (ROOT / "examples" / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in (ROOT / "examples").glob("*.py")}


def test_example_of_a_loss_of_ones_own():
    slope, offset = map(float, re.search(r"found y = ([\d.]+) x \+ ([\d.]+)", run_example("own_loss.py")).groups())
    assert abs(slope - 3) < 0.2
    assert abs(offset - 0.5) < 0.3


def test_example_of_online_learning():
    errors = [float(error) for error in re.findall(r"off by ([\d.]+)", run_example("online.py"))]
    assert errors[-1] < 0.05 < errors[0]


def test_example_of_mnist(tmp_path):
    random = np.random.default_rng(0)
    for part, n in (("train", 300), ("t10k", 50)):
        for kind, array in (
            ("images-idx3", random.integers(0, 256, (n, 28, 28), dtype=np.uint8)),
            ("labels-idx1", np.arange(n, dtype=np.uint8) % 10),
        ):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (tmp_path / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())
    output = run_example("mnist.py", tmp_path, "--epochs", "1")
    assert "300 + 50 images read" in output
    assert "epochs: 1  test accuracy" in output
