"""Runs the Python of a Markdown page: each ``python`` block in order; a ``text`` block after one is what it prints."""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np

NUMBER = r"-?\d+(?:\.\d+)?"


def blocks(page):
    """Language, content and line of each fenced block."""
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [(match[1], match[2], page[: match.start()].count("\n") + 1) for match in found]


def run(page, name):
    """Run the page; how many outputs were compared."""
    namespace, printed, last, compared = {}, "", "", 0
    for language, content, line in blocks(page):
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(content, f"{name}, block at line {line}", "exec"), namespace)
            printed = output.getvalue()
        elif language == "text" and last == "python":
            assert_alike(printed, content)
            compared += 1
        last = language
    return compared


def assert_alike(got, shown):
    """The same text, and numbers that differ by no more than rounding of another processor explains."""
    assert re.sub(NUMBER, "0", got) == re.sub(NUMBER, "0", shown)
    numbers = [[float(number) for number in re.findall(NUMBER, text)] for text in (got, shown)]
    np.testing.assert_allclose(*numbers, rtol=0.05)
