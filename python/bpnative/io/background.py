"""Writing files beside a run that goes on: what is to be written is handed over, and a thread of its own writes it.

Syncing a file to the disk takes some milliseconds, many steps of a small network, in which the processor has nothing to
do. One file is written at a time, each all or nothing (see `atomic`); the next one waits for it.
"""

from __future__ import annotations

import contextlib
import os
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
        self._given: list[tuple[Mapping[str, npt.NDArray[Any]], Mapping[str, str]]] = []
        # Held while a file is written. Waiting is done by it alone: Thread.join, interrupted by Ctrl-C, takes a thread
        # that still runs for one that has ended.
        self._writing, self._process = threading.Lock(), os.getpid()
        self._error: BaseException | None = None
        self.seconds = 0.0

    def write(self, tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> None:
        """Begin to write; the arrays belong to the writer from here on.

        Raises:
            OSError: The write before this one failed.
        """
        self.wait()
        self._given.append((tensors, metadata))
        # Not a daemon: an interpreter that ends waits for it.
        self._thread = threading.Thread(target=self._write_given, name="bpnative checkpoint")
        try:
            self._thread.start()
        except RuntimeError:  # the system gives no thread
            self._write_given()

    def wait(self) -> None:
        """Wait until all that was given is written; what no thread has begun with is written here.

        Raises:
            OSError: It failed; the old file is untouched.
        """
        if self._process != os.getpid():  # after a fork, the thread that holds the lock is in the other process
            self._writing, self._process = threading.Lock(), os.getpid()
        self._write_given()
        if self._thread is not None:
            with contextlib.suppress(RuntimeError):  # it never started
                self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _write_given(self) -> None:
        with self._writing:
            if not self._given:
                return
            start = time.perf_counter()
            try:
                safetensors.write(self._path, *self._given.pop())
            except BaseException as error:  # raised by wait in the thread that asked
                self._error = error
            self.seconds = time.perf_counter() - start
