"""The command line: what it prints, how it ends, and that nobody sees a traceback."""

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import bpnative as bp
from bpnative import cli
from bpnative.cli import demo
from bpnative.cli.text import Printer, duration, table

COMMAND = [sys.executable, "-m", "bpnative"]


def run(*arguments, **environment):
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=250, env=os.environ | environment
    )


@pytest.fixture(scope="module")
def demo_output():
    result = run("demo")
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


# ---- demo ------------------------------------------------------------------------------------------------------------
def test_demo_learns_the_digits(demo_output):
    accuracy, right, total = re.search(r"Held-out accuracy ([\d.]+)%: (\d+) of (\d+)", demo_output).groups()
    assert float(accuracy) >= 97
    assert float(accuracy) == pytest.approx(100 * int(right) / int(total), abs=0.05)
    assert int(total) == 360


def test_demo_shows_every_epoch(demo_output):
    lines = re.findall(r"^ +(\d+)/20 +(\d\.\d{4}) +[\d.]+% +[\d.]+%(  █+)?$", demo_output, re.MULTILINE)
    assert [int(number) for number, _, _ in lines] == list(range(1, 21))
    losses = [float(loss) for _, loss, _ in lines]
    assert losses[-1] < losses[0] / 10


def test_demo_shows_a_confusion_matrix(demo_output):
    rows = re.findall(r"^ +\d((?: +(?:\d+|·)){10})$", demo_output, re.MULTILINE)
    matrix = np.array([[int(cell.replace("·", "0")) for cell in row.split()] for row in rows])
    assert matrix.shape == (10, 10)
    assert matrix.sum() == 360
    assert f"{np.trace(matrix)} of 360" in demo_output


def test_demo_times_numpy(demo_output):
    assert re.search(r"NumPy +[\d.]+ s +[\d.]+ [µm]s a step, [\d.]+ times bpnative's", demo_output)


def test_the_program_in_the_demo_does_what_the_demo_did(demo_output):
    program = demo.PROGRAM.format(seed=0, epochs=20)
    assert "".join(f"    {line}".rstrip() + "\n" for line in program.splitlines()) in demo_output
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {})
    accuracy = float(re.search(r"'accuracy': ([\d.]+)", printed.getvalue()).group(1))
    assert f"Held-out accuracy {accuracy:.1%}" in demo_output


def test_demo_takes_options():
    result = run("demo", "--epochs", "1", "--threads", "1", "--seed", "3")
    assert (result.returncode, result.stderr) == (0, "")
    assert "1 thread\n" in result.stdout
    assert "seed=3)" in result.stdout


# ---- bench and info --------------------------------------------------------------------------------------------------
def test_bench_prints_a_row_for_each_workload():
    result = run("bench", "--quick", "--threads", "1", "--workloads", "tiny,small,reader-tiny")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r"^tiny +1 +[\d.]+ [µm]s +[\d.]+ +[\d.]+% +[\d.]+ [µm]s +[\d.]+$", result.stdout, re.MULTILINE)
    for name in ("small", "reader-tiny"):
        assert f"\n{name} " in result.stdout
    assert "differs" not in result.stdout


def test_bench_in_json():
    result = run("bench", "--quick", "--threads", "1", "--workloads", "tiny", "--dtype", "float64", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert report["machine"]["isa"] == bp.show_config("dict")["isa"]
    assert report["settings"]["dtype"] == "float64"
    rows = {row["peer"]: row for row in report["results"]}
    assert rows["bpnative"]["ratio"] == 1
    assert rows["numpy"]["ratio"] > 0
    assert rows["bpnative"]["peak_share"] > 0
    assert len(rows["numpy"]["rounds"]) == 2


def test_bench_says_what_it_leaves_out():
    result = run("bench", "--quick", "--threads", "1", "--workloads", "gelu")
    assert (result.returncode, result.stderr) == (0, "")
    ready = "gelu" in bp._bpnative.activation_names()
    assert ready or "gelu, bpnative: left out: bpnative" in result.stdout


def test_info():
    result = run("info", BPNATIVE_NUM_THREADS="1")
    assert (result.returncode, result.stderr) == (0, "")
    for known in (bp.__version__, bp.show_config("dict")["isa"], "BPNATIVE_NUM_THREADS", "NumPy"):
        assert known in result.stdout
    assert json.loads(run("info", "--json").stdout)["version"] == bp.__version__


# ---- help and errors -------------------------------------------------------------------------------------------------
def test_version():
    assert run("--version").stdout == f"bpnative {bp.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["demo", "--help"], ["bench", "--help"], ["info", "--help"]])
def test_help_has_examples(arguments):
    result = run(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert "usage: python -m bpnative" in result.stdout
    assert "examples:\n  python -m bpnative" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 120


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["dmeo"], 2, "invalid choice: 'dmeo'"),
        (["bench", "--workloads", "tinny"], 2, "unknown workload 'tinny': did you mean 'tiny'?"),
        (["bench", "--peers", "pytorch"], 2, "unknown peer 'pytorch': did you mean 'torch'?"),
        (["bench", "--rounds", "0"], 2, "expected a whole number of at least 1, got '0'"),
        (["bench", "--seconds", "nan"], 2, "expected seconds above 0 and at most 3600, got 'nan'"),
        (["bench", "--threads", "1,x"], 2, "expected a whole number of at least 1, got 'x'"),
        (["bench", "--threads", "100000"], 1, "error: expected at most "),
        (["demo", "--epochs", "0"], 1, "error: expected epochs"),
        (["demo", "--threads", "-1"], 1, "error: expected number of threads"),
    ],
)
def test_errors_are_a_sentence(arguments, code, message):
    result = run(*arguments)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("error", [ValueError("expected x"), OSError(2, "No such file"), MemoryError("too large")])
