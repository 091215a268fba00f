"""Noise: the published vectors of its generator, its statistics, and what it does and does not depend on."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from compare import Array, assert_same_bits
from reference_cases import DTYPES, FMA_ISAS, ISAS, in_both_types, normal, on_every_isa, run_child
from reference_layers import normal_noise, philox, uniform, words

NOISES: dict[str, Any] = {
    "dropout": bp.Dropout(0.3),
    "alpha_dropout": bp.AlphaDropout(0.3),
    "gaussian_noise": bp.GaussianNoise(0.7),
}
every_noise = pytest.mark.parametrize("name", NOISES)

# Philox4x32-10 of Random123's kat_vectors: counter, key, words.
PUBLISHED = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


def random_words(isa: str, seed: int, step: int, layer: int, first: int, group: int, width: int) -> Array:
    """Return the words of `width` samples, (4, width)."""
    out = np.zeros((4, width), np.uint32)
    native.random_words(out, seed, step, layer, first, group, isa)
    return out


@on_every_isa
@pytest.mark.parametrize(("counter", "key", "wanted"), PUBLISHED)
def test_published_vectors(counter: list[int], key: list[int], wanted: list[int], isa: str) -> None:
    """The counter is sample, group of four features, low word of the step, layer beside the step's high word."""
    sample, group, step, layer = counter
    for lane in (0, 5, 15):  # the sample is counted from the first one of a vector
        got = random_words(isa, key[0] | key[1] << 32, step, layer, (sample - lane) % 2**32, group, 16)
        assert [f"{word:08x}" for word in got[:, lane]] == [f"{word:08x}" for word in wanted]
    assert [int(word) for word in philox([np.array(c) for c in counter], (key[0], key[1]))] == wanted, "the oracle's"


@on_every_isa
def test_words_are_the_oracles(isa: str) -> None:
    for width in (16, 32, 64, 256):
        got = random_words(isa, 2**63 + 12345, 2**40 + 7, 3, 48, 2, width)
        wanted = words(2**63 + 12345, 2**40 + 7, 3, 48 + width, 12)[48:, 8:]
        np.testing.assert_array_equal(got.T, wanted)


def noise_of(layer: Any, x: Array, seed: int = 0, passes: int = 1) -> Array:
    """Return the outputs of a network of this layer alone, of the last of some forward passes."""
    network = bp.Network([layer], input_size=x.shape[1], dtype=x.dtype, seed=seed)
    for _ in range(passes):
        y = network.forward(x, training=True)
    return y


@in_both_types
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_rates_of_dropout(rate: float, dtype: str) -> None:
    """A count of dropped values within five standard deviations; what is kept is x / (1 - rate)."""
    x = np.ones((1000, 400), dtype)
    y = noise_of(bp.Dropout(rate), x)
    dropped = int((y == 0).sum())
    assert abs(dropped - rate * x.size) <= 5 * np.sqrt(x.size * rate * (1 - rate))
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=2 * float(np.finfo(dtype).eps))
    # No sample and no feature is dropped more often than others: binomial, six standard deviations.
    for axis, n in ((0, 1000), (1, 400)):
        share = (y == 0).mean(axis=axis)
        assert np.abs(share - rate).max() <= 6 * np.sqrt(rate * (1 - rate) / n) + 4 / n


@in_both_types
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate: float, dtype: str) -> None:
    x = normal(np.random.default_rng(220), (1000, 400), dtype)
    y = noise_of(bp.AlphaDropout(rate), x).astype(np.float64)
    n = x.size
    assert abs(y.mean()) < 6 / np.sqrt(n)
    assert abs(y.var() - 1) < 6 * np.sqrt(6 / n)  # its fourth moment is below seven
    values, counts = np.unique(y, return_counts=True)
    assert abs(counts.max() / n - rate) < 5 * np.sqrt(rate * (1 - rate) / n), "those dropped share one value"
    limit = -1.7580993408473766
    scale = 1 / np.sqrt((1 - rate) * (1 + rate * limit**2))
    assert values[counts.argmax()] == pytest.approx(scale * limit * (1 - rate), rel=1e-6)


