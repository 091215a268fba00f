"""What the tests of runs with checkpoints share: data, a kill after some native calls, and what the same run is."""

from __future__ import annotations

import numpy as np

import bpnative as bp

X = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)


class Stop(bp.Callback):
    """Ends a run with an error after some native calls, as a kill would."""

    def __init__(self, calls):
        self.calls = calls

    def on_run_end(self, trainer, run):
        self.calls -= 1
        if not self.calls:
            raise KeyboardInterrupt


def same_run(one, other):
    np.testing.assert_array_equal(one.network.parameters, other.network.parameters)
    for name, view in one.state.items():
        np.testing.assert_array_equal(view, other.state[name])
    assert one.history == other.history
    assert one.history.epochs == other.history.epochs
    assert (one.step_count, one.optimizer) == (other.step_count, other.optimizer)
