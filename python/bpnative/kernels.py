"""The compiled kernels as functions on NumPy arrays: what training is made of, one piece at a time.

Rows are samples: x (n, n_in), weight (n_out, n_in), z and y (n, n_out). All arrays of a call have one dtype, float32 or
float64; lists, integers and float16 are converted to that of the others (float64 where none says). Results are new
arrays, except that the updates work in place, on writable C-contiguous arrays.

``isa`` runs an instruction set other than the chosen one, one of ``bpnative.show_config("dict")["isa_available"]``.
Errors everywhere: TypeError for arrays that hold no real numbers or differ in dtype, ValueError for shapes that do not
fit and for unknown names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _bpnative, activations, labels, losses
from .activations import Activation
from .data import as_numbers
from .kernel_arguments import check_isa, check_shape, read_arrays
from .kernel_optimizers import average_update, optimizer_state, optimizer_update, run_update
from .losses import Loss
from .specification import check_count, check_flag, check_number

Array = npt.NDArray[Any]

__all__ = [
    "DenseGradients",
    "LossGradient",
    "activation",
    "activation_derivative",
    "adam_update",
    "average_update",
    "dense_backward",
    "dense_forward",
    "loss",
    "matmul",
    "optimizer_state",
    "optimizer_update",
    "sgd_update",
]


class DenseGradients(NamedTuple):
    """What `dense_backward` gives: derivatives in x (n, n_in), weight (n_out, n_in) and bias (n_out,)."""

    dx: Array
    dweight: Array
    dbias: Array


class LossGradient(NamedTuple):
    """What `loss` gives: the mean loss, its derivative in each output (n, k), each sample's weighted loss (n,)."""

    value: float
    dz: Array
    losses: Array


def matmul(a: npt.ArrayLike, b: npt.ArrayLike, *, isa: str = "") -> Array:
    """Matrix product a @ b, each element summed in the order of the inner index by fused multiply-add.

    Args:
        a: (M, K).
        b: (K, N).
        isa: See the module.

    Returns:
        A new array (M, N).

    Example:
        >>> matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist()
        [[11.0]]
    """
    left, right = read_arrays(a=a, b=b)
    check_shape("a", left, None, None)
    check_shape("b", right, left.shape[1], None)
    out = np.empty((left.shape[0], right.shape[1]), left.dtype)
    _bpnative.matmul(out, left, right, check_isa(isa))
    return out


def dense_forward(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    activation: str | Activation = "linear",
    *,
    isa: str = "",
) -> Array:
    """A dense layer forward: y = f(x @ weight.T + bias).

    Args:
        x: (n, n_in).
        weight: (n_out, n_in).
        bias: (n_out,) or None.
        activation: f, a name or an object of `bpnative.activations`.
        isa: See the module.

    Returns:
        y, a new array (n, n_out).

    Example:
        >>> dense_forward([[1.0, 2.0]], [[3.0, 4.0], [-3.0, -4.0]], [0.5, 0.5], "relu").tolist()
        [[11.5, 0.0]]
    """
    function = activations.get(activation)
    arrays = read_arrays(x=x, weight=weight) if bias is None else read_arrays(x=x, weight=weight, bias=bias)
    check_shape("x", arrays[0], None, None)
    check_shape("weight", arrays[1], None, arrays[0].shape[1])
    offset = arrays[2] if bias is not None else None
    if offset is not None:
        check_shape("bias", offset, arrays[1].shape[0])
    y = np.empty((arrays[0].shape[0], arrays[1].shape[0]), arrays[0].dtype)
    _bpnative.dense_forward(y, arrays[0], arrays[1], offset, function.name, function.parameter, check_isa(isa))
    return y


