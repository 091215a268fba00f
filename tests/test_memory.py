"""Peak memory follows the formula of docs/speed.md, and nothing else: measured in a process of its own."""

import itertools

import pytest

from child import needs_linux, run

pytestmark = needs_linux

PROGRAM = """
def memory():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return [int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")]

bp.set_num_threads(THREADS)
X, y = np.ones((2 * BATCH, SIZES[0]), DTYPE), np.arange(2 * BATCH, dtype=np.int32) % SIZES[-1]
def train(sizes, X, y):
    trainer = bp.Trainer(bp.mlp(sizes, seed=0, dtype=DTYPE), loss="cross_entropy", optimizer=OPTIMIZER)
    trainer.fit(X, y, batch_size=BATCH, progress=False)
    return trainer
train([4, 4, 2], np.ones((8, 4), DTYPE), y[:8] % 2)  # what a first run brings in, whatever its size
before = memory()[0]
trainer = train(SIZES, X, y)
print(memory()[1] - before)
"""


WIDE, DEEP = ([1024, 2048, 2048, 1000], 512), ([512, *[512] * 8, 10], 4096)
SGD, ADAM = ("sgd", 0, "float64"), ("adam", 2, "float32")


# Each of two in three places meets each of the others.
@pytest.mark.parametrize(
    ("threads", "sizes", "batch", "optimizer", "states", "dtype"),
    [(1, *WIDE, *SGD), (2, *WIDE, *ADAM), (1, *DEEP, *ADAM), (2, *DEEP, *SGD)],
)
def test_peak_follows_the_formula(sizes, batch, optimizer, states, dtype, threads):
    number = 4 if dtype == "float32" else 8
    parameters = sum(i * o + o for i, o in itertools.pairwise(sizes))
    largest = max(i * o for i, o in itertools.pairwise(sizes))
    kept = (2 + states) * parameters + batch * (sum(sizes[:-1]) + sum(sizes[1:]))
    # A slice of at most 8 panels of the widest vectors and a block of rows for each thread; a matrix while it is drawn.
    own = threads * (8 * 64 * (sum(sizes) + sizes[-1]) + 3 * 98304)
    settings = f"THREADS, SIZES, BATCH, OPTIMIZER, DTYPE = {threads}, {sizes}, {batch}, {optimizer!r}, {dtype!r}"
    measured = float(run(PROGRAM, before=settings + "\n"))
    least, most = number * kept / 2**20, (number * (kept + own) + 8 * largest) / 2**20
    print(f"{least:.1f} <= {measured:.1f} <= {most:.1f} MiB")
    assert 0.97 * least <= measured <= most + 4


def test_non_zero_inputs_follow_it_too():
    """A first layer that goes over the inputs that are not zero has lists of these and the transpose of its weights."""
    sizes, batch = [2048, 1024, 10], 4096
    one = "np.tile(np.eye(1, SIZES[0], dtype=DTYPE), (2 * BATCH, 1))"
    program = PROGRAM.replace("np.ones((2 * BATCH, SIZES[0]), DTYPE)", one)
    assert program != PROGRAM
    parameters = sum(i * o + o for i, o in itertools.pairwise(sizes))
    numbers = 4 * parameters + sizes[0] * sizes[1] + batch * (2 * 2 * sizes[0] + sum(sizes[1:-1]) + sum(sizes[1:]))
    own = 8 * 64 * (sum(sizes) + sizes[-1]) + 3 * 98304 + batch * 1024
    settings = f"THREADS, SIZES, BATCH, OPTIMIZER, DTYPE = 1, {sizes}, {batch}, 'adam', 'float32'\n"
    measured = float(run(program, before=settings))
    least, most = 4 * numbers / 2**20, (4 * (numbers + own) + 8 * sizes[0] * sizes[1]) / 2**20
    print(f"{least:.1f} <= {measured:.1f} <= {most:.1f} MiB")
    assert 0.97 * least <= measured <= most + 4
