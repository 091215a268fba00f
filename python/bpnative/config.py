"""Threads and configuration: what the compiled module runs on, and why."""

from __future__ import annotations

import atexit
import platform
from typing import Any, Literal, overload

import numpy as np

from . import _bpnative
from ._version import __version__
from .specification import check_count

# Workers are stopped while the interpreter is whole; they never touch Python.
atexit.register(_bpnative.stop_threads)


def set_num_threads(n: int) -> None:
    """Set the most threads that native calls use, from now on and in the whole process.

    Results don't depend on it: the same bits with any number. A call uses fewer where the work is too small for more.
    The environment variable ``BPNATIVE_NUM_THREADS`` sets the number at the start.

    Args:
        n: At least 1; 0 goes back to the default, which `show_config` explains.

    Raises:
        TypeError: n is not a whole number.
        ValueError: n is negative.

    Example:
        >>> import bpnative as bp
        >>> bp.set_num_threads(1)
        >>> bp.get_num_threads()
        1
        >>> bp.set_num_threads(0)
    """
    _bpnative.set_num_threads(check_count(n, "number of threads", 0))


def get_num_threads() -> int:
    """The most threads that native calls use.

    Example:
        >>> import bpnative as bp
        >>> bp.get_num_threads() >= 1
        True
    """
    return _bpnative.get_num_threads()


@overload
def show_config(mode: Literal["print"] = "print") -> None: ...


@overload
def show_config(mode: Literal["dict"]) -> dict[str, Any]: ...


def show_config(mode: str = "print") -> dict[str, Any] | None:
    """Show the instruction set chosen, the threads, the processor and the versions, and why they are so.

    ``BPNATIVE_ISA`` forces a lower instruction set, ``BPNATIVE_NUM_THREADS`` the number of threads; both are read when
    bpnative is imported.

    Args:
        mode: ``"print"`` prints; ``"dict"`` returns a dict instead: isa, isa_reason, isa_available, isa_compiled,
            isa_requested, threads, threads_reason, processor, cores, l1d_bytes, l2_bytes, l3_bytes, compiler, version,
            python, numpy, platform.

    Raises:
        ValueError: mode is neither.

    Example:
        >>> import bpnative as bp
        >>> config = bp.show_config("dict")
        >>> config["isa"] in config["isa_available"]
        True
    """
    if mode not in ("print", "dict"):
        raise ValueError(f"expected mode as 'print' or 'dict', got {mode!r}")
    native = _bpnative.config()
    requested = native["isa_requested"]
    config = {
        **native,
        "isa_reason": "the best of this processor" if requested is None else f"BPNATIVE_ISA={requested}",
        "version": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
    }
    if mode == "dict":
        return config
    caches = [f"{name} {config[key] // 1024:,} KiB" for name, key in _CACHES if config[key]]
    lines = {
        "instruction set": f"{config['isa']} ({config['isa_reason']})",
        "available": ", ".join(config["isa_available"]),
        "compiled": ", ".join(config["isa_compiled"]),
        "threads": f"{get_num_threads()} ({config['threads_reason']})",
        "processor": f"{config['processor']}, {_plural(config['cores'], 'core')}",
        "caches": ", ".join(caches) or "unknown",
        "compiler": config["compiler"],
        "Python": f"{config['python']}, NumPy {config['numpy']}",
        "system": config["platform"],
    }
    print(f"bpnative {config['version']}")
    for name, value in lines.items():
        print(f"  {name:<16} {value}")
    return None


_CACHES = (("L1", "l1d_bytes"), ("L2", "l2_bytes"), ("L3", "l3_bytes"))


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
