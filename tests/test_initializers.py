"""Initializers: they draw what their papers say, by statistics; and deep networks that start from them train."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import initializers as i

Array = np.ndarray[Any, np.dtype[np.float64]]

FAN_IN, FAN_OUT = 400, 250
AVERAGE = (FAN_IN + FAN_OUT) / 2
CUT = 2 / 0.8796256610342398  # where a bell cut at two of its deviations ends, in deviations of what is left


def of_normal(z: float) -> float:
    """Return the part of a standard normal variable that lies below z."""
    return (1 + math.erf(z / math.sqrt(2))) / 2


def of_cut_normal(z: float) -> float:
    """Return the same of one cut at ±2 and scaled to standard deviation 1."""
    edge = of_normal(-2.0)
    return (of_normal(max(-2.0, min(2.0, 2 * z / CUT))) - edge) / (1 - 2 * edge)


def of_uniform(z: float) -> float:
    """Return the same of a uniform one."""
    return max(0.0, min(1.0, (z / math.sqrt(3) + 1) / 2))


# Each with its variance, its mean, its distribution function in standard form, and how many deviations it reaches.
SQRT3 = math.sqrt(3)
Part = Callable[[float], float]
DRAWS: list[tuple[i.Initializer, float, float, Part, float]] = [
    (i.HeNormal(), 2 / FAN_IN, 0.0, of_normal, math.inf),
    (i.HeUniform(), 2 / FAN_IN, 0.0, of_uniform, SQRT3),
    (i.GlorotNormal(), 1 / AVERAGE, 0.0, of_normal, math.inf),
    (i.GlorotUniform(), 1 / AVERAGE, 0.0, of_uniform, SQRT3),
    (i.LecunNormal(), 1 / FAN_IN, 0.0, of_normal, math.inf),
    (i.LecunUniform(), 1 / FAN_IN, 0.0, of_uniform, SQRT3),
    (i.HeNormal(truncated=True), 2 / FAN_IN, 0.0, of_cut_normal, CUT),
    (i.GlorotNormal(truncated=True), 1 / AVERAGE, 0.0, of_cut_normal, CUT),
    (i.LecunNormal(truncated=True), 1 / FAN_IN, 0.0, of_cut_normal, CUT),
    (i.GlorotNormal(gain="tanh"), 25 / 9 / AVERAGE, 0.0, of_normal, math.inf),
    (i.GlorotUniform(gain=3.0), 9 / AVERAGE, 0.0, of_uniform, SQRT3),
    (i.LecunNormal(gain=bp.activations.LeakyReLU(0.5)), 2 / 1.25 / FAN_IN, 0.0, of_normal, math.inf),
    (i.LecunUniform(gain="relu"), 2 / FAN_IN, 0.0, of_uniform, SQRT3),
    (i.Normal(), 0.05**2, 0.0, of_normal, math.inf),
    (i.Normal(3.0, mean=-1.0), 9.0, -1.0, of_normal, math.inf),
    (i.TruncatedNormal(), 0.05**2, 0.0, of_cut_normal, CUT),
    (i.TruncatedNormal(2.0, mean=1.0), 4.0, 1.0, of_cut_normal, CUT),
    (i.Uniform(), 0.1**2 / 12, 0.0, of_uniform, SQRT3),
    (i.Uniform(-1.0, 3.0), 16 / 12, 1.0, of_uniform, SQRT3),
]
OTHERS = {"orthogonal", "constant", "zeros"}


def test_every_name_is_proven():
    assert {type(draw[0]).name for draw in DRAWS} | OTHERS == set(i.INITIALIZERS)


def kolmogorov_smirnov(values: Array, part: Part) -> float:
    """Return the largest distance between a sample's distribution function and the true one, times √n."""
    values = np.sort(values.ravel())
    n = len(values)
    true = np.array([part(z) for z in values])
    steps = np.arange(n + 1) / n
    return math.sqrt(n) * float(max((true - steps[:-1]).max(), (steps[1:] - true).max()))


