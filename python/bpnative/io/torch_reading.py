"""Networks from PyTorch modules and state dicts: weights to the bit; what has no counterpart is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import activations
from ..activations import Activation
from ..layers import AlphaDropout, BatchNorm, Dropout, Embedding, GaussianNoise, LayerNorm, Normalize, RMSNorm
from ..network import Network
from . import torch_modules
from .assemble import Part, activation_named, add_activation, assemble, dense, residual
from .pytorch import BATCH_NORM, MODULES

Array = npt.NDArray[Any]


def from_torch(
    source: Any, *, activation: str | Activation = "relu", output_activation: str | Activation = "linear"
) -> Network:
    """A network with the weights of a PyTorch module or state dict; float16 and bfloat16 widen to float32.

    Args:
        source: A ``torch.nn.Sequential`` (nested ones, too) of Linear, activations, Dropout, AlphaDropout, BatchNorm1d,
            LayerNorm, RMSNorm and what `to_torch` makes, or one of these, but no classes derived from them; or a state
            dict of Linear layers, whose ``….weight`` and ``….bias`` are taken in their order, one layer behind the
            other. A module whose weight has no gradient becomes a frozen layer, which for batch norm means that its
            statistics stay, too. Hooks are not looked at, and layers that share a weight get a copy each.
        activation: Of the hidden layers of a state dict, which doesn't tell.
        output_activation: Of its last layer.

    Raises:
        TypeError: It is neither.
        ValueError: A module or a tensor has no counterpart, it is named; or a tensor holds no real numbers.

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
    return assemble(_parts(source, "module"), "the module")


def _parts(module: Any, name: str) -> list[Part]:
    """The layers that a module stands for."""
    found: list[Part] = []
    for where, inner in _flat(module, name):
        function = _activation(inner, where)
        if function is not None:
            add_activation(found, function)
        elif _kind(inner) == "Residual":
            found.append(_residual(inner, where))
            if inner.activation is not None:
                function = _activation(inner.activation, f"{where}.activation")
                if function is None:
                    raise _unknown(inner.activation, f"{where}.activation")
                add_activation(found, function)
        elif _kind(inner) in READERS:
            try:
                found.append(READERS[_kind(inner)](inner))
            except ValueError as error:
                raise _refused(inner, where, error) from None
        elif not _passes(inner):
            raise _unknown(inner, where)
    return found


def _kind(module: Any) -> str:
    """The name of a module's class; nothing for one of somebody else's, whatever it is called."""
    kind = type(module)
    home = torch_modules.__name__ if kind.__name__ in torch_modules.NAMES else "torch.nn.modules."
    return kind.__name__ if kind.__module__.startswith(home) else ""


def _passes(module: Any) -> bool:
    """Whether it does nothing to rows."""
    return _kind(module) == "Identity" or (_kind(module) == "Flatten" and module.start_dim == 1)


def _refused(module: Any, where: str, reason: ValueError) -> ValueError:
    return ValueError(f"from_torch can't map {where}, {module}: {reason}")


def _unknown(module: Any, where: str) -> ValueError:
    return ValueError(
        f"from_torch knows {', '.join(READERS)}, Residual and activations; {where} is {module}: take it out, or build "
        "the network by hand and copy the weights"
    )


def _flat(module: Any, name: str) -> list[tuple[str, Any]]:
    if _kind(module) == "Sequential":
        return [pair for key, child in module.named_children() for pair in _flat(child, f"{name}.{key}")]
    return [(name, module)]


def _activation(module: Any, where: str) -> Activation | None:
    if _kind(module) == "Softplus" and module.threshold < 15:
        return None  # from there on it is x, which softplus is only far out
    for name, (kind, fixed, settings) in MODULES.items():
        if _kind(module) != kind:
            continue
        # The last axis of rows has the number 1, too.
        same = all(getattr(module, key) in ((-1, 1) if key == "dim" else (value,)) for key, value in fixed.items())
        if same:
            try:
                return activation_named(name, **{setting: float(getattr(module, setting)) for setting in settings})
            except ValueError as error:
                raise _refused(module, where, error) from None
    return None


def _linear(module: Any) -> Part:
    bias = None if module.bias is None else _array(module.bias)
    return dense(_array(module.weight), bias, activations.get("linear"), module.weight.requires_grad)


