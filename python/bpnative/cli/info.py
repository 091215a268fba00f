"""``bpnative info``: what was chosen for this machine, and why."""

from __future__ import annotations

import argparse
import json
from typing import Any

import bpnative as bp

from .text import Printer

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "info",
        help="instruction set, threads, caches and versions",
        description="Show what bpnative found on this machine and what it chose.",
        epilog="examples:\n  %(prog)s\n  %(prog)s --json\n  BPNATIVE_ISA=v2 %(prog)s",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, out: Printer) -> None:
    """Print what `bpnative.show_config` knows."""
    if options.json:
        out(json.dumps(bp.show_config("dict"), indent=2))
    else:
        bp.show_config()
