"""What all tests share: reproducible property tests, marks, and a pool that each test leaves as it was."""

from __future__ import annotations

import os
import pathlib
import signal
import sys
from collections.abc import Iterator

import hypothesis
import pytest

# The same examples in every run: a failure in CI is a failure at the desk. Loaded machines make deadlines meaningless.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("repeatable")

# A shell that starts a job in the background lets it ignore Ctrl-C, which every child of the tests would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The matrices of the oracle are small, and the tests' processes take all cores: more threads of NumPy's BLAS would wait
# for one another, which doubles the time of some tests. Set before NumPy is imported; children inherit it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Set by tools/sanitize: address, where the module under test is instrumented.
SANITIZED = os.environ.get("BPNATIVE_SANITIZED", "")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say that a few cases of each test will do, or those that no run before has passed."""
    parser.addoption(
        "--sample", type=int, metavar="N", help="run at most N cases of each test, spread over its parameters"
    )
    parser.addoption(
        "--passed", type=pathlib.Path, metavar="FILE", help="leave out the tests that FILE names, then add what passed"
    )


class Passed:
    """Remembers the tests that passed, for a later run with more packages."""

    def __init__(self, file: pathlib.Path) -> None:
        self.file, self.names = file, []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one that passed."""
        if report.when == "call" and report.passed:
            self.names.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Add them to the file."""
        with self.file.open("a") as file:
            file.writelines(name + "\n" for name in self.names)


def pytest_configure(config: pytest.Config) -> None:
    """Remember in the process that hears of all tests."""
    if config.getoption("--passed") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Passed(config.getoption("--passed")))


def leave_out_passed(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that the file does not name."""
    file = config.getoption("--passed")
    done = set(file.read_text().splitlines()) if file.exists() else set()
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in done])
    items[:] = [item for item in items if item.nodeid not in done]


def sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep at most N cases of each test, the first and the last among them."""
    most, cases = config.getoption("--sample"), {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    kept = set()
    for group in cases.values():
        n = min(len(group), most)
        kept |= {group[round(i * (len(group) - 1) / max(1, n - 1))] for i in range(n)}
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that an instrumented module cannot pass, each with its own reason."""
    if config.getoption("--passed"):
        leave_out_passed(config, items)
    if config.getoption("--sample"):
        sample(config, items)
    for item in items:
        mark = item.get_closest_marker("not_sanitized")
        if SANITIZED and mark is not None:
            item.add_marker(pytest.mark.skip(reason=f"{SANITIZED} sanitizer: {mark.args[0]}"))


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """Set the number of threads back after a test that changed it."""
    native = sys.modules.get("bpnative._bpnative")
    before = native.get_num_threads() if native else None
    yield
    if native and native.get_num_threads() != before:
        native.set_num_threads(before)
