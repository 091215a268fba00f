"""What an estimator minimizes: scikit-learn's losses in terms of bpnative's, or any loss of bpnative's.

The two measure differently. For k outputs scikit-learn's squared error is half of the mean over outputs, but it goes
down the gradient of the sum; its multi-label loss is the sum over labels in both. bpnative takes means. So with a loss
f of bpnative's, scikit-learn reports ``loss_scale · f`` and goes down ``gradient_scale · ∇f``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import losses
from ..losses import Loss

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Objective:
    """A loss, the last layer that goes with it, and how both relate to scikit-learn's.

    Attributes:
        loss: The loss that native code computes.
        activation: Of the last layer, in bpnative's terms.
        out_activation: The same in scikit-learn's terms: what `predict` applies last.
        outputs: Units of the last layer.
        gradient_scale: scikit-learn's gradient is so many times ours.
        loss_scale: scikit-learn's loss is so many times ours, plus `constant`.
    """

    loss: Loss
    activation: str
    out_activation: str
    outputs: int
    gradient_scale: float = 1.0
    loss_scale: float = 1.0

    def outputs_of(self, raw: Array) -> Array:
        """What the network's output means: rates where the loss is on their logarithm, else the output itself."""
        return np.exp(raw) if self.out_activation == "exp" and self.activation == "linear" else raw

    def constant(self, y: Array, weight: Array | None) -> float:
        """The part of scikit-learn's loss that no weight of the network moves: of Poisson's, mean of y·log(y) - y."""
        if self.out_activation != "exp":
            return 0.0
        entropy = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0)), 0.0) - y
        return float(np.average(entropy, weights=weight, axis=0).sum())


def for_regression(loss: str | Loss, outputs: int) -> Objective:
    """The objective of a regressor.

    Raises:
        NotImplementedError: This version of bpnative has no such loss yet.
        ValueError: The loss is for classes, or unknown.

    Example:
        >>> for_regression("squared_error", outputs=1).gradient_scale
        0.5
    """
    if loss == "squared_error":
        return Objective(losses.MSE(), "linear", "identity", outputs, outputs / 2, 0.5)
    if loss == "poisson":
        if "poisson" not in losses.LOSSES:
            raise NotImplementedError("loss='poisson' needs bpnative.losses.Poisson, which this version lacks")
        return Objective(losses.get("poisson"), "linear", "exp", outputs, outputs, outputs)
    chosen = losses.get(loss)
    if chosen.targets == "classes":
        raise ValueError(f"loss={chosen.name!r} is for classes: use MLPClassifier, or loss='squared_error'")
    activation = chosen.fused or "linear"
    return Objective(chosen, activation, _NAMES.get(activation, activation), outputs)


def for_classification(loss: str | Loss, columns: int, multilabel: bool) -> Objective:
    """The objective of a classifier whose binarized targets have so many columns; one column is two classes.

    Raises:
        ValueError: The loss is unknown, or does not go with several labels a sample.

    Example:
        >>> for_classification("log_loss", columns=3, multilabel=False).out_activation
        'softmax'
    """
    several = multilabel or columns == 1
    if loss == "log_loss":
        if several:
            return Objective(losses.BinaryCrossEntropy(), "sigmoid", "logistic", columns, columns, columns)
        return Objective(losses.CrossEntropy(), "softmax", "softmax", columns)
    chosen = losses.get(loss)
    if chosen.targets == "classes":
        if multilabel:
            raise ValueError(f"loss={chosen.name!r} is for one label a sample: use loss='binary_cross_entropy'")
        return Objective(chosen, "softmax", "softmax", max(2, columns))
    activation = chosen.fused or ("sigmoid" if several or chosen.targets == "binary" else "softmax")
    return Objective(chosen, activation, _NAMES.get(activation, activation), columns)


_NAMES = {"linear": "identity", "sigmoid": "logistic"}
