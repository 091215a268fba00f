"""Each finding of `Trainer.diagnose` with the fault that it is for, planted; and healthy runs, which have none."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import bpnative as bp
from bpnative.diagnosis import CODES

DIGITS, LABELS = bp.datasets.load_digits()
GENERATOR = np.random.default_rng(3)
A = GENERATOR.normal(size=(600, 8))
B = np.sin(A[:, 0]) + A[:, 1] * A[:, 2]


def classifier(*layers, optimizer="adam", loss="cross_entropy", n_inputs=64, n_outputs=10, seed=0):
    layers = layers or (bp.Dense(32, activation="relu"), bp.Dense(n_outputs))
    return bp.Trainer(bp.Network(layers, input_size=n_inputs, seed=seed), loss=loss, optimizer=optimizer)


def regression(*layers, optimizer="adam", loss="mse", seed=0):
    layers = layers or (bp.Dense(32, activation="relu"), bp.Dense(1))
    return bp.Trainer(bp.Network(layers, input_size=8, seed=seed), loss=loss, optimizer=optimizer)


def with_gap(values, row, column):
    values = values.copy()
    values[row, column] = np.nan
    return values


def poisoned():
    trainer = classifier()
    trainer.network.layers[1].weight[3, 4] = np.nan
    return trainer


def frozen():
    trainer = classifier()
    for layer in trainer.network.layers:
        layer.trainable = False
    return trainer


def wrong_gradient(output, target):
    error = output - target
    return float((error**2).mean()), -2 * error / error.size  # the sign


def own_log(output, target):
    with np.errstate(all="ignore"):
        return float(np.log(output).sum()), 1 / output


DEAD = (bp.Dense(32, activation="relu", bias_initializer=np.full(32, -50.0)), bp.Dense(10))
DEEP = [bp.Dense(16, activation="sigmoid") for _ in range(12)]
EXPLODING = [bp.Dense(16, weight_initializer=GENERATOR.normal(size=(16, 16)) * 2, activation="relu") for _ in range(9)]
HALF = np.where(np.arange(64) % 3, DIGITS, 7.0)

# fault: code, severity, layer, trainer, X, y, validation data
FAULTS = {
    "NaN in X": ("nan_in_inputs", "error", None, classifier, with_gap(DIGITS, 7, 5), LABELS),
    "NaN in y": ("nan_in_targets", "error", None, regression, A, with_gap(B[:, None], 9, 0)),
    "NaN in weights": ("nan_in_parameters", "error", "1", poisoned, DIGITS, LABELS),
    "wrong sign": ("wrong_gradient", "error", None, lambda: regression(loss=wrong_gradient), A, B[:, None]),
    "labels from 1": ("labels_off_by_one", "error", None, classifier, DIGITS, LABELS + 1),
    "labels from 1, 11 outputs": (
        *("labels_off_by_one", "warning", None),
        *(lambda: classifier(bp.Dense(32, activation="relu"), bp.Dense(11)), DIGITS, LABELS + 1),
    ),
    "one class": ("one_class", "error", None, classifier, DIGITS, np.full(len(DIGITS), 4)),
    "constant y": ("constant_targets", "error", None, regression, A, np.full(600, 2.5)),
    "relu at the end": (
        *("targets_out_of_reach", "error", None),
        *(lambda: regression(bp.Dense(32, activation="relu"), bp.Dense(1, activation="relu")), A, B),
    ),
    "constant X": ("inputs_constant", "error", None, regression, np.ones((600, 8)), B),
    "constant columns": ("inputs_constant", "warning", None, classifier, HALF, LABELS),
    "X of bytes": ("inputs_not_scaled", "error", None, classifier, DIGITS * 255 * 4, LABELS),
    "X of one large column": ("inputs_not_scaled", "error", None, regression, A * ([1] * 7 + [4000]), B),
    "tiny X": ("inputs_not_scaled", "error", None, regression, A * 1e-4, B),
    "larger X": ("inputs_not_scaled", "warning", None, classifier, DIGITS * 40, LABELS),
    "large y": ("targets_not_scaled", "error", None, regression, A, B * 3000),
    "SGD(1e4)": ("nan_in_training", "error", None, lambda: regression(optimizer=bp.SGD(1e4)), A, B),
    "own logarithm": ("nan_in_training", "error", None, lambda: regression(loss=own_log), A, B[:, None]),
    "SGD(20)": ("learning_rate_too_high", "error", "1", lambda: classifier(optimizer=bp.SGD(20.0)), DIGITS, LABELS),
    "Adam(0.3)": ("learning_rate_too_high", None, None, lambda: classifier(optimizer=bp.Adam(0.3)), DIGITS, LABELS),
    "Adam(1e-8)": (
        *("learning_rate_too_low", "error", None),
        *(lambda: classifier(optimizer=bp.Adam(1e-8)), DIGITS, LABELS),
    ),
    "rate 0": ("learning_rate_too_low", "error", None, lambda: classifier(optimizer=bp.SGD(0)), DIGITS, LABELS),
    "frozen": ("all_frozen", "error", None, frozen, DIGITS, LABELS),
    "bias -50": ("dead_units", "error", "0", lambda: classifier(*DEAD), DIGITS, LABELS),
    "wide tanh": (
        *("saturated_units", "error", "0"),
        lambda: classifier(bp.Dense(32, activation="tanh", weight_initializer=np.full((32, 64), 5.0)), bp.Dense(10)),
        *(DIGITS, LABELS),
    ),
    "12 sigmoids": ("vanishing_gradients", None, "0", lambda: classifier(*DEEP, bp.Dense(10)), DIGITS, LABELS),
    "large weights": (
        *("exploding_gradients", None, "0"),
        *(lambda: regression(bp.Dense(16), *EXPLODING, bp.Dense(1)), A, B),
    ),
    "large last weights": (
        *("loss_far_from_chance", None, None),
        lambda: classifier(
            bp.Dense(32, activation="relu"),
            bp.Dense(10, weight_initializer=np.random.default_rng(0).normal(size=(10, 32)) * 9),
        ),
        *(DIGITS, LABELS),
    ),
    "y far from 0": ("loss_far_from_chance", None, None, regression, A, B + 60),
    "bottleneck": (
        *("cannot_overfit", "error", None),
        lambda: regression(bp.Dense(1, weight_initializer="zeros", trainable=False), bp.Dense(1)),
        *(A, B),
    ),
    "validation in training": (
        *("validation_duplicates", "error", None, classifier, DIGITS, LABELS),
        (DIGITS[5:105], LABELS[5:105]),
    ),
    "some validation in training": (
        *("validation_duplicates", "warning", None, regression, A, B),
        (np.concatenate([A[:5], A[:95] + 9]), B[:100]),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name):
    code, severity, layer, make, X, y, *validation = FAULTS[name]
    trainer = make()
    before = pickle.dumps(trainer), np.array(X).tobytes(), np.array(y).tobytes()
    diagnosis = trainer.diagnose(X, y, *validation)
    assert (pickle.dumps(trainer), np.array(X).tobytes(), np.array(y).tobytes()) == before
    found = [finding for finding in diagnosis.findings if finding.code == code]
    assert len({(finding.code, finding.layer) for finding in diagnosis.findings}) == len(diagnosis.findings)
    assert found, diagnosis
    assert severity is None or found[0].severity == severity, diagnosis
    assert layer is None or found[0].layer == layer, diagnosis
    assert found[0].text in str(diagnosis)
    assert found[0].advice in str(diagnosis)
    assert not diagnosis.ok
    json.dumps(diagnosis.to_dict(), allow_nan=False)
    ranks = [(finding.severity != "error", CODES.index(finding.code)) for finding in diagnosis.findings]
    assert ranks == sorted(ranks)


def test_every_code_has_a_planted_fault():
    assert {fault[0] for fault in FAULTS.values()} == set(CODES)


# Faults of data alone must not be blamed on the network, and the other way round: what else may be found with each.
ALONE = ["labels from 1", "NaN in X", "NaN in y", "constant columns", "12 sigmoids", "Adam(1e-8)", "rate 0", "tiny X"]
ALONE += ["validation in training", "some validation in training", "labels from 1, 11 outputs", "NaN in weights"]
FOLLOWS = {"12 sigmoids": {"cannot_overfit"}, "tiny X": {"cannot_overfit", "dead_units"}}
FOLLOWS["constant columns"] = {"loss_far_from_chance"}


@pytest.mark.parametrize("name", ALONE)
def test_nothing_else_is_found(name):
    code, _, _, make, X, y, *validation = FAULTS[name]
    assert set(make().diagnose(X, y, *validation).codes) - FOLLOWS.get(name, set()) == {code}


HEALTHY = {
    "relu": (classifier, DIGITS, LABELS),
    "sgd": (lambda: classifier(optimizer=bp.SGD(0.05, momentum=0.9)), DIGITS, LABELS),
    "schedule": (
        lambda: classifier(optimizer=bp.Adam(learning_rate=lambda step: 1e-9 if step < 100 else 1e-3)),
        *(DIGITS, LABELS),
    ),
    "softmax": (
        lambda: classifier(bp.Dense(32, activation="gelu"), bp.Dense(10, activation="softmax")),
        DIGITS,
        LABELS,
    ),
    "norms": (
        lambda: classifier(bp.Dense(32), bp.BatchNorm(), "relu", bp.Dropout(0.2), bp.LayerNorm(), bp.Dense(10)),
        *(DIGITS, LABELS),
    ),
    "scaled inside": (
        lambda: classifier(bp.Normalize(), bp.Dense(32, activation="tanh"), bp.Dense(10)),
        *(DIGITS * 3000, LABELS),
    ),
    "residual": (
        lambda: regression(bp.Dense(16), *[bp.Residual([bp.LayerNorm(), bp.Dense(16), "relu"])] * 3, bp.Dense(1)),
        *(A, B),
    ),
    "binary": (lambda: regression(loss="binary_cross_entropy"), A, (B > 0).astype(int)),
    "sigmoid": (
        lambda: regression(bp.Dense(16, activation="tanh"), bp.Dense(1, activation="sigmoid"), loss="focal"),
        *(A, (B > 0).astype(int)),
    ),
    "hinge": (lambda: regression(loss="hinge"), A, np.sign(B)),
    "regression": (regression, A, B),
    "huber": (lambda: regression(loss="huber"), A, B),
    "two targets": (
        lambda: regression(bp.Dense(32, activation="silu"), bp.Dense(2), loss="mae"),
        *(A, np.stack([B, A[:, 3]], axis=1)),
    ),
    "counts": (lambda: regression(loss="poisson"), A, np.random.default_rng(0).poisson(np.exp(A[:, 0] / 2))),
    "lbfgs": (lambda: regression(optimizer="lbfgs"), A, B),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_has_no_findings(name):
    if name == "lbfgs":
        pytest.importorskip("scipy")
    make, X, y = HEALTHY[name]
    diagnosis = make().diagnose(X, y)
    assert diagnosis.ok, diagnosis
    assert diagnosis.codes == []
    assert str(diagnosis).startswith("Nothing found")
    assert [layer.name for layer in diagnosis.layers] == [layer.name for layer in make().network.layers]


@pytest.mark.parametrize("optimizer", sorted(set(bp.optimizers.OPTIMIZERS)))
def test_every_optimizer_at_its_defaults_is_healthy(optimizer):
    assert classifier(optimizer=optimizer).diagnose(DIGITS, LABELS).ok


def test_after_training_as_before():
    trainer = classifier()
    trainer.fit(DIGITS, LABELS, epochs=3)
    assert trainer.diagnose(DIGITS, LABELS).ok


def test_the_place_of_the_first_nan():
    finding = classifier(optimizer=bp.SGD(1e30)).diagnose(DIGITS, LABELS).findings[0]
    assert (finding.code, finding.numbers["step"]) == ("nan_in_training", 1.0)
    assert "step 1, first in the outputs of layer" in finding.text
    assert "lower the learning rate" in finding.advice
    findings = regression().diagnose(A * 1e30, B).findings  # float32 ends at 3e38
    finding = next(one for one in findings if one.code == "nan_in_training")
    assert (finding.numbers["step"], "from the start" in finding.advice) == (0.0, True)
    finding = regression(loss=own_log).diagnose(A, B[:, None]).findings[0]
    assert "expected a finite" in finding.advice
    assert with_gap_found(DIGITS, 7, 5) == "7, column 5"


def with_gap_found(X, row, column):
    finding = classifier().diagnose(with_gap(X, row, column), LABELS).findings[0]
    return finding.text.partition("row ")[2].rstrip(".")


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_few_samples_are_not_judged_by(n):
    assert classifier().diagnose(DIGITS[:n], LABELS[:n]).ok
    assert regression().diagnose(A[:n], B[:n]).ok


def test_only_gaps():
    diagnosis = regression().diagnose(np.full((5, 8), np.nan), np.ones(5))
    assert diagnosis.codes == ["nan_in_inputs"]
    assert diagnosis.layers == []


def test_causes_stand_before_what_follows():
    findings = regression().diagnose(A * 1e-4, B).findings
    assert findings[0].code == "inputs_not_scaled"
    assert findings[-1].advice == "Mend what stands above, then look again."


def test_contradictions_cannot_be_learned():
    X = np.repeat(A[:2], 100, axis=0)
    X[:, 7] += np.linspace(0, 1e-6, 200)
    y = np.arange(200) % 2
    diagnosis = regression(loss="binary_cross_entropy").diagnose(X.astype(np.float32), y)
    assert "cannot_overfit" in diagnosis.codes


def test_the_table():
    text = str(classifier(bp.Dense(32, activation="tanh"), bp.Dense(10)).diagnose(DIGITS, LABELS))
    head, first, last = text.splitlines()[2:5]
    assert head.split() == ["layer", "outputs", "dead", "saturated", "gradient", "update/weight"]
    assert first.startswith("0 Dense tanh")
    assert last.startswith("1 Dense ")
    assert "loss in 30 steps on a copy" in text


def test_bad_inputs():
    trainer = classifier()
    for arguments, message in (
        ((DIGITS[:, :5], LABELS), "64 columns"),
        ((DIGITS, LABELS[:5]), "rows"),
        ((DIGITS, LABELS + 5), "label"),
        ((DIGITS, LABELS, DIGITS), "validation_data"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            trainer.diagnose(*arguments)
    with pytest.raises(ValueError, match="steps"):
        trainer.diagnose(DIGITS, LABELS, steps=0)
