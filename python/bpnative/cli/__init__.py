"""The command line: ``python -m bpnative`` or ``bpnative``.

Each command is a module with ``add_parser``. text.py is what they print with; reading.py is what those for
tables share.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import TextIO, cast

from .. import __version__
from . import bench, demo, evaluate, export, info, predict, train
from .text import Printer

__all__ = ["main"]

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it

_EXAMPLES = """\
examples:
  {prog} train houses.csv --target price
  {prog} predict houses.safetensors new.csv -o prices.csv
  {prog} demo                 train on handwritten digits, in seconds
  {prog} bench --quick        see that every workload runs
  {prog} info                 what was chosen for this machine

Environment: BPNATIVE_NUM_THREADS, BPNATIVE_ISA (a lower instruction set), NO_COLOR.
"""


def _parser() -> argparse.ArgumentParser:
    prog = "python -m bpnative" if os.path.basename(sys.argv[0]) == "__main__.py" else "bpnative"
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Train feed-forward networks at the speed of the silicon.",
        epilog=_EXAMPLES.format(prog=prog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bpnative {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in (train, predict, evaluate, export, info, demo, bench):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: those after the program's name; ``sys.argv`` gives them if None.

    Returns:
        The exit code: 0, 1 after an error (which is printed without a traceback), 130 after Ctrl-C. Arguments that
        cannot be understood leave by SystemExit with code 2.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # help has symbols that not every encoding has
    parser = _parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 0
    try:
        options.run(options, Printer(cast(TextIO, sys.stdout)))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, TypeError, OSError, MemoryError, ImportError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    return 0
