"""A trained model of a table: preparation and network, in one safetensors file. Reading it executes nothing."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import bpnative as bp

from ..io import model as files
from ..io import safetensors
from .preparation import Preparation, Prepared
from .reading import Table
from .scores import score

Array: TypeAlias = npt.NDArray[Any]

KEY = "bpnative.table"
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Plan:
    """The network behind the preparation.

    Args:
        hidden: Units of its hidden layers.
        dropout: Share of hidden units left out in training.
        seed: Of the first weights.
    """

    hidden: tuple[int, ...]
    dropout: float
    seed: int

    def build(self, preparation: Preparation) -> bp.Network:
        """An untrained network.

        Example:
            >>> from bpnative.table import Finding, Target
            >>> table, found = Table.of({"a": [1, 2], "b": ["x", "y"]}), {"a": Finding("number", "point")}
            >>> Plan((8,), 0.0, 0).build(Preparation.fit(table, found, Target("y", "regression")))
            Network([Dense(8, activation='relu'), Dense(1)], input_size=1, seed=0)
        """
        target = preparation.target
        layers: list[Any] = [bp.Embedding(preparation.codes)] if preparation.codes else []
        for units in self.hidden:
            layers.append(bp.Dense(units, activation="relu"))
            layers += [bp.Dropout(self.dropout)] if self.dropout else []
        last = "softmax" if target.task == "classification" else "linear"
        layers.append(bp.Dense(target.outputs, activation=last))
        return bp.Network(layers, input_size=len(preparation.features), seed=self.seed)


@dataclasses.dataclass
class TableModel:
    """A trained model of a table.

    Args:
        preparation: From raw rows to features.
        network: The network.
        facts: What training found, as JSON can hold it.
    """

    preparation: Preparation
    network: bp.Network
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    def predict_features(self, X: Array) -> Array:
        """Probabilities (n, classes), or numbers (n,) in the target's unit, for prepared features."""
        out = self.network.predict(X).astype(np.float64)
        target = self.preparation.target
        return out if target.task == "classification" else out[:, 0] * target.scale + target.mean

    def predict(self, table: Table, *, allow_missing_columns: bool = False) -> tuple[Array, Prepared]:
        """Predictions for raw rows, and what was met on the way.

        Raises:
            ValueError: The rows are not such as the model was trained with.
        """
        prepared = self.preparation.transform(table, allow_missing_columns=allow_missing_columns)
        return self.predict_features(prepared.X), prepared

    def evaluate(self, table: Table) -> tuple[dict[str, float], int, int]:
        """Metrics on raw rows with their target, how many rows were used, and how many have no usable target.

        Raises:
            ValueError: There is no target, or the rows are not such as the model was trained with.
        """
        target = self.preparation.target
        if target.name not in table.columns:
            raise ValueError(f"the table lacks the target {target.name!r}: without it there is nothing to compare with")
        labels = target.labels(table.columns[target.name], table.separator)
        known = np.isfinite(labels)
        if not known.any():
            what = f"one of the classes {', '.join(target.classes[:5])}" if target.classes else "a number"
            raise ValueError(f"no row has a target that can be compared: expected {what} in {target.name!r}")
        predicted, _ = self.predict(table)
        return score(target.task, predicted[known], labels[known]), int(known.sum()), int((~known).sum())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, all or nothing; `bpnative.load` reads the network alone.

        Raises:
            OSError: The file can't be written; an old one is untouched.
        """
        description = {"version": VERSION, "preparation": self.preparation.to_json(), "facts": self.facts}
        metadata = {
            files.METADATA_KEY: files.to_json({"network": files.architecture(self.network)}),
            KEY: json.dumps(description),
        }
        safetensors.write(path, files.tensors_of(self.network), metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """The model of a file that `save` wrote.

        Raises:
            ValueError: The file is none, or damaged; the message says what is wrong.
            OSError: It can't be read.
        """
        with open(path, "rb") as file:
            header = safetensors.read_header(file)
            if KEY not in header.metadata:
                raise ValueError(f"{os.fspath(path)} is no model that `bpnative train` wrote: it holds no preparation")
            given = safetensors.parse_json(header.metadata[KEY], f"metadata {KEY!r} of the file")
            if given.get("version") != VERSION:
                raise ValueError(f"{os.fspath(path)} is of another version: this bpnative reads version {VERSION}")
            preparation = Preparation.from_json(given.get("preparation"))
            network = files.read_network(file, header, files.read_description(header))
        wanted = (len(preparation.features), preparation.target.outputs, preparation.codes)
        if (network.input_size, network.output_size, network.codes) != wanted:
            raise ValueError(f"{os.fspath(path)} is damaged: its preparation does not fit its network")
        facts = given.get("facts")
        return cls(preparation, network, facts if isinstance(facts, dict) else {})
