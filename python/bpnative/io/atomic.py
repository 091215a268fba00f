"""Writing a file so that it is there whole or not at all, whatever happens meanwhile.

The bytes go to a hidden file beside the target, are synced to the disk, and the name is moved; then the folder is
synced. Killed, out of power or out of space at any moment, the old file stays as it was.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Any, TypeAlias

PathLike: TypeAlias = "str | os.PathLike[str]"

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Linux
    fcntl = None  # type: ignore[assignment]

# Descriptors of files that are being written. A process that is forked meanwhile must not keep them: it would hold
# their locks for as long as it lives.
_locked: set[int] = set()


def _close_locked() -> None:
    for descriptor in _locked:
        os.close(descriptor)
    _locked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_locked)


def write(path: PathLike, chunks: Iterable[Any]) -> None:
    """Write a file all or nothing.

    The temporary file has one name for each target, so that killed writers leave at most one behind; the next write
    takes it over. Writers of the same target wait for each other. A symbolic link is followed; mode bits are as umask
    says.

    Args:
        path: The target.
        chunks: Its content, objects with the buffer protocol, one after another.

    Raises:
        OSError: The folder is missing or read-only, the disk full, the target a folder, a device or a pipe. The old
            file is untouched.

    Example:
        >>> import pathlib
        >>> write("hello.bin", [b"hello ", b"world"])
        >>> pathlib.Path("hello.bin").read_text()
        'hello world'
    """
    target = os.path.realpath(os.fspath(path))
    if os.path.isdir(target):
        raise IsADirectoryError(f"expected the path of a file to write, got the folder {os.fspath(path)!r}")
    if os.path.exists(target) and not os.path.isfile(target):  # which the rename would put a plain file in the place of
        raise OSError(f"expected the path of a file to write, got the device or pipe {os.fspath(path)!r}")
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.tmp")
    descriptor = _open_locked(temporary)
    try:
        # A lock stays with the descriptor, so it is held until the name has moved.
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.truncate()
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        _remove(temporary)
        raise
    finally:
        _close(descriptor)
    _sync_folder(folder)


def _open_locked(temporary: str) -> int:
    """A descriptor of the temporary file that nobody else writes to."""
    flags = os.O_CREAT | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        descriptor = os.open(temporary, flags, 0o666)
        _locked.add(descriptor)
        try:
            if fcntl is None:
                return descriptor
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # While this writer waited, another may have moved the file away: then it is the target now.
            if os.path.exists(temporary) and os.path.samestat(os.fstat(descriptor), os.lstat(temporary)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            _close(descriptor)
            raise
        _close(descriptor)


def _close(descriptor: int) -> None:
    _locked.discard(descriptor)
    os.close(descriptor)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems can't; the file itself is synced
    finally:
        os.close(descriptor)
