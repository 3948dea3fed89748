"""Who has which job open: rows that each process writes for itself, and that lapse with it."""

from collections import Counter

from sqlalchemy import delete
from sqlalchemy.orm import Session

from devmode.cluster.database import Database
from devmode.cluster.leases import Lease
from devmode.cluster.models import Presence
from devmode.cluster.notices import Notices
from devmode.sessions.store import SESSION


class Attendance:
    """Counts the tabs of this process' streams."""

    def __init__(self, database: Database, notices: Notices, lease: Lease) -> None:
        """Count nobody yet."""
        self._database = database
        self._notices = notices
        self._lease = lease
        self._tabs: Counter[tuple[int, int]] = Counter()

    def enter(self, job_id: int, user_id: int, tabs: int) -> None:
        """Count tabs of a user that opened a job."""
        self._tabs[job_id, user_id] += tabs
        self._write([(job_id, user_id)])

    def leave(self, job_id: int, user_id: int, tabs: int) -> None:
        """Count tabs of a user that closed a job."""
        self._tabs[job_id, user_id] -= tabs
        self._write([(job_id, user_id)])

    def enter_again(self) -> None:
        """Write every count anew: after a lost lease this process goes by another name."""
        self._write(list(self._tabs))

    def _write(self, keys: list[tuple[int, int]]) -> None:
        with self._database.write() as session:
            for job_id, user_id in keys:
                self._write_one(session, job_id, user_id)
                self._notices.publish(session, SESSION, job_id)

    def _write_one(self, session: Session, job_id: int, user_id: int) -> None:
        process_id, tabs = self._lease.process_id, self._tabs[job_id, user_id]
        if tabs > 0:
            session.merge(
                Presence(process_id=process_id, job_id=job_id, user_id=user_id, tabs=tabs)
            )
            return
        del self._tabs[job_id, user_id]
        session.execute(
            delete(Presence).where(
                Presence.process_id == process_id,
                Presence.job_id == job_id,
                Presence.user_id == user_id,
            )
        )
