"""The network: layers, one flat buffer of parameters, forward and backward."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from . import _bpnative, activations, data, initializers
from .activations import Activation
from .graph import Graph, Node
from .inputs import check_codes, codes_of
from .layer_base import LayerSpecification
from .layer_views import Layer, Views, assign
from .layers import as_layers
from .network_state import NetworkFiles, check_dtype
from .samples import Form
from .scaled import Scaled, is_stored, stored_blocks
from .seeds import Seed, check_seed, weight_generators
from .sparse import SparseRows, as_sparse_rows, is_sparse
from .specification import check_count, check_flag
from .summary import summary_text

Array = npt.NDArray[Any]


class Network(NetworkFiles):
    """A feed-forward network.

    Args:
        layers: The layers, first to last, such as ``[Dense(256, activation="relu"), Dense(10)]``.
        input_size: Columns of X.
        dtype: ``"float32"`` or ``"float64"``, of all parameters and computations.
        seed: What the first weights are drawn with: a whole number (the same one, the same weights), a NumPy Generator
            (drawn from), or None (new ones each time).

    Attributes:
        layers: The layers as views, see `bpnative.layers.Layer`: ``net.layers[0].weight``, ``.trainable``, …
        owners: For each compiled layer the index of the layer in `layers` that it belongs to.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: Sizes are below 1 or overflow, the dtype is unknown, or initial values do not fit a layer.
        MemoryError: The parameters do not fit in memory.

    Pickle and `copy` carry the network by value. Shapes: rows are samples, X is (n, input_size).

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Dense(4, activation="tanh"), bp.Dense(1)], input_size=2, seed=0)
        >>> net.predict([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).shape
        (3, 1)
        >>> net
        Network([Dense(4, activation='tanh'), Dense(1)], input_size=2, seed=0)
    """

    def __init__(
        self,
        layers: Iterable[LayerSpecification | Activation | str],
        input_size: int,
        *,
        dtype: npt.DTypeLike = "float32",
        seed: Seed = None,
    ) -> None:
        specifications = as_layers(layers)
        seed = check_seed(seed)
        generator, training_generator = weight_generators(seed)
        self._build(specifications, check_count(input_size, "input_size"), check_dtype(dtype))
        self._seed = None if isinstance(seed, np.random.Generator) else seed
        for layer in self.walk():
            for tensor, view in layer.tensors.items():
                what = f"{tensor} of layer {layer.name}, {layer.specification!r} (shapes: {self._chain()})"
                view[...] = initializers.draw(layer.specification.initializer(tensor), view.shape, generator, what)
            for tensor, view in layer.statistics.items():
                view[...] = layer.specification.first_statistic(tensor)
        # What trainers shuffle with when they are given no seed of their own: independent of the weights' draws.
        self.set_training_seed(int(training_generator.integers(2**63)))

    def _build(self, specifications: Sequence[LayerSpecification], input_size: int, dtype: np.dtype[Any]) -> None:
        graph = Graph(specifications, input_size)
        if graph.largest >= 2**31 or graph.parameter_count * dtype.itemsize > sys.maxsize // 2:
            chain = " -> ".join(map(str, graph.sizes))
            raise ValueError(
                f"expected layers that fit in memory, each of fewer than 2**31 units, got {graph.parameter_count:,} "
                f"parameters (shapes: {chain})"
            )
        self._dtype, self._sizes, self.owners = dtype, graph.sizes, graph.owners
        self._native = native = _bpnative.Network(dtype.name, input_size, graph.native)
        self._parameters, self._gradients, self._statistics = native.parameters, native.gradients, native.statistics
        self._output_activation = activations.get(str(graph.native[-1][1].get("activation", "linear")))
        views = [Views({}, {}, {}) for _ in graph.native]

        def view(buffer: Array, offset: int, shape: tuple[int, ...]) -> Array:
            return buffer[offset : offset + int(np.prod(shape))].reshape(shape)

        for index, tensor, offset, shape in native.tensors:
            views[index].parameters[tensor] = view(self._parameters, offset, shape)
            views[index].gradients[tensor] = view(self._gradients, offset, shape)
        for index, tensor, offset, shape in native.statistics_tensors:
            views[index].statistics[tensor] = view(self._statistics, offset, shape)

        def place(node: Node, trainable: bool) -> Layer:
            trainable = trainable and node.specification.is_trainable
            inside = tuple(place(child, trainable) for child in node.inside)
            own = Views({}, {}, {}) if node.index is None else views[node.index]
            specification, size = node.specification, node.input_size
            return Layer(native, node.name, node.index, specification, size, own, inside, trainable)

        self.layers: tuple[Layer, ...] = tuple(place(node, True) for node in graph.nodes)
        self.layers[0]._codes = self._codes = codes_of(self.layers)
        self._backward_rows = 0
        # Rows of one native call over many, bounded in memory and time but never by measured time: about 2 billion
        # multiplications, some tens of milliseconds, lie between two looks at signals.
        self._block_rows = min(max(256, 2**31 // max(1, self._parameters.size)), max(256, 2**20 // self.output_size))

    @property
    def native_forms(self) -> tuple[Form, ...]:
        """The forms of data that native code takes as they are, beside arrays, see `samples`."""
        return ("bytes", "sparse") if self._native.takes_sparse else ("bytes",)

    @property
    def codes(self) -> dict[int, int]:
        """The number of codes of each column of X that an `Embedding` looks up; empty for other networks."""
        return self._codes

    def walk(self) -> Iterator[Layer]:
        """All layers, those inside of blocks as well, in the order of computation.

        Example:
            >>> import bpnative as bp
            >>> [layer.name for layer in bp.mlp([2, 3, 1]).walk()]
            ['0', '1']
        """
        for layer in self.layers:
            yield from layer.walk()

    @property
    def output_activation(self) -> Activation:
        """The activation that makes the outputs, linear where the last layer has none."""
        return self._output_activation

    @property
    def statistics(self) -> Array:
        """What layers keep beside parameters (running mean and variance, fitted scales): one flat, writable view."""
        return self._statistics

    @property
    def input_size(self) -> int:
        """Columns of X."""
        return self._sizes[0]

    @property
    def output_size(self) -> int:
        """Columns of the output."""
        return self._sizes[-1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters and computations."""
        return self._dtype

    @property
    def seed(self) -> int | None:
        """The seed given, None where there was none or a Generator."""
        return self._seed

    @property
    def parameters(self) -> Array:
        """All parameters, one flat, writable view of the native buffer; assigning copies values into it.

        In the order of the layers, the weight before the bias, rows of a weight one after another.
        """
        return self._parameters

    @parameters.setter
    def parameters(self, values: npt.ArrayLike) -> None:
        assign(self._parameters, values, "parameters")

    @property
    def gradients(self) -> Array:
        """The last gradients, one flat view laid out as `parameters`; written by `backward` and `Trainer.gradients`."""
        return self._gradients

    @gradients.setter
    def gradients(self, values: npt.ArrayLike) -> None:
        assign(self._gradients, values, "gradients")

    def predict(self, X: npt.ArrayLike) -> Array:
        """The outputs for each row of X, after the last activation.

        A row gives the same bits alone and in any batch; NaN and infinity are passed on; Ctrl-C is heard in between.
        Arrays of another type, also on disk, and `Scaled` data are converted block by block.

        Args:
            X: (n, input_size); n may be 0. Sparse matrices of SciPy's are taken as they are by a first layer
                `Dense`, else made dense block by block.

        Returns:
            A new array (n, output_size) of the network's dtype.

        Raises:
            TypeError: X holds no real numbers.
            ValueError: X has another number of columns.

        Example:
            >>> import bpnative as bp
            >>> bp.mlp([2, 3, 1], seed=0).predict([[0.0, 0.0]]).tolist()
            [[0.0]]
        """
        x: Any = X
        if not data.is_ready(X, self._dtype, self._sizes[0]):
            columns = self._sizes[0], self._dtype, "X", "input_size of the network"
            if is_sparse(X):
                x = as_sparse_rows(X, *columns, finite=False)
            elif is_stored(X, self._sizes[0], self._dtype):
                return self._predict_stored(x)
            else:
                x = data.as_rows(np.asarray(X, self._dtype) if isinstance(X, Scaled) else X, *columns)
        if self._codes:
            check_codes(x, self._codes)
        out = np.empty((len(x), self._sizes[-1]), self._dtype)
        rows = self._block_rows
        sparse = x if isinstance(x, SparseRows) and self._native.takes_sparse else None
        if sparse is not None:  # what is multiplied is less by so much, and what is made once for a block is more of it
            rows *= max(1, self._sizes[0] // (4 * max(1, sparse.entries_a_row)))
        elif isinstance(x, SparseRows):
            rows = min(rows, x.block_rows)
        elif len(x) <= rows:
            self._native.predict(out, x)
            return out
        for start in range(0, len(x), rows):
            stop = start + rows
            self._native.predict(out[start:stop], x[start:stop] if sparse is None else sparse.entries(start, stop))
        return out

    def _predict_stored(self, X: Scaled | Array) -> Array:
        out, start = np.empty((len(X), self._sizes[-1]), self._dtype), 0
        for block in stored_blocks(X, self._block_rows, self._dtype):
            check_codes(block, self._codes, rows=range(start, start + len(block)))
            self._native.predict(out[start : start + len(block)], block)
            start += len(block)
        return out

    def __call__(self, X: npt.ArrayLike) -> Array:
        """The same as `predict`."""
        return self.predict(X)

    def forward(self, x: npt.ArrayLike, training: bool = True) -> Array:
        """One batch forward; with training=True what `backward` needs is kept.

        Args:
            x: (n, input_size); n may be 0, but then there is nothing to go back through.
            training: False is `predict`, in one piece.

        Returns:
            A new array (n, output_size), after the last activation.

        Raises:
            TypeError: x holds no real numbers.
            ValueError: x has another number of columns.

        Example:
            >>> import bpnative as bp
            >>> net = bp.mlp([2, 3, 1], seed=0)
            >>> output = net.forward([[0.5, -0.5]])
            >>> net.backward(output - 1.0).shape
            (1, 2)
        """
        batch = data.as_rows(x, self._sizes[0], self._dtype, "x", "input_size of the network")
        if self._codes:
            check_codes(batch, self._codes, "x")
        training = check_flag(training, "training")
        out = np.empty((len(batch), self._sizes[-1]), self._dtype)
        self._backward_rows = 0
        if len(batch):
            self._native.forward(out, batch, training)
            self._backward_rows = len(batch) if training else 0
        return out

    def backward(self, output_gradient: npt.ArrayLike) -> Array:
        """The chain rule back through the last `forward`: fills `gradients` and returns the gradient of the input.

        For any loss of one's own: update with ``net.parameters -= learning_rate * net.gradients``.

        Args:
            output_gradient: Derivative of the loss in each output, (n, output_size), n as in `forward`.

        Returns:
            Derivative of the loss in each input, a new array (n, input_size).

        Raises:
            TypeError: output_gradient holds no real numbers.
            ValueError: There was no ``forward(x, training=True)``, or the shape is not that of its output.

        Example:
            >>> import bpnative as bp
            >>> net = bp.Network([bp.Dense(1, weight_initializer=[[2.0, 3.0]])], input_size=2)
            >>> output = net.forward([[1.0, 1.0]])
            >>> net.backward([[1.0]]).tolist(), net.gradients.tolist()
            ([[2.0, 3.0]], [1.0, 1.0, 1.0])
        """
        n = self._backward_rows
        if n == 0:
            raise ValueError("backward needs forward(x, training=True) with at least one row before it")
        gradient = data.as_rows(output_gradient, self._sizes[-1], self._dtype, "output_gradient", "network's outputs")
        if len(gradient) != n:
            raise ValueError(f"expected output_gradient with {n} rows, as in forward, got {len(gradient)}")
        input_gradient = np.empty((n, self._sizes[0]), self._dtype)
        self._native.backward(input_gradient, gradient)
        return input_gradient

    def summary(self, file: TextIO | None = None) -> None:
        """Print a table of layers, shapes, parameters, what is trainable, and memory.

        Args:
            file: Where to, standard output by default.

        Example:
            >>> import bpnative as bp
            >>> bp.mlp([4, 8, 3], seed=0).summary()
            layer          output shape  parameters  trainable
            ...
            67 parameters, 67 trainable; float32, 268 B and as much for gradients
        """
        print(summary_text(self), file=file)

    def _chain(self) -> str:
        """The chain of shapes, for messages."""
        return " -> ".join(map(str, self._sizes))

    def __repr__(self) -> str:
        dtype = "" if self.dtype.name == "float32" else f", dtype={self.dtype.name!r}"
        seed = "" if self.seed is None else f", seed={self.seed!r}"
        layers = [layer.specification for layer in self.layers]
        return f"Network({layers}, input_size={self.input_size}{dtype}{seed})"
