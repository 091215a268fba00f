"""Compiles a file of `to_c` strictly and runs its self-test, here and under emulation."""

from __future__ import annotations

import shutil
import subprocess

import pytest

STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
# A compiler, and what runs its programs.
COMPILERS = {
    "gcc": (["gcc"], []),
    "clang": (["clang"], []),
    "aarch64": (["aarch64-linux-gnu-gcc", "-static"], ["qemu-aarch64"]),
    "arm": (["arm-linux-gnueabihf-gcc", "-static"], ["qemu-arm"]),
    # Every read and write within its array, nothing that C leaves undefined.
    "checked": (["gcc", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"], []),
}


def need(compiler):
    """Skip the test where a compiler or an emulator is not installed."""
    for program in (COMPILERS[compiler][0][0], *COMPILERS[compiler][1]):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if compiler == "checked":
        command = ["gcc", "-print-file-name=libasan.so"]
        if "/" not in subprocess.run(command, capture_output=True, text=True, check=True).stdout:
            pytest.skip("gcc brings no AddressSanitizer")


def compile_strictly(path, out, compiler, options):
    """Compile without a warning."""
    command = [*COMPILERS[compiler][0], *STRICT, *options, str(path), "-o", str(out)]
    result = subprocess.run([*command, *([] if "-c" in options else ["-lm"])], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def self_test(path, name="net", compiler="gcc", levels=("-O1",), alone=False):
    """Compile the file strictly, as a part of a program and as its own self-test, or that alone; its exit code.

    What is checked runs as it is written, without optimization, which would take accesses out before they are seen.
    """
    need(compiler)
    out = path.with_suffix(".out")
    for level in levels:
        if not alone:
            compile_strictly(path, path.with_suffix(".o"), {"checked": "gcc"}.get(compiler, compiler), [level, "-c"])
        level = "-O0" if compiler == "checked" else level
        compile_strictly(path, out, compiler, [level, f"-D{name.upper()}_SELF_TEST"])
    result = subprocess.run([*COMPILERS[compiler][1], str(out)], timeout=240, capture_output=True, text=True)
    assert compiler != "checked" or not result.stderr, result.stderr
    return result.returncode