@in_both_types
def test_gaussian_noise_is_normal(dtype: str) -> None:
    """Moments up to the fourth, the distribution (Kolmogorov's distance), and no correlation with neighbours."""
    x = np.zeros((1000, 401), dtype)
    noise = noise_of(bp.GaussianNoise(0.5), x).astype(np.float64) / 0.5
    n = noise.size
    for power, wanted, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((noise**power).mean() - wanted) < 5 * np.sqrt(variance / n), f"moment {power}"
    ordered = np.sort(noise.ravel())
    grid = np.linspace(-4, 4, 801)
    from math import erf

    distribution = np.array([0.5 * (1 + erf(z / np.sqrt(2))) for z in grid])
    distance = np.abs(np.searchsorted(ordered, grid) / n - distribution).max()
    assert distance < 1.95 / np.sqrt(n), "beyond what chance gives once in a thousand"
    for a, b in ((noise[:, 1:], noise[:, :-1]), (noise[1:], noise[:-1]), (noise[:, 2:], noise[:, :-2])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(n)
        assert abs(np.corrcoef(np.abs(a).ravel(), np.abs(b).ravel())[0, 1]) < 5 / np.sqrt(n)
    assert np.abs(noise).max() < 6, "24 bits reach no further"


@in_both_types
def test_gaussian_noise_is_the_oracles(dtype: str) -> None:
    network = bp.Network([bp.GaussianNoise(1.0)], input_size=13, dtype=dtype, seed=3)
    x = np.zeros((77, 13), dtype)
    for step in (1, 2):
        wanted = normal_noise(network._native.noise_seed, step, 0, 77, 13)
        np.testing.assert_allclose(network.forward(x), wanted, rtol=0, atol=8 * float(np.finfo(dtype).eps))


@every_noise
def test_noise_differs_by_step_layer_sample_feature_and_seed(name: str) -> None:
    layer, x = NOISES[name], np.ones((200, 120), "float32")
    base = noise_of(layer, x)
    two = bp.Network(["linear", layer], input_size=120, seed=0)
    others = {
        "step": noise_of(layer, x, passes=2),
        "layer": two.forward(x),
        "seed": noise_of(layer, x, seed=1),
        "sample": np.roll(base, 1, axis=0),
        "feature": np.roll(base, 1, axis=1),
        "group of features": np.roll(base, 4, axis=1),
    }
    bits = base > 0.5 * (base.min() + base.max()) if name == "gaussian_noise" else base != base.min()
    for what, other in others.items():
        theirs = other > 0.5 * (base.min() + base.max()) if name == "gaussian_noise" else other != base.min()
        agree = np.corrcoef(bits.ravel(), theirs.ravel())[0, 1]
        assert abs(agree) < 5 / np.sqrt(x.size), f"{what}: correlation {agree}"


@in_both_types
@every_noise
def test_the_same_mask_forward_and_backward(name: str, dtype: str) -> None:
    layer, x = NOISES[name], np.ones((150, 33), dtype)
    network = bp.Network([layer], input_size=33, dtype=dtype, seed=0)
    for _ in range(3):
        y = network.forward(x)
        dx = network.backward(np.ones_like(x))
        if name == "dropout":
            assert_same_bits(dx, y, "kept")
        elif name == "gaussian_noise":
            assert_same_bits(dx, x, "dx = dy")
        else:
            assert np.array_equal(dx == 0, y == y.min())
            assert len(np.unique(dx)) == 2


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout"])
def test_both_types_drop_the_same_places(name: str) -> None:
    single, double = (noise_of(NOISES[name], np.ones((100, 77), dtype)) for dtype in DTYPES)
    assert np.array_equal(single == single.min(), double == double.min())
    network = bp.Network([NOISES[name]], input_size=77, seed=0)
    drops = uniform(words(network._native.noise_seed, 1, 0, 100, 77)) < round(0.3 * 2**24)
    assert np.array_equal(drops, single == single.min())


@in_both_types
@every_noise
def test_threads_and_slices_change_nothing(name: str, dtype: str) -> None:
    """A batch's first rows get the noise that they get in a smaller batch, however it is cut."""
    layers = [bp.Dense(300, activation="tanh"), NOISES[name], bp.Dense(200), NOISES[name]]
    x = normal(np.random.default_rng(221), (300, 60), dtype)
    whole = bp.Network(layers, input_size=60, dtype=dtype, seed=0).forward(x)
    for threads in (1, 2, 3, 7):
        bp.set_num_threads(threads)
        for rows in (1, 15, 16, 65, 299, 300):
            part = bp.Network(layers, input_size=60, dtype=dtype, seed=0).forward(x[:rows])
            assert_same_bits(part, whole[:rows], f"{rows} rows, {threads} threads")


CHILD = """
import hashlib
import numpy as np
import bpnative as bp
bits = hashlib.sha256()
for dtype in ("float32", "float64"):
    for layer in (bp.Dropout(0.3), bp.AlphaDropout(0.2), bp.GaussianNoise(0.5)):
        x = np.random.default_rng(0).standard_normal((100, 37)).astype(dtype)
        network = bp.Network([layer, bp.Dense(5), layer], input_size=37, dtype=dtype, seed=1)
        y = network.forward(x)
        bits.update((y == 0).tobytes() if FEW else y.tobytes())
print(bp._bpnative.config()["isa"], bits.hexdigest())
"""


def test_instruction_sets_make_the_same_noise() -> None:
    few = {isa: run_child(CHILD.replace("FEW", "True"), BPNATIVE_ISA=isa).split() for isa in ISAS}
    assert all(printed[0] == isa for isa, printed in few.items())
    assert len({printed[1] for printed in few.values()}) == 1, "all drop the same places"
    bits = {run_child(CHILD.replace("FEW", "False"), BPNATIVE_ISA=isa).split()[1] for isa in FMA_ISAS}
    assert len(bits) <= 1, "those with fused multiply-add agree to the bit"


@in_both_types
@every_noise
def test_no_noise_outside_of_training(name: str, dtype: str) -> None:
    rng = np.random.default_rng(222)
    noisy = bp.Network([bp.Dense(9), NOISES[name], bp.Dense(2)], input_size=4, dtype=dtype, seed=0)
    quiet = bp.Network([bp.Dense(9), bp.Dense(2)], input_size=4, dtype=dtype, seed=0)
    quiet.parameters = noisy.parameters
    x, y = normal(rng, (60, 4), dtype), normal(rng, (60, 2), dtype)
    assert_same_bits(noisy.predict(x), quiet.predict(x), "predict")
    assert_same_bits(noisy.forward(x, training=False), quiet.predict(x), "forward")
    losses = [bp.Trainer(network, loss="mse").evaluate(x, y)["loss"] for network in (noisy, quiet)]
    assert losses[0] == losses[1]
    assert not np.array_equal(noisy.forward(x), quiet.forward(x))


@in_both_types
@every_noise
def test_resumed_runs_go_on_with_the_same_noise(name: str, dtype: str) -> None:
    """Training by a trainer, and by forward and backward alone."""
    rng = np.random.default_rng(223)
    x, y = normal(rng, (100, 4), dtype), normal(rng, (100, 2), dtype)
    network = bp.Network([bp.Dense(9), NOISES[name], bp.Dense(2)], input_size=4, dtype=dtype, seed=0)
    trainer = bp.Trainer(network, loss="mse", accumulate=2)
    trainer.fit(x, y, epochs=2, batch_size=16, progress=False)
    network.forward(x)
    resumed = pickle.loads(pickle.dumps(trainer))
    for each in (trainer, resumed):
        each.fit(x, y, epochs=2, batch_size=16, progress=False)
    assert_same_bits(resumed.network.parameters, trainer.network.parameters, "weights")
    assert_same_bits(resumed.gradients(x, y)[1], trainer.gradients(x, y)[1], "gradients")
    first, second = trainer.network.forward(x), trainer.network.forward(x)
    assert not np.array_equal(first, second)
    assert_same_bits(resumed.network.forward(x), first, "forward")
    assert_same_bits(pickle.loads(pickle.dumps(resumed.network)).forward(x), second, "forward of a copy")
