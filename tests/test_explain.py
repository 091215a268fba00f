"""One step explained: its numbers are those of the hand-worked example and of native code, and nothing is changed."""

from __future__ import annotations

import pickle
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import bpnative as bp
import test_hand_worked as hand
from bpnative.explain.formulas import ACTIVATION_FORMULAS, LOSS_FORMULAS

WIDE = {"float32": 2e-5, "float64": 1e-12}


def data_for(loss, n_outputs, n=3, n_inputs=3):
    generator = np.random.default_rng(5)
    x = generator.normal(size=(n, n_inputs))
    columns = loss.target_columns(n_outputs)
    values = {
        "values": generator.normal(size=(n, columns)),
        "counts": generator.integers(0, 4, (n, columns)).astype(float),
        "binary": generator.uniform(size=(n, columns)),
        "signs": generator.choice([-1.0, 1.0], (n, columns)),
        "classes": generator.integers(0, n_outputs, n),
        "distributions": generator.dirichlet(np.ones(n_outputs), n),
    }
    return x, values[loss.targets]


def hand_trainer(dtype="float64"):
    return bp.Trainer(hand.example(dtype), loss="mse", optimizer=bp.SGD(learning_rate=0.5))


def test_the_hand_worked_example():
    explanation = hand_trainer().explain(hand.X, hand.TARGET)
    hidden, output = explanation.layers
    assert hidden.z == hand.near([[0.50, -0.55]])
    assert hidden.y == hand.near([[0.6224593312, 0.3658644090]])
    assert hidden.slope == hand.near([[0.2350037122, 0.2320076432]])
    assert hidden.dy == hand.near([[-0.7660949417, 0.5472106727]])
    assert hidden.dz == hand.near([[-0.1800351552, 0.1269570585]])
    assert hidden.dx == hand.near(hand.INPUT_GRADIENT)
    assert output.dz == hand.near([[hand.OUTPUT_GRADIENT]])
    parts = [np.ravel(part) for step in (hidden, output) for part in step.gradients.values()]
    assert np.concatenate(parts) == hand.near(hand.GRADIENTS)
    parts = [np.ravel(part) for step in (hidden, output) for part in step.updated.values()]
    assert np.concatenate(parts) == hand.near(hand.UPDATED)
    assert explanation.loss == hand.near(hand.LOSS)
    assert explanation.loss_after == hand.near(hand.LOSS_AFTER)
    assert explanation.learning_rate == 0.5


def test_the_text_shows_each_number_with_its_formula():
    text = str(hand_trainer().explain([0.5, -1.0], 1.0))  # one sample, without its batch dimension
    for line in (
        "z0 = 0.4·0.5 + (-0.2)·(-1) + 0.1 = 0.5   y0 = sigmoid(z) = 0.622459",
        "y0 = 0.7·0.622459 + (-0.5)·0.365864 + 0.2 = 0.452789",
        "delta0 = (-0.766095)·0.235004 = -0.180035",
        "d weight[1,0] = 0.126957·0.5 = 0.0634785",
        "d x1 = (-0.5)·(-1.09442) = 0.547211",
        "loss of the same samples: 0.29944 -> 0.117766",
    ):
        assert line in text
    assert re.search(r"1 weight\[0,0\] +0\.7 +-0\.681233 +1\.04062 +0\.340616", text)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", bp.activations.ACTIVATIONS)
def test_every_activation(name, dtype):
    assert name in ACTIVATION_FORMULAS
    net = bp.mlp([3, 5, 4, 2], activation=name, dtype=dtype, seed=2)
    check(bp.Trainer(net, loss="mse"), *data_for(bp.MSE(), 2))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", bp.losses.LOSSES)
def test_every_loss(name, fused):
    loss = bp.losses.get(name)
    assert name in LOSS_FORMULAS
    last = loss.fused if fused and loss.fused else "linear"
    net = bp.mlp([3, 4, 2], activation="tanh", output_activation=last, dtype="float64", seed=2)
    explanation = check(bp.Trainer(net, loss=loss), *data_for(loss, 2))
    assert explanation.layers[-1].fused == bool(fused and loss.fused)


LAYERS = {
    "norms": [bp.Dense(4), bp.BatchNorm(), "relu", bp.Dense(4), bp.LayerNorm(), bp.RMSNorm(), "tanh", bp.Dense(2)],
    "residual": [bp.Residual([bp.Dense(5, activation="gelu"), bp.Dense(3)]), bp.Residual([bp.Dense(2)], "relu")],
    "noise": [bp.Dense(4), bp.Dropout(0.5), bp.GaussianNoise(1.0), bp.AlphaDropout(0.2), bp.Dense(2)],
    "penalties": [bp.Dense(4, l1=0.1, activation="relu"), bp.Residual([bp.Dense(4, l2=0.3)]), bp.Dense(2, l2=0.2)],
    "frozen": [bp.Dense(4, trainable=False), bp.Residual([bp.Dense(4)], trainable=False), bp.Dense(2, bias=False)],
    "last": [bp.Dense(2), bp.Activation("sigmoid")],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name, dtype):
    net = bp.Network(LAYERS[name], input_size=3, dtype=dtype, seed=4)
    check(bp.Trainer(net, loss="binary_cross_entropy"), *data_for(bp.BinaryCrossEntropy(), 2))