@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: repr(draw[0]))
def test_distribution(draw):
    """Beyond 1.95 lies one sample in a thousand, and the seed is fixed; each must also tell the others apart."""
    initializer, variance, mean, part, reach = draw
    values = initializer((FAN_OUT, FAN_IN), np.random.default_rng(0))
    assert values.shape == (FAN_OUT, FAN_IN)
    assert values.dtype == np.float64
    assert values.var() == pytest.approx(variance, rel=0.02)
    assert abs(values.mean() - mean) <= 4 * math.sqrt(variance / values.size)
    standard = (values - mean) / math.sqrt(variance)
    assert kolmogorov_smirnov(standard, part) < 1.95
    for other in {of_normal, of_cut_normal, of_uniform} - {part}:
        assert kolmogorov_smirnov(standard, other) > 1.95
    if math.isfinite(reach):
        assert 0.99 * reach < np.abs(standard).max() <= reach * (1 + 1e-12)
    else:
        assert np.abs(standard).max() > 3.5


@pytest.mark.parametrize("name", i.INITIALIZERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 1), (3, 3)])
def test_every_shape_from_a_seed(name, shape):
    first, second = (i.INITIALIZERS[name]()(shape, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == shape
    assert first.flags.c_contiguous
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)
    network = bp.Network([bp.Dense(shape[0], weight_initializer=name)], input_size=shape[1], dtype="float64", seed=3)
    assert network.layers[0].weight.shape == shape


@pytest.mark.parametrize("name", sorted(set(i.INITIALIZERS) - {"orthogonal"}))
def test_biases_take_them_too(name):
    assert bp.Network([bp.Dense(5, bias_initializer=name)], input_size=2, seed=0).layers[0].bias.shape == (5,)


# ---- orthogonal ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(1, 1), (20, 20), (7, 30), (30, 7), (1, 9), (9, 1)])
@pytest.mark.parametrize("gain", [1.0, "relu", 0.3])
def test_rows_or_columns_are_orthonormal(shape, gain):
    weight = i.Orthogonal(gain)(shape, np.random.default_rng(1)) / i.gain(gain)
    product = weight @ weight.T if shape[0] <= shape[1] else weight.T @ weight
    np.testing.assert_allclose(product, np.eye(min(shape)), rtol=0, atol=1e-14)


def test_rotations_are_drawn_evenly():
    """Haar measure: no sign is preferred, each entry of n × n has variance 1/n; the trace has mean 0 and variance 1.

    Without the signs of R's diagonal, LAPACK's Q has a diagonal whose mean is far from 0.
    """
    generator, n, count = np.random.default_rng(2), 4, 4000
    drawn = np.array([i.Orthogonal()((n, n), generator) for _ in range(count)])
    assert np.abs(drawn.mean(axis=0)).max() < 4 / math.sqrt(n * count)
    np.testing.assert_allclose((drawn**2).mean(axis=0), 1 / n, atol=4 * math.sqrt(2 / (n * (n + 2) * count)))
    traces = np.trace(drawn, axis1=1, axis2=2)
    assert abs(traces.mean()) < 4 / math.sqrt(count)
    assert abs((traces**2).mean() - 1) < 4 * math.sqrt(2 / count)
    determinants = np.linalg.det(drawn)
    assert abs(determinants.mean()) < 4 / math.sqrt(count), "reflections are as frequent as rotations"


def test_an_orthogonal_bias_is_refused():
    with pytest.raises(ValueError, match=r"shape \(n_out, n_in\) for Orthogonal, got shape \(3,\)"):
        bp.Network([bp.Dense(3, bias_initializer="orthogonal")], input_size=2)


# ---- settings ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "initializer",
    [draw[0] for draw in DRAWS] + [i.Constant(2.5), i.Orthogonal(), i.Orthogonal("tanh")],
    ids=repr,
)
def test_repr_and_pickle_rebuild_it(initializer):
    names = {**vars(bp.activations), **vars(i)}
    for again in (eval(repr(initializer), names), pickle.loads(pickle.dumps(initializer))):
        assert again == initializer
    layer = bp.Dense(3, weight_initializer=initializer)
    assert eval(repr(layer), {"Dense": bp.Dense, **names}) == layer


