"""What `MLPClassifier` and `MLPRegressor` share: from parameters and data to a trained network and back to arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..data import as_contiguous
from ..dlpack import unpacked
from ..network import Network
from ..optimizers import Optimizer
from ..sparse import SparseRows, is_sparse
from ..trainer import Trainer
from . import architecture, solvers
from .lbfgs import fit_lbfgs
from .objective import Objective
from .steps import samples_of
from .training import Validation, fit_stochastic, snapshot, split

Array = npt.NDArray[Any]

# As they are: others would be converted by scikit-learn.
SPARSE_FORMATS = ["csr", "csc", "coo"]


class BaseMLP(BaseEstimator, ABC):
    """Base of the estimators: fitting, the network, fitted attributes in scikit-learn's names and shapes."""

    _parameter_constraints: dict[str, list[Any]]
    hidden_layer_sizes: Any
    activation: Any
    solver: str | Optimizer
    alpha: float
    batch_size: int | str
    learning_rate: str
    learning_rate_init: Any
    power_t: float
    max_iter: int
    loss: Any
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool | int
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    dropout: Any
    batch_norm: bool
    clip_norm: float | None
    clip_value: float | None
    callbacks: Any
    n_iter_: int
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: Any
    validation_scores_: Any
    best_validation_score_: Any
    network_: Network

    def _store(self, parameters: Mapping[str, Any]) -> None:
        for name in self._get_param_names():
            setattr(self, name, parameters[name])

    # What a classifier and a regressor do each in its own way.
    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """X and y checked as scikit-learn does; y of a classifier binarized."""

    @abstractmethod
    def _make_objective(self, y: Array) -> Objective:
        """What is minimized for such targets, (n, columns)."""

    @abstractmethod
    def _native_targets(self, y: Array, dtype: npt.DTypeLike) -> Array:
        """Targets (n, columns) as the native loss takes them."""

    @abstractmethod
    def _score_outputs(self, outputs: Array, y: Array, weight: Array | None) -> float:
        """The score of outputs for targets (n, columns)."""

    @abstractmethod
    def _validation_targets(self, y: Any, n: int) -> Array:
        """Targets of a validation set of the user's, as `_validate_input` gives them."""

    def _class_factors(self, y: Array, weight: Array | None, incremental: bool) -> Array | None:
        """Factors of the samples' weights by their classes."""
        return None

    def _stratifies(self) -> bool:
        return False

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool,
        validation: tuple[Any, Any, Any] = (None, None, None),
    ) -> None:
        X, y, sample_weight = unpacked(X, "X"), unpacked(y, "y"), unpacked(sample_weight, "sample_weight")
        self._check_settings()
        hidden = architecture.hidden_sizes(self.hidden_layer_sizes)
        first = not hasattr(self, "network_") or (not self.warm_start and not incremental)
        X, y = self._validate_input(X, y, incremental, first)
        X = _rows(X)
        weight = self._check_weight(sample_weight, X)
        y = y.reshape(len(y), -1)
        self._random_state = check_random_state(self.random_state)
        own = self._check_validation(*validation)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        if first:
            self._initialize(X, y, hidden, own is not None)
        elif y.shape[1] != self._columns:
            raise ValueError(f"expected y with {self._columns} columns, as in the previous fit, got {y.shape[1]}")
        network = self.network_
        if self.solver != "lbfgs" and self.early_stopping and own is None:
            X, y, weight, own = split(self, X, y, weight, self._stratifies())
        factors = self._class_factors(y, weight, incremental)
        if factors is not None:
            weight = (factors if weight is None else weight * factors).astype(network.dtype)
        if weight is not None or (own is not None and own.weight is not None):
            self._objective.loss.check_weighted()
        targets = self._native_targets(y, network.dtype)
        weight = None if weight is None else as_contiguous(weight, network.dtype)
        samples = samples_of(X, targets, weight, network)
        if not incremental or not hasattr(self, "_trainer"):
            self._trainer = self._make_trainer()
        if self.solver == "lbfgs":
            settings = {"max_iter": self.max_iter, "max_fun": self.max_fun, "tol": self.tol, "verbose": self.verbose}
            self.loss_, self.n_iter_ = fit_lbfgs(self._trainer, self._objective, samples, self.alpha, **settings)  # type: ignore[arg-type]
        else:
            self._prepare_scores(own is not None)
            fit_stochastic(self, self._trainer, samples, own, incremental)
        if not np.isfinite(network.parameters).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )

    def _check_settings(self) -> None:
        if callable(self.learning_rate_init) and self.learning_rate != "constant":
            raise ValueError(
                f"a callable learning_rate_init is the schedule itself: it goes with learning_rate='constant', got "
                f"{self.learning_rate!r}"
            )

        if self.solver == "lbfgs" and (np.any(self.dropout) or self.batch_norm):
            raise ValueError("solver='lbfgs' goes with neither dropout nor batch_norm: use solver='adam' or 'sgd'")

    def _check_weight(self, sample_weight: Any, X: Array | SparseRows) -> Array | None:
        if sample_weight is None:
            return None
        weight: Array = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        if weight.min() < 0:
            raise ValueError(f"Negative values in data passed to `sample_weight`: row {int(weight.argmin())}")
        if not weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return weight

    def _check_validation(self, X: Any, y: Any, sample_weight: Any) -> Validation | None:
        y, sample_weight = unpacked(y, "y_val"), unpacked(sample_weight, "sample_weight_val")
        if X is None and y is None:
            if sample_weight is not None:
                raise ValueError("sample_weight_val was given without X_val and y_val")
            return None
        if X is None or y is None:
            raise ValueError("expected X_val and y_val both, or neither")
        if self.solver == "lbfgs":
            raise ValueError("X_val and y_val are for solver='sgd' and 'adam': lbfgs has no epochs to score after")
        X = self._check_inputs(X)
        return Validation(X, self._validation_targets(y, len(X)), self._check_weight(sample_weight, X))

    def _check_inputs(self, X: Any) -> Array | SparseRows:
        X = validate_data(self, unpacked(X, "X"), accept_sparse=SPARSE_FORMATS, reset=False)
        return _rows(X)

    def _initialize(self, X: Array | SparseRows, y: Array, hidden: list[int], scores: bool) -> None:
        """A new network, and attributes as before the first epoch."""
        self._columns = y.shape[1]
        self._objective = self._make_objective(y)
        self.network_ = architecture.build(
            X.shape[1],
            hidden,
            self.activation,
            self.dropout,
            self.batch_norm,
            self._objective,
            X.dtype,
            self._random_state,
        )
        self.__dict__.pop("_trainer", None)
        self.n_iter_, self.t_ = 0, 0
        self.n_layers_, self.n_outputs_ = len(hidden) + 2, self._objective.outputs
        self.out_activation_ = self._objective.out_activation
        if self.solver != "lbfgs":
            self.loss_curve_ = []
            self._start_scores(scores)

    def _start_scores(self, scores: bool) -> None:
        scores = scores or self.early_stopping
        self._no_improvement_count = 0
        self._best = snapshot(self.network_)
        self.best_loss_ = None if self.early_stopping else np.inf
        self.validation_scores_ = [] if scores else None
        self.best_validation_score_ = -np.inf if scores else None

    def _prepare_scores(self, scores: bool) -> None:
        """Attributes that this fit needs and an earlier one, with other settings, has not left behind."""
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_ = []
        stale = not hasattr(self, "validation_scores_") or (scores and self.validation_scores_ is None)
        if stale or (self.best_loss_ is None) != bool(self.early_stopping):
            self._start_scores(scores)

    def _make_trainer(self) -> Trainer:
        rate = self.learning_rate_init
        self._learning_rate = rate if callable(rate) else float(rate)
        # As scikit-learn's optimizers have them: kept until the next fit, whatever is set before a partial_fit.
        self._schedule = (self.learning_rate if self.solver == "sgd" else "constant", rate, self.power_t)
        solver = "sgd" if self.solver == "lbfgs" else self.solver  # lbfgs takes gradients only
        scale, betas = self._objective.gradient_scale, (self.beta_1, self.beta_2)
        optimizer = solvers.make(
            solver, scale, self._learning_rate, self.momentum, self.nesterovs_momentum, betas, self.epsilon
        )
        clip = {"clip_norm": self.clip_norm, "clip_value": self.clip_value}
        trainer = Trainer(self.network_, self._objective.loss, optimizer, seed=0, **clip)  # type: ignore[arg-type]
        solvers.start(trainer)
        return trainer

    def _outputs(self, X: Any) -> Array:
        """The outputs of the network, (n, outputs)."""
        check_is_fitted(self)
        rows: Any = self._check_inputs(X)
        return self._objective.outputs_of(self.network_.predict(rows))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def _fitted_network(self) -> Network:
        if "network_" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} is not fitted yet: coefs_ and intercepts_ come with fit")
        return self.network_

    @property
    def coefs_(self) -> list[Array]:
        """The weight of each layer, (n_in, n_out): a view, what is written to it is what the network computes with."""
        return [layer.weight.T for layer in architecture.dense_layers(self._fitted_network())]

    @coefs_.setter
    def coefs_(self, values: list[npt.ArrayLike]) -> None:
        for layer, value in zip(architecture.dense_layers(self._fitted_network()), values, strict=True):
            layer.weight = np.asarray(value).T

    @property
    def intercepts_(self) -> list[Array]:
        """The bias of each layer, (n_out,): a view."""
        biases = [layer.bias for layer in architecture.dense_layers(self._fitted_network())]
        return [bias for bias in biases if bias is not None]

    @intercepts_.setter
    def intercepts_(self, values: list[npt.ArrayLike]) -> None:
        for layer, value in zip(architecture.dense_layers(self._fitted_network()), values, strict=True):
            layer.bias = np.asarray(value)

    def _is_stochastic(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _rows(X: Any) -> Array | SparseRows:
    """Validated inputs: arrays as they are, sparse ones as rows of what is not zero."""
    return SparseRows(X, X.dtype, "X") if is_sparse(X) else X
