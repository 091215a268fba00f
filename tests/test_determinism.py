"""The same bits: with any number of threads, on every instruction set with fused multiply-add, alone or in a batch.

In one process threads are set with set_num_threads; in children of their own by the environment, as users do, with the
instruction set forced too and verified to be the one that ran. Two cores make seven threads as well: they take turns.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import bpnative as bp
from bpnative import _bpnative as native
from compare import Array, assert_same_bits, relative_distance
from reference_cases import FMA_ISAS, ISAS, in_both_types, normal, random_network, run_child, targets

THREADS = (1, 2, 3, 7)
OPTIMIZERS = {
    "sgd": bp.SGD(learning_rate=0.05),
    "nesterov": bp.SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
    "adam": bp.Adam(learning_rate=0.01),
    "nadam": bp.NAdam(learning_rate=0.01, weight_decay=0.01),
}
# widths, batch size: slices fewer than threads, a wide layer, a tail of a batch, one sample a step, a narrow output
NETWORKS = {
    "small": ((20, 64, 64, 3), 64),
    "wide": ((30, 500, 300, 3), 16),
    "deep": ((16, *[32] * 12, 3), 48),
    "online": ((12, 40, 3), 1),
    "odd": ((77, 131, 23, 3), 37),
    "large batch": ((33, 65, 3), 300),
    "digits": ((784, 256, 128, 3), 128),
}

CHILD = """
import hashlib
import os
import bpnative as bp
import numpy as np
given, wanted = bp.get_num_threads(), int(os.environ["BPNATIVE_NUM_THREADS"])
assert given == min(wanted, given), f"asked for {wanted} threads, got {given}"
before = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
bp.set_num_threads(wanted)  # the environment alone gives no more than there are cores
rng = np.random.default_rng(0)
X, y = rng.standard_normal((500, 30)), rng.integers(0, 5, 500)
bits = hashlib.sha256()
for dtype in ("float32", "float64"):
    for activation in bp._bpnative.activation_names():
        net = bp.mlp([30, 300, 200, 5], activation=activation, dtype=dtype, seed=1)
        history = bp.Trainer(net, loss="cross_entropy", optimizer=bp.Adam(learning_rate=0.003)).fit(
            X, y, epochs=2, batch_size=96, progress=False)
        bits.update(net.parameters.tobytes())
        bits.update(net.predict(X).tobytes())
        bits.update(np.array(history["loss"]).tobytes())
