"""threadpoolctl sees and limits the threads of bpnative: in its lists they are the library ``bpnative``."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from ._version import __version__
from .config import get_num_threads, set_num_threads


def register() -> None:
    """Make bpnative known to threadpoolctl; a second call does nothing.

    ``import bpnative`` does it where threadpoolctl was imported before, ``import bpnative.sklearn`` always.
    ``threadpoolctl.threadpool_limits(1)`` then holds for bpnative as for BLAS and OpenMP, and ``user_api="bpnative"``
    for bpnative alone. The limit is that of `set_num_threads`: of the whole process.

    Raises:
        ImportError: threadpoolctl is not installed; it comes with ``bpnative[sklearn]``.

    Example:
        >>> import bpnative as bp
        >>> from threadpoolctl import threadpool_limits  # doctest: +SKIP
        >>> register()  # doctest: +SKIP
        >>> with threadpool_limits(1):  # doctest: +SKIP
        ...     bp.get_num_threads()
        1
    """
    try:
        threadpoolctl: Any = importlib.import_module("threadpoolctl")
    except ImportError as error:
        raise ImportError(
            "limiting bpnative's threads through threadpoolctl needs it: pip install 'bpnative[sklearn]'"
        ) from error
    if hasattr(threadpoolctl, _MARK):
        return

    class BpnativeController(threadpoolctl.LibController):  # type: ignore[misc]
        """The pool of bpnative, found by the file name of its compiled module."""

        user_api = "bpnative"
        internal_api = "bpnative"
        filename_prefixes = ("_bpnative",)

        def get_num_threads(self) -> int:
            return get_num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            set_num_threads(num_threads)

        def get_version(self) -> str:
            return __version__

    threadpoolctl.register(BpnativeController)
    setattr(threadpoolctl, _MARK, True)


_MARK = "_bpnative_is_registered"


def register_where_used() -> None:
    """Make bpnative known to threadpoolctl where somebody has imported that; nothing is imported for it.

    Example:
        >>> register_where_used()
    """
    if "threadpoolctl" in sys.modules:
        register()