def test_fused_in_a_block_and_codes_and_scaled_inputs():
    net = bp.Network([bp.Normalize(), bp.Residual([bp.Dense(3)], activation="softmax")], input_size=3, seed=1)
    net.layers[0].adapt(np.random.default_rng(0).normal(size=(20, 3)) * 7)
    check(bp.Trainer(net, loss="cross_entropy"), *data_for(bp.CrossEntropy(), 3))
    net = bp.Network([bp.Embedding({0: 5}, size=2), bp.Dense(2)], input_size=2, seed=1)
    check(bp.Trainer(net, loss="mse"), np.array([[1.0, 0.5], [4.0, -0.5]]), np.ones((2, 2)))


def check(trainer, x, y):
    """Everything agrees with the compiled code, and trainer and network keep every bit."""
    trainer.network.gradients = np.full_like(trainer.network.gradients, 7.0)
    before = pickle.dumps(trainer), trainer.network.gradients.copy()
    explanation = trainer.explain(x, y)
    assert (pickle.dumps(trainer), trainer.network.gradients.tolist()) == (before[0], before[1].tolist())
    dtype = trainer.network.dtype.name
    assert explanation.difference < WIDE[dtype]
    assert explanation.is_full
    noisy = any(hasattr(layer.specification, field) for layer in trainer.network.walk() for field in ("rate", "stddev"))
    if not noisy:
        value, gradients = trainer.gradients(x, y)
        assert explanation.loss == value
        flat = [np.ravel(part) for step in explanation.layers for part in step.gradients.values()]
        assert np.concatenate(flat).tolist() == gradients.tolist()
        trainer.step(x, y)
        flat = [np.ravel(part) for step in explanation.layers for part in step.updated.values()]
        assert np.concatenate(flat).tolist() == trainer.network.parameters.tolist()
    assert "differ by at most" in str(explanation)
    assert well_formed(explanation.to_html())
    return explanation


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.all = [], []

    def handle_starttag(self, tag, attributes):
        self.all.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.all.append((tag, dict(attributes)))


def well_formed(page):
    parser = Tags()
    parser.feed(page)
    assert not parser.open
    names = {tag for tag, _ in parser.all}
    loading = [one for _, attributes in parser.all for one in attributes if one in ("src", "href", "onclick")]
    return "svg" in names and not names & {"script", "link", "img", "iframe"} and not loading


def test_the_page(tmp_path):
    explanation = hand_trainer().explain(hand.X, hand.TARGET)
    explanation.save(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert well_formed(page)
    assert page.count("<circle") == 5
    assert page.count("<line ") == 6
    for shown in ("0.622", "δ -0.18", "b 0.1", "target 1", "loss 0.299", "-0.0900176"):
        assert shown in page


def test_what_is_large_is_summarized():
    X, y = bp.datasets.load_digits()
    net = bp.mlp([64, 32, 10], activation="relu", seed=0)
    explanation = bp.Trainer(net, loss="cross_entropy").explain(X[:20], y[:20])
    assert not explanation.is_full
    text = str(explanation)
    assert len(text.splitlines()) < 45
    assert max(map(len, text.splitlines())) < 150
    assert re.search(r"y +shape \(20, 32\) .*% zeros", text)
    assert "64 in all" in explanation.to_html()
    assert len(explanation.to_html()) < 60_000


def test_several_samples_sum_up():
    text = str(hand_trainer().explain([[0.5, -1.0], [1.0, 2.0]], [[1.0], [0.0]]))
    assert "sample 1  x = [1, 2]" in text
    assert re.search(r"d bias\[0\] = \S+ \+ \S+ = ", text)


def test_notes():
    net = bp.Network([bp.Dense(2), bp.BatchNorm(), bp.Dropout(0.5)], input_size=2, seed=0)
    text = str(bp.Trainer(net, loss="mse", clip_norm=0.1).explain([[1.0, 2.0], [2.0, 1.0]], [[1.0, 2.0], [0.0, 0.0]]))
    for note in ("switched off", "these few samples alone", "before clipping"):
        assert note in text
    pytest.importorskip("scipy")
    explanation = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse", optimizer="lbfgs").explain([1.0], [1.0])
    assert explanation.loss_after is None
    assert "line search" in str(explanation)
    assert well_formed(explanation.to_html())


def test_a_loss_of_ones_own():
    def quartic(output, target):
        return ((output - target) ** 4).mean(), 4 * (output - target) ** 3 / output.size

    trainer = bp.Trainer(bp.mlp([3, 4, 2], activation="tanh", dtype="float64", seed=0), loss=quartic)
    explanation = trainer.explain(np.ones((2, 3)), np.ones((2, 2)))
    assert explanation.difference < 1e-12
    assert "your function" in str(explanation)


def test_callables_that_cannot_be_copied():
    class Rate:
        def __call__(self, step):
            return 0.25

        def __deepcopy__(self, memo):
            raise TypeError("not to be copied")

    trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse", optimizer=bp.SGD(learning_rate=Rate()))
    assert trainer.explain([1.0], [1.0]).learning_rate == 0.25


@pytest.mark.parametrize("x", [[[1.0, 2.0, 3.0]], [], ["a", "b"], [[1.0], [2.0]]])
def test_bad_inputs(x):
    trainer = hand_trainer()
    before = pickle.dumps(trainer)
    with pytest.raises((TypeError, ValueError), match="expected x"):
        trainer.explain(x, [1.0])
    assert pickle.dumps(trainer) == before
