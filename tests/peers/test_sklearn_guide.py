"""The guide for users of scikit-learn runs and prints what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'bpnative[sklearn]'")

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "scikit-learn.md"
NUMBER = r"-?\d+(?:\.\d+)?"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_guide_prints_what_it_shows() -> None:
    namespace: dict[str, object] = {}
    printed, compared = "", 0
    for language, content in re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL):
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(content, GUIDE.name, "exec"), namespace)
            printed = output.getvalue()
        elif language == "text":
            assert re.sub(NUMBER, "0", printed) == re.sub(NUMBER, "0", content)
            got, shown = ([float(number) for number in re.findall(NUMBER, text)] for text in (printed, content))
            np.testing.assert_allclose(got, shown, rtol=0.05)
            compared += 1
    assert compared == 3
