"""The oracle's layers: the forward pass of every kind of layer, in plain NumPy, and networks made of them.

A network here is only a function, from parameters and inputs to a loss. Its gradient is taken by complex steps through
the whole of it, f(p + ih e).imag / h, so that no line below knows a chain rule, and nothing in it can be wrong in the
same way as the library's backward pass. The same rules for complex numbers hold as in reference_activations.py; where
`abs` or a sign is needed the real part alone decides.

A layer's tensors are taken from the library's network, in float64. Noise is a function of seed, step, layer, sample and
feature, so the oracle makes the same noise from the same random words, by a generator of its own.

Shapes: ``x`` (rows, inputs), ``y`` (rows, outputs).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import bpnative as bp
from reference_activations import ACTIVATIONS, Array, magnitude
from reference_losses import LOSSES, batch_loss

STEP = 1e-30


# ---- random words: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011) --------------------------------------------------
def philox(counter: list[Array], key: tuple[int, int]) -> list[Array]:
    """Four random words of 32 bits for each counter of four words; uint64 arrays that hold 32 bits each."""
    c = [np.asarray(word, np.uint64) for word in counter]
    k, low = [np.uint64(key[0]), np.uint64(key[1])], np.uint64(0xFFFFFFFF)
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(second >> np.uint64(32)) ^ c[1] ^ k[0], second & low, (first >> np.uint64(32)) ^ c[3] ^ k[1], first & low]
        k = [(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low]
    return c


def words(seed: int, step: int, layer: int, rows: int, features: int) -> Array:
    """A random word for each sample and feature, (rows, features): four features share a counter."""
    low = 0xFFFFFFFF
    sample, group = np.meshgrid(np.arange(rows), np.arange(-(-features // 4)), indexing="ij")
    high = np.full(sample.shape, (layer ^ ((step >> 32) << 16)) & low)
    four = philox([sample, group, np.full(sample.shape, step & low), high], (seed & low, seed >> 32))
    return np.stack(four, axis=-1).reshape(rows, -1)[:, :features]


def uniform(word: Array) -> Array:
    """The upper 24 bits of a word as a whole number."""
    return (word >> np.uint64(8)).astype(np.float64)


def normal_noise(seed: int, step: int, layer: int, rows: int, features: int) -> Array:
    """Standard normal numbers, two of two words (Box & Muller 1958)."""
    w = uniform(words(seed, step, layer, rows, -(-features // 2) * 2))
    size = np.sqrt(-2 * np.log((w[:, 0::2] + 0.5) / 2**24))
    turn = 2 * np.pi * (w[:, 1::2] / 2**24 - 0.5)
    return np.stack([size * np.cos(turn), size * np.sin(turn)], axis=-1).reshape(rows, -1)[:, :features]


# ---- layers --------------------------------------------------------------------------------------------------------
@dataclass
class Layer:
    """A layer in its place: its specification, its number among the compiled layers, and its tensors."""

    specification: Any
    number: int
    tensors: dict[str, Array]
    statistics: dict[str, Array]
    learns: bool
    inside: list[Layer] = field(default_factory=list)
    projection: Layer | None = None

    @property
    def kind(self) -> str:
        """The registered name."""
        return str(self.specification.name)

    def walk(self) -> Iterator[Layer]:
        """Yield this layer or, of a block, the layers inside, in the order in which parameters lie."""
        for layer in [*self.inside, *([self.projection] if self.projection else [])]:
            yield from layer.walk()
        if not self.inside:
            yield self


@dataclass
class Pass:
    """What a forward pass is made with: whether it trains, and for that the seed and the step of its noise."""

    training: bool
    seed: int = 0
    step: int = 0
    sums: list[Array] = field(default_factory=list)  # how far what relu and its like took was from a corner


def activate(function: Any, z: Array, run: Pass) -> Array:
    """Apply an activation, a name or a specification."""
    chosen = bp.activations.get(function)
    run.sums += [z - corner for corner in ACTIVATIONS[chosen.name].corners]
    return ACTIVATIONS[chosen.name].value(z, chosen.parameter)


def dense(layer: Layer, x: Array, run: Pass) -> Array:
    """f(x @ weight.T + bias)."""
    z = x @ layer.tensors["weight"].T + layer.tensors.get("bias", 0.0)
    return activate(layer.specification.activation, z, run)


def residual(layer: Layer, x: Array, run: Pass) -> Array:
    """f(block(x) + skip(x))."""
    y = x
    for inner in layer.inside:
        y = FORWARD[inner.kind](inner, y, run)
    skip = x if layer.projection is None else dense(layer.projection, x, run)
    return activate(layer.specification.activation, y + skip, run)


def batch_norm(layer: Layer, x: Array, run: Pass) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, of each column over the batch or as remembered."""
    if run.training and layer.learns:
        mean, variance = x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)
    else:
        mean, variance = layer.statistics["running_mean"], layer.statistics["running_variance"]
    k = (x - mean) / np.sqrt(variance + layer.specification.epsilon)
    return k * layer.tensors["weight"] + layer.tensors["bias"]


