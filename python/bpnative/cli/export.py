"""``bpnative export``: a model of ``bpnative train`` as an ONNX file or as one plain C file."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
from typing import Any

import bpnative as bp

from ..io import atomic
from ..table import TableModel
from ..table.dense import as_dense
from .reading import stem, writable
from .text import Printer

__all__ = ["add_parser", "run"]


_EXAMPLES = """\
examples:
  %(prog)s houses.safetensors --onnx
  %(prog)s houses.safetensors --c -o src/houses.c"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "export",
        help="write a model from train as ONNX or as one C file",
        description="Write a model as an ONNX file or as one plain C file, and beside it a JSON file that says what\n"
        "to put into each input. Scaling is inside: numbers go in as they are in the table; a category goes in as 1\n"
        "in the input of its name and 0 in the others. Numbers are doubles.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="the file that train wrote")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--onnx", action="store_true", help="an ONNX file; needs pip install 'bpnative[onnx]'")
    kind.add_argument("--c", action="store_true", help="one C99 file that allocates nothing")
    parser.add_argument("-o", "--output", metavar="FILE", help="the file (default: the model's name, .onnx or .c)")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, out: Printer) -> None:
    """Export and say what was written."""
    model = TableModel.load(options.model)
    path = options.output or stem(options.model) + (".onnx" if options.onnx else ".c")
    writable(path, options.force, "export")
    inputs_path = writable(os.path.splitext(path)[0] + ".inputs.json", options.force, "inputs")
    network, inputs = as_dense(model)
    target = model.preparation.target
    if options.onnx:
        bp.to_onnx(network, path, labels=list(target.classes) or None)
    else:
        name = re.sub(r"\W", "_", stem(path), flags=re.ASCII)
        bp.to_c(network, path, name=name if name[:1].isalpha() else f"net_{name}")
    outputs = [f"probability {label}" for label in target.classes] or [target.name]
    about = {"inputs": [dataclasses.asdict(one) for one in inputs], "outputs": outputs}
    atomic.write(inputs_path, [json.dumps(about, indent=1, ensure_ascii=False).encode()])
    if options.json:
        out(json.dumps({"file": path, "inputs": inputs_path, **about}, indent=2, ensure_ascii=False))
    elif not options.quiet:
        sizes = f"{network.input_size} inputs, {network.output_size} output{'s' * (network.output_size > 1)}"
        out(f"{path}: {sizes}, {network.parameters.size:,} weights")
        out(f"{inputs_path}: what each of them means")
