#!/usr/bin/env python3
"""Look at the built objects: nothing of one instruction set may reach code that an older processor runs.

A source that is compiled for several instruction sets crashes old processors in three ways: the linker merges an inline
function of the new set into everybody's code, an initializer of the new set runs when the library is loaded, or the
compiler itself was given the wrong flags. Each leaves a trace in the object file, and that is what this tool reads:

- a kernel unit defines exactly one external symbol, `bpnative_kernels_<tag>`, and no weak or unique one;
- it has no initializer that runs at load, no thread-local data, and calls nothing but memcpy, memset and memmove;
- no instruction is beyond a unit's set: none in VEX or EVEX coding in v2 and in ordinary code, none of AVX-512 in v3;
- the finished module exports only its entry point and `bpnative_*`, and needs no library beyond the C and C++ run time.

Usage: tools/check_objects.py BUILD_FOLDER   (a CMake build folder, made without sanitizers)
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

KERNEL_LIBRARY = "bpnative_kernels_"
ORDINARY_LIBRARIES = ("bpnative_core", "_bpnative")
ALLOWED_CALLS = ("memcpy", "memset", "memmove")
ADDRESSING = ("_GLOBAL_OFFSET_TABLE_",)
ALLOWED_EXPORTS = re.compile(r"PyInit__bpnative|bpnative_\w+")
ALLOWED_NEEDS = re.compile(r"(libstdc\+\+|libc\+\+|libc\+\+abi|libgcc_s|libm|libc|libpthread|ld-linux[\w-]*)\.so\.\d+")
RUN_AT_LOAD = re.compile(r"\.(init_array|fini_array|preinit_array|ctors|dtors|init|fini)\b")
THREAD_LOCAL = re.compile(r"\.(tdata|tbss)\b")

# Instructions that a unit must not hold, as objdump writes them on x86. A name with a v is VEX or EVEX coded (but for
# the old verr and verw); the others listed came with x86-64-v3. Masks, zmm and registers above 15 are AVX-512 alone.
WIDE = re.compile(
    r"^(v(?!err|erw)\w+|andn|bextr|bls(i|msk|r)|bzhi|lzcnt|movbe|mulx|pdep|pext|rorx|sarx|shlx|shrx)[lqbw]?\b|%[yz]mm"
)
WIDEST = re.compile(r"%zmm|%k[0-7]\b|%[xy]mm(1[6-9]|2\d|3[01])\b")
FORBIDDEN = {"v2": WIDE, "v3": WIDEST, "ordinary": WIDE}
INSTRUCTION = re.compile(r"\s*[0-9a-f]+:\t([^#<]+)")
PREFIXES = re.compile(r"^((lock|rep[nz]*e?|notrack|bnd|data16|cs|ds|es|fs|gs|rex[.\w]*|\{\w+\}) +)+")


def run(*command: str) -> str:
    """Output of a binutils command, in the language that this tool reads."""
    environment = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} not found: install binutils") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(command)} failed: {error.stderr.strip()}") from None


def symbols(path: Path, *options: str) -> list[tuple[str, str]]:
    """Pairs of a symbol's type letter and its name, as nm prints them."""
    lines = run("nm", "--format=posix", *options, str(path)).splitlines()
    return [(fields[1], fields[0]) for fields in (line.split() for line in lines) if len(fields) >= 2]


def sections(path: Path) -> list[str]:
    """Names of an object's sections."""
    return re.findall(r"^\s*\[\s*\d+\]\s+(\S+)", run("readelf", "--wide", "--sections", str(path)), re.MULTILINE)


def is_x86(path: Path) -> bool:
    """Whether an object is code for x86-64."""
    return "X86-64" in run("readelf", "--file-header", str(path))


def forbidden_instructions(path: Path, pattern: re.Pattern[str]) -> list[str]:
    """Instructions that match, each with the function that holds it; a few are enough."""
    found: list[str] = []
    function = "?"
    for line in run("objdump", "--disassemble", "--no-show-raw-insn", str(path)).splitlines():
        if line.endswith(">:"):
            function = line.split("<", 1)[1][:-2]
        elif match := INSTRUCTION.match(line):
            instruction = PREFIXES.sub("", match[1].strip())
            if pattern.search(instruction):
                found.append(f"{' '.join(instruction.split())} in {function}")
                if len(found) == 3:
                    break
    return found


