"""The examples in the docstrings of the installed package run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import bpnative

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> list:
    """All docstrings with examples, of every module that is imported for its contents.

    A package whose optional package is not installed says so when it is imported; it is one skipped test.
    """
    names = [module.name for module in pkgutil.walk_packages(bpnative.__path__, "bpnative.")]
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for name in ["bpnative", *(name for name in names if not name.endswith(("__main__", "._bpnative")))]:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            if "pip install 'bpnative[" not in str(error):
                raise
            found.append(
                pytest.param(doctest.DocTest([], {}, name, None, None, None), marks=pytest.mark.skip(str(error)))
            )
            continue
        found += [test for test in finder.find(module) if test.examples]
    return found


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_example(example, tmp_path, monkeypatch):
    if example.name.startswith("bpnative.plot.") and ".text." not in example.name and ".numbers." not in example.name:
        pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib: pip install 'bpnative[plot]'")
        pyplot.close("all")
    monkeypatch.chdir(tmp_path)
    output: list[str] = []
    results = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=output.append)
    assert results.failed == 0, "".join(output)
