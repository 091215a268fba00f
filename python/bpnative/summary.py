"""The table that `Network.summary` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import activations

if TYPE_CHECKING:
    from .network import Network


def summary_text(network: Network) -> str:
    """The table of a network: a line a layer, and totals.

    Example:
        >>> import bpnative as bp
        >>> print(summary_text(bp.mlp([4, 8, 3], seed=0)))
        layer          output shape  parameters  trainable
        -----          ------------  ----------  ---------
        input          (n, 4)
        0 Dense, relu  (n, 8)                40  yes
        1 Dense        (n, 3)                27  yes
        67 parameters, 67 trainable; float32, 268 B and as much for gradients
    """
    head = ("layer", "output shape", "parameters", "trainable")
    rows = [head, tuple("-" * len(title) for title in head), ("input", f"(n, {network.input_size})", "", "")]
    for layer in network.walk():
        function = activations.get(layer.activation).name
        kind = type(layer.specification).__name__ + ("" if function == "linear" else f", {function}")
        indent = "  " * layer.name.count(".")
        count = "" if layer.layers or not layer.parameter_count else f"{layer.parameter_count:,}"
        trainable = ("yes" if layer.trainable else "no") if count else ""
        rows.append((f"{indent}{layer.name} {kind}", f"(n, {layer.units})", count, trainable))
    width = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{name:<{width[0]}}  {shape:<{width[1]}}  {count:>{width[2]}}  {trainable}".rstrip()
        for name, shape, count, trainable in rows
    ]
    trainable_count = sum(layer.parameter_count for layer in network.walk() if layer.trainable and not layer.layers)
    lines.append(
        f"{network.parameters.size:,} parameters, {trainable_count:,} trainable; {network.dtype.name}, "
        f"{_readable_bytes(network.parameters.nbytes)} and as much for gradients"
    )
    return "\n".join(lines)


def _readable_bytes(count: int) -> str:
    """A number of bytes for people.

    Example:
        >>> _readable_bytes(1536)
        '1.5 KiB'
    """
    if count < 1024:
        return f"{count} B"
    amount, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB"):
        if amount >= 1024:
            amount, unit = amount / 1024, larger
    return f"{amount:.1f} {unit}"
