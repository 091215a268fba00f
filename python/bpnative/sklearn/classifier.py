"""`MLPClassifier`: scikit-learn's, trained by bpnative."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d, validate_data

from ..dlpack import unpacked
from .base import SPARSE_FORMATS, BaseMLP
from .objective import Objective, for_classification
from .parameters import CLASSIFIER_CONSTRAINTS

Array = npt.NDArray[Any]


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multilayer perceptron for classes, as ``sklearn.neural_network.MLPClassifier``.

    All parameters of scikit-learn's, with its defaults and meanings, come first. These take more than there:

    Args:
        activation: One of scikit-learn's names, any activation of bpnative by name or as an object, or a list of them,
            one for each hidden layer.
        solver: ``"adam"``, ``"sgd"``, ``"lbfgs"``, or an optimizer such as ``bp.SGD(0.1)``, taken as it is.
        learning_rate_init: A number, or a schedule: a callable that gives the learning rate of each step, from 0.

    And these are bpnative's own:

    Args:
        loss: ``"log_loss"``, or any loss of bpnative, by name or as an object.
        class_weight: ``"balanced"`` or a dict of weights by class, as elsewhere in scikit-learn.
        dropout: Part of each hidden layer's outputs that a training step leaves out; one number, or one for each.
        batch_norm: Whether each hidden layer is normalized over the batch before its activation.
        clip_norm: The gradient over all parameters is shortened to at most this length; None for any.
        clip_value: Each element of the gradient is cut to at most this size; None for any.
        callbacks: A `bpnative.Callback` or a list of them; ``logs`` hold ``"loss"`` and with a validation set
            ``"val_score"`` and ``"val_loss"``.

    Attributes:
        network_: The trained `bpnative.Network`, to save or export.
        classes_, coefs_, intercepts_, loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_,
        n_iter_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_: As scikit-learn's.

    Example:
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.preprocessing import scale
        >>> from bpnative.sklearn import MLPClassifier
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> model = MLPClassifier((32,), early_stopping=True, random_state=0).fit(scale(X), y)
        >>> model.predict_proba(scale(X)).shape, model.best_validation_score_ > 0.9
        ((569, 2), True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CLASSIFIER_CONSTRAINTS  # type: ignore[misc]
    classes_: Array

    def __init__(
        self,
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
        loss: Any = "log_loss",
        class_weight: Any = None,
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
    ) -> MLPClassifier:
        """Fit the network to data.

        Args:
            X: (n_samples, n_features), dense or sparse; float32 is computed in float32,
                all else in float64.
            y: Labels (n_samples,), or an indicator matrix (n_samples, n_labels) for several labels a sample.
            sample_weight: (n_samples,), at least 0.
            X_val: A validation set of one's own: scored after each epoch into ``validation_scores_``; with
                ``early_stopping=True`` training stops by it, and nothing is set aside.
            y_val: Its labels.
            sample_weight_val: Its weights.

        Returns:
            self

        Raises:
            ValueError: A parameter or data are not as they must be.
        """
        self._fit(X, y, sample_weight, False, (X_val, y_val, sample_weight_val))
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy of `predict`; of several labels, the part of samples with all of them right.

        Args:
            X: (n_samples, n_features).
            y: True labels.
            sample_weight: (n_samples,).

        Raises:
            sklearn.exceptions.NotFittedError: Before `fit`.
        """
        return float(super().score(X, unpacked(y, "y"), unpacked(sample_weight, "sample_weight")))

    @available_if(lambda model: model._is_stochastic())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Go on with one epoch over these data.

        Args:
            X: (n_samples, n_features).
            y: Labels (n_samples,), or an indicator matrix.
            sample_weight: (n_samples,), at least 0.
            classes: All classes that any call will see; the first call needs them.

        Returns:
            self

        Raises:
            ValueError: A parameter or data are not as they must be.
        """
        y, classes = unpacked(y, "y"), unpacked(classes, "classes")
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
        self._fit(X, y, sample_weight, True)
        return self

    def predict(self, X: Any) -> Array:
        """The class of each row, (n_samples,), or the indicator matrix of its labels.

        Args:
            X: (n_samples, n_features).

        Raises:
            sklearn.exceptions.NotFittedError: Before `fit`.
        """
        outputs = self._outputs(X)
        if self._multilabel:
            return (outputs > 0.5).astype(int)
        if outputs.shape[1] > 1:
            chosen = outputs.argmax(axis=1)
        else:  # where one class alone was seen it is that one, whatever the output
            chosen = np.minimum(outputs[:, 0] > 0.5, len(self.classes_) - 1).astype(int)
        labels: Array = self.classes_[chosen]
        return labels

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (n_samples, n_classes), in the order of ``classes_``.

        Args:
            X: (n_samples, n_features).

        Raises:
            sklearn.exceptions.NotFittedError: Before `fit`.
        """
        outputs = self._outputs(X)
        if outputs.shape[1] == 1:
            outputs = np.hstack([1 - outputs, outputs])
        elif not self._multilabel and self._objective.activation != "softmax":
            outputs /= outputs.sum(axis=1, keepdims=True)
        return outputs

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of `predict_proba`.

        Args:
            X: (n_samples, n_features).

        Raises:
            sklearn.exceptions.NotFittedError: Before `fit`.
        """
        probabilities = self.predict_proba(X)
        logarithms: Array = np.log(probabilities, out=probabilities)
        return logarithms

    @property
    def _multilabel(self) -> bool:
        return bool(self._label_binarizer.y_type_.startswith("multilabel"))

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=SPARSE_FORMATS,
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(y)
        return X, self._binarized(y)

    def _binarized(self, y: Array) -> Array:
        """Checked labels as booleans (n, columns), as the label binarizer has them; of many rows in little time."""
        classes = self._label_binarizer.classes_
        if self._multilabel or y.ndim > 1 or classes.dtype.kind not in "biuf":
            binarized: Array = self._label_binarizer.transform(y).astype(bool)
            return binarized
        if len(classes) == 1:
            return np.zeros((len(y), 1), bool)
        same: Array = y[:, None] == (classes if len(classes) > 2 else classes[1:])
        return same

    def _check_classes(self, y: Array) -> None:
        classes = unique_labels(y)
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _make_objective(self, y: Array) -> Objective:
        return for_classification(self.loss, y.shape[1], self._multilabel)

    def _labels(self, y: Array) -> npt.NDArray[np.int32]:
        """The place in ``classes_`` of each binarized row."""
        return (y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)).astype(np.int32)

    def _native_targets(self, y: Array, dtype: npt.DTypeLike) -> Array:
        return self._labels(y) if self._objective.loss.targets == "classes" else np.ascontiguousarray(y, dtype)

    def _class_factors(self, y: Array, weight: Array | None, incremental: bool) -> Array | None:
        if self.class_weight is None:
            return None
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit: the whole of y is needed to balance it. "
                "Pass the weights that compute_class_weight('balanced', classes=classes, y=y) gives, as a dict"
            )
        if self._multilabel:
            weights: Array = compute_sample_weight(self.class_weight, y.astype(int))
            return weights
        labels = self._labels(y)
        known = self.class_weight
        if known != "balanced":
            classes = self.classes_.tolist()
            missing = [label for label in classes if label not in known]
            if missing and len(classes) - len(missing) != len(known):  # one of those given is of no class
                raise ValueError(f"The classes, {missing}, are not in class_weight")
            table = np.array([known.get(label, 1.0) for label in classes])
        else:  # as scikit-learn's, of weighted samples: so that a weight of 2 is the sample twice
            sums = np.bincount(labels, weight, minlength=len(self.classes_))
            present = sums > 0
            table = sums.sum() / (present.sum() * np.where(present, sums, 1.0))
        return table[labels]

    def _stratifies(self) -> bool:
        return self.n_outputs_ == 1  # as scikit-learn, which leaves more than two classes to chance

    def _validation_targets(self, y: Any, n: int) -> Array:
        y = np.asarray(y)
        if len(y) != n:
            raise ValueError(f"expected y_val with {n} rows, as many as X_val, got {len(y)}")
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(f"`y_val` has classes that `y` has not: {unknown}")
        target: Array = self._label_binarizer.transform(y).astype(bool).reshape(n, -1)
        return target

    def _score_outputs(self, outputs: Array, y: Array, weight: Array | None) -> float:
        """Accuracy; of several labels, the part of samples with all of them right."""
        if self._multilabel:
            right = ((outputs > 0.5) == y).all(axis=1)
        elif outputs.shape[1] == 1:
            right = (outputs[:, 0] > 0.5) == y[:, 0]
        else:
            right = outputs.argmax(axis=1) == self._labels(y)
        return float(right.mean() if weight is None else np.average(right, weights=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
