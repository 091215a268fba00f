"""What all losses share: which targets they take, what they need of the last layer, and their settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from .specification import Specification, check_number, specification


@specification
class Loss(Specification):
    """Base of the losses.

    `targets` says what y must be: ``"values"`` (numbers), ``"counts"`` (numbers of at least 0), ``"binary"`` (0 to 1),
    ``"signs"`` (-1 and 1, or 0 and 1), ``"classes"`` (labels or distributions), ``"distributions"`` (rows that sum to
    1) or ``"any"``. `fused` is the activation of a last layer that the loss computes together with itself, on the
    logits; `refused` are those with which it makes no sense.
    """

    targets: ClassVar[str]
    fused: ClassVar[str] = ""
    refused: ClassVar[tuple[str, ...]] = ()

    def target_columns(self, n_outputs: int) -> int:
        """How many columns y has for a network of so many outputs.

        Raises:
            ValueError: The loss cannot use this number of outputs.
        """
        return n_outputs

    def compared_columns(self, n_outputs: int) -> list[int] | None:
        """Which outputs are estimates of the columns of y, so that a metric can compare them; None: all, in order."""
        return None

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them."""
        return {}

    def check_weighted(self) -> None:
        """Sample weights are given: whether the loss takes them, as all native ones do."""

    def check_outputs(self, n_outputs: int) -> None:
        """Whether the loss can use so many outputs.

        Raises:
            ValueError: Their number does not go with the loss or its settings.
        """
        self.target_columns(n_outputs)

    def check_network(self, n_outputs: int, last_activation: str) -> None:
        """Whether a network with this last layer can be trained with this loss.

        Raises:
            ValueError: The last layer's size or activation does not go with the loss.
        """
        if last_activation in self.refused:
            takes = f"logits, or the output of a {self.fused} layer" if self.fused else "outputs of any sign"
            use = f"'linear' or {self.fused!r}" if self.fused else "'linear'"
            raise ValueError(
                f"{self.name} takes {takes}; the network ends in {last_activation}. "
                f"Use activation={use} in the last layer, or another loss"
            )
        if self.targets in ("classes", "distributions") and n_outputs < 2:
            raise ValueError(
                f"{self.name} needs one output for each class, at least 2, and the network has {n_outputs}. "
                f"For two classes use Dense(2), or Dense(1) with loss='binary_cross_entropy'"
            )
        self.check_outputs(n_outputs)


def check_numbers(values: object, what: str, interval: str) -> tuple[float, ...]:
    """One number, or several, as a tuple.

    Raises:
        TypeError: They are no real numbers.
        ValueError: There are none, or one lies outside the interval.

    Example:
        >>> check_numbers([0.1, 0.9], "levels", "(0, 1)")
        (0.1, 0.9)
    """
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        return (check_number(values, what, interval),)
    numbers = tuple(check_number(value, what, interval) for value in values)
    if not numbers:
        raise ValueError(f"expected {what} as a number or several, got none")
    return numbers


def check_one_an_output(numbers: tuple[float, ...] | None, n_outputs: int, what: str) -> None:
    """There are as many numbers as outputs.

    Raises:
        ValueError: There are more or fewer.

    Example:
        >>> check_one_an_output((1.0, 2.0), 2, "class_weight of CrossEntropy")
    """
    if numbers is not None and len(numbers) != n_outputs:
        raise ValueError(f"expected {what} with {n_outputs} numbers, one an output of the network, got {len(numbers)}")
