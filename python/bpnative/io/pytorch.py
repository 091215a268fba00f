"""Networks from PyTorch and to it: weights to the bit, outputs to rounding; what has no counterpart is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import activations
from ..activations import Activation
from ..network import Network
from .assemble import Part, activation_named, assemble, take_apart

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
    "softmax": ("Softmax", {"dim": -1}, ()),
    "log_softmax": ("LogSoftmax", {"dim": -1}, ()),
}
IGNORED = ("Identity", "Flatten", "Dropout")  # nothing in a prediction from rows


def to_torch(network: Network) -> Any:
    """A ``torch.nn.Sequential`` that computes the same, with copies of the weights.

    Raises:
        ImportError: PyTorch is not installed.
        ValueError: A layer or activation has no counterpart in torch.nn; it is named.

    Example:
        >>> import bpnative as bp
        >>> to_torch(bp.mlp([2, 3, 1], seed=0))  # doctest: +SKIP
        Sequential(
          (0): Linear(in_features=2, out_features=3, bias=True)
          (1): ReLU()
          (2): Linear(in_features=3, out_features=1, bias=True)
        )
    """
    parts = take_apart(network, "to_torch")
    try:
        import torch
    except ImportError as error:
        raise ImportError("to_torch needs PyTorch: pip install torch") from error
    modules: list[Any] = []
    for index, part in enumerate(parts):
        n_out, n_in = part.weight.shape
        kind = torch.float32 if part.weight.dtype == np.float32 else torch.float64
        linear = torch.nn.Linear(n_in, n_out, bias=part.bias is not None, dtype=kind)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(part.weight.copy()))
            if part.bias is not None:
                linear.bias.copy_(torch.from_numpy(part.bias.copy()))
        linear.requires_grad_(part.trainable)
        modules.append(linear)
        name = part.activation.name
        if name in MODULES:
            module, fixed, settings = MODULES[name]
            own = {setting: getattr(part.activation, setting) for setting in settings}
            modules.append(getattr(torch.nn, module)(**fixed, **own))
        elif name != "linear":
            raise ValueError(f"torch.nn has no counterpart of the activation {part.activation!r} of layer {index}")
    return torch.nn.Sequential(*modules)


def from_torch(
    source: Any, *, activation: str | Activation = "relu", output_activation: str | Activation = "linear"
) -> Network:
    """A network with the weights of a PyTorch module or state dict; float16 and bfloat16 widen to float32.

    Args:
        source: A ``torch.nn.Sequential`` of Linear layers and activations (nested ones, too), a Linear, or a state
            dict, whose ``….weight`` and ``….bias`` are taken in their order.
        activation: Of the hidden layers of a state dict, which doesn't tell.
        output_activation: Of its last layer.

    Raises:
        TypeError: It is neither.
        ValueError: A module or a tensor has no counterpart; it is named.

    Example:
        >>> state = {"0.weight": np.ones((3, 2), np.float32), "0.bias": np.zeros(3, np.float32)}
        >>> from_torch(state, output_activation="tanh").predict([[0.0, 0.0]]).tolist()
        [[0.0, 0.0, 0.0]]
    """
    if isinstance(source, Mapping):
        hidden, last = activations.get(activation), activations.get(output_activation)
        return assemble(_from_state(source, hidden, last), "the state dict")
    if not hasattr(source, "named_children"):
        raise TypeError(f"expected a torch.nn.Module or a state dict, got {source!r} ({type(source).__name__})")
    parts: list[Part] = []
    for name, module in _flat(source, "module"):
        kind = type(module).__name__
        if kind == "Linear":
            bias = None if module.bias is None else _array(module.bias)
            parts.append(Part(_array(module.weight), bias, activations.get("linear"), module.weight.requires_grad))
        elif kind not in IGNORED:
            found = _activation(module)
            if found is None or not parts or parts[-1].activation.name != "linear":
                where = "before the first Linear" if not parts else "here"
                raise ValueError(
                    f"from_torch knows Linear layers, each with an activation; {name} is {module}, {where}"
                )
            parts[-1] = parts[-1]._replace(activation=found)
    return assemble(parts, "the module")


def _flat(module: Any, name: str) -> list[tuple[str, Any]]:
    if type(module).__name__ == "Sequential":
        return [pair for key, child in module.named_children() for pair in _flat(child, f"{name}.{key}")]
    return [(name, module)]


def _activation(module: Any) -> Activation | None:
    for name, (kind, fixed, settings) in MODULES.items():
        if type(module).__name__ != kind:
            continue
        # The last axis of rows has the number 1, too.
        same = all(getattr(module, key) in ((-1, 1) if key == "dim" else (value,)) for key, value in fixed.items())
        if same:
            return activation_named(name, **{setting: float(getattr(module, setting)) for setting in settings})
    return None


def _from_state(state: Mapping[str, Any], hidden: Activation, last: Activation) -> list[Part]:
    left = {name: _array(value) for name, value in state.items()}
    weights = [name for name, value in left.items() if name.rpartition(".")[2] == "weight" and value.ndim == 2]
    parts = []
    for name in weights:
        weight, bias = left.pop(name), left.pop(name.removesuffix("weight") + "bias", None)
        parts.append(Part(weight, bias, last if name == weights[-1] else hidden))
    if left:
        raise ValueError(f"from_torch knows the weights and biases of Linear layers; the state dict has {sorted(left)}")
    return parts


def _array(tensor: Any) -> Array:
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        if str(tensor.dtype) in ("torch.float16", "torch.bfloat16"):
            tensor = tensor.float()
        tensor = tensor.numpy()
    array = np.asarray(tensor)
    if array.dtype.kind != "f":
        raise ValueError(f"expected tensors of floating-point numbers, got dtype {array.dtype}")
    return array
