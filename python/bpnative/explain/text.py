"""An explanation as text for a terminal: small networks number by number, larger ones as statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import formulas

if TYPE_CHECKING:
    from .explanation import Explanation
    from .walk import LayerStep

Array = npt.NDArray[Any]


def number(value: float) -> str:
    """A number in six digits.

    Example:
        >>> number(0.6224593312), number(-2.0), number(1e-12)
        ('0.622459', '-2', '1e-12')
    """
    return f"{value:.6g}" if value else "0"


def factor(value: float) -> str:
    """A number as a factor or term: in parentheses where it is negative."""
    return f"({number(value)})" if value < 0 else number(value)


def vector(values: Iterable[float]) -> str:
    """Some numbers in brackets."""
    return "[" + ", ".join(number(value) for value in values) + "]"


def products(left: Iterable[float], right: Iterable[float], rest: Sequence[float] = ()) -> str:
    """A sum of products written out.

    Example:
        >>> products([0.4, -0.2], [0.5, -1.0], [0.1])
        '0.4·0.5 + (-0.2)·(-1) + 0.1'
    """
    terms = [f"{factor(a)}·{factor(b)}" for a, b in zip(left, right, strict=True)]
    return " + ".join(terms + [factor(value) for value in rest])


def as_text(explanation: Explanation) -> str:
    """The whole explanation."""
    lines = [title(explanation)]
    lines += ["", "FORWARD", *_forward(explanation)]
    lines += ["", "ERROR", *error_lines(explanation)]
    lines += ["", "BACKWARD: the chain rule, last layer first; n = " + f"{len(explanation.x)}", *_backward(explanation)]
    if explanation.loss_after is not None:
        lines += ["", f"UPDATE by {explanation.optimizer}, learning rate {explanation.learning_rate:g}"]
        lines += _update(explanation)
        lines.append(f"  loss of the same samples: {number(explanation.loss)} -> {number(explanation.loss_after)}")
    lines += ["", *(f"Note: {note}" for note in closing(explanation))]
    return "\n".join(lines)


def title(explanation: Explanation) -> str:
    """The first line: sizes, loss, optimizer."""
    network = explanation.network
    sizes = " -> ".join(str(size) for size in [network.input_size, *(layer.units for layer in network.layers)])
    count = network.parameters.size
    return (
        f"One step of training: {sizes}, {count:,} parameter{'s' * (count != 1)}; {explanation.loss_function!r}; "
        f"{explanation.optimizer}"
    )


def closing(explanation: Explanation) -> list[str]:
    """The notes, and how well the numbers agree with the compiled code."""
    agreement = (
        f"gradients worked out here and those of the compiled code ({explanation.network.dtype}) differ by at most "
        f"{explanation.difference:.1e} of the largest."
    )
    return [*explanation.notes, agreement]


def layer_title(step: LayerStep) -> str:
    """Name, specification and formula of a layer."""
    frozen = "" if step.trainable or not step.parameters else ", frozen"
    head = f"layer {step.name}: {step.specification.without_values()!r}{frozen}"
    if step.z is None:
        return head
    value, _ = formulas.of_activation(step.function)
    sums = "z = weight·x + bias, " if "bias" in step.parameters else "z = weight·x, " if step.is_dense else "z = x, "
    return f"{head}   {sums}y = {value}"


def statistics(name: str, values: Array) -> str:
    """Shape, mean, deviation and range of an array, in a line."""
    if not values.size:
        return f"  {name:<16} shape {values.shape}"
    zeros = f", {np.mean(values == 0):.0%} zeros" if (values == 0).any() else ""
    return (
        f"  {name:<16} shape {values.shape!s:<12} mean {number(float(values.mean())):>12}, std "
        f"{number(float(values.std())):>11}, from {number(float(values.min()))} to {number(float(values.max()))}{zeros}"
    )


def sample_label(explanation: Explanation, i: int) -> str:
    """What a line of sample i begins with: nothing where there is only one."""
    return "" if len(explanation.x) == 1 else f"sample {i}  "


def _forward(explanation: Explanation) -> list[str]:
    lines = []
    if explanation.is_full:
        lines += [f"  {sample_label(explanation, i)}x = {vector(row)}" for i, row in enumerate(explanation.x)]
    else:
        lines.append(statistics("x", explanation.x))
    for step in explanation.layers:
        lines.append(layer_title(step))
        if explanation.is_full and step.z is not None and step.alone is None:
            for i in range(len(step.x)):
                lines += [f"  {sample_label(explanation, i)}{line}" for line in forward_lines(step, i)]
        elif explanation.is_full:
            lines += [f"  {sample_label(explanation, i)}y = {vector(row)}" for i, row in enumerate(step.y)]
        else:
            lines += [statistics("z", step.z)] if step.z is not None else []
            lines.append(statistics("y", step.y))
    return lines


def forward_lines(step: LayerStep, i: int) -> list[str]:
    """Sample i through each unit of a dense layer, or of an activation."""
    assert step.z is not None
    lines = []
    for unit in range(step.z.shape[1]):
        z, y = step.z[i, unit], step.y[i, unit]
        sums = ""
        if step.is_dense:
            bias = [step.parameters["bias"][unit]] if "bias" in step.parameters else []
            sums = products(step.parameters["weight"][unit], step.x[i], bias) + " = "
        value = "" if step.function.name == "linear" else f"   y{unit} = {step.function.name}(z) = {number(y)}"
        letter = "y" if step.function.name == "linear" else "z"
        lines.append(f"{letter}{unit} = {sums}{number(z)}{value}")
    return lines


def error_lines(explanation: Explanation) -> list[str]:
    """Target, loss and its derivative."""
    value, slope = formulas.of_loss(explanation.loss_function)
    last = explanation.layers[-1]
    letter = "z" if last.fused else "o"
    lines = []
    if explanation.is_full:
        for i, row in enumerate(np.reshape(explanation.output, (len(explanation.x), -1))):
            target = vector(np.ravel(explanation.target[i]).astype(np.float64))
            lines.append(f"  {sample_label(explanation, i)}output o = {vector(row)}   target t = {target}")
    lines.append(f"  loss = {'mean over samples of ' if len(explanation.x) > 1 else ''}{value}")
    if explanation.penalty:
        data = explanation.loss - explanation.penalty
        lines.append(f"       = {number(data)} + penalty {number(explanation.penalty)} = {number(explanation.loss)}")
    else:
        lines.append(f"       = {number(explanation.loss)}")
    if last.fused:
        lines.append(f"  the loss takes z, the sums before {last.function.name}: both derivatives in one formula")
    if explanation.is_full:
        lines.append(f"  d loss / d {letter} = {slope}")
        rows = enumerate(explanation.loss_gradient)
        lines += [f"       {sample_label(explanation, i)}= {vector(row)}" for i, row in rows]
    else:
        lines.append(f"  d loss / d {letter} = {slope}")
        lines.append(statistics(f"d loss / d {letter}", explanation.loss_gradient))
    return lines


def _backward(explanation: Explanation) -> list[str]:
    lines = []
    for step in reversed(explanation.layers):
        lines.append(f"layer {step.name}: {rule(step)}")
        lines += [f"  {line}" for line in backward_lines(explanation, step)]
    return lines


def backward_lines(explanation: Explanation, step: LayerStep) -> list[str]:
    """Deltas, gradients and what goes on to the layer before, of one layer."""
    is_first = step is explanation.layers[0]
    lines = []
    if explanation.is_full and step.is_dense:
        for i in range(len(step.x)):
            lines += [sample_label(explanation, i) + line for line in delta_lines(step, i)]
        lines += gradient_lines(step)
        for i in range(0 if is_first else len(step.x)):
            lines += [sample_label(explanation, i) + line for line in input_lines(step, i)]
        return lines
    lines += [statistics("delta", step.dz).strip()] if step.dz is not None else []
    lines += [statistics(f"d {name}", gradient).strip() for name, gradient in step.gradients.items()]
    if step.dx is not None and not is_first:
        lines.append(statistics("d x", step.dx).strip())
    return lines


def rule(step: LayerStep) -> str:
    """The chain rule through a layer, in symbols."""
    if step.z is None or step.alone is not None:
        return f"{type(step.specification).__name__}, by its own backward"
    _, slope = formulas.of_activation(step.function)
    if step.fused:
        delta = "delta = d loss / d z"
    elif step.function.name == "linear":
        delta = "delta = d loss / d y"
    elif step.function.mixes_outputs:
        delta = f"delta_j = Σᵢ d loss / d yᵢ · ∂yᵢ/∂z_j, {slope}"
    else:
        delta = f"delta = d loss / d y · f'(z), f'(z) = {slope}"
    return delta + ("; d weight = delta·x, d bias = delta, d x = weightᵀ·delta" if step.is_dense else "; d x = delta")


def delta_lines(step: LayerStep, i: int) -> list[str]:
    """The delta of each unit for sample i."""
    assert step.dy is not None
    assert step.dz is not None
    lines = []
    for unit, delta in enumerate(step.dz[i]):
        how = ""
        if not step.fused and step.slope is not None and step.function.name != "linear":
            how = f"{factor(step.dy[i, unit])}·{factor(step.slope[i, unit])} = "
        lines.append(f"delta{unit} = {how}{number(delta)}")
    return lines


def gradient_lines(step: LayerStep) -> list[str]:
    """The gradient of each weight and bias of a dense layer."""
    assert step.dz is not None
    lines = []
    has_penalty = bool(getattr(step.specification, "l1", 0.0) or getattr(step.specification, "l2", 0.0))
    for unit in range(step.dz.shape[1]):
        deltas = step.dz[:, unit]
        for column in range(step.x.shape[1]):
            gradient = step.gradients["weight"][unit, column]
            penalty = [gradient - float(deltas @ step.x[:, column])] if has_penalty else []
            sums = products(deltas, step.x[:, column], penalty)
            lines.append(f"d weight[{unit},{column}] = {sums}{' (penalty)' * has_penalty} = {number(gradient)}")
        if "bias" in step.gradients:
            how = " + ".join(factor(delta) for delta in deltas) + " = " if len(deltas) > 1 else ""
            lines.append(f"d bias[{unit}] = {how}{number(step.gradients['bias'][unit])}")
    return lines if step.trainable else ["frozen: no gradients"]


def input_lines(step: LayerStep, i: int) -> list[str]:
    """What goes on to the layer before, for sample i."""
    assert step.dz is not None
    assert step.dx is not None
    weight = step.parameters["weight"]
    return [
        f"d x{column} = {products(weight[:, column], step.dz[i])} = {number(value)}"
        for column, value in enumerate(step.dx[i])
    ]


def update_rows(step: LayerStep) -> list[tuple[str, float, float, float]]:
    """Name, old, gradient and new value of each parameter of a layer."""
    rows = []
    for name, old in step.parameters.items():
        for place in np.ndindex(old.shape):
            index = ",".join(map(str, place))
            old_value, gradient, new = float(old[place]), float(step.gradients[name][place]), step.updated[name][place]
            rows.append((f"{name}[{index}]", old_value, gradient, float(new)))
    return rows


def _update(explanation: Explanation) -> list[str]:
    if not explanation.is_full:
        return [f"  {line}" for line in change_lines(explanation)]
    lines = [f"  {'parameter':<20}{'old':>12}{'gradient':>14}{'new':>12}{'change':>14}"]
    for step in explanation.layers:
        for name, old, gradient, new in update_rows(step):
            numbers = f"{number(old):>12}{number(gradient):>14}{number(new):>12}{number(new - old):>14}"
            lines.append(f"  {step.name + ' ' + name:<20}{numbers}")
    return lines


def change_lines(explanation: Explanation) -> list[str]:
    """How far the update moves each tensor."""
    lines = []
    for step in explanation.layers:
        for name, old in step.parameters.items():
            change, size = float(np.linalg.norm(step.updated[name] - old)), float(np.linalg.norm(old))
            ratio = f", {change / size:.1e} of its length {number(size)}" if size else ""
            lines.append(f"{step.name + ' ' + name:<20} changes by {number(change)}{ratio}")
    return lines
