"""Networks to PyTorch: weights to the bit, outputs to rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import activations
from ..layers import AlphaDropout, BatchNorm, Dropout, Embedding, GaussianNoise, Layer, LayerNorm, RMSNorm
from ..network import Network
from . import torch_modules
from .assemble import branches, check_network

Array = npt.NDArray[Any]

# Our activation: the class in torch.nn, its fixed arguments, and its arguments that are settings of ours by name.
MODULES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "relu": ("ReLU", {}, ()),
    "leaky_relu": ("LeakyReLU", {}, ("negative_slope",)),
    "relu6": ("ReLU6", {}, ()),
    "hard_tanh": ("Hardtanh", {"min_val": -1.0, "max_val": 1.0}, ()),
    "hard_sigmoid": ("Hardsigmoid", {}, ()),
    "tanh": ("Tanh", {}, ()),
    "sigmoid": ("Sigmoid", {}, ()),
    "softsign": ("Softsign", {}, ()),
    "softplus": ("Softplus", {}, ("beta",)),
    "gelu": ("GELU", {"approximate": "none"}, ()),
    "gelu_tanh": ("GELU", {"approximate": "tanh"}, ()),
    "silu": ("SiLU", {}, ()),
    "mish": ("Mish", {}, ()),
    "elu": ("ELU", {}, ("alpha",)),
    "selu": ("SELU", {}, ()),
    "celu": ("CELU", {}, ("alpha",)),
    "exponential": ("Exponential", {}, ()),
    "softmax": ("Softmax", {"dim": -1}, ()),
    "log_softmax": ("LogSoftmax", {"dim": -1}, ()),
}
# Arguments that make torch's the same function; a module that comes from elsewhere may have others.
EXACT: dict[str, dict[str, Any]] = {
    "softplus": {"threshold": 40.0}  # from there on it is x: 20, its default, would show in float64
}
# Tensors and statistics of our batch norm: what torch calls them.
BATCH_NORM = {"weight": "weight", "bias": "bias", "running_mean": "running_mean", "running_variance": "running_var"}


def to_torch(network: Network) -> Any:
    """A ``torch.nn.Sequential`` that computes the same, in ``eval()`` and in ``train()``, with copies of the weights.

    What torch.nn lacks (residual blocks, `Embedding` of columns, `Normalize`, `GaussianNoise`) are small modules of
    `bpnative.io.torch_modules`; a frozen `BatchNorm` is one that keeps its statistics in training as well. Noise is
    drawn by PyTorch, so the numbers differ. Batch norm's momentum means the same in both. The penalties ``l1``, ``l2``
    and ``max_norm`` of a dense layer are left to PyTorch's optimizer.

    Raises:
        ImportError: PyTorch is not installed, or too old for RMSNorm.
        TypeError: It is no network.
        ValueError: A layer or activation has no counterpart; it is named.

    Example:
        >>> import bpnative as bp
        >>> to_torch(bp.mlp([2, 3, 1], seed=0))  # doctest: +SKIP
        Sequential(
          (0): Linear(in_features=2, out_features=3, bias=True)
          (1): ReLU()
          (2): Linear(in_features=3, out_features=1, bias=True)
        )
    """
    check_network(network, "to_torch", LAYERS, {*MODULES, "linear"})
    torch = torch_modules.import_torch()
    dtype = torch.float32 if network.dtype == np.float32 else torch.float64
    return _sequential(torch, network.layers, dtype)


def _sequential(torch: Any, layers: Sequence[Layer], dtype: Any) -> Any:
    modules: list[Any] = []
    for layer in layers:
        modules.append(LAYERS[layer.specification.name](torch, layer, dtype))
        if layer.specification.name == "dense":
            modules.append(_activation(torch, layer))
    return torch.nn.Sequential(*(module for module in modules if module is not None))


def _activation(torch: Any, layer: Layer, dtype: Any = None) -> Any:
    function = activations.get(layer.activation)
    if function.name == "linear":
        return torch.nn.Identity() if layer.specification.name == "activation" else None
    module, fixed, settings = MODULES[function.name]
    own = {setting: getattr(function, setting) for setting in settings}
    room = torch_modules if module in torch_modules.NAMES else torch.nn
    return getattr(room, module)(**fixed, **own, **EXACT.get(function.name, {}))


def _copy(torch: Any, layer: Layer, module: Any, names: dict[str, str]) -> Any:
    """The module with the layer's tensors and statistics, by their names in the module."""
    views = {**layer.tensors, **layer.statistics}
    with torch.no_grad():
        for ours, theirs in names.items():
            getattr(module, theirs).copy_(torch.from_numpy(views[ours].copy()))
    return module.requires_grad_(layer.trainable)


