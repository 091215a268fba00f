"""In one process with other libraries that have threads: seen and limited by threadpoolctl, in any order, with fork."""

from __future__ import annotations

import importlib.util

import pytest

import child

NEIGHBOURS = ("torch", "jax", "sklearn")
MISSING = [name for name in ("threadpoolctl", "joblib", *NEIGHBOURS) if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; pip install 'bpnative[peers]'"),
    pytest.mark.not_sanitized("other libraries' processes cannot load an instrumented module"),
]

POOL = """
def pool():
    return [each for each in threadpoolctl.threadpool_info() if each["user_api"] == "bpnative"]
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import threadpoolctl\n", ""),
        ("", "import threadpoolctl, bpnative.sklearn\n"),
        ("", "import threadpoolctl; bp.threadpoolctl_controller.register(); bp.threadpoolctl_controller.register()\n"),
    ],
    ids=["before", "with scikit-learn", "by hand, twice"],
)
def test_threadpoolctl_sees_the_pool(before: str, after: str) -> None:
    show = "(only,) = pool(); print(only['num_threads'], only['internal_api'], only['version'] == bp.__version__)"
    assert child.run(after + POOL + show, before=before, BPNATIVE_NUM_THREADS="2") == "2 bpnative True"


def test_threadpoolctl_limits_the_pool() -> None:
    code = """
import bpnative.sklearn, threadpoolctl
seen = [bp.get_num_threads()]
with threadpoolctl.threadpool_limits(1):
    seen.append(bp.get_num_threads())
    train()
with threadpoolctl.threadpool_limits(1, user_api="blas"):
    seen.append(bp.get_num_threads())
with threadpoolctl.threadpool_limits({"bpnative": 3}):
    seen.append(bp.get_num_threads())
seen.append(bp.get_num_threads())
print(*seen)
"""
    assert child.run(POOL + code, BPNATIVE_NUM_THREADS="2") == "2 1 2 3 2"


def test_a_limit_of_one_starts_no_thread() -> None:
    code = """
import bpnative.sklearn, threadpoolctl
with threadpoolctl.threadpool_limits(1):
    begin = count_threads()
    train()
    print(count_threads() - begin)
"""
    assert child.run(code, BPNATIVE_NUM_THREADS="2") == "0"


def test_workers_of_joblib_share_the_cores() -> None:
    """Loky tells its workers their share by OMP_NUM_THREADS, which they find when they import bpnative."""
    code = """
import joblib
def threads():
    import bpnative
    return bpnative.get_num_threads()
with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
    print(*joblib.Parallel()(joblib.delayed(threads)() for _ in range(4)))
cores = joblib.cpu_count()
share = joblib.Parallel(n_jobs=2)(joblib.delayed(threads)() for _ in range(4))
assert max(share) <= max(1, cores // 2), (share, cores)
"""
    assert child.run(code) == "1 1 1 1"


ACTIONS = {
    "torch": "import torch; torch.nn.Linear(64, 256)(torch.zeros(512, 64)).sum().backward()",
    "jax": "import jax; jax.jit(lambda a: (a @ a.T).sum())(jax.numpy.ones((256, 64))).block_until_ready()",
    "lightgbm": "import lightgbm; lightgbm.LGBMRegressor(n_estimators=3, n_jobs=2, verbose=-1).fit(X, X[:, 0])",
    "sklearn": "from sklearn.cluster import KMeans; KMeans(3, n_init=2).fit(X)",
    "ours": "import bpnative.sklearn; results.append(train().tobytes())",
}


# Ours before and after each of the others, first, last and between.
ORDERS = [
    ("ours", *NEIGHBOURS),
    (*NEIGHBOURS, "ours"),
    ("sklearn", "jax", "ours", "torch"),
    ("ours", "lightgbm", "torch", "sklearn"),
    ("lightgbm", "jax", "sklearn", "ours"),
]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_beside_others_in_any_order(order: tuple[str, ...]) -> None:
    if "lightgbm" in order:
        pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'bpnative[peers]'")
    at = order.index("ours")
    before = "".join(f"import {name}\n" for name in order[:at])
    code = "results = []\n" + "\n".join(ACTIONS[name] for name in order)
    code += """
results.append(train().tobytes())
assert len(set(results)) == 1
child = os.fork()
if child == 0:
    os._exit(0 if train().tobytes() == results[0] else 3)
assert os.waitpid(child, 0)[1] == 0
print("well")
"""
    assert child.run(code, "-W", "ignore", before=before) == "well"
