"""Turns at reading what the database has new, which many may want at the same moment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from gevent.lock import RLock

from devmode.cluster.database import AWAY
from devmode.errors import DatabaseAway


class Reachable(Protocol):
    """A database, or what knows how it is doing."""

    @property
    def is_away(self) -> bool:
        """Whether it can't be reached just now."""


class Turns:
    """One reads; those who come meanwhile wait for that, and need not read."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        """Let the next one read."""
        self._lock = RLock()

    @property
    def is_taken(self) -> bool:
        """Whether somebody reads."""
        return self._lock.locked()

    @contextmanager
    def take(self, database: Reachable, is_outdated: Callable[[], bool]) -> Iterator[bool]:
        """Wait for one's turn; tell whether there is still something to read.

        Raises `DatabaseAway` where whoever had the turn before could not read it.
        """
        has_waited = self.is_taken
        with self._lock:
            outdated = is_outdated()
            if outdated and has_waited and database.is_away:
                # One after the other they would wait for ever longer.
                raise DatabaseAway(AWAY)
            yield outdated
