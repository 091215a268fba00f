"""What `Trainer.diagnose` returns: findings in words and numbers, and a table by layer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

# Worst first, and of findings equally bad the cause before what follows from it.
SEVERITIES = ("error", "warning")
CODES = (
    *("nan_in_inputs", "nan_in_targets", "nan_in_parameters", "wrong_gradient", "labels_off_by_one", "one_class"),
    *("constant_targets", "targets_out_of_reach", "inputs_constant", "inputs_not_scaled", "targets_not_scaled"),
    *("nan_in_training", "learning_rate_too_high", "learning_rate_too_low", "all_frozen", "dead_units"),
    *("saturated_units", "vanishing_gradients", "exploding_gradients", "loss_far_from_chance", "cannot_overfit"),
    "validation_duplicates",
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: What it is, one of `bpnative.diagnosis.CODES`.
        severity: ``"error"`` where training cannot work, ``"warning"`` where it works worse than it could.
        text: What was seen, in a sentence.
        advice: What to do.
        layer: Name of the layer that it is about, None where it is about data or the whole network.
        numbers: What was measured, by name.
    """

    code: str
    severity: str
    text: str
    advice: str
    layer: str | None = None
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.severity}: {self.text}\n  -> {self.advice}"


@dataclasses.dataclass
class LayerReport:
    """What one layer looked like.

    Attributes:
        name: Where the layer stands.
        kind: Its type, and its activation.
        output_mean: Mean of its outputs after the steps.
        output_std: Their standard deviation.
        dead: Share of units that pass no gradient for any sample; None where that cannot be.
        saturated: Share of outputs in the flat ends of the activation; None where it has none.
        gradient: Root mean square of the gradient that reaches the layer, summed over the batch's mean.
        update_ratio: Length of an update by the length of the weight, median of the steps; None without a weight.
    """

    name: str
    kind: str
    output_mean: float
    output_std: float
    dead: float | None
    saturated: float | None
    gradient: float
    update_ratio: float | None = None


@dataclasses.dataclass(frozen=True, repr=False)
class Diagnosis:
    """What is wrong, worst first. ``print`` it; for machines there are `findings`, `layers` and `to_dict`.

    Attributes:
        findings: A list of `bpnative.diagnosis.Finding`; empty where nothing is wrong.
        layers: A `bpnative.diagnosis.LayerReport` for each layer; empty where the network could not be run.
        losses: The loss of each step that was made on a copy.

    Example:
        >>> import bpnative as bp
        >>> X, y = bp.datasets.load_digits()
        >>> trainer = bp.Trainer(bp.mlp([64, 32, 10], seed=0), loss="cross_entropy")
        >>> trainer.diagnose(X * 255, y).codes[0]
        'inputs_not_scaled'
    """

    findings: list[Finding]
    layers: list[LayerReport]
    losses: list[float]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def codes(self) -> list[str]:
        """The codes of the findings, worst first."""
        return [finding.code for finding in self.findings]

    def to_dict(self) -> dict[str, Any]:
        """Everything as dicts, lists, strings and numbers, for JSON; a number that is not finite is None."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    def __str__(self) -> str:
        count = len(self.findings)
        head = "Nothing found that keeps this from learning." if self.ok else f"{count} finding{'s' * (count != 1)}:"
        lines = [head]
        lines += [f"{number}. {finding}" for number, finding in enumerate(self.findings, 1)]
        if self.layers:
            lines += ["", *_table(self.layers)]
        if self.losses:
            lines.append(f"loss in {len(self.losses)} steps on a copy: {self.losses[0]:.4g} -> {self.losses[-1]:.4g}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Diagnosis({self.codes})"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def ordered(findings: list[Finding]) -> list[Finding]:
    """Worst first.

    Example:
        >>> late, early = Finding("dead_units", "warning", "", ""), Finding("one_class", "error", "", "")
        >>> [finding.code for finding in ordered([late, early])]
        ['one_class', 'dead_units']
    """
    return sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), CODES.index(one.code)))


def _table(layers: list[LayerReport]) -> list[str]:
    head = ("layer", "outputs", "dead", "saturated", "gradient", "update/weight")
    rows = [head]
    for layer in layers:
        rows.append(
            (
                f"{layer.name} {layer.kind}",
                f"{layer.output_mean:.2g} ± {layer.output_std:.2g}",
                "" if layer.dead is None else f"{layer.dead:.0%}",
                "" if layer.saturated is None else f"{layer.saturated:.0%}",
                f"{layer.gradient:.1e}",
                "" if layer.update_ratio is None else f"{layer.update_ratio:.1e}",
            )
        )
    width = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  ".join(
            f"{cell:<{width[0]}}" if not column else f"{cell:>{width[column]}}" for column, cell in enumerate(row)
        )
        for row in rows
    ]
