"""Networks from fitted scikit-learn estimators: weights to the bit, outputs to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import activations
from ..network import Network
from .assemble import Part, assemble, dense

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "softmax": "softmax"}
LINEAR = ("LinearRegression", "Ridge", "Lasso", "ElasticNet", "SGDRegressor")


def from_sklearn(estimator: Any) -> Network:
    """A network that predicts as a fitted estimator does: numbers of a regressor, probabilities of a classifier.

    Args:
        estimator: MLPClassifier, MLPRegressor, LogisticRegression or a linear regressor, fitted. A classifier of two
            classes becomes a network of one output, the probability of ``estimator.classes_[1]``.

    Raises:
        TypeError: It is another estimator; for a Pipeline pass its last step, and prepare X as the steps before do.
        ValueError: It is not fitted, or has a form that no network has.

    Example:
        >>> from sklearn.linear_model import LinearRegression  # doctest: +SKIP
        >>> from_sklearn(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])).predict([[2.0]])  # doctest: +SKIP
        array([[5.]])
    """
    kind = type(estimator).__name__
    if kind in ("MLPClassifier", "MLPRegressor"):
        return assemble(_of_mlp(estimator, kind), f"the {kind}")
    if kind == "LogisticRegression" or kind in LINEAR:
        return assemble([_of_linear(estimator, kind)], f"the {kind}")
    known = ", ".join(("MLPClassifier", "MLPRegressor", "LogisticRegression", *LINEAR))
    advice = "; pass its last step, and prepare X as the steps before it do" if kind == "Pipeline" else ""
    raise TypeError(f"from_sklearn knows {known}, got {kind}{advice}")


def _of_mlp(estimator: Any, kind: str) -> list[Part]:
    if not hasattr(estimator, "coefs_"):
        raise ValueError(f"expected a fitted {kind}, this one is not: call its fit first")
    if estimator.activation not in ACTIVATIONS or estimator.out_activation_ not in ACTIVATIONS:
        raise ValueError(f"from_sklearn knows no activation {estimator.activation!r} or {estimator.out_activation_!r}")
    parts = []
    for index, (weight, bias) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        last = index == len(estimator.coefs_) - 1
        name = ACTIVATIONS[estimator.out_activation_ if last else estimator.activation]
        parts.append(dense(np.asarray(weight).T, np.asarray(bias), activations.get(name)))
    return parts


def _of_linear(estimator: Any, kind: str) -> Part:
    if not hasattr(estimator, "coef_"):
        raise ValueError(f"expected a fitted {kind}, this one is not: call its fit first")
    weight = np.atleast_2d(np.asarray(estimator.coef_))
    bias = np.broadcast_to(np.asarray(estimator.intercept_, weight.dtype), (len(weight),))
    name = "linear"
    if kind == "LogisticRegression":
        name = "sigmoid" if len(weight) == 1 else "softmax"
        one_each = getattr(estimator, "multi_class", None) == "ovr" or estimator.solver == "liblinear"
        if len(weight) > 1 and one_each:
            raise ValueError(
                "this LogisticRegression was fitted one class against the rest, whose normalized probabilities no last "
                "layer gives: fit it with another solver"
            )
    return dense(weight, np.array(bias), activations.get(name))
