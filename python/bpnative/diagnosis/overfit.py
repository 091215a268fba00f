"""Whether a network can learn one batch by heart, as every working one can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..explain.walk import copy_of
from ..optimizers import Adam
from ..samples import Samples
from .network_checks import chance
from .report import Finding

if TYPE_CHECKING:
    from ..trainer import Trainer

SAMPLES, STEPS, LOOK = 16, 1000, 50
RIGHT, LEFT = 0.9, 0.5  # share of samples that must be right; share of chance's loss that may be left


def overfit(trainer: Trainer, samples: Samples) -> list[Finding]:
    """Train a copy on a few distinct samples with Adam until it knows them.

    Only losses with a notion of right, or a known loss of chance, can be judged; for others nothing is said.
    """
    from ..trainer import Trainer

    some = np.random.default_rng(1).permutation(len(samples.x))[: 20 * SAMPLES]
    distinct = np.unique(samples.x[some], axis=0, return_index=True)[1]
    rows = some[np.sort(distinct)][:SAMPLES]
    x, y = samples.x[rows], samples.y[rows]
    if len(rows) < 2 or (y == y[:1]).all():
        return []
    expected = chance(trainer.loss, y, trainer.network.output_size)
    kind = trainer.loss.targets
    hard = kind in ("classes", "binary", "signs") and (y.dtype.kind == "i" or bool(np.isin(y, (-1, 0, 1)).all()))
    if not hard and (expected is None or kind != "values"):
        return []
    copy = Trainer(copy_of(trainer.network, noise=False), trainer.loss, Adam(3e-3), clip_norm=1.0)

    def left() -> float:
        """0 where all is known, 1 where nothing is."""
        output = copy.network.forward(x, training=True)  # as training sees it: with the batch's own statistics
        if not np.isfinite(output).all():
            return 1.0
        if not hard:
            assert expected is not None
            error = output - y
            size = np.square(error).mean() if trainer.loss.name == "mse" else np.abs(error).mean()
            return float(size / expected) / LEFT
        if kind == "classes":
            right = output.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))
        else:
            middle = 0.5 if copy.network.output_activation.name == "sigmoid" else 0.0
            right = (output > middle) == (y > (0.5 if kind == "binary" else 0.0))
        return float(1 - right.mean()) / (1 - RIGHT)

    at = left()
    for done in range(0, STEPS, LOOK):
        if at <= 1 and done:
            return []
        for _ in range(LOOK):
            if not np.isfinite(copy.step(x, y)):
                return []  # said elsewhere: NaN
        at = left()
    if at <= 1:
        return []
    what = f"{at * (1 - RIGHT):.0%} are still wrong" if hard else f"the loss is {at * LEFT:.3g} times that of chance"
    text = f"A copy cannot learn {len(rows)} samples by heart: after {STEPS} steps of Adam {what}."
    advice = (
        "Every network that works can. Look for equal inputs with different targets, layers that pass nothing (dead, "
        "saturated, frozen, too narrow), large penalties, or an error in a loss of your own."
    )
    return [Finding("cannot_overfit", "error", text, advice, numbers={"samples": len(rows), "left": at})]