def layer_norm(layer: Layer, x: Array, run: Pass) -> Array:
    """The same of each row."""
    apart = x - x.mean(axis=1, keepdims=True)
    k = apart / np.sqrt((apart**2).mean(axis=1, keepdims=True) + layer.specification.epsilon)
    return k * layer.tensors["weight"] + layer.tensors["bias"]


def rms_norm(layer: Layer, x: Array, run: Pass) -> Array:
    """X / sqrt(mean of squares + epsilon) * weight, of each row."""
    return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + layer.specification.epsilon) * layer.tensors["weight"]


def normalize(layer: Layer, x: Array, run: Pass) -> Array:
    """(x - mean) * scale."""
    return (x - layer.statistics["mean"]) * layer.statistics["scale"]


def embedding(layer: Layer, x: Array, run: Pass) -> Array:
    """Other columns as they are, then each column of codes replaced by rows of its table."""
    codes = layer.specification.codes
    parts = [x[:, [column for column in range(x.shape[1]) if column not in codes]]]
    parts += [layer.tensors[f"table_{column}"][x[:, column].real.astype(int)] for column in codes]
    return np.concatenate(parts, axis=1)


def dropped(layer: Layer, x: Array, run: Pass) -> Array:
    """Where dropout drops: a word of 24 bits is below the rate."""
    return uniform(words(run.seed, run.step, layer.number, *x.shape)) < np.round(layer.specification.rate * 2**24)


def dropout(layer: Layer, x: Array, run: Pass) -> Array:
    """0 or x / (1 - rate)."""
    if not run.training:
        return x
    return np.where(dropped(layer, x, run), 0.0, x / (1 - layer.specification.rate))


def alpha_dropout(layer: Layer, x: Array, run: Pass) -> Array:
    """A x + b or a limit + b, so that mean 0 and variance 1 stay."""
    if not run.training:
        return x
    rate, limit = layer.specification.rate, -1.0507009873554805 * 1.6732632423543772
    a = 1 / np.sqrt((1 - rate) * (1 + rate * limit**2))
    return np.where(dropped(layer, x, run), a * limit, a * x) - a * rate * limit


def gaussian_noise(layer: Layer, x: Array, run: Pass) -> Array:
    """Return x + stddev * n."""
    if not run.training:
        return x
    return x + layer.specification.stddev * normal_noise(run.seed, run.step, layer.number, *x.shape)


FORWARD = {
    "dense": dense,
    "activation": lambda layer, x, run: activate(layer.specification.function, x, run),
    "residual": residual,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "normalize": normalize,
    "embedding": embedding,
    "dropout": dropout,
    "alpha_dropout": alpha_dropout,
    "gaussian_noise": gaussian_noise,
}