def dense_backward(
    dz: npt.ArrayLike,
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    input_activation: str | Activation = "linear",
    *,
    isa: str = "",
) -> DenseGradients:
    """A dense layer backward: dx = (dz @ weight) · f'(…), dweight = dz.T @ x, dbias = dz.sum(axis=0).

    The input x is the output of the layer before, x = f(…), and dx is its derivative before f: what that layer's own
    `dense_backward` takes as dz. With ``"linear"`` dx is the derivative in x itself.

    Args:
        dz: Derivative of the loss before this layer's activation, (n, n_out).
        x: The layer's input, (n, n_in).
        weight: (n_out, n_in).
        input_activation: f, the activation that made x, if x tells f'; for softmax, gelu, …: `activation_derivative`.
        isa: See the module.

    Returns:
        DenseGradients(dx, dweight, dbias), new arrays.

    Example:
        >>> gradients = dense_backward([[1.0]], [[2.0, 0.0]], [[3.0, 4.0]], "relu")
        >>> gradients.dx.tolist(), gradients.dweight.tolist(), gradients.dbias.tolist()
        ([[3.0, 0.0]], [[2.0, 0.0]], [1.0])
    """
    function = activations.get(input_activation)
    if function.mixes_outputs:
        raise ValueError(
            f"expected input_activation other than {function.name}: use 'linear', then activation_derivative"
        )
    z, inputs, w = read_arrays(dz=dz, x=x, weight=weight)
    check_shape("dz", z, None, None)
    check_shape("x", inputs, z.shape[0], None)
    check_shape("weight", w, z.shape[1], inputs.shape[1])
    gradients = DenseGradients(np.empty_like(inputs), np.empty_like(w), np.empty(z.shape[1], z.dtype))
    _bpnative.dense_backward(*gradients, z, inputs, w, function.name, function.parameter, check_isa(isa))
    return gradients


def activation(z: npt.ArrayLike, name: str | Activation, *, isa: str = "") -> Array:
    """An activation: y = f(z), softmax and log_softmax along each row.

    Args:
        z: (n, k).
        name: f, a name or an object of `bpnative.activations`, where the formulas are.
        isa: See the module.

    Returns:
        y, a new array (n, k).

    Example:
        >>> activation([[-2.0, 3.0]], "relu").tolist()
        [[0.0, 3.0]]
    """
    function = activations.get(name)
    (inputs,) = read_arrays(z=z)
    check_shape("z", inputs, None, None)
    y = np.empty_like(inputs)
    _bpnative.activation(y, inputs, function.name, function.parameter, check_isa(isa))
    return y


def activation_derivative(dy: npt.ArrayLike, z: npt.ArrayLike, name: str | Activation, *, isa: str = "") -> Array:
    """The chain rule through an activation: dz = dy · f'(z); softmax: dz = y · (dy - Σⱼ dyⱼ·yⱼ) with y = softmax(z).

    Args:
        dy: Derivative of the loss in y = f(z), (n, k).
        z: (n, k).
        name: f, a name or an object of `bpnative.activations`.
        isa: See the module.

    Returns:
        dz, a new array (n, k).

    Example:
        >>> activation_derivative([[1.0, 1.0]], [[0.0, 3.0]], "relu").tolist()
        [[0.0, 1.0]]
    """
    function = activations.get(name)
    gradient, inputs = read_arrays(dy=dy, z=z)
    check_shape("z", inputs, None, None)
    check_shape("dy", gradient, *inputs.shape)
    dz = np.empty_like(inputs)
    _bpnative.activation_derivative(dz, gradient, inputs, function.name, function.parameter, check_isa(isa))
    return dz


