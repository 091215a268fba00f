"""What the estimators have that scikit-learn's have not, and the shapes of data they take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'bpnative[sklearn]'")

from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import scale

import bpnative as bp
from bpnative.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = scale(IRIS)
CANCER, BENIGN = load_breast_cancer(return_X_y=True)
CANCER = scale(CANCER)
SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (16,), "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0}


def test_activation_by_layer() -> None:
    model = MLPClassifier((8, 6, 4), activation=["tanh", "logistic", bp.activations.LeakyReLU(0.2)], max_iter=3)
    model.fit(IRIS, SPECIES)
    kept = [layer.activation for layer in model.network_.layers]
    assert kept == ["tanh", "sigmoid", bp.activations.LeakyReLU(0.2), "softmax"]
    with pytest.raises(ValueError, match="one for each of 3 hidden layers"):
        model.set_params(activation=["tanh", "relu"]).fit(IRIS, SPECIES)


@pytest.mark.parametrize("name", sorted(bp.activations.ACTIVATIONS))
def test_every_activation_of_bpnative(name: str) -> None:
    model = MLPClassifier((8,), activation=name, max_iter=2, random_state=0).fit(IRIS, SPECIES)
    assert np.isfinite(model.loss_)


@pytest.mark.parametrize("solver", [bp.SGD(0.1, momentum=0.9), bp.Adam(0.01, beta1=0.8)], ids=repr)
def test_an_optimizer_as_it_is(solver: Any) -> None:
    model = MLPClassifier((8,), solver=solver, alpha=0.0, shuffle=False, batch_size=30, max_iter=3, random_state=0)
    net = model.fit(IRIS, SPECIES).network_
    start = bp.Network([bp.Dense(8, activation="relu"), bp.Dense(3, activation="softmax")], 4, dtype="float64")
    drawn = np.random.RandomState(0)
    for layer, size in zip(start.layers, [(4, 8), (8, 3)], strict=True):
        bound = np.sqrt(6 / sum(size))
        layer.weight, layer.bias = drawn.uniform(-bound, bound, size).T, drawn.uniform(-bound, bound, size[1])
    bp.Trainer(start, "cross_entropy", solver).fit(
        IRIS, SPECIES, epochs=3, batch_size=30, shuffle=False, progress=False
    )
    np.testing.assert_array_equal(net.parameters, start.parameters)


def test_a_schedule_is_asked_for_every_step() -> None:
    asked: list[int] = []

    def schedule(step: int) -> float:
        asked.append(step)
        return 0.01 / (1 + step)

    for solver in ("adam", "sgd"):
        asked.clear()
        MLPClassifier((8,), solver=solver, learning_rate_init=schedule, batch_size=50, max_iter=4).fit(IRIS, SPECIES)
        assert sorted(set(asked)) == list(range(12)), solver
    constant = MLPClassifier(**{**SETTINGS, "learning_rate_init": lambda step: 0.02}).fit(IRIS, SPECIES)
    np.testing.assert_array_equal(constant.coefs_[0], MLPClassifier(**SETTINGS).fit(IRIS, SPECIES).coefs_[0])
    with pytest.raises(ValueError, match="learning_rate='constant'"):
        MLPClassifier(solver="sgd", learning_rate="adaptive", learning_rate_init=schedule).fit(IRIS, SPECIES)


@pytest.mark.parametrize("loss", sorted(bp.losses.LOSSES))
@pytest.mark.parametrize("task", ["two", "three"])
def test_every_loss_that_a_classifier_takes(loss: str, task: str) -> None:
    X, y = (IRIS, SPECIES) if task == "three" else (CANCER, BENIGN)
    model = MLPClassifier(**SETTINGS, loss=loss, alpha=0.0)
    if bp.losses.get(loss).targets not in ("classes", "binary") and loss != "mse":
        return
    probabilities = model.fit(X, y).predict_proba(X)
    assert probabilities.shape == (len(X), 2 if task == "two" else 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert model.score(X, y) > 0.9
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(X))


def test_losses_that_do_not_go() -> None:
    with pytest.raises(ValueError, match="use MLPClassifier"):
        MLPRegressor(loss="cross_entropy").fit(IRIS, IRIS[:, 0])
    with pytest.raises(ValueError, match="one label a sample"):
        MLPClassifier(loss="cross_entropy").fit(IRIS, np.eye(3, dtype=int)[SPECIES] | np.eye(3, dtype=int)[0])


def test_class_weight() -> None:
    few = np.r_[0:50, 50:55]
    X, y = IRIS[few], np.where(SPECIES[few] == 0, "many", "few")
    balanced = MLPClassifier(**SETTINGS, class_weight="balanced", alpha=0.0).fit(X, y)
    by_hand = MLPClassifier(**SETTINGS, class_weight={"many": 55 / 100, "few": 5.5}, alpha=0.0).fit(X, y)
    by_sample = MLPClassifier(**SETTINGS, alpha=0.0).fit(X, y, sample_weight=np.where(y == "few", 5.5, 0.55))
    for other in (by_hand, by_sample):
        np.testing.assert_allclose(other.coefs_[0], balanced.coefs_[0], rtol=1e-9)
    plain = MLPClassifier(**SETTINGS, alpha=0.0).fit(X, y)
    assert np.abs(plain.coefs_[0] - balanced.coefs_[0]).max() > 1e-3
    with pytest.raises(ValueError, match="not supported for partial_fit"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=["few", "many"])


def test_a_validation_set_of_ones_own() -> None:
    train, held_out = np.arange(0, 150, 2), np.arange(1, 150, 2)
    given = {"X_val": IRIS[held_out], "y_val": SPECIES[held_out]}
    model = MLPClassifier(**SETTINGS).fit(IRIS[train], SPECIES[train], **given)
    assert model.n_iter_ == len(model.validation_scores_) == 60
    score = accuracy_score(SPECIES[held_out], model.predict(IRIS[held_out]))
    assert model.validation_scores_[-1] == pytest.approx(score)
    assert model.best_validation_score_ == max(model.validation_scores_)
    # Looking on changes nothing.
    np.testing.assert_array_equal(model.coefs_[0], MLPClassifier(**SETTINGS).fit(IRIS[train], SPECIES[train]).coefs_[0])
    stopped = MLPClassifier(**SETTINGS, early_stopping=True, n_iter_no_change=3).fit(
        IRIS[train], SPECIES[train], **given
    )
    assert stopped.n_iter_ < 60
    score = accuracy_score(SPECIES[held_out], stopped.predict(IRIS[held_out]))
    assert stopped.best_validation_score_ == pytest.approx(score)
    assert stopped.t_ == stopped.n_iter_ * 75, "all samples are trained on"


def test_a_validation_set_for_numbers() -> None:
    weight = np.arange(1.0, 51.0)
    model = MLPRegressor(**SETTINGS)
    model.fit(IRIS[:100, 1:], IRIS[:100, :2], None, IRIS[100:, 1:], IRIS[100:, :2], weight)
    expected = r2_score(IRIS[100:, :2], model.predict(IRIS[100:, 1:]), sample_weight=weight)
    assert model.validation_scores_[-1] == pytest.approx(expected)


def test_wrong_validation_sets() -> None:
    model = MLPClassifier(**SETTINGS)
    for given, match in (
        ({"X_val": IRIS}, "both, or neither"),
        ({"sample_weight_val": np.ones(150)}, "without X_val"),
        ({"X_val": IRIS[:, :3], "y_val": SPECIES}, "features"),
        ({"X_val": IRIS, "y_val": SPECIES[:3]}, "150 rows"),
        ({"X_val": IRIS, "y_val": SPECIES + 1}, "has classes"),
    ):
        with pytest.raises(ValueError, match=match):
            model.fit(IRIS, SPECIES, **given)


class Listener(bp.Callback):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_train_begin(self, trainer: Any) -> None:
        self.heard.append("begin")

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Any) -> None:
        self.heard.append(" ".join(sorted(logs)))
        trainer.stop_training = epoch == 2

    def on_train_end(self, trainer: Any) -> None:
        self.heard.append("end")


def test_callbacks() -> None:
    listener = Listener()
    model = MLPClassifier(**SETTINGS, callbacks=listener).fit(IRIS, SPECIES, X_val=IRIS, y_val=SPECIES)
    assert listener.heard == ["begin", *["loss val_loss val_score"] * 3, "end"]
    assert model.n_iter_ == 3
    stopping = bp.EarlyStopping(patience=2, monitor="val_loss")
    slow = MLPClassifier(**{**SETTINGS, "learning_rate_init": 5.0}, callbacks=[stopping])
    slow.fit(IRIS, SPECIES, X_val=IRIS, y_val=SPECIES)
    assert stopping.stopped_epoch is not None
    assert slow.n_iter_ == stopping.stopped_epoch + 1


def test_interrupted() -> None:
    class Interrupt(bp.Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, logs: Any) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = MLPClassifier(**SETTINGS, callbacks=[Interrupt()]).fit(IRIS, SPECIES)
    assert model.n_iter_ == 2
    assert model.predict(IRIS).shape == (150,)


@pytest.mark.parametrize("settings", [{"dropout": 0.3}, {"dropout": [0.2, 0.0]}, {"batch_norm": True}], ids=str)
def test_dropout_and_batch_norm(settings: dict[str, Any]) -> None:
    model = MLPClassifier((32, 16), max_iter=80, learning_rate_init=0.01, random_state=0, **settings)
    assert model.fit(IRIS, SPECIES).score(IRIS, SPECIES) > 0.9
    assert [coef.shape for coef in model.coefs_] == [(4, 32), (32, 16), (16, 3)]
    again = MLPClassifier(**model.get_params()).fit(IRIS, SPECIES)
    np.testing.assert_array_equal(again.predict_proba(IRIS), model.predict_proba(IRIS))


def test_batch_norm_brings_its_statistics_back() -> None:
    model = MLPClassifier(
        (16,), batch_norm=True, early_stopping=True, n_iter_no_change=30, learning_rate_init=0.1, random_state=0
    ).fit(IRIS, SPECIES, X_val=IRIS[::2], y_val=SPECIES[::2])
    assert model.score(IRIS[::2], SPECIES[::2]) == pytest.approx(model.best_validation_score_)


def test_clipping() -> None:
    X, y = IRIS, IRIS[:, 0] * 1e3
    settings: dict[str, Any] = {"solver": "sgd", "max_iter": 5, "momentum": 0.0, "random_state": 0}
    with pytest.raises(ValueError, match="non-finite"):
        MLPRegressor(**settings, learning_rate_init=1e4).fit(X, y)
    for clip in ({"clip_norm": 1e-3}, {"clip_value": 1e-5}):
        model = MLPRegressor(**settings, learning_rate_init=1e-3, **clip)
        before = MLPRegressor(**{**settings, "max_iter": 1}, learning_rate_init=1e-12).fit(X, y).network_.parameters
        assert np.linalg.norm(model.fit(X, y).network_.parameters - before) < 1e-5


def test_lbfgs_takes_no_dropout() -> None:
    for extra in ({"dropout": 0.1}, {"batch_norm": True}):
        with pytest.raises(ValueError, match="neither dropout nor batch_norm"):
            MLPClassifier(solver="lbfgs", **extra).fit(IRIS, SPECIES)


def test_a_batch_without_weight_moves_nothing() -> None:
    model = MLPClassifier((8,), solver="sgd", momentum=0.0, batch_size=50, shuffle=False, max_iter=4, random_state=0)
    whole = model.fit(IRIS, SPECIES, np.repeat([0.0, 1.0], [50, 100])).coefs_
    part = MLPClassifier(**model.get_params())
    part.partial_fit(IRIS[50:], SPECIES[50:], classes=[0, 1, 2])  # the same steps without those of no weight
    for _ in range(3):
        part.partial_fit(IRIS[50:], SPECIES[50:])
    for mine, other in zip(whole, part.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)


def test_a_penalty_with_a_function_as_loss() -> None:
    def half_squares(output: Any, target: Any) -> Any:
        return 0.5 * float(((output - target) ** 2).mean()), (output - target) / output.size

    weights = []
    settings = {"solver": "sgd", "momentum": 0.0, "alpha": 0.5, "batch_size": 40, "max_iter": 3, "random_state": 0}
    for loss in (bp.FunctionLoss(half_squares), "squared_error"):
        model = MLPRegressor(loss, (4,), **settings)
        weights.append(np.r_[model.fit(IRIS[:, :3], IRIS[:, 3]).loss_curve_, model.coefs_[0].ravel()])
    np.testing.assert_allclose(*weights, rtol=1e-11)


def test_targets_of_another_width() -> None:
    model = MLPRegressor(**SETTINGS).partial_fit(IRIS, IRIS[:, 0])
    with pytest.raises(ValueError, match="1 columns, as in the previous fit, got 2"):
        model.partial_fit(IRIS, IRIS[:, :2])


def test_weights_that_cannot_be() -> None:
    for weight, match in ((np.r_[-1.0, np.ones(149)], "Negative values"), (np.zeros(150), "at least one non-zero")):
        with pytest.raises(ValueError, match=match):
            MLPClassifier(**SETTINGS).fit(IRIS, SPECIES, weight)


def test_lbfgs_has_no_partial_fit() -> None:
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    assert hasattr(MLPClassifier(), "partial_fit")
    with pytest.raises(AttributeError):
        MLPRegressor(solver="lbfgs").partial_fit(IRIS, SPECIES)


def test_diverged() -> None:
    model = MLPRegressor(solver="sgd", learning_rate_init=1e9, max_iter=20, random_state=0)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        model.fit(IRIS, IRIS[:, 0] * 1e6)
