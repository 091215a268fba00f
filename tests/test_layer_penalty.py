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