threads = len(os.listdir("/proc/self/task")) - before if os.path.isdir("/proc/self/task") else wanted - 1
# As many as the work is worth at what a hand-over costs on this machine just now; but some, or nothing was shown.
assert (threads >= 1) == (wanted > 1) and threads < wanted, f"{threads} threads were started beside the caller"
print(bp._bpnative.config()["isa"], bits.hexdigest(), net.parameters[:500].tobytes().hex())
"""


def train(sizes: tuple[int, ...], batch: int, loss: str, optimizer: str, dtype: str) -> tuple[Array, Array]:
    """Train from a fixed start; return the weights and the outputs."""
    rng = np.random.default_rng(60)
    steps = 12 if batch > 1 else 40
    rows = batch * steps - batch // 3
    network = random_network(rng, sizes, ["tanh", *["relu"] * (len(sizes) - 3), "linear"], dtype)
    x = normal(rng, (rows, sizes[0]), dtype)
    y = next(iter(targets(loss, rng, rows, sizes[-1], dtype).values()))
    trainer = bp.Trainer(network, loss=loss, optimizer=OPTIMIZERS[optimizer], seed=3)
    trainer.fit(x, y, epochs=2, batch_size=batch, progress=False)
    return network.parameters.copy(), network.predict(x)


@in_both_types
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_any_number_of_threads_gives_the_same_bits(name: str, optimizer: str, dtype: str) -> None:
    sizes, batch = NETWORKS[name]
    loss = {"sgd": "mse", "nesterov": "binary_cross_entropy", "adam": "cross_entropy", "nadam": "mse"}[optimizer]
    results = []
    for threads in THREADS:
        bp.set_num_threads(threads)
        assert bp.get_num_threads() == threads
        results.append(train(sizes, batch, loss, optimizer, dtype))
    assert np.isfinite(results[0][0]).all()
    for threads, (parameters, outputs) in zip(THREADS[1:], results[1:], strict=True):
        assert_same_bits(parameters, results[0][0], f"weights of {name} with {threads} threads")
        assert_same_bits(outputs, results[0][1], f"outputs of {name} with {threads} threads")


@in_both_types
def test_forward_and_backward_with_any_number_of_threads(dtype: str) -> None:
    rng = np.random.default_rng(61)
    network = random_network(rng, (77, 300, 65, 9), ("relu", "softmax", "tanh"), dtype)
    x, dy = normal(rng, (200, 77), dtype), normal(rng, (200, 9), dtype)
    results = []
    for threads in THREADS:
        bp.set_num_threads(threads)
        results.append((network.forward(x, training=True), network.backward(dy), network.gradients.copy()))
    for other in results[1:]:
        for got, wanted, what in zip(other, results[0], ("y", "dx", "gradients"), strict=True):
            assert_same_bits(got, wanted, what)


def test_a_busy_neighbour_changes_nothing() -> None:
    bp.set_num_threads(2)
    quiet = train((64, 256, 128, 3), 100, "cross_entropy", "adam", "float32")
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        busy = train((64, 256, 128, 3), 100, "cross_entropy", "adam", "float32")
    finally:
        neighbour.kill()
        neighbour.wait()
    assert_same_bits(busy[0], quiet[0], "weights beside a busy neighbour")


def test_children_with_other_threads_and_instruction_sets() -> None:
    """Every set with fused multiply-add and number of threads: one hash. The one without is near."""
    hashes, weights = {}, {}
    for isa in ISAS:
        for threads in THREADS if isa in FMA_ISAS else (1, 2):
            printed = run_child(CHILD, BPNATIVE_ISA=isa, BPNATIVE_NUM_THREADS=threads).split()
            assert printed[0] == isa, "the child must run on what it was told to"
            hashes[isa, threads] = printed[1]
            weights[isa] = np.frombuffer(bytes.fromhex(printed[2]))
    for isa in ISAS:
        assert len({bits for (of, _), bits in hashes.items() if of == isa}) == 1, f"threads change bits on {isa}"
    assert len({bits for (isa, _), bits in hashes.items() if isa in FMA_ISAS}) <= 1, f"bits differ: {hashes}"
    for isa in ISAS:
        assert relative_distance(weights[isa], weights[ISAS[0]]) < 1e-9, f"{isa} is far from {ISAS[0]}"


@in_both_types
@pytest.mark.parametrize("activation", native.activation_names())
def test_a_row_predicts_the_same_bits_alone_as_in_any_batch(activation: str, dtype: str) -> None:
    rng = np.random.default_rng(62)
    for sizes in ((5, 3), (32, 64, 64, 1), (784, 100, 10), (23, 77, 131, 5)):
        network = random_network(rng, sizes, [activation] * (len(sizes) - 1), dtype)
        x = normal(rng, (150, sizes[0]), dtype)
        whole = network.predict(x)
        for rows in (*(slice(i, i + 1) for i in range(0, 150, 7)), slice(3, 5), slice(10, 26), slice(1, 150)):
            assert_same_bits(network.predict(x[rows]), whole[rows], f"{sizes} {activation} {rows}")
        order = rng.permutation(150)
        assert_same_bits(network.predict(x[order]), whole[order], f"{sizes} {activation}, shuffled")
        for threads in THREADS:
            bp.set_num_threads(threads)
            assert_same_bits(network.predict(x), whole, f"{sizes} {activation}, {threads} threads")
            assert_same_bits(network.predict(x[:1]), whole[:1], f"{sizes} {activation}, {threads} threads, one row")


@in_both_types
def test_steps_one_by_one_equal_a_fit(dtype: str) -> None:
    """How many steps a native call makes is a matter of time only."""
    rng = np.random.default_rng(63)
    x, y = normal(rng, (205, 12), dtype), rng.integers(0, 4, 205)
    trainers = [
        bp.Trainer(bp.mlp([12, 40, 4], seed=5, dtype=dtype), loss="cross_entropy", optimizer=bp.Adam())
        for _ in range(2)
    ]
    history = trainers[0].fit(x, y, epochs=3, batch_size=32, shuffle=False, progress=False)
    losses = [[trainers[1].step(x[at : at + 32], y[at : at + 32]) for at in range(0, 205, 32)] for _ in range(3)]
    assert_same_bits(trainers[0].network.parameters, trainers[1].network.parameters, "weights")
    rows = np.array([32] * 6 + [13])
    np.testing.assert_allclose(history["loss"], (np.array(losses) * rows).sum(axis=1) / 205, rtol=1e-12)


def test_the_seed_is_all_there_is_to_chance() -> None:
    rng = np.random.default_rng(64)
    x, y = rng.standard_normal((300, 10)), rng.integers(0, 3, 300)

    def run(seed: int) -> Array:
        np.random.default_rng().random()
        network = bp.mlp([10, 30, 3], seed=seed)
        bp.Trainer(network, loss="cross_entropy").fit(x, y, epochs=2, batch_size=32, progress=False)
        return network.parameters.copy()

    assert_same_bits(run(1), run(1), "two runs of one seed")
    assert not np.array_equal(run(1), run(2))
