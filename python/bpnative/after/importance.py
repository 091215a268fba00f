"""Permutation importance: how much worse a network gets when one feature is shuffled."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..metrics import Metric, MetricLike, get
from ..network import Network
from ..seeds import Seed, check_seed
from ..specification import check_count
from ..trainer import Trainer
from .task import Array, Task, task_of

_BLOCK_OUTPUTS = 2**20


@dataclasses.dataclass(frozen=True)
class PermutationImportance:
    """How much worse a metric gets when a feature is shuffled; made by `permutation_importance`.

    Attributes:
        metric: The metric's name.
        baseline: The metric on the data as they are.
        importances: (features, repeats), by how much it got worse; above 0 where the feature helps.
    """

    metric: str
    baseline: float
    importances: Array

    @property
    def mean(self) -> Array:
        """(features,), the mean over repeats."""
        return np.asarray(self.importances.mean(axis=1))

    @property
    def std(self) -> Array:
        """(features,), the standard deviation over repeats."""
        return np.asarray(self.importances.std(axis=1))

    @property
    def ranking(self) -> Array:
        """The features' numbers, most important first."""
        return np.argsort(-self.mean, kind="stable")


def permutation_importance(
    model: Network | Trainer,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    repeats: int = 5,
    seed: Seed = None,
    *,
    metric: MetricLike | None = None,
) -> PermutationImportance:
    """Permutation importance: one column of X at a time is shuffled, and what a metric loses is what it was worth.

    importance[feature, repeat] = metric(X, y) - metric(X with that column shuffled, y), and the other way round for
    metrics that are better small. Features that say the same stand in for each other, so both look unimportant. X is
    copied once, never written to; features × repeats passes over the data are made.
    Source: Breiman, "Random forests", Machine Learning 2001; as scikit-learn's ``permutation_importance``.

    Args:
        model: A trainer, or a network and a metric.
        X: (n, input_size), n at least 2; data that the network was not trained with tell what helps on new ones.
        y: Targets as in training.
        repeats: Shuffles of each feature, at least 1.
        seed: What the orders are drawn with: a whole number, a NumPy Generator or None.
        metric: A name, an object of `bpnative.metrics`, a ``callable(output, target) -> float`` (of which more is
            better), or ``"loss"`` of a trainer. None: the trainer's first metric, or its loss if it has none.

    Raises:
        TypeError: An argument has the wrong type, or a network comes without a metric.
        ValueError: Data do not fit the network, the metric's name is unknown or it does not go with the targets.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Dense(1, weight_initializer=[[3.0, 0.0]])], input_size=2)
        >>> X = [[0.0, 1.0], [1.0, 5.0], [2.0, 2.0], [3.0, 3.0]]
        >>> result = bp.permutation_importance(net, X, [0.0, 3.0, 6.0, 9.0], seed=0, metric="mae")
        >>> result.ranking.tolist(), float(result.mean[1])
        ([0, 1], 0.0)
    """
    repeats = check_count(repeats, "repeats")
    generator = np.random.default_rng(check_seed(seed))
    task = Task(model.network, "", model.loss) if isinstance(model, Trainer) else task_of(model, y)
    samples = task.samples(X, y)
    n = len(samples.x)
    if n < 2:
        raise ValueError(f"expected X with at least 2 rows to shuffle, got {n}")
    name, sign, score = _scorer(model, task, metric, samples.y)
    baseline = score(samples.x)
    x = samples.x.copy()
    importances = np.empty((x.shape[1], repeats))
    for feature in range(x.shape[1]):
        for repeat in range(repeats):
            x[:, feature] = samples.x[generator.permutation(n), feature]
            importances[feature, repeat] = sign * (baseline - score(x))
        x[:, feature] = samples.x[:, feature]
    return PermutationImportance(name, baseline, importances)


def _scorer(
    model: Network | Trainer, task: Task, metric: MetricLike | None, target: Array
) -> tuple[str, float, Callable[[Array], float]]:
    """The metric's name, 1 where more is better, else -1, and the metric as a function of X."""
    trainer = model if isinstance(model, Trainer) else None
    if metric is None:
        if trainer is None:
            raise TypeError("expected a metric beside a network, for example metric='accuracy', got none; or a trainer")
        metric = trainer.metrics[0] if trainer.metrics else "loss"
    if isinstance(metric, str) and metric == "loss":
        if trainer is None:
            raise ValueError("metric='loss' needs a trainer, which knows the loss, got a network")
        known = trainer
        return "loss", -1.0, lambda x: known.evaluate(x, target)["loss"]
    chosen = get(metric).bind(task.loss.name, task.network.output_activation.name)
    columns = task.loss.compared_columns(task.network.output_size)
    chosen.check(target, task.network.output_size if columns is None else len(columns))
    sign = -1.0 if chosen.greater_is_better is False else 1.0
    return chosen.name, sign, lambda x: _pass(copy.copy(chosen), task.network, columns, x, target)


def _pass(metric: Metric, network: Network, columns: list[int] | None, x: Array, target: Array) -> float:
    """The metric over x, in blocks, so that outputs are never all held."""
    rows = max(1, _BLOCK_OUTPUTS // network.output_size)
    metric.reset()
    for start in range(0, len(x), rows):
        output = network.predict(x[start : start + rows])
        compared = output if columns is None or not metric.compares else output[:, columns]
        metric.update(compared, target[start : start + rows], None)
    return metric.result()
