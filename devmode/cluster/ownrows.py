"""Rows that a process has in a table under its own name, and that lapse with it.

What changes is written a moment later, with all that changed meanwhile: of many who come at once
nobody waits for it, and one transaction is enough.
"""

from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import RLock
from sqlalchemy import bindparam, delete, insert
from sqlalchemy.exc import IntegrityError

from devmode.cluster.database import Database
from devmode.cluster.leases import Lease
from devmode.cluster.models import Looker, Presence
from devmode.errors import DatabaseAway

PACE_S = 0.05
"""How long what changes is collected before it is written."""
AGAIN_S = 1.0
"""How long until what could not be written is tried again."""

Key = tuple[int, ...]


class OwnRows:
    """The rows of this process in one table, by the other columns of its primary key."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        table: type[Presence | Looker],
        columns: tuple[str, ...],
        tell: Callable[[set[Key]], None] = lambda _keys: None,
    ) -> None:
        """Have none; `tell` hears which were written, and may raise `DatabaseAway`."""
        self._database = database
        self._lease = lease
        self._columns = columns
        self._tell = tell
        self._rows: dict[Key, dict[str, Any]] = {}
        self._unwritten: set[Key] = set()
        self._written: set[Key] = set()
        """What may have a row."""
        self._writing = RLock()
        self._due = Event()
        # Put together once: that takes longer than the database needs to answer.
        which = (getattr(table, name) == bindparam(name) for name in ("process_id", *columns))
        self._forget = delete(table).where(*which)
        self._note = insert(table)

    def put(self, key: Key, **values: Any) -> None:
        """Have a row with these values; others see it when it is written."""
        self._rows[key] = values
        self._change((key,))

    def remove(self, keys: Iterable[Key]) -> None:
        """Have these no longer."""
        gone = set(keys)
        for key in gone:
            self._rows.pop(key, None)
        self._change(gone)

    def write_again(self) -> None:
        """Write everything anew: after a lost lease this process goes by another name."""
        self._change(self._rows)
        self.write()

    def run(self) -> None:
        """Write what changes, for ever (run in a greenlet)."""
        while True:
            self._due.wait()
            gevent.sleep(PACE_S)
            self._due.clear()
            if not self.write():
                gevent.sleep(AGAIN_S)

    def write(self) -> bool:
        """Write what changed; False if it can't be written now: then it is some time later."""
        # One at a time, so that nothing older overtakes what is newer.
        with self._writing:
            keys, self._unwritten = self._unwritten, set()
            if not keys:
                return True
            try:
                self._write(keys)
                self._tell(keys)
            except (DatabaseAway, IntegrityError):
                self._change(keys)
                return False
            except BaseException:
                # Whoever runs this begins anew; what was to be written must not be lost meanwhile.
                self._change(keys)
                raise
            return True

    def _change(self, keys: Iterable[Key]) -> None:
        self._unwritten.update(keys)
        self._due.set()

    def _write(self, keys: set[Key]) -> None:
        # In one order, so that two processes never wait for each other.
        ordered = sorted(keys)
        former = [self._named(key) for key in ordered if key in self._written]
        there = {key: self._rows[key] for key in ordered if key in self._rows}
        self._written |= keys
        with self._database.write() as session:
            if former:
                session.connection().execute(self._forget, former)
            if there:
                rows = [self._named(key) | values for key, values in there.items()]
                session.connection().execute(self._note, rows)
        self._written -= keys - there.keys()

    def _named(self, key: Key) -> dict[str, Any]:
        return {"process_id": self._lease.process_id, **dict(zip(self._columns, key, strict=True))}
