"""Estimators for scikit-learn: its `MLPClassifier` and `MLPRegressor`, trained by bpnative.

Drop-in: the same parameters, defaults, fitted attributes and warnings, and from the same ``random_state`` the same
weights to rounding; to which come dropout, batch normalization, an activation for each layer, any loss and optimizer
of bpnative, class weights, a validation set of one's own, callbacks and schedules.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from bpnative.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=1000, random_state=0))
    >>> model.fit(X, y).score(X, y) > 0.95
    True

Needs scikit-learn 1.6 or newer: ``pip install 'bpnative[sklearn]'``.
"""

from __future__ import annotations

try:
    from sklearn.utils.validation import validate_data as _needed  # noqa: F401 - of 1.6, the oldest that will do
except ImportError as error:
    raise ImportError(
        "bpnative.sklearn needs scikit-learn 1.6 or newer, which could not be imported: pip install 'bpnative[sklearn]'"
    ) from error

from ..threadpoolctl_controller import register
from .classifier import MLPClassifier
from .regressor import MLPRegressor

# scikit-learn brings threadpoolctl: what limits its threads limits ours, too.
register()

__all__ = ["MLPClassifier", "MLPRegressor"]
