"""Names that users type: looking them up, and suggesting the nearest one when a name is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def unknown_name(
    kind: str, given: object, known: Iterable[str], elsewhere: Mapping[str, str] | None = None
) -> ValueError:
    """The error for a name that nothing has: what was given, the nearest name, and all names.

    Args:
        kind: What the name stands for, such as ``"activation"``.
        given: What the user typed.
        known: Every name that would have been right.
        elsewhere: What other libraries call them, and our name for it; None: nothing of the kind.

    Example:
        >>> print(unknown_name("activation", "rleu", ["linear", "relu", "tanh"]))
        unknown activation 'rleu': did you mean 'relu'? Known: 'linear', 'relu', 'tanh'
    """
    names = list(known)
    typed = str(given).lower()
    near = [(elsewhere or {})[typed]] if typed in (elsewhere or {}) else []
    import difflib  # milliseconds of every import, for what few programs need

    near = near or difflib.get_close_matches(typed, names, n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]!r}? " if near else ""
    return ValueError(f"unknown {kind} {given!r}: {suggestion}Known: {', '.join(map(repr, names))}")


def lookup(kind: str, given: str, table: Mapping[str, T], elsewhere: Mapping[str, str] | None = None) -> T:
    """The entry of a table, or the error of `unknown_name`.

    Example:
        >>> lookup("activation", "relu", {"relu": 1})
        1
    """
    if given in table:
        return table[given]
    raise unknown_name(kind, given, table, elsewhere)
