"""Who has which job open: rows that each process writes for itself, and that lapse with it."""

import contextlib
from collections import Counter
from typing import Any

from gevent.event import Event
from gevent.lock import RLock
from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from devmode.cluster.clock import now
from devmode.cluster.database import Database
from devmode.cluster.leases import Lease
from devmode.cluster.models import Presence, Process
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway
from devmode.sessions.models import DeveloperSession
from devmode.sessions.store import SESSION

AGAIN_S = 1.0
"""How long until what could not be written is tried again."""
LOOK_S = 30.0
"""How often rows are looked for of a process that wrote when it had no lease any more."""
_LAPSED = Presence.process_id.not_in(select(Process.id).where(Process.lease_until > now()))

# Put together once: that takes longer than the database needs to answer.
_FORGET = delete(Presence).where(
    Presence.process_id == bindparam("process_id"),
    Presence.job_id == bindparam("job_id"),
    Presence.user_id == bindparam("user_id"),
)
_NOTE = insert(Presence)


class Attendance:
    """Counts the tabs of this process' streams."""

    def __init__(self, database: Database, notices: Notices, lease: Lease) -> None:
        """Count nobody yet."""
        self._database = database
        self._notices = notices
        self._lease = lease
        self._tabs: Counter[tuple[int, int]] = Counter()
        self._unwritten: set[tuple[int, int]] = set()
        self._written: set[tuple[int, int]] = set()
        """What may have a row."""
        self._writing = RLock()
        self._due = Event()
        lease.when_gone(self._due.set)

    def enter(self, job_id: int, user_id: int, tabs: int) -> None:
        """Count tabs of a user that opened a job."""
        self._tabs[job_id, user_id] += tabs
        self._unwritten.add((job_id, user_id))
        self.write()

    def leave(self, job_id: int, user_id: int, tabs: int) -> None:
        """Count tabs of a user that closed a job; that is written soon, for all who leave."""
        self._tabs[job_id, user_id] -= tabs
        self._unwritten.add((job_id, user_id))
        self._due.set()

    def enter_again(self) -> None:
        """Write every count anew: this process may go by another name, after a lost lease."""
        self._unwritten |= self._tabs.keys()
        self.write()

    def run(self) -> None:
        """Write what was left to be written, and tell of tabs that ended with their process.

        For ever, in a greenlet.
        """
        while True:
            self._due.clear()
            self.write()
            with contextlib.suppress(DatabaseAway):
                self._withdraw_lapsed()
            self._due.wait(AGAIN_S if self._unwritten else LOOK_S)

    def write(self) -> None:
        """Write the counts that changed; what can't be written now is written some time later."""
        # One at a time, so that no older count overtakes a newer; who waits finds it written.
        with self._writing:
            keys, self._unwritten = self._unwritten, set()
            if not keys:
                return
            try:
                self._write(keys)
                self._tell({job_id for job_id, _user_id in keys})
            except (DatabaseAway, IntegrityError):
                self._unwritten |= keys
                return
            for key in keys:
                if self._tabs[key] <= 0:
                    del self._tabs[key]

    def _tell(self, job_ids: set[int]) -> None:
        """Tell of the tabs of jobs with a session: of any other, nobody shows them.

        After what was written: a session that begins in this moment has its own tabs counted.
        """
        controlled = select(DeveloperSession.job_id).where(DeveloperSession.job_id.in_(job_ids))
        with self._database.read() as connection:
            shown = connection.scalars(controlled).all()
        if not shown:
            return
        with self._database.write() as session:
            for job_id in shown:
                self._notices.publish(session, SESSION, job_id)

    def _withdraw_lapsed(self) -> None:
        with self._database.read() as connection:
            if connection.scalar(select(Presence.job_id).where(_LAPSED).limit(1)) is None:
                return
        with self._database.write() as session:
            # What another process withdraws in this moment is left to it.
            lapsed = select(Presence).where(_LAPSED).with_for_update(skip_locked=True)
            for row in session.scalars(lapsed):
                session.delete(row)
                self._notices.publish(session, SESSION, row.job_id)

    def _write(self, keys: set[tuple[int, int]]) -> None:
        # In one order, so that two processes never wait for each other.
        ordered = sorted(keys)
        former = [self._row(key) for key in ordered if key in self._written]
        there = {key: self._tabs[key] for key in ordered if self._tabs[key] > 0}
        self._written |= keys
        with self._database.write() as session:
            if former:
                session.connection().execute(_FORGET, former)
            if there:
                rows = [self._row(key) | {"tabs": tabs} for key, tabs in there.items()]
                session.connection().execute(_NOTE, rows)
        self._written -= keys - there.keys()

    def _row(self, key: tuple[int, int]) -> dict[str, Any]:
        job_id, user_id = key
        return {"process_id": self._lease.process_id, "job_id": job_id, "user_id": user_id}