def loss(
    z: npt.ArrayLike,
    target: npt.ArrayLike,
    name: str | Loss,
    sample_weight: npt.ArrayLike | None = None,
    *,
    isa: str = "",
) -> LossGradient:
    """A loss, its derivative and the loss of each sample, in one pass.

    Args:
        z: Outputs, (n, k); cross-entropies take logits.
        target: (n, k); for cross-entropy also integer labels (n,).
        name: A name or an object such as ``bpnative.MSE()``, where the formulas are.
        sample_weight: (n,) or None.
        isa: See the module.

    Returns:
        LossGradient(value, dz, losses); dz is the derivative of the mean loss.

    Example:
        >>> result = loss([[1.0], [3.0]], [[0.0], [0.0]], "mse")
        >>> result.value, result.dz.tolist(), result.losses.tolist()
        (5.0, [[1.0], [3.0]], [1.0, 9.0])
    """
    chosen = losses.get(name)
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    wanted = as_numbers(target, "target")
    by_label = chosen.targets == "classes" and wanted.ndim == 1
    arrays = read_arrays(z=z, **weights) if by_label else read_arrays(z=z, target=target, **weights)
    outputs, weight = arrays[0], arrays[-1] if weights else None
    check_shape("z", outputs, None, None)
    n, k = outputs.shape
    if n == 0:
        raise ValueError(f"expected z with at least one row, got shape {outputs.shape}")
    if by_label:
        check_shape("target", wanted, n)
        wanted = labels.class_labels(wanted, k, "target")
    else:
        wanted = arrays[1]
        check_shape("target", wanted, n, k)
    if weight is not None:
        check_shape("sample_weight", weight, n)
    dz, each = np.empty_like(outputs), np.empty(n, outputs.dtype)
    value = _bpnative.loss(dz, each, outputs, wanted, weight, chosen.name, check_isa(isa))
    return LossGradient(value, dz, each)


def sgd_update(
    weight: Array,
    gradient: Array,
    velocity: Array | None = None,
    *,
    learning_rate: float = 1e-2,
    momentum: float = 0.0,
    nesterov: bool = False,
    isa: str = "",
) -> None:
    """One update by gradient descent, in place: v ← momentum·v + g; w ← w - learning_rate·v (see `bpnative.SGD`).

    Args:
        weight: w, changed in place, any shape.
        gradient: g, of the same shape.
        velocity: v, changed in place, of the same shape; None without momentum.
        learning_rate: Step size.
        momentum: In [0, 1].
        nesterov: w ← w - learning_rate·(g + momentum·v) instead.
        isa: See the module.

    Example:
        >>> w = np.array([1.0, 2.0])
        >>> sgd_update(w, np.array([1.0, -1.0]), learning_rate=0.5)
        >>> w.tolist()
        [0.5, 2.5]
    """
    rate = check_number(learning_rate, "learning_rate", "(-inf, inf)")
    factor = check_number(momentum, "momentum", "[0, 1]")
    if factor and velocity is None:
        raise ValueError(f"momentum={momentum} needs a velocity: pass velocity=np.zeros_like(weight) and keep it")
    settings = {"momentum": factor, "nesterov": float(check_flag(nesterov, "nesterov")), "weight_decay": 0.0}
    run_update("sgd", weight, gradient, {"velocity": velocity} if factor else {}, settings, 1, rate, isa)
    if velocity is not None and not factor:
        velocity[...] = gradient


def adam_update(
    weight: Array,
    gradient: Array,
    m: Array,
    v: Array,
    *,
    step: int,
    learning_rate: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    isa: str = "",
) -> None:
    """One update by Adam, in place; the formula is that of `bpnative.Adam`.

    Args:
        weight: w, changed in place, any shape.
        gradient: g, of the same shape.
        m: Mean of gradients, changed in place, zeros at first.
        v: Mean of squared gradients, changed in place, zeros at first.
        step: t, 1 for the first update.
        learning_rate: Step size.
        beta1: In [0, 1).
        beta2: In [0, 1).
        epsilon: Above 0.
        isa: See the module.

    Example:
        >>> w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
        >>> adam_update(w, np.array([4.0]), m, v, step=1, learning_rate=0.5, epsilon=1e-12)
        >>> w.round(6).tolist()
        [0.5]
    """
    rate = check_number(learning_rate, "learning_rate", "(-inf, inf)")
    settings = {
        "beta1": check_number(beta1, "beta1", "[0, 1)"),
        "beta2": check_number(beta2, "beta2", "[0, 1)"),
        "epsilon": check_number(epsilon, "epsilon", "(0, inf)"),
        "weight_decay": 0.0,
    }
    run_update("adam", weight, gradient, {"m": m, "v": v}, settings, check_count(step, "step"), rate, isa)
