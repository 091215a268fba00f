"""From a table to a trained model: find out, split, prepare, train, judge."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import bpnative as bp

from ..names import unknown_name
from .columns import fit_scale
from .inference import Finding, examine
from .model import Plan, TableModel
from .preparation import Preparation
from .reading import Table
from .scores import baseline, importance, score
from .target import Target, find_target

Array: TypeAlias = npt.NDArray[Any]

FEWEST_ROWS = 20


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train; None is decided by the number of rows.

    Args:
        hidden: Units of the hidden layers.
        epochs: Passes over the rows, at most.
        batch_size: Rows of a step.
        learning_rate: Of AdamW.
        dropout: Share of hidden units left out in training.
        patience: Epochs without a better validation loss before training stops.
        seed: Of split, weights and order.
    """

    hidden: tuple[int, ...] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 2e-3
    dropout: float | None = None
    patience: int | None = None
    seed: int = 0

    def filled(self, n: int) -> Settings:
        """With what suits `n` rows to learn from.

        Example:
            >>> Settings(epochs=5).filled(1000)
            Settings(hidden=(64, 32), epochs=5, batch_size=32, learning_rate=0.002, dropout=0.1, patience=20, seed=0)
        """
        hidden = (32,) if n < 500 else (64, 32) if n < 5000 else (128, 64) if n < 100_000 else (256, 128)
        return Settings(
            self.hidden if self.hidden is not None else hidden,
            self.epochs or int(np.clip(20_000_000 // n, 20, 300)),
            self.batch_size or int(np.clip(2 ** round(np.log2(n / 40)), 16, 1024)),
            self.learning_rate,
            0.1 if self.dropout is None else self.dropout,
            self.patience or (20 if n < 100_000 else 5),
            self.seed,
        )


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was found in a table before anything is trained.

    Args:
        rows: Rows of the table.
        notes: What reading and the target decided.
        findings: What each column holds, except the target.
        target: What is predicted.
        labels: Of each row, NaN where there is none.
    """

    rows: int
    notes: list[str]
    findings: dict[str, Finding]
    target: Target
    labels: Array

    @property
    def used(self) -> dict[str, Finding]:
        """The columns that the network reads."""
        return {name: finding for name, finding in self.findings.items() if finding.kind != "dropped"}


def survey(
    table: Table,
    target: str,
    *,
    task: str | None = None,
    kinds: Mapping[str, str] | None = None,
    keep: Iterable[str] = (),
    drop: Iterable[str] = (),
    decimal: str | None = None,
    day_first: bool | None = None,
) -> Survey:
    """Look at a table: what each column holds, and what the target asks for.

    Args:
        table: The table.
        target: The column to predict.
        task: "classification" or "regression"; None decides by the target.
        kinds: "number", "category" or "date" for columns where the user knows.
        keep: Columns to use even if they look like identifiers.
        drop: Columns to leave out.
        decimal: "." or "," where the user knows.
        day_first: For dates such as 01/02/2024, where the user knows.

    Raises:
        ValueError: A column is not there, nothing can be learned, or no column is left to learn from.

    Example:
        >>> table = Table.of({"a": [1, 2] * 10, "b": [1] * 20, "y": ["n", "y"] * 10})
        >>> found = survey(table, "y")
        >>> found.target.task, list(found.used), found.findings["b"].decision
        ('classification', ['a'], "left out: it is '1' in every row")
    """
    kinds, keep, drop = dict(kinds or {}), list(keep), list(drop)
    for name in [target, *kinds, *keep, *drop]:
        if name not in table.columns:
            raise unknown_name("column", name, list(table.columns))
    if not len(table):
        raise ValueError("the table has a row of names but no rows of data")
    goal, notes = find_target(target, table.columns[target], table.separator, task, decimal)
    labels = goal.labels(table.columns[target], table.separator)
    known = np.flatnonzero(np.isfinite(labels))
    if len(known) < FEWEST_ROWS:
        raise ValueError(f"expected at least {FEWEST_ROWS} rows with a target to learn from, got {len(known)}")
    rows = table if len(known) == len(table) else table.take(known)
    findings = {}
    for name, texts in rows.columns.items():
        if name == target:
            continue
        if name in drop:
            findings[name] = Finding("dropped", decision="left out: as asked")
            continue
        findings[name] = examine(
            name, texts, table.separator, kind=kinds.get(name), decimal=decimal, day_first=day_first, keep=name in keep
        )
    if all(finding.kind == "dropped" for finding in findings.values()):
        reasons = "; ".join(f"{name!r} {finding.decision}" for name, finding in list(findings.items())[:5])
        raise ValueError(f"no column is left to learn from beside the target: {reasons or 'the table has one column'}")
    return Survey(len(table), [*table.notes, *notes], findings, goal, labels)


def split(labels: Array, task: str, generator: np.random.Generator) -> tuple[Array, Array, Array]:
    """Rows to learn from, to stop by and to judge by; of each class the same share.

    Example:
        >>> [len(part) for part in split(np.zeros(1000), "regression", np.random.default_rng(0))]
        [700, 150, 150]
    """
    known = np.flatnonzero(np.isfinite(labels))
    share = 0.2 if len(known) < 200 else min(0.15, 50_000 / len(known))
    groups = [known] if task == "regression" else [known[labels[known] == k] for k in np.unique(labels[known])]
    parts: tuple[list[Array], ...] = ([], [], [])
    for group in groups:
        order = generator.permutation(group)
        count = int(share * len(group) + 0.5)
        for part, rows in zip(parts, (order[2 * count :], order[:count], order[count : 2 * count]), strict=True):
            part.append(rows)
    learn, stop, judge = (np.sort(np.concatenate(part)) for part in parts)
    if not len(stop) or not len(judge):  # every class is rarer than one in a part: cut without regard to classes
        return split(labels, "regression", generator)
    return learn, stop, judge


@dataclasses.dataclass
class Result:
    """A trained model and what is known about it.

    Args:
        model: The model.
        history: Losses of each epoch.
        best_epoch: The epoch that it is from, counted from 0.
        metrics: On the rows to judge by.
        baseline: The same metrics of guessing the commonest class, or the mean.
        importance: Of columns, by permutation.
        predicted: For the rows to judge by.
        labels: Of the rows to judge by.
        counts: Rows to learn from, to stop by, to judge by.
        settings: As they were used.
        seconds: That training took.
    """

    model: TableModel
    history: dict[str, list[float]]
    best_epoch: int
    metrics: dict[str, float]
    baseline: dict[str, float]
    importance: dict[str, float]
    predicted: Array
    labels: Array
    counts: tuple[int, int, int]
    settings: Settings
    seconds: float


def train(
    table: Table, found: Survey, settings: Settings | None = None, callbacks: Iterable[bp.Callback] = ()
) -> Result:
    """Train a model.

    Args:
        table: The table that was surveyed.
        found: What `survey` found in it.
        settings: How to train.
        callbacks: Called as by `Trainer.fit`.

    Example:
        >>> values = np.random.default_rng(0).normal(size=200)
        >>> table = Table.of({"x": values, "y": 2 * values + 1})
        >>> result = train(table, survey(table, "y"))
        >>> result.metrics["R²"] > 0.9
        True
    """
    settings = settings or Settings()
    generator = np.random.default_rng(settings.seed)
    target, labels = found.target, found.labels
    learn, stop, judge = split(labels, target.task, generator)
    settings = settings.filled(len(learn))
    if target.task == "regression":
        _, mean, scale = fit_scale(labels[learn])
        target = dataclasses.replace(target, mean=mean, scale=scale)
    preparation = Preparation.fit(table.take(learn), found.used, target)
    X = preparation.transform(table).X
    network = Plan(settings.hidden or (), settings.dropout or 0.0, settings.seed).build(preparation)
    loss = "cross_entropy" if target.task == "classification" else "mse"
    optimizer = bp.AdamW(learning_rate=settings.learning_rate)
    trainer = bp.Trainer(network, loss=loss, optimizer=optimizer, clip_norm=5.0, seed=settings.seed)
    stopping = bp.EarlyStopping(patience=settings.patience or 1)
    start = time.perf_counter()
    history = trainer.fit(
        X[learn], target.learned(labels[learn]), epochs=settings.epochs or 1, batch_size=settings.batch_size or 1,
        validation_data=(X[stop], target.learned(labels[stop])), callbacks=[*callbacks, stopping], progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    _give_vectors_to_unseen_codes(network, preparation, X[learn])
    model = TableModel(preparation, network)
    predicted = model.predict_features(X[judge])
    guess = baseline(target.task, labels[learn], len(judge), target.outputs)
    result = Result(
        model,
        {name: list(values) for name, values in history.items()},
        stopping.best_epoch or 0,
        score(target.task, predicted, labels[judge]),
        score(target.task, guess, labels[judge]),
        importance(preparation, model.predict_features, X[judge], labels[judge], generator),
        predicted,
        labels[judge],
        (len(learn), len(stop), len(judge)),
        settings,
        seconds,
    )
    model.facts = {
        "bpnative": bp.__version__, "rows": found.rows, "learned from": len(learn), "metrics": result.metrics,
        "baseline": result.baseline, "importance": result.importance, "epochs": len(result.history["loss"]),
    }  # fmt: skip
    return result


def _give_vectors_to_unseen_codes(network: bp.Network, preparation: Preparation, X: Array) -> None:
    """What no row of training has, a new category or a missing one, gets the mean vector, which says nothing."""
    for position in preparation.codes:
        vectors = network.layers[0].tensors[f"table_{position}"]
        counts = np.bincount(X[:, position].astype(np.int64), minlength=len(vectors))
        vectors[counts == 0] = counts @ vectors.astype(np.float64) / counts.sum()