def test_constants():
    assert i.Constant(2.5)((2, 3), np.random.default_rng(0)).tolist() == [[2.5] * 3] * 2
    assert i.Zeros()((2,), np.random.default_rng(0)).tolist() == [0.0, 0.0]
    network = bp.Network([bp.Dense(2, bias_initializer=i.Constant(-1.5))], input_size=2)
    assert network.layers[0].bias.tolist() == [-1.5, -1.5]


def test_gains():
    assert i.gain("relu") == math.sqrt(2)
    assert i.gain(bp.activations.Tanh()) == 5 / 3
    assert i.gain("leaky_relu") == pytest.approx(math.sqrt(2 / 1.0001))
    assert i.gain(0.7) == 0.7
    with pytest.raises(ValueError, match=r"no gain is known for 'softmax': give a number such as gain=1\.4, or one of"):
        i.gain("softmax")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: i.GlorotNormal(gain=0.0), ValueError, "gain of GlorotNormal"),
        (lambda: i.GlorotNormal(gain=None), TypeError, "gain of GlorotNormal as a number"),
        (lambda: i.Orthogonal("rleu"), ValueError, "did you mean 'relu'"),
        (lambda: i.HeNormal(truncated=1), TypeError, "truncated of HeNormal as True or False"),
        (lambda: i.Normal(-1.0), ValueError, "standard_deviation of Normal"),
        (lambda: i.TruncatedNormal(1.0, math.nan), ValueError, "mean of TruncatedNormal"),
        (lambda: i.Uniform(1.0, 0.0), ValueError, r"high of Uniform as a finite number in \[1.0, inf\), got 0.0"),
        (lambda: i.Constant("1"), TypeError, "value of Constant as a number"),
    ],
)
def test_wrong_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("activation", bp.activations.ACTIVATIONS)
def test_the_default_is_chosen_by_the_activation(activation):
    rectifiers = "relu|elu|silu|mish"  # relu and its relatives cut off half of the inputs, which He's makes up for
    expected = "he_uniform" if re.search(rectifiers, activation) else "glorot_uniform"
    expected = "lecun_normal" if activation == "selu" else expected
    assert bp.Dense(3, activation=activation).initializer("weight") == expected
    assert bp.Dense(3, activation=activation).initializer("bias") == "zeros"


def test_an_array_is_copied_and_kept_as_it_was():
    values = np.arange(6.0).reshape(2, 3)
    layer = bp.Dense(2, weight_initializer=values)
    values += 100
    network = bp.Network([layer], input_size=3)
    assert network.layers[0].weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert layer == bp.Dense(2, weight_initializer=np.arange(6.0).reshape(2, 3))
    assert layer != bp.Dense(2, weight_initializer=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="read-only"):
        layer.weight_initializer.values[0, 0] = 1


def test_a_callable_gets_the_shape_and_the_generator():
    seen = []

    def draw(shape, generator):
        seen.append((shape, generator))
        return generator.standard_normal(shape)

    network = bp.Network([bp.Dense(4, weight_initializer=draw, bias_initializer=draw)], input_size=3, seed=5)
    assert [shape for shape, _ in seen] == [(4, 3), (4,)]
    expected = np.random.default_rng(5).standard_normal((4, 3)).astype(np.float32)
    np.testing.assert_array_equal(network.layers[0].weight, expected)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.zeros((4, 2)), ValueError, r"shape \(4, 3\) for weight of layer 1.*\(shapes: 5 -> 3 -> 4\), got \(4, 2\)"),
        (np.full((4, 3), np.nan), ValueError, "finite initial values for weight of layer 1"),
        (lambda shape, generator: np.full(shape, "a"), TypeError, "real numbers"),
        (lambda shape, generator: None, ValueError, r"got \(\)"),
    ],
)
def test_initial_values_that_do_not_fit(values, error, message):
    with pytest.raises(error, match=message):
        bp.Network([bp.Dense(3), bp.Dense(4, weight_initializer=values)], input_size=5)


