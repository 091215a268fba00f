"""`Layer.l2` is writable between steps: the next call computes with it, plans made before included."""

import numpy as np
import pytest

import bpnative as bp
from compare import relative_distance

X, Y = np.random.default_rng(0).standard_normal((2, 40, 3))


def trainer(l2: float) -> bp.Trainer:
    net = bp.Network([bp.Dense(5, "tanh", l2=l2), bp.Dense(3, l2=l2)], 3, dtype="float64", seed=1)
    return bp.Trainer(net, loss="mse", optimizer=bp.SGD(learning_rate=0.1))


@pytest.mark.parametrize(("first", "then"), [(0.0, 0.5), (0.5, 0.0), (0.5, 0.25)])
def test_the_next_step_has_it(first, then):
    changed, made = trainer(first), trainer(then)
    changed.step(X, Y)  # makes a plan with the first penalty
    made.network.parameters = changed.network.parameters
    for layer in changed.network.layers:
        layer.l2 = then
        assert layer.l2 == layer.specification.l2 == then
    assert changed.gradients(X, Y)[0] == made.gradients(X, Y)[0]
    assert changed.step(X, Y) == made.step(X, Y)
    assert relative_distance(changed.network.parameters, made.network.parameters) == 0.0
    assert repr(changed.network.layers[0].specification) == repr(made.network.layers[0].specification)


def test_what_it_cannot_be():
    net = bp.Network([bp.Dense(2, l2=0.1), "relu"], 3)
    for value in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="l2"):
            net.layers[0].l2 = value
    with pytest.raises(AttributeError, match="no weight to penalize"):
        net.layers[1].l2 = 0.1
    assert net.layers[0].l2 == 0.1
    assert net.layers[1].l2 == 0.0
    with pytest.raises(ValueError, match="no weight to penalize"):
        net._native.set_l2(1, 0.1)
    with pytest.raises(ValueError, match="does not exist"):
        net._native.set_l2(2, 0.1)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_a_factor_of_each_step(accumulate, clip_norm):
    """One native call with a factor a step, as calls with another penalty each, the loss of each step included."""

    def run(calls, factors, l2):
        subject, losses = trainer(0.1), np.empty(4)
        for at in calls:
            for layer in subject.network.layers:
                layer.l2 = l2[at.start]
            order, rates = np.arange(10 * at.start, 10 * at.stop), np.full(at.stop - at.start, 0.1)
            own = None if factors is None else np.array(factors[at])
            how = 10 // accumulate, accumulate, clip_norm, 0.0, None, own
            subject._native.train(losses[at], None, X, Y, None, order, rates, *how)
        return losses, subject.network.parameters

    factors = [1.0, 0.0, 2.5, 0.25]
    one, weights = run([slice(0, 4)], factors, [0.2] * 4)
    each, expected = run([slice(i, i + 1) for i in range(4)], None, [0.2 * factor for factor in factors])
    np.testing.assert_array_equal(one, each)
    np.testing.assert_array_equal(weights, expected)


def test_factors_that_cannot_be():
    subject = trainer(0.1)
    before = subject.network.parameters.copy()
    for factors in ([1.0, -1.0], [np.nan, 1.0], [1.0, np.inf], [1.0]):
        with pytest.raises(ValueError, match="penalty"):
            subject._native.train(
                np.empty(2), None, X, Y, None, np.arange(40), np.full(2, 0.1), 20, penalty=np.array(factors)
            )
    with pytest.raises(ValueError, match="penalty"):
        subject._native.update(np.full(1, 0.1), penalty=-1.0)
    np.testing.assert_array_equal(subject.network.parameters, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inputs", [1, 3, 7, 8, 9, 30, 64])
def test_the_penalty_is_the_sum_over_weights(inputs, dtype):
    net = bp.Network([bp.Dense(5), bp.Dense(1)], inputs, dtype=dtype, seed=3)
    x, weight = np.zeros((4, inputs)), net.layers[0].weight.astype(np.float64)
    losses = []
    for l1, l2 in ((0.3, 0.7), (0.0, 0.7), (0.3, 0.0)):
        other = bp.Network([bp.Dense(5, l1=l1, l2=l2), bp.Dense(1)], inputs, dtype=dtype, seed=3)
        expected = l1 * np.abs(weight).sum() + l2 / 2 * np.square(weight).sum()
        loss, gradient = bp.Trainer(other, "mse").gradients(x, np.zeros(4))
        losses.append(loss)
        assert loss == pytest.approx(expected, rel=1e-13)
        slope = l1 * np.sign(weight) + l2 * weight
        np.testing.assert_allclose(gradient[: weight.size], slope.ravel(), rtol=4 * np.finfo(dtype).eps)
    assert len(set(losses)) == 3


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("optimizer", [bp.SGD(0.1), bp.LBFGS()], ids=repr)
def test_a_function_as_loss_has_them_too(optimizer, frozen):
    if isinstance(optimizer, bp.LBFGS):
        pytest.importorskip("scipy", reason="SciPy is not installed")

    def squares(output, target):
        return ((output - target) ** 2).mean(), 2 * (output - target) / output.size

    results = []
    for loss in ("mse", squares):
        inner = bp.Residual([bp.Dense(5, l1=0.2)])
        net = bp.Network([bp.Dense(5, "tanh", l1=0.1, l2=0.5), inner, bp.Dense(3, l2=0.3)], 3, dtype="float64", seed=1)
        net.layers[0].trainable = not frozen
        subject = bp.Trainer(net, loss, optimizer)
        value, gradient = subject.gradients(X, Y)
        numbers = [value, subject.evaluate(X, Y)["loss"]]
        numbers += subject.fit(X, Y, epochs=3, batch_size=40, progress=False)["loss"]
        results.append(np.r_[numbers, gradient, net.parameters])
    np.testing.assert_allclose(*results, rtol=1e-9, atol=1e-12)
