"""bpnative: backpropagation as a native library. Feed-forward networks, trained at the speed of the processor.

    >>> import bpnative as bp
    >>> X, y = bp.datasets.load_digits()
    >>> net = bp.mlp([64, 64, 10], activation="relu", seed=0)
    >>> trainer = bp.Trainer(net, loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
    >>> history = trainer.fit(X, y, epochs=10, batch_size=32)
    >>> history["accuracy"][-1] > 0.95
    True

Rows are samples: X is (n_samples, n_features). Start with `Network` or `mlp`, train with `Trainer`. Names of layers,
activations, losses, optimizers, initializers and metrics can be given as strings or as objects with settings.
"""

from __future__ import annotations

import sys

from . import _bpnative
from ._version import __version__

if _bpnative.__version__ != __version__:
    raise ImportError(
        f"bpnative {__version__} found its compiled module of version {_bpnative.__version__}: install it again, "
        f"for example with pip install --force-reinstall bpnative"
    )

from . import (
    activations,
    datasets,
    initializers,
    kernels,
    layers,
    losses,
    metrics,
    optimizers,
    threadpoolctl_controller,
)
from .callbacks import Callback, EarlyStopping, Run
from .config import get_num_threads, set_num_threads, show_config
from .history import History
from .layers import (
    Activation,
    AlphaDropout,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    LayerNorm,
    Normalize,
    Residual,
    RMSNorm,
)
from .losses import MSE, BinaryCrossEntropy, CrossEntropy
from .multilayer import mlp
from .network import Network
from .optimizers import SGD, Adam
from .trainer import Trainer

if "threadpoolctl" in sys.modules:  # never imported for its own sake
    threadpoolctl_controller.register()

__all__ = [
    "MSE",
    "SGD",
    "Activation",
    "Adam",
    "AlphaDropout",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Callback",
    "CrossEntropy",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "GaussianNoise",
    "History",
    "LayerNorm",
    "Network",
    "Normalize",
    "RMSNorm",
    "Residual",
    "Run",
    "Trainer",
    "__version__",
    "activations",
    "datasets",
    "get_num_threads",
    "initializers",
    "kernels",
    "layers",
    "losses",
    "metrics",
    "mlp",
    "optimizers",
    "set_num_threads",
    "show_config",
]
