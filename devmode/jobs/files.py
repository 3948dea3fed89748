"""Opens files of a pool directory, which is hostile until proven otherwise.

Only regular files of limited size directly below a directory that is held open, never through a
symlink, never blocking (there are FIFOs). What is half-written or missing means "not now".
"""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from gevent import monkey

SETTLED_S: Final = 1.0
"""Clocks of file systems are coarse: what changed just now may change again in the same tick."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

close: Final[Callable[[int], None]] = monkey.get_original("os", "close")
"""Closes what nobody waits on: gevent's own keeps a folder open until the hub's next turn."""


Version = tuple[int, int, int]


def settled_version(facts: os.stat_result) -> Version | None:
    """Return the version of a file or a folder: another one after any change, of its mode too.

    None if it has changed just now.
    """
    settled = facts.st_mtime < time.time() - SETTLED_S
    return (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns) if settled else None


@contextmanager
def opened(path: Path | str, parent: int | None = None) -> Iterator[int]:
    """Hold a directory open, itself no symlink; raise `OSError`."""
    descriptor = os.open(path, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        close(descriptor)


def opened_file(directory: int, name: str) -> int:
    """Return the descriptor of a regular file, to be closed by the caller; raise `OSError`."""
    descriptor = os.open(name, _FILE, dir_fd=directory)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file")


def is_exhaustion(error: OSError) -> bool:
    """Tell whether this process, or the machine, can open nothing now, whatever it is."""
    return error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def contents(directory: int, name: str, most: int) -> bytes | None:
    """Read a regular file of at most `most` bytes; None for whatever else there is.

    Raises `OSError` when nothing can be opened at all.
    """
    try:
        descriptor = opened_file(directory, name)
    except OSError as error:
        if is_exhaustion(error):
            raise
        return None
    try:
        size = os.fstat(descriptor).st_size
        return os.read(descriptor, size) if size <= most else None
    finally:
        close(descriptor)


def beginning(directory: int, name: str, size: int) -> bytes:
    """Read up to `size` bytes of a regular file, however large it is; raise `OSError`."""
    descriptor = opened_file(directory, name)
    try:
        return os.read(descriptor, size)
    finally:
        close(descriptor)


def json_contents(directory: int, name: str, most: int) -> Any:
    """Read a JSON file as `contents` does; None when it holds no JSON. Raises as that does."""
    return decoded(contents(directory, name, most))


def decoded(text: bytes | None) -> Any:
    """Decode JSON that anybody may have written; None when it is none."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