# ---- deep networks -------------------------------------------------------------------------------------------------
DEPTH, WIDTH = 50, 64
PAIRS: list[tuple[str, Any]] = [
    ("relu", "he_normal"),
    ("relu", "he_uniform"),
    ("relu", i.HeNormal(truncated=True)),
    ("relu", i.Orthogonal(gain="relu")),
    ("leaky_relu", i.LecunNormal(gain="leaky_relu")),
    ("tanh", "glorot_uniform"),
    ("tanh", "glorot_normal"),
    ("tanh", i.Orthogonal(gain=1.1)),
    ("selu", "lecun_normal"),
    ("selu", "lecun_uniform"),
]


def deep(activation: str, initializer: Any, depth: int = DEPTH) -> bp.Network:
    """Return a network of this many hidden layers, with ten outputs."""
    hidden = [bp.Dense(WIDTH, activation=activation, weight_initializer=initializer) for _ in range(depth)]
    return bp.Network([*hidden, bp.Dense(10)], input_size=WIDTH, dtype="float64", seed=0)


def deep_data() -> tuple[Array, Array]:
    """Return rows of variance 1 around ten points, and the point of each."""
    generator = np.random.default_rng(1)
    points, y = generator.standard_normal((10, WIDTH)), generator.integers(0, 10, 512)
    return (points[y] + generator.standard_normal((512, WIDTH))) / math.sqrt(2), y


def spreads(network: bp.Network, x: Array) -> list[float]:
    """Return the root mean square of the activations after 1, 10, 25 and 50 layers."""
    found = []
    for depth in (1, 10, 25, DEPTH):
        part = bp.Network([layer.specification for layer in network.layers[:depth]], WIDTH, dtype="float64")
        part.parameters = network.parameters[: part.parameters.size]
        found.append(float(np.sqrt((part.predict(x) ** 2).mean())))
    return found


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [pair for pair in PAIRS if pair[0] in bp.activations.ACTIVATIONS],  # others come in when they are registered
    ids=repr,
)
def test_fifty_layers_start_well_and_train(activation, initializer):
    network, (x, y) = deep(activation, initializer), deep_data()
    after = spreads(network, x)
    assert 0.05 < min(after) <= max(after) < 10, f"activations vanish or explode: {after}"
    trainer = bp.Trainer(network, "cross_entropy", optimizer=bp.Adam(learning_rate=3e-4))
    trainer.gradients(x, y)
    sizes = [float(np.linalg.norm(layer.weight_gradient)) for layer in network.layers[:-1]]
    assert max(sizes) / min(sizes) < 50, f"gradients vanish or explode: {sizes[0]} to {sizes[-1]}"
    assert 1e-3 < min(sizes) <= max(sizes) < 10
    losses = trainer.fit(x, y, epochs=40, batch_size=64)["loss"]
    assert losses[-1] < 0.3 * losses[0], f"it must learn: {losses}"


def test_fifty_layers_with_the_wrong_initializer_vanish_or_explode():
    """So that the test above is known to see it."""
    x, y = deep_data()
    network = deep("relu", "lecun_normal")
    assert spreads(network, x)[-1] < 1e-4
    trainer = bp.Trainer(network, "cross_entropy", optimizer=bp.Adam(learning_rate=3e-4))
    losses = trainer.fit(x, y, epochs=40, batch_size=64)["loss"]
    assert losses[-1] > 0.3 * losses[0]
    assert spreads(deep("relu", i.LecunNormal(gain=2.0)), x)[-1] > 1e4
    assert spreads(deep("tanh", i.LecunNormal(gain=0.5)), x)[-1] < 1e-10
