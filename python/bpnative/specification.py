"""What all specifications share: frozen, validated when made, with a repr that rebuilds them; and their checks."""

from __future__ import annotations

import dataclasses
import math
import numbers
import operator
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

S = TypeVar("S", bound="Specification")

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """What type checkers read; here it does nothing."""
        return lambda decorator: decorator


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def specification(kind: type[S]) -> type[S]:
    """The decorator of every specification: a frozen dataclass, with the methods of `Specification`.

    ``dataclass(frozen=True)`` would write and compile four methods more for each class: with a hundred classes, half of
    the time that importing the package takes.

    Example:
        >>> @specification
        ... class Bell(Specification):
        ...     name = "bell"
        ...     width: float = 1.0
        >>> Bell(2.0), Bell() == Bell(1.0), hash(Bell()) == hash(Bell(1.0))
        (Bell(width=2.0), True, True)
        >>> Bell().width = 3.0
        Traceback (most recent call last):
            ...
        dataclasses.FrozenInstanceError: cannot assign to field 'width' of Bell: make another with dataclasses.replace
    """
    return dataclasses.dataclass(eq=False, repr=False)(kind)


@specification
class Specification:
    """A frozen description of a layer, activation, loss, optimizer or initializer; it holds settings only.

    Two specifications with equal settings are equal. ``repr`` gives the Python that makes it again, without the
    settings left at their defaults. Unpickling goes through the constructor, so a damaged state is rejected.
    """

    name: ClassVar[str]

    def __setattr__(self, name: str, value: object) -> None:
        if name in vars(self) or name not in self.__dataclass_fields__:  # each is set once, by the constructor
            self._refuse("assign to", name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._refuse("delete", name)

    def _refuse(self, what: str, name: str) -> NoReturn:
        raise dataclasses.FrozenInstanceError(
            f"cannot {what} field {name!r} of {type(self).__name__}: make another with dataclasses.replace"
        )

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        parts = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING:
                parts.append(repr(value))
            elif not _same(value, field.default):
                parts.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})


def _rebuild(kind: type[S], settings: dict[str, Any]) -> S:
    return kind(**settings)


def _same(value: object, default: object) -> bool:
    return type(value) is type(default) and bool(value == default)


def shorten(specification: S) -> S | str:
    """The plain name where all settings are the defaults, else the specification itself (one form for both habits)."""
    return specification.name if not dataclasses.fields(specification) or _all_default(specification) else specification


def _all_default(specification: Specification) -> bool:
    return all(_same(getattr(specification, f.name), f.default) for f in dataclasses.fields(specification))


def check_count(value: object, what: str, minimum: int = 1) -> int:
    """A whole number of at least `minimum`, as a Python int.

    Raises:
        TypeError: It is not a whole number (a bool is not one).
        ValueError: It is too small.

    Example:
        >>> check_count(3, "units")
        3
    """
    if isinstance(value, bool):
        raise TypeError(f"expected {what} as a whole number, got {value!r}")
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"expected {what} as a whole number, got {value!r} ({type(value).__name__})") from None
    if count < minimum:
        raise ValueError(f"expected {what} of at least {minimum}, got {count}")
    return count


def check_number(value: object, what: str, interval: str) -> float:
    """A finite real number in an interval written as in mathematics, such as ``"[0, 1)"`` or ``"(0, inf)"``.

    Raises:
        TypeError: It is not a real number.
        ValueError: It is not finite, or outside the interval.

    Example:
        >>> check_number(0.9, "momentum", "[0, 1]")
        0.9
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"expected {what} as a number in {interval}, got {value!r} ({type(value).__name__})")
    number = float(value)
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    above = number >= low if interval[0] == "[" else number > low
    below = number <= high if interval[-1] == "]" else number < high
    if not (math.isfinite(number) and above and below):
        raise ValueError(f"expected {what} as a finite number in {interval}, got {value!r}")
    return number


def check_flag(value: object, what: str) -> bool:
    """True or False, as a Python bool (NumPy's bool is one too).

    Raises:
        TypeError: It is something else.

    Example:
        >>> check_flag(True, "bias")
        True
    """
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise TypeError(f"expected {what} as True or False, got {value!r}")
