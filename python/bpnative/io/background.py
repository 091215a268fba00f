"""Writing files beside a run that goes on: what is to be written is handed over, and a thread of its own writes it.

Syncing a file to the disk takes some milliseconds, many steps of a small network, in which the processor has nothing to
do. One file is written at a time, each all or nothing (see `atomic`); the next one waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from . import safetensors
from .atomic import PathLike


class BackgroundWriter:
    """Writes one safetensors file again and again.

    Args:
        path: The file.

    Attributes:
        seconds: How long the last write took in its thread.

    Example:
        >>> import numpy as np
        >>> writer = BackgroundWriter("two.safetensors")
        >>> writer.write({"a": np.eye(2)}, {})
        >>> writer.wait()
        >>> list(safetensors.read("two.safetensors")[0])
        ['a']
    """

    def __init__(self, path: PathLike) -> None:
        self._path = path
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self.seconds = 0.0

    def write(self, tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> None:
        """Begin to write; the arrays belong to the writer from here on.

        Raises:
            OSError: The write before this one failed.
        """
        self.wait()
        # Not a daemon: an interpreter that ends waits for it.
        thread = threading.Thread(target=self._run, args=(tensors, metadata), name="bpnative checkpoint")
        try:
            thread.start()
        except RuntimeError:  # the system gives no thread
            self._run(tensors, metadata)
        else:
            self._thread = thread

    def wait(self) -> None:
        """Wait until the last write has ended.

        Raises:
            OSError: It failed; the old file is untouched.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> None:
        start = time.perf_counter()
        try:
            safetensors.write(self._path, tensors, metadata)
        except BaseException as error:  # raised by wait in the thread that asked
            self._error = error
        self.seconds = time.perf_counter() - start