# ---- networks ------------------------------------------------------------------------------------------------------
@dataclass
class Network:
    """Layers one after another, blocks among them."""

    layers: list[Layer]
    noise_seed: int = 0

    def forward(self, x: Array, run: Pass | None = None) -> Array:
        """Return the outputs, (rows, outputs)."""
        run = run or Pass(training=False)
        for layer in self.layers:
            x = FORWARD[layer.kind](layer, x, run)
        return x

    def loss(self, x: Array, target: Array, loss: str, run: Pass, weight: Array | None = None) -> Array:
        """Return the mean loss of a batch, with the penalties of what learns."""
        logits_of = LOSSES[loss].takes_logits_of
        network = self.without_last(logits_of) if logits_of else self
        return batch_loss(loss, network.forward(x, run), target, weight)[0] + self.penalty()

    def penalty(self) -> Array:
        """l1 |w| + l2 / 2 w^2 of every dense layer that learns."""
        total: Any = 0.0
        for layer in self.leaves():
            if layer.kind == "dense" and layer.learns:
                w = layer.tensors["weight"]
                total = total + layer.specification.l1 * magnitude(w).sum() + layer.specification.l2 / 2 * (w**2).sum()
        return np.asarray(total)

    def without_last(self, activation: str) -> Network:
        """Return the network without its last activation, where that is the given one."""
        last = self.layers[-1]
        key = "function" if last.kind == "activation" else "activation"
        if bp.activations.get(getattr(last.specification, key, "linear")).name != activation:
            return self
        plain = replace(last, specification=replace(last.specification, **{key: "linear"}))
        return Network([*self.layers[:-1], plain], self.noise_seed)

    def leaves(self) -> Iterator[Layer]:
        """Yield all layers but blocks, in the order in which parameters lie."""
        for layer in self.layers:
            yield from layer.walk()

    def tensors(self) -> list[tuple[str, Array, bool]]:
        """Name, values and whether it learns of each tensor, in the order of the flat buffers."""
        return [
            (f"{name} of {layer.number}", tensor, layer.learns)
            for layer in self.leaves()
            for name, tensor in layer.tensors.items()
        ]

    @property
    def parameters(self) -> Array:
        """All parameters in one flat array (a copy)."""
        return np.concatenate([np.zeros(0), *(tensor.ravel() for _, tensor, _ in self.tensors())])

    def with_parameters(self, flat: Array) -> Network:
        """Return the same network with other parameters, of whatever type ``flat`` has."""
        at = 0

        def copy(layer: Layer) -> Layer:
            nonlocal at
            inside = [copy(inner) for inner in layer.inside]
            projection = None if layer.projection is None else copy(layer.projection)
            tensors = {}
            for name, tensor in layer.tensors.items():
                tensors[name] = flat[at : at + tensor.size].reshape(tensor.shape)
                at += tensor.size
            return replace(layer, inside=inside, projection=projection, tensors=tensors)

        return Network([copy(layer) for layer in self.layers], self.noise_seed)


def oracle_of(network: bp.Network) -> Network:
    """Return the oracle's copy of a network, in float64."""
    count = 0

    def wide(views: Any) -> dict[str, Array]:
        return {name: view.astype(np.float64) for name, view in views.items()}

    def copy(layer: Any) -> Layer:
        nonlocal count
        inside = [copy(inner) for inner in layer.layers]
        projection = inside.pop() if layer.layers and layer.layers[-1].name.endswith(".projection") else None
        made = Layer(
            layer.specification, count, wide(layer.tensors), wide(layer.statistics), layer.trainable, inside, projection
        )
        count += 1  # a block's own number is that of the sum at its end
        return made

    return Network([copy(layer) for layer in network.layers], network._native.noise_seed)


def complex_step(function: Any, at: Array, places: Array | None = None) -> Array:
    """The derivative of a function to one number in some elements of a flat array (all where None)."""
    chosen = np.arange(at.size) if places is None else places
    slopes = np.empty(len(chosen))
    for i, place in enumerate(chosen):
        moved = at.astype(np.complex128)
        moved[place] += 1j * STEP
        slopes[i] = np.imag(function(moved)) / STEP
    return slopes


def slope_along(function: Any, at: Array, direction: Array) -> float:
    """The derivative of a function to one number along a direction."""
    return float(np.imag(function(at + 1j * STEP * direction)) / STEP)
