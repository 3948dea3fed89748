"""Tells which pool directories have to be looked into, by inotify where the system has it.

A look takes some 0.15 ms, and nearly always all is as before: with hundreds of jobs, every process
would spend most of its time on that.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from inotify_simple import INotify, flags

from devmode.jobs.files import opened
from devmode.jobs.pool import RESULTS, is_read

UNTOLD_S: Final = 30.0
"""How long a change may go unnoticed that the system does not tell, as of a network's files."""
RESTLESS_S: Final = 1.0
"""How long after a change another one may come untold: QEMU keeps its pid file open."""

_MASK = (
    flags.CREATE
    | flags.DELETE
    | flags.MOVED_FROM
    | flags.MOVED_TO
    | flags.CLOSE_WRITE
    | flags.ATTRIB
    | flags.DELETE_SELF
    | flags.MOVE_SELF
    | flags.ONLYDIR
)
_NEVER: Final = float("-inf")
_ALWAYS: Final = float("inf")


class PoolWatch:
    """One inotify instance for the pool directories of this process, and their test results."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._inotify: INotify | None = None
        self._directories: dict[int, Path] = {}
        """By the numbers of the watches."""
        self._watches: dict[Path, set[int]] = {}
        self._changed_at: dict[Path, float] = {}
        self._looked_at: dict[Path, float] = {}

    @contextmanager
    def look(self, directory: Path) -> Iterator[None]:
        """Look into a pool directory meanwhile; what raises is no look."""
        self._looked_at.pop(directory, None)
        began = time.monotonic()
        self._watch(directory)
        yield
        self._looked_at[directory] = began

    def hear(self) -> None:
        """Take what the system has told since the last time."""
        if self._inotify is None:
            return
        now = time.monotonic()
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                self._looked_at.clear()
                continue
            directory = self._directories.get(event.wd)
            if directory is None:
                continue
            if event.mask & flags.IGNORED:
                self._drop({event.wd})
            if not event.name or is_read(event.name):
                self._changed_at[directory] = now

    def is_as_before(self, directory: Path) -> bool:
        """Tell whether all files in a pool directory are as at the last look."""
        looked_at = self._looked_at.get(directory, _NEVER)
        quiet_since = self._changed_at.get(directory, _ALWAYS) + RESTLESS_S
        return looked_at >= max(quiet_since, time.monotonic() - UNTOLD_S)

    def keep_to(self, directories: set[Path]) -> None:
        """Forget all other directories."""
        known = self._looked_at.keys() | self._watches.keys()
        for directory in known - directories:
            self._looked_at.pop(directory, None)
            self._unwatch(directory)

    def _watch(self, directory: Path) -> None:
        """Watch what is there under these names by now; a watch that there is costs little."""
        try:
            numbers = self._watches_of(directory)
        except OSError:
            self._unwatch(directory)
            return
        known = self._watches.get(directory, set())
        if numbers != known:
            self._drop(known - numbers)
            self._watches[directory] = numbers
            self._directories |= dict.fromkeys(numbers, directory)
            self._changed_at[directory] = time.monotonic()

    def _watches_of(self, directory: Path) -> set[int]:
        self._inotify = inotify = self._inotify or INotify(nonblocking=True)
        with opened(directory) as pool:
            numbers = {inotify.add_watch(f"/proc/self/fd/{pool}", _MASK)}
            try:
                with opened(RESULTS, pool) as results:
                    numbers.add(inotify.add_watch(f"/proc/self/fd/{results}", _MASK))
            except FileNotFoundError:
                pass
            return numbers

    def _unwatch(self, directory: Path) -> None:
        self._drop(self._watches.pop(directory, set()))
        self._changed_at.pop(directory, None)

    def _drop(self, numbers: set[int]) -> None:
        for number in numbers:
            directory = self._directories.pop(number, None)
            if directory in self._watches:
                self._watches[directory].discard(number)
            try:
                if self._inotify is not None:
                    self._inotify.rm_watch(number)
            except OSError:
                pass  # what was watched has gone, and the watch with it
