"""scikit-learn's own checks of an estimator, all of them, on ours."""

from __future__ import annotations

from typing import Any

import pytest

estimator_checks = pytest.importorskip(
    "sklearn.utils.estimator_checks", reason="scikit-learn is not installed: pip install 'bpnative[sklearn]'"
)

from bpnative.sklearn import MLPClassifier, MLPRegressor  # noqa: E402 - after the skip

# A hundred epochs are what scikit-learn gives its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.SkipTestWarning"),
]

ESTIMATORS = [
    MLPClassifier(max_iter=100),
    MLPRegressor(max_iter=100),
    MLPClassifier(max_iter=100, solver="lbfgs", class_weight="balanced"),
    MLPRegressor(max_iter=100, solver="lbfgs"),
    MLPClassifier(max_iter=100, solver="sgd", learning_rate="adaptive", learning_rate_init=0.1),
]


# Each check comes as (a clone of the estimator, a partial that is the check).
CHECKS = [pair for estimator in ESTIMATORS for pair in estimator_checks.estimator_checks_generator(estimator)]


def ident(value: Any) -> str:
    return value.func.__name__ if hasattr(value, "func") else repr(value)


@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=ident)
def test_check_estimator(estimator: Any, check: Any) -> None:
    check(estimator)


def test_there_are_checks() -> None:
    assert len(CHECKS) > 40 * len(ESTIMATORS)
