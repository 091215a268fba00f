"""The loop of the stochastic solvers: native epochs in scikit-learn's order, with its rules of stopping."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from ..around import begin_epoch, evaluate
from ..callbacks import Callback, end_all, gather
from ..history import History
from ..network import Network
from ..samples import Order, Samples
from ..sources import Source
from ..sparse import SparseRows
from ..trainer import Trainer
from . import solvers
from .steps import Steps, samples_of

if TYPE_CHECKING:
    from .base import BaseMLP

Array = npt.NDArray[Any]


class Validation(NamedTuple):
    """Samples to score after each epoch: inputs, targets as `fit` checked them, weights."""

    X: Array | SparseRows
    y: Array
    weight: Array | None


def split(
    model: BaseMLP, X: Array | SparseRows, y: Array, weight: Array | None, stratify: bool
) -> tuple[Array | SparseRows, Array, Array | None, Validation]:
    """Set samples aside for early stopping, the same that scikit-learn would.

    Raises:
        ValueError: Too few of them, or of a class.
    """
    train, test = train_test_split(
        np.arange(len(y)),
        random_state=model._random_state,
        test_size=model.validation_fraction,
        stratify=y if stratify else None,
    )
    if len(test) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")

    def part(rows: Order) -> Validation:
        x = X.part(rows) if isinstance(X, SparseRows) else X[rows]
        return Validation(x, y[rows], None if weight is None else weight[rows])

    return *part(train), part(test)


def clip_batch_size(batch_size: int | str, n: int) -> int:
    """The samples of a batch, with scikit-learn's warning where there are fewer in all.

    Example:
        >>> clip_batch_size("auto", 1000)
        200
    """
    if batch_size == "auto":
        return min(200, n)
    if int(batch_size) > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=2
        )
    return min(int(batch_size), n)


def fit_stochastic(
    model: BaseMLP, trainer: Trainer, samples: Samples | Source, validation: Validation | None, incremental: bool
) -> None:
    """Train epoch after epoch until it has converged, or once where `incremental`."""
    n = samples.n
    batch_size = clip_batch_size(model.batch_size, n)
    steps = Steps(trainer, model._objective, samples, model.alpha, batch_size)
    callbacks = gather(model.callbacks or (), False)
    held_out = None if validation is None else _held_out(model, validation, trainer.network)
    trainer.history = history = History(["loss", *(["val_score", "val_loss"] if validation else [])])
    history.params = {"epochs": model.max_iter, "batch_size": batch_size, "samples": n}
    trainer.stop_training = False
    order = np.arange(n, dtype=np.int64)
    model.n_iter_ = 0
    begun: list[Callback] = []
    best = model._best
    try:
        for callback in callbacks:
            callback.on_train_begin(trainer)
            begun.append(callback)
        for epoch in range(model.max_iter):
            if not begin_epoch(trainer, epoch, callbacks):
                break
            if model.shuffle:
                permutation = np.arange(n, dtype=np.int64)
                model._random_state.shuffle(permutation)
                order = order[permutation]
            loss = steps.epoch(epoch, order, callbacks)
            model.n_iter_ += 1
            model.loss_, model.t_ = loss, model.t_ + n
            model.loss_curve_.append(loss)
            if model.verbose:
                print(f"Iteration {model.n_iter_:d}, loss = {loss:.8f}")
            logs = {"loss": loss}
            if validation is not None:
                assert held_out is not None
                score = _score(model, trainer.network, held_out.x, validation)
                if score > model.best_validation_score_:
                    best = snapshot(trainer.network)
                logs["val_score"] = score
                if callbacks:
                    logs["val_loss"] = model._objective.loss_scale * evaluate(trainer, held_out)["loss"]
            _count_no_improvement(model, logs.get("val_score"))
            if callbacks:
                history.append(epoch, logs, 0.0)
                for callback in callbacks:
                    callback.on_epoch_end(trainer, epoch, logs)
            if _converged(model, trainer) or trainer.stop_training or incremental:
                break
            if model.n_iter_ == model.max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({model.max_iter:d}) reached and the optimization "
                    "hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=5,
                )
        while begun:
            begun.pop(0).on_train_end(trainer)
    except KeyboardInterrupt:
        history.interrupted = True
        end_all(begun, trainer)
        warnings.warn("Training interrupted by user.", stacklevel=5)
    except BaseException:
        history.interrupted = True
        end_all(begun, trainer)
        raise
    model._best = best
    if model.early_stopping:
        restore(trainer.network, best)


def snapshot(network: Network) -> tuple[Array, Array]:
    """Copies of the parameters and of the running statistics of batch norm."""
    return network.parameters.copy(), network.statistics.copy()


def restore(network: Network, kept: tuple[Array, Array]) -> None:
    """Bring a snapshot back."""
    network.parameters, network.statistics[...] = kept


def _held_out(model: BaseMLP, validation: Validation, network: Network) -> Samples | Source:
    weight = validation.weight
    if weight is not None:
        weight = (weight * (len(weight) / weight.sum(dtype=np.float64))).astype(network.dtype)
    return samples_of(validation.X, model._native_targets(validation.y, network.dtype), weight, network)


def _score(model: BaseMLP, network: Network, X: Any, validation: Validation) -> float:
    outputs = model._objective.outputs_of(network.predict(X))
    score = model._score_outputs(outputs, validation.y, validation.weight)
    model.validation_scores_.append(score)
    if model.verbose:
        print(f"Validation score: {score:f}")
    return score


def _count_no_improvement(model: BaseMLP, score: float | None) -> None:
    """Count epochs in a row that were not better by tol: by the score where early stopping goes by it."""
    if model.early_stopping:
        assert score is not None
        better = not score < model.best_validation_score_ + model.tol
    else:
        better = not model.loss_ > model.best_loss_ - model.tol
        model.best_loss_ = model.loss_ if model.loss_ < model.best_loss_ else model.best_loss_
    if score is not None and score > model.best_validation_score_:
        model.best_validation_score_ = score
    model._no_improvement_count = 0 if better else model._no_improvement_count + 1


def _converged(model: BaseMLP, trainer: Trainer) -> bool:
    """Change the learning rate where the epoch asks for it; whether training has to end."""
    schedule, initial_rate, power = model._schedule
    if schedule == "invscaling":
        _change_rate(model, trainer, initial_rate / (model.t_ + 1) ** power)
    if model._no_improvement_count <= model.n_iter_no_change:
        return False
    what = "Validation score" if model.early_stopping else "Training loss"
    message = f"{what} did not improve more than tol={model.tol:f} for {model.n_iter_no_change} consecutive epochs."
    if schedule != "adaptive":
        return _say(model, f"{message} Stopping.", True)
    if model._learning_rate <= 1e-6:
        return _say(model, f"{message} Learning rate too small. Stopping.", True)
    _change_rate(model, trainer, model._learning_rate / 5.0)
    model._no_improvement_count = 0
    return _say(model, f"{message} Setting learning rate to {model._learning_rate:f}", False)


def _change_rate(model: BaseMLP, trainer: Trainer, rate: float) -> None:
    solvers.change_rate(trainer, rate * model._objective.gradient_scale)
    model._learning_rate = rate


def _say(model: BaseMLP, message: str, answer: bool) -> bool:
    if model.verbose:
        print(message)
    return answer
