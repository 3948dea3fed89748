"""Tells when it is worth a look whether somebody has written to a SQLite database.

inotify tells of each write to the write-ahead log. The commit is to be seen a few microseconds
later, so it is looked for once more, and a third time for a writer that had to wait in between.
"""

from collections.abc import Iterator
from typing import Final

import gevent
from gevent.socket import wait_read
from inotify_simple import INotify, flags

from devmode.beat import to_beat_s

SETTLED_S: Final = 0.005
"""How long after a write it is looked again; who writes all the time is looked at so often."""
POLL_S: Final = 0.05
"""How often it is looked where inotify is not to be had, and when at last after a write."""
QUIET_S: Final = 1.0
"""How often it is looked nevertheless while the system tells nothing."""


def looks(database: str) -> Iterator[None]:
    """Wait and yield, for ever, whenever the database in this file may hold something new."""
    try:
        with INotify(nonblocking=True) as inotify:
            inotify.add_watch(f"{database}-wal", flags.MODIFY)
            yield from _when_written(inotify)
    except OSError:
        yield from _now_and_then()


def _now_and_then() -> Iterator[None]:
    while True:
        yield
        gevent.sleep(POLL_S)


def _when_written(inotify: INotify) -> Iterator[None]:
    while True:
        yield
        gevent.sleep(SETTLED_S)
        inotify.read(timeout=0)
        yield
        if _tells(inotify, POLL_S):
            continue
        yield
        while not _tells(inotify, to_beat_s(QUIET_S)):
            yield


def _tells(inotify: INotify, within_s: float) -> bool:
    """Wait until the system tells of a write, `within_s` at most, and take all that it tells."""
    try:
        wait_read(inotify.fileno(), within_s)
    except TimeoutError:
        return False
    inotify.read(timeout=0)
    return True
