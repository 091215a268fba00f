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

import importlib
import sys
from typing import TYPE_CHECKING, Any

from . import _bpnative
from ._version import __version__

if _bpnative.__version__ != __version__:
    raise ImportError(
        f"bpnative {__version__} found its compiled module of version {_bpnative.__version__}: install it again, "
        f"for example with pip install --force-reinstall bpnative"
    )

from . import activations, initializers, layers, losses, metrics, optimizers, schedules
from .callbacks import Callback, EarlyStopping, Run
from .config import get_num_threads, set_num_threads, show_config
from .groups import Group
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
from .losses import (
    MAE,
    MSE,
    BinaryCrossEntropy,
    CategoricalFocal,
    Cosine,
    CrossEntropy,
    Focal,
    FunctionLoss,
    GaussianNLL,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Poisson,
    Quantile,
    SquaredHinge,
)
from .multilayer import mlp
from .network import Network
from .optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    Lion,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)
from .scaled import Scaled
from .threadpoolctl_controller import register_where_used
from .trainer import Trainer

# What not every program needs comes when it is asked for: half of the time that importing everything takes.
if TYPE_CHECKING:
    from . import after, datasets, kernels, plot
    from .after import calibrate, input_gradients, permutation_importance, reliability
    from .after.conformal import conformal
    from .averages import EMA, SWA
    from .callbacks import CSVLogger, LearningRateFinder, StopOnNaN, TensorBoard
    from .explain import compare_gradients
    from .io.c_source import to_c
    from .io.model import load
    from .io.onnx import to_onnx
    from .io.onnx_reading import from_onnx
    from .io.pytorch import to_torch
    from .io.scikit import from_sklearn
    from .io.torch_reading import from_torch
    from .lbfgs import LBFGS
    from .splitting import stratified_split

_MODULES = ("after", "datasets", "kernels", "plot")
_LATER = {
    "calibrate": "after",
    "conformal": "after",
    "input_gradients": "after",
    "permutation_importance": "after",
    "reliability": "after",
    "EMA": "averages",
    "SWA": "averages",
    "CSVLogger": "callbacks",
    "LearningRateFinder": "callbacks",
    "StopOnNaN": "callbacks",
    "TensorBoard": "callbacks",
    "compare_gradients": "explain",
    "to_c": "io.c_source",
    "load": "io.model",
    "to_onnx": "io.onnx",
    "from_onnx": "io.onnx_reading",
    "to_torch": "io.pytorch",
    "from_sklearn": "io.scikit",
    "from_torch": "io.torch_reading",
    "LBFGS": "lbfgs",
    "stratified_split": "splitting",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    value = globals()[name] = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_LATER})


register_where_used()

__all__ = [
    "EMA",
    "LBFGS",
    "MAE",
    "MSE",
    "SGD",
    "SWA",
    "AMSGrad",
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "AlphaDropout",
    "BatchNorm",
    "BinaryCrossEntropy",
    "CSVLogger",
    "Callback",
    "CategoricalFocal",
    "Cosine",
    "CrossEntropy",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Focal",
    "FunctionLoss",
    "GaussianNLL",
    "GaussianNoise",
    "Group",
    "Hinge",
    "History",
    "Huber",
    "KLDivergence",
    "LayerNorm",
    "LearningRateFinder",
    "Lion",
    "LogCosh",
    "NAdam",
    "Network",
    "Normalize",
    "Poisson",
    "Quantile",
    "RAdam",
    "RMSNorm",
    "RMSprop",
    "Residual",
    "Rprop",
    "Run",
    "Scaled",
    "SquaredHinge",
    "StopOnNaN",
    "TensorBoard",
    "Trainer",
    "__version__",
    "activations",
    "after",
    "calibrate",
    "compare_gradients",
    "conformal",
    "datasets",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "get_num_threads",
    "initializers",
    "input_gradients",
    "kernels",
    "layers",
    "load",
    "losses",
    "metrics",
    "mlp",
    "optimizers",
    "permutation_importance",
    "plot",
    "reliability",
    "schedules",
    "set_num_threads",
    "show_config",
    "stratified_split",
    "to_c",
    "to_onnx",
    "to_torch",
]
