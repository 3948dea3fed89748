"""Who has which job open: rows that each process writes for itself, and that lapse with it."""

from collections import Counter

from gevent.lock import RLock
from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from devmode.cluster.database import Database
from devmode.cluster.leases import Lease
from devmode.cluster.models import Presence
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway
from devmode.sessions.store import SESSION


class Attendance:
    """Counts the tabs of this process' streams."""

    def __init__(self, database: Database, notices: Notices, lease: Lease) -> None:
        """Count nobody yet."""
        self._database = database
        self._notices = notices
        self._lease = lease
        self._tabs: Counter[tuple[int, int]] = Counter()
        self._unwritten: set[tuple[int, int]] = set()
        self._writing = RLock()

    def enter(self, job_id: int, user_id: int, tabs: int) -> None:
        """Count tabs of a user that opened a job."""
        self._tabs[job_id, user_id] += tabs
        self._unwritten.add((job_id, user_id))
        self.write()

    def leave(self, job_id: int, user_id: int, tabs: int) -> None:
        """Count tabs of a user that closed a job."""
        self._tabs[job_id, user_id] -= tabs
        self._unwritten.add((job_id, user_id))
        self.write()

    def enter_again(self) -> None:
        """Write every count anew: this process may go by another name, after a lost lease."""
        self._unwritten |= self._tabs.keys()
        self.write()

    def write(self) -> None:
        """Write the counts that changed; what can't be written now is written some time later."""
        # One at a time, so that no older count overtakes a newer; who waits finds it written.
        with self._writing:
            keys, self._unwritten = self._unwritten, set()
            if not keys:
                return
            try:
                with self._database.write() as session:
                    # In one order, so that two processes never wait for each other.
                    for job_id, user_id in sorted(keys):
                        self._write_one(session, job_id, user_id)
                        self._notices.publish(session, SESSION, job_id)
            except (DatabaseAway, IntegrityError):
                self._unwritten |= keys
                return
            for key in keys:
                if self._tabs[key] <= 0:
                    del self._tabs[key]

    def _write_one(self, session: Session, job_id: int, user_id: int) -> None:
        key = {"process_id": self._lease.process_id, "job_id": job_id, "user_id": user_id}
        session.execute(delete(Presence).filter_by(**key))
        tabs = self._tabs[job_id, user_id]
        if tabs > 0:
            session.execute(insert(Presence).values(**key, tabs=tabs))