def check_instructions(path: Path, kind: str) -> list[str]:
    """Findings about instructions beyond the set that `kind` stands for."""
    if kind not in FORBIDDEN or not is_x86(path):
        return []
    return [f"instruction beyond {kind} code: {text}" for text in forbidden_instructions(path, FORBIDDEN[kind])]


def check_kernel(path: Path, tag: str) -> list[str]:
    """Findings about a kernel unit."""
    findings = []
    getter = KERNEL_LIBRARY + tag
    table = symbols(path)
    external = sorted(name for kind, name in table if kind.isupper() and kind not in "UVW")
    if external != [getter]:
        findings.append(f"external symbols {external or 'none'}, expected only {getter}")
    merged = sorted(name for kind, name in table if kind in "wWvVui")
    if merged:
        findings.append(f"weak, unique or indirect symbols, which the linker may give to other code: {merged[:5]}")
    calls = sorted(name for kind, name in table if kind == "U" and name not in ALLOWED_CALLS + ADDRESSING)
    if calls:
        findings.append(f"needs {calls[:5]}, allowed are {', '.join(ALLOWED_CALLS)}")
    names = sections(path)
    if any(RUN_AT_LOAD.search(name) for name in names):
        findings.append("an initializer runs at load, on every processor; make the object constexpr")
    if any(THREAD_LOCAL.search(name) for name in names):
        findings.append("thread-local data, which is set up by code at run time")
    return findings + check_instructions(path, tag)


def check_ordinary(path: Path) -> list[str]:
    """Findings about an object of core, nn, train or bindings."""
    return check_instructions(path, "ordinary")


def check_module(path: Path) -> list[str]:
    """Findings about the finished module."""
    findings = []
    exported = [name for _, name in symbols(path, "--dynamic", "--defined-only", "--extern-only")]
    extra = sorted(name for name in exported if not ALLOWED_EXPORTS.fullmatch(name))
    if extra:
        findings.append(f"exports {extra[:5]}, allowed are PyInit__bpnative and bpnative_*")
    if "PyInit__bpnative" not in exported:
        findings.append("does not export PyInit__bpnative")
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "--wide", "--dynamic", str(path)))
    extra = sorted(name for name in needed if not ALLOWED_NEEDS.fullmatch(name))
    if extra:
        findings.append(f"needs the libraries {extra}, allowed are the C and C++ run time alone")
    return findings


def check_build(build: Path) -> tuple[dict[Path, list[str]], int]:
    """Findings by object of a build folder, and how many objects were looked at."""
    objects = sorted(build.rglob("*.o"))
    results: dict[Path, list[str]] = {}
    kernels = ordinary = 0
    for path in objects:
        library = next((part[:-4] for part in path.parts if part.endswith(".dir")), "")
        if library.startswith(KERNEL_LIBRARY):
            kernels += 1
            results[path] = check_kernel(path, library[len(KERNEL_LIBRARY) :])
        elif library in ORDINARY_LIBRARIES:
            ordinary += 1
            results[path] = check_ordinary(path)
    modules = sorted(build.glob("_bpnative*.so"))
    for path in modules:
        results[path] = check_module(path)
    if not kernels or not ordinary or len(modules) != 1:
        raise SystemExit(
            f"{build} holds {kernels} kernel objects, {ordinary} others and {len(modules)} modules; "
            "expected a finished build of the dev preset"
        )
    return {path: found for path, found in results.items() if found}, len(results)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        raise SystemExit(__doc__)
    build = Path(arguments[0])
    findings, looked_at = check_build(build)
    for path, texts in findings.items():
        for text in texts:
            print(f"{path.relative_to(build)}: {text}")
    print(f"{looked_at} objects looked at, {len(findings)} with findings")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
