"""Settings that are given when an object is made: read-only from then on, with an error that says what to do."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Fixed(Generic[T]):
    """An attribute that ``__init__`` assigns; any later assignment is an AttributeError instead of no effect.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 1]), loss="mse", clip_norm=1.0)
        >>> trainer.clip_norm = 2.0
        Traceback (most recent call last):
        ...
        AttributeError: clip_norm is given when the Trainer is made and can't be changed then: make another one ...
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Fixed[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self
        try:
            return vars(instance)[self._name]
        except KeyError:
            raise AttributeError(f"{type(instance).__name__!r} object has no attribute {self._name!r}") from None

    def __set__(self, instance: object, value: T) -> None:
        if self._name in vars(instance):
            kind = type(instance).__name__
            raise AttributeError(
                f"{self._name} is given when the {kind} is made and can't be changed then: make another one with "
                f"bpnative.{kind}(…, {self._name}=…)"
            )
        vars(instance)[self._name] = value