def _residual(module: Any, where: str) -> Part:
    projection = None if module.projection is None else _linear(module.projection)
    return residual(_parts(module.block, f"{where}.block"), projection)


def _batch_norm(module: Any) -> Part:
    if any(getattr(module, name) is None for name in ("weight", "bias", "running_mean", "momentum")):
        raise ValueError("make it with affine=True, a bias, track_running_stats=True and a number as momentum")
    trainable = module.weight.requires_grad and _kind(module) == "BatchNorm1d"
    made = BatchNorm(momentum=module.momentum, epsilon=module.eps, trainable=trainable)
    values = {ours: _array(getattr(module, theirs)) for ours, theirs in BATCH_NORM.items()}
    return Part(made, values, module.num_features)


def _layer_norm(module: Any) -> Part:
    rms = _kind(module) == "RMSNorm"
    if len(module.normalized_shape) != 1:
        raise ValueError(f"it normalizes over {len(module.normalized_shape)} dimensions, rows have one")
    (size,) = module.normalized_shape
    if module.weight is not None and not rms and module.bias is None:
        raise ValueError("it has a weight and no bias, which LayerNorm here can't: make it with bias=True, or RMSNorm")
    frozen = module.weight is None or not module.weight.requires_grad
    values = {"weight": np.ones(size, np.float32) if module.weight is None else _array(module.weight)}
    if not rms:
        values["bias"] = np.zeros(size, np.float32) if module.weight is None else _array(module.bias)
    epsilon = float(np.finfo(values["weight"].dtype).eps) if module.eps is None else module.eps
    return Part((RMSNorm if rms else LayerNorm)(epsilon=epsilon, trainable=not frozen), values, size)


def _normalize(module: Any) -> Part:
    return Part(Normalize(), {"mean": _array(module.mean), "scale": _array(module.scale)}, len(module.mean))


def _embedding(module: Any) -> Part:
    tables = {int(column): _array(table.weight) for column, table in module.tables.items()}
    made = Embedding(
        {column: len(table) for column, table in tables.items()},
        size={column: table.shape[1] for column, table in tables.items()},
        initializer_of_tables="zeros",
        trainable=all(table.weight.requires_grad for table in module.tables.values()),
    )
    return Part(made, {f"table_{column}": table for column, table in tables.items()}, module.input_size)


READERS: dict[str, Callable[[Any], Part]] = {
    "Linear": _linear,
    "Dropout": lambda module: Part(Dropout(module.p)),
    "AlphaDropout": lambda module: Part(AlphaDropout(module.p)),
    "GaussianNoise": lambda module: Part(GaussianNoise(module.stddev)),
    "BatchNorm1d": _batch_norm,
    "FrozenBatchNorm1d": _batch_norm,
    "LayerNorm": _layer_norm,
    "RMSNorm": _layer_norm,
    "Normalize": _normalize,
    "ColumnEmbedding": _embedding,
}


def _from_state(state: Mapping[str, Any], hidden: Activation, last: Activation) -> list[Part]:
    if not all(isinstance(name, str) for name in state):
        raise TypeError(f"expected a state dict of tensors by name, got the keys {list(state)[:5]}")
    left = {name: _array(value) for name, value in state.items()}
    weights = [name for name, value in left.items() if name.rpartition(".")[2] == "weight" and value.ndim == 2]
    parts = []
    for name in weights:
        weight, bias = left.pop(name), left.pop(name.removesuffix("weight") + "bias", None)
        parts.append(dense(weight, bias, last if name == weights[-1] else hidden))
    if left:
        raise ValueError(
            f"from_torch knows the weights and biases of Linear layers; the state dict has {sorted(left)}: pass the "
            "module itself, which tells its layers"
        )
    return parts


def _array(tensor: Any) -> Array:
    if hasattr(tensor, "detach"):
        try:
            tensor = tensor.detach().cpu()
            if str(tensor.dtype) in ("torch.float16", "torch.bfloat16"):
                tensor = tensor.float()
            tensor = tensor.numpy()
        except (RuntimeError, TypeError) as error:  # on the meta device, sparse, quantized
            raise ValueError(f"expected tensors that hold numbers, dense ones: {error}") from None
    array = np.asarray(tensor)
    if array.dtype.kind != "f":
        raise ValueError(f"expected tensors of floating-point numbers, got dtype {array.dtype}")
    return array
