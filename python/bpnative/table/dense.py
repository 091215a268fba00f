"""A table's model as dense layers over raw numbers: what ONNX and C files can hold, preparation included.

Scaling goes into the first layer, W/s and b - W·(m/s); a category's vectors become the weights of one input for each
code, W·Eᵀ; the target's unit goes into the last layer. All in float64, so that nothing is lost on the way.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import bpnative as bp

from .columns import Category, Date, Number
from .model import TableModel
from .reading import Table

Array: TypeAlias = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Input:
    """One input of the dense network.

    Args:
        column: The table's column.
        meaning: "value", a part of a date, "missing" (1 where it is), or "is" (1 where it is this category).
        category: For "is": the category; None for those that training has not seen.
        if_missing: The number to give where the cell is missing.
    """

    column: str
    meaning: str
    category: str | None = None
    if_missing: float = 0.0


def as_dense(model: TableModel) -> tuple[bp.Network, list[Input]]:
    """The model as a network of dense layers in float64 over raw numbers, and the meaning of its inputs.

    It gives what the model gives, but for numbers further than ten standard deviations from the mean, which the model
    moves nearer.

    Example:
        >>> from bpnative.table import survey, train
        >>> table = Table.of({"a": [1, 2] * 20, "c": ["x", "y"] * 20, "y": [0.5, 1.5] * 20})
        >>> network, inputs = as_dense(train(table, survey(table, "y", task="regression")).model)
        >>> [(one.column, one.meaning, one.category) for one in inputs]
        [('a', 'value', None), ('c', 'is', None), ('c', 'missing', None), ('c', 'is', 'x'), ('c', 'is', 'y')]
    """
    preparation, network = model.preparation, model.network
    dense = [layer for layer in network.layers if layer.specification.name == "dense"]
    numbers = [column for column in preparation.columns if not isinstance(column, Category)]
    inputs: list[Input] = []
    means: list[float] = []
    scales: list[float] = []
    for column in numbers:
        parts = [("value", (column.median, column.mean, column.scale))] if isinstance(column, Number) else []
        if isinstance(column, Date):
            parts = list(zip(column.parts, column.scales, strict=True))
        for meaning, (median, mean, scale) in parts:
            inputs.append(Input(column.name, meaning, None, median))
            means.append(mean)
            scales.append(scale)
        if column.indicator or not parts:
            inputs.append(Input(column.name, "missing", None, 1.0))
            means.append(0.0)
            scales.append(1.0)
    first = _of(dense[0].weight)
    n = len(inputs)
    weight, bias = first[:, :n] / scales, _bias(dense[0].bias) - first[:, :n] @ (np.array(means) / scales)
    blocks, at = [weight], n
    categories = [column for column in preparation.columns if isinstance(column, Category)]
    for category, position in zip(categories, preparation.codes, strict=True):
        table = _of(network.layers[0].tensors[f"table_{position}"])
        blocks.append(first[:, at : at + table.shape[1]] @ table.T)
        at += table.shape[1]
        inputs += [Input(category.name, "is"), Input(category.name, "missing", None, 1.0)]
        inputs += [Input(category.name, "is", name) for name in category.categories]
    weights = [np.concatenate(blocks, axis=1), *(_of(layer.weight) for layer in dense[1:])]
    biases = [bias, *(_bias(layer.bias) for layer in dense[1:])]
    target = preparation.target
    if target.task == "regression":
        weights[-1], biases[-1] = weights[-1] * target.scale, biases[-1] * target.scale + target.mean
    layers = [bp.Dense(len(w), activation=layer.activation) for w, layer in zip(weights, dense, strict=True)]
    result = bp.Network(layers, input_size=len(inputs), dtype="float64", seed=0)
    for layer, w, b in zip(result.layers, weights, biases, strict=True):
        layer.weight, layer.bias = w, b
    return result, inputs


def _of(values: Array) -> Array:
    return np.asarray(values, np.float64)


def _bias(values: Array | None) -> Array:
    assert values is not None  # Plan.build makes dense layers with biases
    return _of(values)


def dense_inputs(model: TableModel, table: Table) -> Array:
    """Raw rows as the inputs of `as_dense`, (n, inputs) float64: what a program around an exported file computes.

    Example:
        >>> from bpnative.table import survey, train
        >>> table = Table.of({"a": [1, 2] * 20, "c": ["x", "y"] * 20, "y": [0.5, 1.5] * 20})
        >>> model = train(table, survey(table, "y", task="regression")).model
        >>> dense_inputs(model, table.take([0, 1])).round(9).tolist()
        [[1.0, 0.0, 0.0, 1.0, 0.0], [2.0, 0.0, 0.0, 0.0, 1.0]]
    """
    numbers: list[Array] = []
    codes: list[Array] = []
    for column in model.preparation.columns:
        values, _ = column.transform(table.columns[column.name], table.separator)
        if isinstance(column, Category):
            codes.append(values == np.arange(column.codes))
            continue
        scales = [(column.median, column.mean, column.scale)] if isinstance(column, Number) else column.scales
        for index, (_, mean, scale) in enumerate(scales):
            values[:, index] = values[:, index] * scale + mean
        numbers.append(values)
    return np.concatenate([*numbers, *codes], axis=1).astype(np.float64)
