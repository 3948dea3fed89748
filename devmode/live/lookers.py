"""Which jobs' screens are looked at, in whatever process: rows that lapse with their process."""

from collections.abc import Iterable

from gevent.lock import RLock
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from devmode.cluster.clock import now
from devmode.cluster.database import Database
from devmode.cluster.leases import MARGIN_S, Lease
from devmode.cluster.models import Looker, Process
from devmode.errors import DatabaseAway


class Lookers:
    """Notes for this process what it looks at, and tells what anybody does."""

    def __init__(self, database: Database, lease: Lease) -> None:
        """Look at nothing yet."""
        self._database = database
        self._lease = lease
        self._mine: set[int] = set()
        self._unwritten: set[int] = set()
        self._written: set[int] = set()
        """What may have a row."""
        self._writing = RLock()

    def enter(self, job_id: int) -> None:
        """Note that this process looks at a job's screen; others know when that is written."""
        self._mine.add(job_id)
        self._unwritten.add(job_id)

    def leave(self, job_ids: Iterable[int]) -> None:
        """Note that it no longer looks at these."""
        left = set(job_ids)
        self._mine -= left
        self._unwritten |= left
        self.write()

    def enter_again(self) -> None:
        """Note everything anew: after a lost lease this process goes by another name."""
        self._unwritten |= self._mine
        self.write()

    def write(self) -> None:
        """Write what changed; what can't be written now is written some time later."""
        # One at a time, so that nothing older overtakes what is newer.
        with self._writing:
            job_ids, self._unwritten = self._unwritten, set()
            if not job_ids:
                return
            try:
                self._write(job_ids)
            except (DatabaseAway, IntegrityError):
                self._unwritten |= job_ids

    def _write(self, job_ids: set[int]) -> None:
        process_id = self._lease.process_id
        former, there = job_ids & self._written, job_ids & self._mine
        self._written |= job_ids
        with self._database.write() as session:
            if former:
                mine = Looker.process_id == process_id
                session.execute(delete(Looker).where(mine, Looker.job_id.in_(former)))
            if there:
                rows = [{"process_id": process_id, "job_id": job_id} for job_id in sorted(there)]
                session.execute(insert(Looker), rows)
        self._written -= job_ids - there

    def looked_at(self) -> set[int]:
        """Return the jobs whose screens somebody looks at in a process that lives.

        Raises `DatabaseAway`.
        """
        query = (
            select(Looker.job_id)
            .join(Process, Process.id == Looker.process_id)
            .where(Process.lease_until + MARGIN_S > now())
        )
        with self._database.read() as connection:
            return set(connection.scalars(query))
