"""`MLPRegressor`: scikit-learn's, trained by bpnative."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, column_or_1d, validate_data

from ..dlpack import unpacked
from .base import SPARSE_FORMATS, BaseMLP
from .objective import Objective, for_regression
from .parameters import REGRESSOR_CONSTRAINTS

Array = npt.NDArray[Any]


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron for numbers, as ``sklearn.neural_network.MLPRegressor``.

    All parameters of scikit-learn's, with its defaults and meanings, come first; see `MLPClassifier` for those that are
    bpnative's own. Two of scikit-learn's take more than there:

    Args:
        loss: ``"squared_error"``, ``"poisson"``, or any loss of bpnative, by name or as an object.
        solver: ``"adam"``, ``"sgd"``, ``"lbfgs"``, or an optimizer such as ``bp.SGD(0.1)``, taken as it is.

    Attributes:
        network_: The trained `bpnative.Network`, to save or export.
        coefs_, intercepts_, loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_, n_iter_, t_,
        n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_: As scikit-learn's.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.preprocessing import scale
        >>> from bpnative.sklearn import MLPRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MLPRegressor(hidden_layer_sizes=(32,), max_iter=1000, random_state=0)
        >>> model.fit(X, scale(y)).score(X, scale(y)) > 0.5
        True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = REGRESSOR_CONSTRAINTS  # type: ignore[misc]

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: Any = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        batch_norm: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        callbacks: Any = None,
    ) -> None:
        self._store(locals())

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPRegressor:
        """Fit the network to data.

        Args:
            X: (n_samples, n_features), dense, or sparse and made dense batch by batch; float32 is computed in float32,
                all else in float64.
            y: (n_samples,) or (n_samples, n_outputs).
            sample_weight: (n_samples,), at least 0.
            X_val: A validation set of one's own: scored after each epoch into ``validation_scores_``; with
                ``early_stopping=True`` training stops by it, and nothing is set aside.
            y_val: Its targets.
            sample_weight_val: Its weights.

        Returns:
            self

        Raises:
            ValueError: A parameter or data are not as they must be.
        """
        self._fit(X, y, sample_weight, False, (X_val, y_val, sample_weight_val))
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination R² of `predict`, the mean over outputs.

        Args:
            X: (n_samples, n_features).
            y: True targets.
            sample_weight: (n_samples,).

        Raises:
            sklearn.exceptions.NotFittedError: Before `fit`.
        """
        return float(super().score(X, unpacked(y, "y"), unpacked(sample_weight, "sample_weight")))

    @available_if(lambda model: model._is_stochastic())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Go on with one epoch over these data.

        Args:
            X: (n_samples, n_features).
            y: (n_samples,) or (n_samples, n_outputs).
            sample_weight: (n_samples,), at least 0.

        Returns:
            self

        Raises:
            ValueError: A parameter or data are not as they must be.
        """
        self._fit(X, y, sample_weight, True)
        return self

    def predict(self, X: Any) -> Array:
        """The network's outputs, (n_samples,) or (n_samples, n_outputs).

        Args:
            X: (n_samples, n_features).

        Raises:
            sklearn.exceptions.NotFittedError: Before `fit`.
        """
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=SPARSE_FORMATS,
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(f"loss='poisson' needs y of at least 0, got {y.min()}")
        return X, y

    def _make_objective(self, y: Array) -> Objective:
        return for_regression(self.loss, y.shape[1])

    def _native_targets(self, y: Array, dtype: npt.DTypeLike) -> Array:
        return np.ascontiguousarray(y, dtype)

    def _validation_targets(self, y: Any, n: int) -> Array:
        target: Array = check_array(y, ensure_2d=False, dtype="numeric", input_name="y_val").reshape(n, -1)
        return target

    def _score_outputs(self, outputs: Array, y: Array, weight: Array | None) -> float:
        """R², the mean over outputs; NaN where an output is not finite."""
        if not np.isfinite(outputs).all():
            return float("nan")
        target = y.astype(np.float64)
        residual = np.average((target - outputs) ** 2, weights=weight, axis=0)
        spread = np.average((target - np.average(target, weights=weight, axis=0)) ** 2, weights=weight, axis=0)
        constant = np.where(residual == 0, 1.0, 0.0)
        return float(np.where(spread > 0, 1 - residual / np.where(spread > 0, spread, 1.0), constant).mean())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