def test_errors_of_a_command_have_no_traceback(monkeypatch, capsys, error):
    def fail(options, out):
        raise error

    monkeypatch.setattr("bpnative.cli.info.run", fail)
    assert cli.main(["info"]) == 1
    assert capsys.readouterr().err.endswith(f": error: {error}\n")


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(os.name != "posix", reason="signals and process groups of POSIX")
@pytest.mark.parametrize(
    ("arguments", "sign"),
    [
        (["demo", "--epochs", "1000000"], "  3/1000000"),
        (["bench", "--workloads", "tiny", "--rounds", "100000"], "workload"),
    ],
)
def test_ctrl_c_ends_cleanly(arguments, sign):
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        for line in process.stdout:
            if line.lstrip().startswith(sign.lstrip()):
                break
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to children as well
        try:
            _, errors = process.communicate(timeout=240)
        finally:
            if process.returncode is None:  # or leaving the block would wait for it forever
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert errors == "\ninterrupted\n"
    deadline = time.monotonic() + 60
    while group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)  # a child that was still starting ends by itself
    assert not group_lives(process.pid)


@pytest.mark.skipif(os.name != "posix", reason="a pipe of a POSIX shell")
def test_a_reader_that_leaves_early_is_no_error():
    command = f"'{sys.executable}' -m bpnative demo | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=240)
    assert result.stdout.startswith(f"bpnative {bp.__version__}")
    assert result.stderr == ""


# ---- text ------------------------------------------------------------------------------------------------------------
class Stream(io.TextIOWrapper):
    """A stream with an encoding, that is a terminal or not."""

    def __init__(self, encoding, terminal):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self._terminal = terminal

    def isatty(self):
        return self._terminal

    def text(self):
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize(
    ("terminal", "environment", "colored"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False)],
)
def test_color_only_where_it_is_wanted(monkeypatch, terminal, environment, colored):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Stream("utf-8", terminal)
    out = Printer(stream)
    out(out.style("text", "bold"))
    assert stream.text() == ("\x1b[1mtext\x1b[0m\n" if colored else "text\n")


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals of POSIX")
@pytest.mark.parametrize("no_color", ["", "1"])
def test_demo_on_a_terminal(no_color):
    parent, child = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "NO_COLOR": no_color}
    process = subprocess.Popen([*COMMAND, "demo", "--epochs", "2"], stdout=child, stderr=child, env=environment)
    os.close(child)
    output = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while block := os.read(parent, 4096):
            output += block
    os.close(parent)
    assert process.wait(timeout=240) == 0
    assert b"Confusion" in output
    assert (b"\x1b[" in output) is (not no_color)


def test_plain_symbols_where_the_encoding_has_no_others():
    stream = Stream("ascii", terminal=False)
    Printer(stream)("8 × 8, 3 µs ÷ 2 · █ ∑")
    assert stream.text() == "8 x 8, 3 us / 2 - # ?\n"
    result = run("demo", "--epochs", "1", PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.isascii()
    assert run("bench", "--help", PYTHONIOENCODING="ascii").returncode == 0


def test_durations():
    values = [0, 1.234e-7, 9.994e-6, 9.996e-6, 99.96e-6, 999.4e-6, 999.6e-6, 0.9994, 0.9996, 75.0]
    expected = ["0.00 µs", "0.12 µs", "9.99 µs", "10.0 µs", "100 µs", "999 µs", "1.00 ms", "999 ms", "1.00 s", "75.0 s"]
    assert [duration(value) for value in values] == expected


def test_table_aligns():
    assert table([("", "ab"), ("long", "c")], "<>") == ["      ab", "long   c"]
