"""Pictures of training, with matplotlib (``pip install 'bpnative[plot]'``), and the same as text without it.

Each function draws into the Axes that it is given, or into a new figure, and returns what it drew into; save it with
``ax.figure.savefig("loss.png")``, show it with ``matplotlib.pyplot.show()``. No display is needed. The forms made of
characters are in `bpnative.plot.text`.
"""

from __future__ import annotations

from . import text
from .classes import calibration, confusion_matrix, decision_boundary
from .curves import curve, history, learning_rate
from .layers import gradients, weights

__all__ = [
    "calibration",
    "confusion_matrix",
    "curve",
    "decision_boundary",
    "gradients",
    "history",
    "learning_rate",
    "text",
    "weights",
]
