"""Who has which job open: rows that each process writes for itself, and that lapse with it."""

import contextlib
from collections import Counter

from gevent.event import Event
from sqlalchemy import select

from devmode.beat import to_beat_s
from devmode.cluster.clock import now
from devmode.cluster.database import Database
from devmode.cluster.leases import MARGIN_S, Lease
from devmode.cluster.models import Presence, Process
from devmode.cluster.notices import Notices
from devmode.cluster.ownrows import Key, OwnRows
from devmode.errors import DatabaseAway
from devmode.sessions.models import DeveloperSession
from devmode.sessions.store import SESSION

LOOK_S = 30.0
"""How often rows are looked for of a process that wrote when it had no lease any more."""
_LIVING = select(Process.id).where(Process.lease_until + MARGIN_S > now())
_LAPSED = Presence.process_id.not_in(_LIVING)


class Attendance:
    """Counts the tabs of this process' streams."""

    def __init__(self, database: Database, notices: Notices, lease: Lease) -> None:
        """Count nobody yet."""
        self.rows = OwnRows(database, lease, Presence, ("job_id", "user_id"), self._tell)
        self._database = database
        self._notices = notices
        self._tabs: Counter[tuple[int, int]] = Counter()
        self._due = Event()
        lease.when_changed(self._due.set)

    def enter(self, job_id: int, user_id: int, tabs: int) -> None:
        """Count tabs of a user that opened a job; others know when that is written."""
        self._count((job_id, user_id), tabs)

    def leave(self, job_id: int, user_id: int, tabs: int) -> None:
        """Count tabs of a user that closed a job."""
        self._count((job_id, user_id), -tabs)

    def run(self) -> None:
        """Tell of tabs that ended with their process, for ever (run in a greenlet)."""
        while True:
            self._due.clear()
            with contextlib.suppress(DatabaseAway):
                self._withdraw_lapsed()
            self._due.wait(to_beat_s(LOOK_S))

    def _count(self, key: tuple[int, int], tabs: int) -> None:
        self._tabs[key] += tabs
        if self._tabs[key] > 0:
            self.rows.put(key, tabs=self._tabs[key])
            return
        del self._tabs[key]
        self.rows.remove([key])

    def _tell(self, keys: set[Key]) -> None:
        """Tell of the tabs of jobs with a session: of any other, nobody shows them.

        After what was written: a session that begins in this moment has its own tabs counted.
        """
        job_ids = {job_id for job_id, _user_id in keys}
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