def _dense(torch: Any, layer: Layer, dtype: Any) -> Any:
    n_out, n_in = layer.weight.shape
    module = torch.nn.Linear(n_in, n_out, bias=layer.bias is not None, dtype=dtype)
    return _copy(torch, layer, module, {name: name for name in layer.tensors})


def _batch_norm(torch: Any, layer: Layer, dtype: Any) -> Any:
    made = layer.specification
    assert isinstance(made, BatchNorm)
    kind = torch.nn.BatchNorm1d if layer.trainable else torch_modules.FrozenBatchNorm1d
    module = kind(layer.input_size, eps=made.epsilon, momentum=made.momentum, dtype=dtype)
    return _copy(torch, layer, module if layer.trainable else module.eval(), BATCH_NORM)


def _layer_norm(torch: Any, layer: Layer, dtype: Any) -> Any:
    made = layer.specification
    assert isinstance(made, LayerNorm)
    name = "RMSNorm" if isinstance(made, RMSNorm) else "LayerNorm"
    if not hasattr(torch.nn, name):
        raise ImportError(f"to_torch of {name} needs PyTorch 2.4 or later, this is {torch.__version__}")
    module = getattr(torch.nn, name)(layer.input_size, eps=made.epsilon, dtype=dtype)
    return _copy(torch, layer, module, {name: name for name in layer.tensors})


def _residual(torch: Any, layer: Layer, dtype: Any) -> Any:
    block, skip = branches(layer)
    projection = _dense(torch, skip[0], dtype) if skip else None
    return torch_modules.Residual(_sequential(torch, block, dtype), projection, _activation(torch, layer))


def _normalize(torch: Any, layer: Layer, dtype: Any) -> Any:
    module = torch_modules.Normalize(layer.input_size, dtype)
    return _copy(torch, layer, module, {"mean": "mean", "scale": "scale"})


def _embedding(torch: Any, layer: Layer, dtype: Any) -> Any:
    made = layer.specification
    assert isinstance(made, Embedding)
    module = torch_modules.ColumnEmbedding(layer.input_size, made.codes, made.sizes, dtype)
    with torch.no_grad():
        for column in made.codes:
            table = torch.from_numpy(layer.tensors[f"table_{column}"].copy())
            module.tables[str(column)].weight.copy_(table)
    return module.requires_grad_(layer.trainable)


def _noise(torch: Any, layer: Layer, dtype: Any) -> Any:
    made = layer.specification
    if isinstance(made, GaussianNoise):
        return torch_modules.GaussianNoise(made.stddev)
    assert isinstance(made, Dropout)
    return (torch.nn.AlphaDropout if isinstance(made, AlphaDropout) else torch.nn.Dropout)(made.rate)


LAYERS: dict[str, Callable[[Any, Layer, Any], Any]] = {
    "dense": _dense,
    "activation": _activation,
    "dropout": _noise,
    "alpha_dropout": _noise,
    "gaussian_noise": _noise,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _layer_norm,
    "residual": _residual,
    "normalize": _normalize,
    "embedding": _embedding,
}
