"""How a fit of the estimators may end: stopped by a callback before an epoch or within it, and gone on with."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'bpnative[sklearn]'")

import sklearn.neural_network
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

import bpnative as bp
import bpnative.sklearn
from bpnative.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = scale(IRIS)


def test_class_weights_of_no_class() -> None:
    messages = []
    for model in (LogisticRegression, MLPClassifier):
        with pytest.raises(ValueError, match="are not in class_weight") as caught:
            model(class_weight={0: 2.0, 9: 3.0}).fit(IRIS, SPECIES)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    for known in ({0: 2.0}, {0: 2.0, 1: 1.0, 2: 1.0, 9: 5.0}):  # the others count 1, as there
        models = [MLPClassifier(max_iter=2, random_state=0, class_weight=one) for one in (known, {0: 2, 1: 1, 2: 1})]
        weights = [model.fit(IRIS, SPECIES).coefs_[0] for model in models]
        np.testing.assert_array_equal(*weights)
        LogisticRegression(class_weight=known).fit(IRIS, SPECIES)


def test_weights_with_a_function_as_loss() -> None:
    def squares(output: Any, target: Any) -> Any:
        return float(((output - target) ** 2).mean()), 2 * (output - target) / output.size

    def weighted(output: Any, target: Any, weight: Any) -> Any:
        error = output - target
        return float((weight[:, None] * error**2).mean()), 2 * weight[:, None] * error / output.size

    settings: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0, "alpha": 0.0}
    weight, held_out = np.random.default_rng(0).random(150), {"X_val": IRIS, "y_val": SPECIES}
    for solver in ("adam", "sgd", "lbfgs"):
        models = [MLPRegressor(loss, solver=solver, **settings) for loss in (bp.FunctionLoss(weighted), "mse")]
        kept = [model.fit(IRIS, SPECIES, weight).coefs_[0] for model in models]
        np.testing.assert_allclose(*kept, rtol=1e-6)
        with pytest.raises(ValueError, match="expected no sample_weight, for the loss squares takes none"):
            MLPRegressor(bp.FunctionLoss(squares), solver=solver, **settings).fit(IRIS, SPECIES, weight)
    with pytest.raises(ValueError, match="expected no sample_weight"):
        MLPClassifier(loss=bp.FunctionLoss(squares), class_weight="balanced").fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="expected no sample_weight"):
        MLPRegressor(bp.FunctionLoss(squares)).fit(IRIS, SPECIES, **held_out, sample_weight_val=weight)


def test_large_outputs_change_the_loss_that_is_reported_and_no_step() -> None:
    X, y = load_breast_cancer(return_X_y=True)  # not scaled
    settings: dict[str, Any] = {"max_iter": 4, "random_state": 0}
    ours, theirs = (module.MLPClassifier(**settings).fit(X, y) for module in (bpnative.sklearn, sklearn.neural_network))
    assert ours.loss_curve_[0] > 1.1 * theirs.loss_curve_[0]
    for mine, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("schedules", list(itertools.permutations(["constant", "invscaling", "adaptive"])))
@pytest.mark.parametrize("calls", [("partial_fit", "partial_fit", "partial_fit"), ("fit", "partial_fit", "fit")])
def test_settings_that_change_between_calls(schedules: tuple[str, ...], calls: tuple[str, ...]) -> None:
    ours, theirs = (
        module.MLPClassifier((5,), solver="sgd", random_state=3, warm_start=True, n_iter_no_change=1, max_iter=4)
        for module in (bpnative.sklearn, sklearn.neural_network)
    )
    for number, (call, schedule) in enumerate(zip(calls, schedules, strict=True)):
        first = {"classes": [0, 1, 2]} if call == "partial_fit" and not number else {}
        for model in (ours, theirs):
            model.set_params(learning_rate=schedule, power_t=0.1 * (1 + number), learning_rate_init=0.1 / (1 + number))
            model.set_params(batch_size=20 * (1 + number), alpha=0.1 * number, tol=0.05 * (2 - number))
            for _ in range(3):
                getattr(model, call)(IRIS, SPECIES, **first)
        for name in ("n_iter_", "t_", "_no_improvement_count"):
            assert getattr(ours, name) == getattr(theirs, name), name
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
        np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-8, atol=1e-11)


class Stop(bp.Callback):
    def __init__(self, at: str) -> None:
        self.at = at

    def on_train_begin(self, trainer: Any) -> None:
        trainer.stop_training = self.at == "train"

    def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
        trainer.stop_training |= self.at == f"epoch {epoch}"

    def on_run_end(self, trainer: Any, run: Any) -> None:
        trainer.stop_training |= self.at == "run"


@pytest.mark.parametrize(("at", "epochs"), [("train", 0), ("epoch 0", 0), ("epoch 2", 2), ("run", 1)])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_stopped_by_a_callback(at: str, epochs: int, early_stopping: bool) -> None:
    settings: dict[str, Any] = {"hidden_layer_sizes": (5,), "random_state": 0, "batch_size": 20, "max_iter": 4}
    settings["early_stopping"] = early_stopping
    for model, y in ((MLPClassifier(**settings), SPECIES), (MLPRegressor(**settings, alpha=0.1), IRIS[:, :2])):
        plain = type(model)(**settings, alpha=model.alpha).fit(IRIS, y)
        model.set_params(callbacks=[Stop(at)]).fit(IRIS, y)
        assert model.n_iter_ == len(model.loss_curve_) == epochs
        if at != "run":
            assert model.loss_curve_ == plain.loss_curve_[:epochs]
        assert np.isfinite(model.loss_curve_).all()
        assert len(model.predict(IRIS)) == len(IRIS)
        np.testing.assert_array_equal(model.set_params(callbacks=None).fit(IRIS, y).coefs_[0], plain.coefs_[0])


class End(bp.Callback):
    def __init__(self, error: type[BaseException] | None = None) -> None:
        self.error, self.heard = error, 0

    def on_train_end(self, trainer: Any) -> None:
        self.heard += 1
        if self.error:
            raise self.error


def test_each_callback_gets_its_end() -> None:
    after = End()
    model = MLPClassifier((4,), max_iter=3, early_stopping=True, random_state=0, callbacks=[End(RuntimeError), after])
    with pytest.raises(RuntimeError):
        model.fit(IRIS, SPECIES)
    assert after.heard == 1
    model.set_params(callbacks=[End(KeyboardInterrupt), after])
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(IRIS, SPECIES)
    assert after.heard == 2
    plain = MLPClassifier((4,), max_iter=3, early_stopping=True, random_state=0).fit(IRIS, SPECIES)
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])
