#!/usr/bin/env python3
"""Look at a built wheel: small, complete, with nothing in it that should not be, and dependent on NumPy alone.

Usage: tools/check_wheel.py WHEEL [SAME_WHEEL_BUILT_AGAIN]
"""

from __future__ import annotations

import email
import hashlib
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 2_000_000
EXPECTED = ("bpnative/__init__.py", "bpnative/__main__.py", "bpnative/py.typed", "bpnative/_bpnative.pyi")
ALLOWED = re.compile(
    r"bpnative/([a-z_]\w*/)*[\w.]+\.(py|pyi|typed|gz)|bpnative/_bpnative\.[\w.-]+\.so|\S+\.dist-info/\S+"
)


def version() -> str:
    """The version as its one source says it."""
    text = (ROOT / "python" / "bpnative" / "_version.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return match[1] if match else "unknown"


def check(wheel: Path) -> list[str]:
    """Findings about a wheel."""
    findings = []
    if wheel.stat().st_size > LARGEST:
        findings.append(f"{wheel.stat().st_size:,} bytes, at most {LARGEST:,} are allowed")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        findings += [f"{name} is missing" for name in EXPECTED if name not in names]
        findings += [f"{name} has no place in the wheel" for name in names if not ALLOWED.fullmatch(name)]
        modules = [name for name in names if name.endswith(".so")]
        if len(modules) != 1:
            findings.append(f"compiled modules {modules}, expected exactly one")
        findings += [
            f"{name} holds the path of the source folder: the build does not depend on its source alone"
            for name in names
            if str(ROOT).encode() in archive.read(name)
        ]
        information = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(information))
        if not any(name.endswith("licenses/LICENSE") for name in names):
            findings.append("the license is missing")
    if metadata["Version"] != version():
        findings.append(f"version {metadata['Version']}, expected {version()}")
    needed = [text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text]
    if [re.split(r"[^\w.-]", text)[0] for text in needed] != ["numpy"]:
        findings.append(f"needs {needed}, expected NumPy alone")
    return findings


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        raise SystemExit(__doc__)
    wheels = [Path(argument) for argument in arguments]
    findings = check(wheels[0])
    if len({digest(wheel) for wheel in wheels}) != 1:
        findings.append(f"not reproducible: {wheels[1]} was built from the same source and differs")
    for finding in findings:
        print(f"{wheels[0].name}: {finding}")
    print(
        f"{wheels[0].name}: {wheels[0].stat().st_size:,} bytes, SHA-256 {digest(wheels[0])}, {len(findings)} findings"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
