"""Callbacks: what is called while `Trainer.fit` runs, between native calls and only there.

Epochs are numbered from 0, as the lists of a history are; only what is printed for people counts from 1.
"""

from __future__ import annotations

from .base import Callback, Run, end_all
from .csv_logger import CSVLogger
from .early_stopping import EarlyStopping
from .progress import Progress, gather
from .rate_finder import LearningRateFinder, RateCurve
from .stop_on_nan import StopOnNaN
from .tensorboard import TensorBoard

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "LearningRateFinder",
    "Progress",
    "RateCurve",
    "Run",
    "StopOnNaN",
    "TensorBoard",
    "end_all",
    "gather",
]
