"""Finds a form, a few ONNX nodes with holes, in a graph: backwards, from its output to what goes in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .onnx_activations import Hole, Node, Nodes

Array = npt.NDArray[Any]

EITHER_WAY = ("Add", "Max", "Min", "Mul")
# Attributes that a file may leave out.
DEFAULTS: dict[str, dict[str, Any]] = {
    "BatchNormalization": {"epsilon": 1e-5, "momentum": 0.9, "training_mode": 0},
    "Celu": {"alpha": 1.0},
    "Elu": {"alpha": 1.0},
    "Gather": {"axis": 0},
    "Gelu": {"approximate": "none"},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "LayerNormalization": {"axis": -1, "epsilon": 1e-5, "stash_type": 1},
    "LeakyRelu": {"alpha": 0.01},
    "LogSoftmax": {"axis": -1},
    "ReduceMean": {"keepdims": 1},
    "RMSNormalization": {"axis": -1, "epsilon": 1e-5, "stash_type": 1},
    "Selu": {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
    "Softmax": {"axis": -1},
}


def match(form: Nodes, producer: Callable[[str], Node | None], target: str) -> dict[str, Any] | None:
    """What the names and holes of a form stand for, where it computes ``target``; None where it does not.

    Args:
        form: Nodes from ``"x"`` to ``"y"``.
        producer: The node of the graph that makes a tensor, its constant inputs as arrays.
        target: The tensor that ``"y"`` is to be.

    Example:
        >>> graph = {"out": Node("LeakyRelu", ("in",), "out", {"alpha": 0.2})}
        >>> match([Node("LeakyRelu", ("x",), "y", {"alpha": Hole("p")})], graph.get, "out")
        {'y': 'out', 'p': 0.2, 'x': 'in'}
    """
    makers = {node.output: node for node in form}

    def follow(waiting: list[tuple[Any, Any]], bound: dict[str, Any]) -> dict[str, Any] | None:
        """Bind the first waiting pair of a term of the form and a value of the graph, then the others."""
        if not waiting:
            return bound
        (term, value), rest = waiting[0], waiting[1:]
        if isinstance(term, str):
            if not isinstance(value, str) or bound.get(term, value) != value:
                return None
            wanted = None if term in bound else makers.get(term)
            bound = {**bound, term: value}
            return follow(rest, bound) if wanted is None else enter(wanted, producer(value), rest, bound)
        if isinstance(value, str):
            return None
        if isinstance(term, Hole):
            known = bound.get(term.name, value)
            return follow(rest, {**bound, term.name: value}) if np.array_equal(known, value) else None
        return follow(rest, bound) if _alike(term, value) else None

    def enter(wanted: Node, found: Node | None, rest: list[tuple[Any, Any]], bound: dict[str, Any]) -> Any:
        """Bind the attributes and inputs of a node."""
        if found is None or found.op != wanted.op or len(found.inputs) != len(wanted.inputs):
            return None
        ours, theirs = ({**DEFAULTS.get(node.op, {}), **node.attributes} for node in (wanted, found))
        if set(ours) != set(theirs):
            return None
        numbers = []
        for name, term in ours.items():
            value = -1 if name == "axis" and theirs[name] == 1 else theirs[name]  # the same, of rows
            if isinstance(term, (str, list)) and term != value:
                return None
            if not isinstance(term, (str, list)):
                numbers.append((term, value))
        orders = itertools.permutations(found.inputs) if wanted.op in EITHER_WAY else [found.inputs]
        for order in orders:
            done = follow([*numbers, *zip(wanted.inputs, order, strict=True), *rest], bound)
            if done is not None:
                return done
        return None

    return follow([("y", target)], {})


def _alike(term: float, value: Any) -> bool:
    """Whether a number of a form and one of a graph are the same, in float32 or with few digits."""
    return np.size(value) == 1 and math.isclose(term, float(np.reshape(value, ())), rel_tol=1e-5, abs_tol=1e-30)
