"""After training: how sure a network may be, what it goes by.

`calibrate` makes probabilities mean what they say, `conformal` gives intervals or label sets with guaranteed coverage,
`permutation_importance` and `input_gradients` tell which inputs count. All of them leave the network as it is.
"""

from __future__ import annotations

from .calibration import Calibration, Reliability, calibrate, reliability
from .conformal import Interval, IntervalPredictor, SetPredictor, conformal
from .gradients import input_gradients
from .importance import PermutationImportance, permutation_importance

__all__ = [
    "Calibration",
    "Interval",
    "IntervalPredictor",
    "PermutationImportance",
    "Reliability",
    "SetPredictor",
    "calibrate",
    "conformal",
    "input_gradients",
    "permutation_importance",
    "reliability",
]
