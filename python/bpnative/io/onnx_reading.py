"""Networks from ONNX: the graph is read backwards from its output, form by form."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import activations
from ..layers import Activation as ActivationLayer
from ..layers import BatchNorm, Embedding, LayerNorm, Normalize, RMSNorm
from ..network import Network
from . import onnx_activations, onnx_layers
from .assemble import Part, add_activation, assemble, dense, residual
from .atomic import PathLike
from .onnx import import_onnx
from .onnx_activations import Hole, Node, Nodes
from .onnx_constants import array_of, row, shortest
from .onnx_matching import match

Array = npt.NDArray[Any]

PASSED = ("Identity", "Dropout", "Flatten")  # nothing in a prediction from rows
MOST_COPIES = 16  # of what a model holds: weights that many layers share, one number for all columns
SMALL = 2**26  # bytes that no model is refused for


def from_onnx(path: PathLike) -> Network:
    """The network of an ONNX model that is made of layers and activations of this library.

    Args:
        path: The file; written by `to_onnx`, PyTorch or others, of rows, or with Flatten first. Known are Gemm, or
            MatMul and Add, with constant weights; batch, layer and RMS norm; sums of two branches, one of which is a
            residual block's skip; at the input scaling and tables of embeddings; and all activations. Noise layers are
            not in such a file.

    Raises:
        ImportError: The onnx package is not installed.
        ValueError: It is no ONNX model, a node has no counterpart, which is named, or a small file would make a network
            that is far larger.
        OSError: It can't be read.

    Example:
        >>> import bpnative as bp
        >>> bp.to_onnx(bp.mlp([2, 3, 1], seed=0), "net.onnx")  # doctest: +SKIP
        >>> from_onnx("net.onnx").layers[0].activation  # doctest: +SKIP
        'relu'
    """
    onnx = import_onnx("from_onnx")
    with open(path, "rb") as file:
        content = file.read()
    try:
        model = onnx.load_model_from_string(content)
        # Large models keep their weights in a file beside them; onnx refuses one that is elsewhere.
        folder = os.path.dirname(os.path.abspath(path))
        onnx.external_data_helper.load_external_data_for_model(model, folder)
        onnx.checker.check_model(model)
    except Exception as error:
        raise ValueError(f"expected an ONNX model: {error}") from None
    try:
        graph = Graph(onnx, model.graph)
        parts = graph.parts(graph.output, graph.input) or [Part(ActivationLayer("linear"))]
        graph.check_copies(parts)
        return assemble(parts, "the ONNX model", graph.input_size, graph.dtype)
    except RecursionError:
        raise ValueError("the ONNX model has blocks in blocks too deeply nested to be read") from None


class Graph:
    """The nodes of a model by what they make, constants in the place of their names."""

    def __init__(self, onnx: Any, graph: Any) -> None:
        constants = {tensor.name: array_of(onnx, tensor) for tensor in graph.initializer}
        floats: dict[int, np.dtype[Any]] = {
            onnx.TensorProto.FLOAT: np.dtype("float32"),
            onnx.TensorProto.DOUBLE: np.dtype("float64"),
        }
        outputs = [value for value in graph.output if value.type.tensor_type.elem_type in floats]
        inputs = [value for value in graph.input if value.name not in constants]
        for what, values in (("output", outputs), ("input", inputs)):
            if len(values) != 1 or values[0].type.tensor_type.elem_type not in floats:
                names = [value.name for value in values]
                raise ValueError(f"expected an ONNX model with one {what} of floats, got {names}")
        self.dtype: np.dtype[Any] = floats[outputs[0].type.tensor_type.elem_type]
        self.input = inputs[0].name
        sizes = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]
        self.input_size = sizes[1] if len(sizes) == 2 and sizes[1] > 0 else None
        if len(sizes) != 2:
            readers = [node.op_type for node in graph.node if self.input in node.input]
            if len(sizes) < 2 or set(readers) != {"Flatten"}:
                raise ValueError(
                    f"expected an ONNX model of rows, (n, columns), or Flatten first, got {len(sizes)} axes"
                )
        self._blocks: dict[tuple[str, str], list[Part] | ValueError] = {}
        self._makers: dict[str, Node] = {}
        self._places = {self.input: 0}  # in the order of computation
        same: dict[str, str] = {}  # what only passes another tensor on
        for place, node in enumerate(graph.node, 1):
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            # Somebody's own operator may have the name of one of ONNX.
            op = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
            if op == "Constant" and "value" in attributes:
                constants[node.output[0]] = array_of(onnx, attributes["value"])
                continue
            plain = {k: shortest(np.float32(v)) if isinstance(v, float) else v for k, v in attributes.items()}
            plain = {k: v.decode() if isinstance(v, bytes) else v for k, v in plain.items()}
            names = [same.get(name, name) for name in node.input]
            while names and not names[-1]:  # an optional input that is not there
                names.pop()
            given = tuple(constants.get(name, name) for name in names)
            passes = op in PASSED or (op == "Cast" and plain["to"] in floats)
            if passes and plain.get("axis", 1) == 1:
                if isinstance(given[0], str):
                    same[node.output[0]] = given[0]
                else:
                    constants[node.output[0]] = given[0]
                continue
            for output in node.output:
                self._makers[output] = Node(op, given, output, plain)
                self._places[output] = place
        self.output = same.get(outputs[0].name, outputs[0].name)
        self._held = sum({id(array): array.nbytes for array in constants.values()}.values())

    def check_copies(self, parts: list[Part]) -> None:
        """A small model can't make a network that fills the memory.

        Raises:
            ValueError: Layers share so much, or repeat a number so often, that it would.
        """
        size = sum(value.nbytes for part in parts for inner in part.walk() for value in inner.values.values())
        if size > SMALL + MOST_COPIES * self._held:
            raise ValueError(
                f"the ONNX model holds {self._held:,} bytes of numbers, and a network of it {size:,}: each layer has "
                "its own weights here, each column its own mean and scale"
            )

    def parts(self, target: str, source: str) -> list[Part]:
        """The layers that make one tensor of another.

        Raises:
            ValueError: A node on the way is none that a layer is made of.
        """
        found: list[Part] = []
        at = target
        while at != source:
            if at not in self._makers or self._places[at] < self._places[source]:
                raise ValueError(f"from_onnx knows layers one after another and residual blocks; {at!r} is beside them")
            part, at = self._step(at)
            found.append(part)
        made: list[Part] = []
        for part in reversed(found):
            if isinstance(part.specification, ActivationLayer):
                add_activation(made, activations.get(part.specification.function))
            else:
                made.append(part)
        return made

    def _step(self, target: str) -> tuple[Part, str]:
        """The layer that makes a tensor, and the tensor that it takes."""
        node = self._makers[target]
        for kind, form in FORMS.get(node.op, []):
            bound = match(form, self._makers.get, target)
            part = bound and self._part(kind, bound)
            if part and bound:
                return part, bound["x"]
        if node.op in ("Gemm", "MatMul"):
            return _dense(node)
        if node.op == "Add":
            return self._sum(node)
        if node.op == "Concat":
            return self._embedding(node)
        raise _unknown(node)

    def _part(self, kind: str, bound: dict[str, Any]) -> Part | None:
        """The part that a form stands for, by what its holes hold; None where no layer has such settings."""
        try:
            settings = {name: shortest(bound[name]) for name in ("p", "epsilon", "kept") if name in bound}
            if kind in activations.ACTIVATIONS:
                plain = activations.ACTIVATIONS[kind]()
                fields = [name for name, value in vars(plain).items() if value == plain.parameter]
                own = {fields[0]: settings["p"]} if "p" in settings else {}
                return Part(ActivationLayer(type(plain)(**own)))
            arrays = {name: row(array) for name, array in bound.items() if isinstance(array, np.ndarray)}
            if kind == "normalize":
                return self._normalize(arrays)
            values = {name: array for name, array in arrays.items() if name not in settings}
            made: Any = {"batch_norm": BatchNorm, "layer_norm": LayerNorm, "rms_norm": RMSNorm}[kind]
            if kind == "batch_norm":
                made = functools.partial(made, momentum=float(f"{1 - settings['kept']:.7g}"))
            if kind == "layer_norm":
                values.setdefault("bias", np.zeros_like(values["weight"]))
            return Part(made(epsilon=settings["epsilon"]), values, values["weight"].size)
        except ValueError:
            return None

    def _normalize(self, arrays: dict[str, Array]) -> Part | None:
        """The scaling of inputs by a mean, and a scale or a deviation."""
        size = self.input_size or max(array.size for array in arrays.values())
        with np.errstate(divide="ignore", over="ignore"):
            scale = arrays["scale"] if "scale" in arrays else 1 / arrays.get("deviation", np.ones(1, self.dtype))
        values = {"mean": arrays.get("mean", np.zeros(1, self.dtype)), "scale": scale}
        if any(array.size not in (1, size) or not np.isfinite(array).all() for array in values.values()):
            return None
        return Part(Normalize(), {name: np.broadcast_to(array, size) for name, array in values.items()}, size)

    def _sum(self, node: Node) -> tuple[Part, str]:
        """A dense layer whose sums and bias are apart, or a residual block."""
        arrays = [part for part in node.inputs if isinstance(part, np.ndarray)]
        names = [part for part in node.inputs if isinstance(part, str)]
        if node.attributes:  # before opset 7 they could turn a constant over the samples
            raise _unknown(node)
        makers = [self._makers.get(name) for name in names]
        if len(arrays) == 1 and makers[0] is not None and makers[0].op in ("Gemm", "MatMul"):
            part, at = _dense(makers[0])
            if "bias" not in part.values:
                function = activations.get("linear")
                return dense(part.values["weight"], row(arrays[0]), function), at
        if len(names) != 2:
            raise _unknown(node)
        failed: ValueError | None = None
        for (block, skip), maker in ((names, makers[1]), (names[::-1], makers[0])):
            ways: list[tuple[str, Part | None]] = [(skip, None)]
            if maker is not None and maker.op in ("Gemm", "MatMul") and len(maker.inputs) == 2:
                part, at = _dense(maker)
                ways.append((at, part))
            for start, projection in ways:
                if start != block and start not in self._before(block, start):
                    continue
                try:
                    return residual(self._block(block, start), projection), start
                except ValueError as error:
                    failed = failed or error
        raise failed or _unknown(node)

    def _block(self, target: str, source: str) -> list[Part]:
        """`parts` of a block, whose ends are tried again and again where blocks stand in blocks."""
        if (target, source) not in self._blocks:
            try:
                self._blocks[target, source] = self.parts(target, source)
            except ValueError as error:
                self._blocks[target, source] = error
        found = self._blocks[target, source]
        if isinstance(found, ValueError):
            raise ValueError(*found.args)
        return found

    def _before(self, target: str, source: str) -> set[str]:
        """The tensors that one is made of, as far back as another."""
        seen: set[str] = set()
        waiting = [target]
        while waiting:
            node = self._makers.get(waiting.pop())
            for name in node.inputs if node else ():
                if isinstance(name, str) and name not in seen and self._places.get(name, -1) >= self._places[source]:
                    seen.add(name)
                    waiting.append(name)
        return seen

    def _embedding(self, node: Node) -> tuple[Part, str]:
        """The columns of numbers, and the vectors of each column of codes."""
        numeric: list[int] = []
        tables: dict[int, Array] = {}
        sources = set()
        for index, name in enumerate(node.inputs):
            if not isinstance(name, str):
                raise _unknown(node)
            bound = match(COLUMNS, self._makers.get, name)
            if index == 0 and bound and bound["column"].ndim == 1:
                numeric = bound["column"].tolist()
            else:
                bound = match(VECTORS, self._makers.get, name)
                if not bound or bound["column"].ndim or bound["table"].ndim != 2:
                    raise _unknown(node)
                tables[int(bound["column"])] = bound["table"]
            sources.add(bound["x"])
        columns = sorted([*numeric, *tables])
        ordered = numeric == sorted(numeric) and list(tables) == sorted(tables) and columns == list(range(len(columns)))
        if len(sources) != 1 or not ordered or not tables or node.attributes.get("axis") not in (1, -1):
            raise _unknown(node)
        made = Embedding(
            {column: len(table) for column, table in tables.items()},
            size={column: table.shape[1] for column, table in tables.items()},
            initializer_of_tables="zeros",
        )
        return Part(made, {f"table_{k}": table for k, table in tables.items()}, len(columns)), sources.pop()


def _forms() -> Iterator[tuple[str, Nodes]]:
    """Every form of a layer or activation, the longest first."""
    found = [*onnx_layers.FORMS.items(), *onnx_layers.ALSO, *onnx_activations.ALSO]
    for name, make in [*onnx_activations.NODES.items(), *onnx_activations.NODES_OF_FLOAT64.items()]:
        if name != "linear":
            found.append((name, make(Hole("p"))))
            if len(make(1.0)) < len(found[-1][1]):  # written shorter where the number is 1
                found.append((name, make(1.0)))
    return iter(sorted(found, key=lambda pair: -len(pair[1])))


# Columns of numbers, and the vectors of a column of codes.
COLUMNS = [Node("Gather", ("x", Hole("column")), "y", {"axis": -1})]
VECTORS = [
    Node("Gather", ("x", Hole("column")), "a", {"axis": -1}),
    Node("Cast", ("a",), "b", {"to": Hole("to")}),
    Node("Gather", (Hole("table"), "b"), "y", {"axis": 0}),
]
FORMS: dict[str, list[tuple[str, Nodes]]] = {}  # by the operator of the last node
for _kind, _form in _forms():
    FORMS.setdefault(_form[-1].op, []).append((_kind, _form))


def _dense(node: Node) -> tuple[Part, str]:
    at, weight = node.inputs[:2]
    scaled = node.attributes.get("alpha", 1.0) != 1.0 or node.attributes.get("beta", 1.0) != 1.0
    if not isinstance(weight, np.ndarray) or weight.ndim != 2 or scaled or node.attributes.get("transA"):
        raise ValueError(f"from_onnx knows {node.op} of rows with a constant weight; {node.output!r} is another")
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and not isinstance(bias, np.ndarray):
        raise ValueError(f"from_onnx knows {node.op} with a constant bias; {node.output!r} has another")
    weight = weight if node.attributes.get("transB") else weight.T
    return dense(weight, None if bias is None else row(bias), activations.get("linear")), at


def _unknown(node: Node) -> ValueError:
    return ValueError(f"from_onnx knows no layer or activation that ends in the {node.op} that makes {node.output!r}")
