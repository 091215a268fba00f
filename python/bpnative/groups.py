"""Groups of layers with settings of their own: what a trainer's optimizer does differently there."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .names import unknown_name
from .optimizer_base import LearningRate, Optimizer

__all__ = ["Group", "Groups"]


class Group:
    """Layers whose optimizer has another learning rate or other settings than the trainer's.

    Args:
        layers: Index of a layer of ``network.layers``, or several; negative ones count from the end.
        learning_rate: A number, a callable of the step, or None for the trainer's. A rate of the group's own does not
            follow ``trainer.learning_rate``. 0 holds the layers while their optimizer state goes on; to freeze layers
            at no cost, use ``trainable``.
        **settings: Settings of the trainer's optimizer by name, such as ``weight_decay=0.0``; it keeps the others.

    Raises:
        TypeError: layers are no whole numbers.
        ValueError: There are no layers, or one is named twice. A trainer also rejects layers that the network lacks,
            layers in two groups, and settings that its optimizer lacks.

    Example:
        >>> import bpnative as bp
        >>> net = bp.mlp([4, 8, 8, 1], seed=0)
        >>> groups = [bp.Group(layers=[0, 1], learning_rate=1e-4, weight_decay=0.0)]
        >>> trainer = bp.Trainer(net, loss="mse", optimizer=bp.AdamW(1e-3), groups=groups)
        >>> trainer.groups
        (Group([0, 1], learning_rate=0.0001, weight_decay=0.0),)
    """

    __slots__ = ("layers", "learning_rate", "settings")
    layers: tuple[int, ...]
    learning_rate: LearningRate | None
    settings: Mapping[str, Any]

    def __init__(self, layers: int | Iterable[int], learning_rate: LearningRate | None = None, **settings: Any) -> None:
        given = layers if isinstance(layers, Iterable) and not isinstance(layers, str) else [layers]
        indices = []
        for layer in given:
            if isinstance(layer, bool) or not hasattr(layer, "__index__"):
                raise TypeError(
                    f"expected layers of a group as whole numbers, indices of network.layers, got {layer!r} "
                    f"({type(layer).__name__})"
                )
            indices.append(operator.index(layer))
        if not indices:
            raise ValueError("expected at least one layer in a group, got none: leave the group out")
        object.__setattr__(self, "layers", tuple(indices))
        object.__setattr__(self, "learning_rate", learning_rate)
        object.__setattr__(self, "settings", dict(settings))

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def _key(self) -> tuple[Any, ...]:
        return self.layers, self.learning_rate, tuple(sorted(self.settings.items()))

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Group) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        rate = {} if self.learning_rate is None else {"learning_rate": self.learning_rate}
        named = [f"{name}={value!r}" for name, value in {**rate, **self.settings}.items()]
        return f"Group({', '.join([repr(list(self.layers)), *named])})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.layers, self.learning_rate, dict(self.settings))


def _rebuild(layers: tuple[int, ...], learning_rate: LearningRate | None, settings: dict[str, Any]) -> Group:
    return Group(layers, learning_rate, **settings)


class Groups:
    """The groups of a trainer, checked against its optimizer and its network: what native code takes of them.

    Group 0 holds the layers that are in no group.

    Attributes:
        given: The groups as they were given.
        of_layer: The number of each layer's group.
        settings: The native settings of each group.

    Raises:
        TypeError: One is no `Group`, or a setting has the wrong type.
        ValueError: A layer is out of range or in two groups; a setting is unknown, out of its interval, or one that
            all layers must share.

    Example:
        >>> import bpnative as bp
        >>> groups = Groups([bp.Group(-1, momentum=0.5)], bp.SGD(momentum=0.9), 3)
        >>> groups.of_layer, [settings["momentum"] for settings in groups.settings]
        ([0, 0, 1], [0.9, 0.5])
    """

    def __init__(self, given: Group | Iterable[Group], optimizer: Optimizer, layer_count: int) -> None:
        # What is no iterable is taken for one group, and named below where it is none.
        self.given: tuple[Group, ...] = tuple(given) if isinstance(given, Iterable) else (given,)
        self.of_layer = [0] * layer_count
        self._optimizers: list[Optimizer] = []
        for number, group in enumerate(self.given, 1):
            if not isinstance(group, Group):
                raise TypeError(
                    f"expected groups as bpnative.Group objects, such as bp.Group(layers=[0], learning_rate=1e-4), "
                    f"got {group!r} ({type(group).__name__})"
                )
            self._claim(group, number, layer_count)
            self._optimizers.append(_own(group, optimizer))
        self.settings: Sequence[dict[str, float]] = [kind.settings() for kind in (optimizer, *self._optimizers)]

    def _claim(self, group: Group, number: int, layer_count: int) -> None:
        for layer in group.layers:
            if not -layer_count <= layer < layer_count:
                raise ValueError(
                    f"expected layers of a group from 0 to {layer_count - 1}, for the network has {layer_count} "
                    f"layers, got {layer} in {group!r}"
                )
            at = layer % layer_count
            if self.of_layer[at]:
                raise ValueError(
                    f"expected each layer in one group, got layer {at} twice, in {self.given[self.of_layer[at] - 1]!r} "
                    f"and {group!r}: take it out of one"
                )
            self.of_layer[at] = number

    @property
    def varies(self) -> bool:
        """Whether the learning rate of a group is a callable of the step."""
        return any(callable(group.learning_rate) for group in self.given)

    def learning_rates(self, rates: npt.NDArray[np.float64], first_step: int) -> npt.NDArray[np.float64]:
        """The rates of all groups, (steps, groups), beside the trainer's own, (steps,); these alone without groups.

        Example:
            >>> import bpnative as bp
            >>> Groups([bp.Group(0, 0.5)], bp.SGD(), 2).learning_rates(np.array([0.1, 0.2]), 0).tolist()
            [[0.1, 0.5], [0.2, 0.5]]
        """
        if not self.given:
            return rates
        columns = [rates]
        for group, own in zip(self.given, self._optimizers, strict=True):
            columns.append(rates if group.learning_rate is None else own.learning_rates(first_step, len(rates)))
        return np.ascontiguousarray(np.stack(columns, axis=1))


def _own(group: Group, optimizer: Optimizer) -> Optimizer:
    """The optimizer with the group's settings instead of its own."""
    kind = type(optimizer).__name__
    known = [field.name for field in dataclasses.fields(optimizer) if field.name != "learning_rate"]
    for name in group.settings:
        if name not in known:
            raise unknown_name(f"setting of {kind} in a group", name, known)
    rate = {} if group.learning_rate is None else {"learning_rate": group.learning_rate}
    own = dataclasses.replace(optimizer, **rate, **group.settings)
    if own.native_name != optimizer.native_name or set(own.settings()) != set(optimizer.settings()):
        raise ValueError(f"expected settings that layers can differ in, got {group!r} beside {optimizer!r}")
    return own
