"""Every registered layer against the oracle: alone, in awkward sizes, and mixed in random deep networks."""

from __future__ import annotations

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from compare import Array
from layer_cases import (
    ALONE,
    ROWS,
    WIDTHS,
    assert_gradients,
    check_network,
    far_from_kinks,
    inputs_of,
    make,
    random_layers,
)
from reference_cases import in_both_types, targets
from reference_layers import FORWARD, Network, Pass, oracle_of

every_layer = pytest.mark.parametrize("name", bp.layers.LAYERS)


def test_every_registered_layer_is_tested() -> None:
    """A sum stands at the end of each residual block; all other compiled layers have their name in Python."""
    assert set(native.layer_names()) - {"add"} == set(bp.layers.LAYERS) - {"residual"}
    assert set(FORWARD) == set(ALONE) == set(bp.layers.LAYERS)


@in_both_types
@every_layer
def test_alone(name: str, dtype: str) -> None:
    """Each batch size with each width, the variants of a layer in turns."""
    rng, turn = np.random.default_rng(200), 0
    for rows in ROWS:
        for width in WIDTHS:
            layers = ALONE[name][turn % len(ALONE[name])](width)
            turn += 1
            network = make(layers, width, dtype, rng)
            check_network(network, inputs_of(network, rng, rows), rng, f"{network!r}, {rows} rows")


@in_both_types
@pytest.mark.parametrize("seed", range(20))
def test_random_deep_networks(seed: int, dtype: str) -> None:
    rng, done = np.random.default_rng((201, seed)), 0
    while done < 2:
        inputs, rows = int(rng.choice([1, 2, 5, 17])), int(rng.choice(ROWS[:-1]))
        layers = random_layers(rng, inputs)
        network = make(layers, inputs, dtype, rng)
        x = inputs_of(network, rng, rows)
        run = Pass(True, network._native.noise_seed, 1)
        if all(far_from_kinks(oracle_of(network), x.astype(float), each, dtype) for each in (run, Pass(False))):
            check_network(network, x, rng, f"{network!r}, {rows} rows")
            done += 1


@in_both_types
@pytest.mark.parametrize("loss", native.loss_names())
def test_losses_behind_every_kind_of_last_layer(loss: str, dtype: str) -> None:
    """Where the last activation belongs to the loss it is fused, in a layer of its own and after a sum as well."""
    rng = np.random.default_rng(202)
    fused = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}.get(loss, "tanh")
    for layers in (
        [bp.Dense(4), bp.LayerNorm(), fused],
        [bp.Dense(4), bp.Residual([bp.Dense(4, activation="tanh")], activation=fused)],
        [bp.Dense(4), bp.BatchNorm()],
        [bp.Dense(4, activation="tanh"), bp.Dropout(0.2)],
    ):
        network = make([bp.Dense(9, activation="tanh"), *layers], 6, dtype, rng)
        x = inputs_of(network, rng, 33)
        for kind, target in targets(loss, rng, len(x), 4, dtype).items():
            goal = target if target.ndim == 1 else target.astype(np.float64)
            run = Pass(True, network._native.noise_seed, 1)
            value, gradients = bp.Trainer(network, loss=loss).gradients(x, target)
            wanted = float(oracle_of(network).loss(x.astype(float), goal, loss, run))
            assert value == pytest.approx(wanted, rel=64 * float(np.finfo(dtype).eps))

            def mean(net: Network, at: Array, goal: Array = goal, run: Pass = run) -> Array:
                return net.loss(at, goal, loss, run)

            assert_gradients(network, x, mean, (gradients, None), 1 / len(x), f"{network!r}, {kind}")
