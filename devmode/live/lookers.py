"""Which jobs' screens are looked at, in whatever process: rows that lapse with their process."""

from sqlalchemy import delete, select

from devmode.cluster.clock import now
from devmode.cluster.database import Database
from devmode.cluster.leases import MARGIN_S, Lease
from devmode.cluster.models import Looker, Process


class Lookers:
    """Notes for this process what it looks at, and tells what anybody does."""

    def __init__(self, database: Database, lease: Lease) -> None:
        """Look at nothing yet."""
        self._database = database
        self._lease = lease
        self._mine: set[int] = set()

    def enter(self, job_id: int) -> None:
        """Note that this process looks at a job's screen."""
        self._mine.add(job_id)
        self._write([job_id])

    def leave(self, job_id: int) -> None:
        """Note that it no longer does."""
        self._mine.discard(job_id)
        with self._database.write() as session:
            session.execute(
                delete(Looker).where(
                    Looker.process_id == self._lease.process_id, Looker.job_id == job_id
                )
            )

    def enter_again(self) -> None:
        """Note everything anew: after a lost lease this process goes by another name."""
        self._write(list(self._mine))

    def looked_at(self) -> set[int]:
        """Return the jobs whose screens somebody looks at in a process that lives."""
        query = (
            select(Looker.job_id)
            .join(Process, Process.id == Looker.process_id)
            .where(Process.lease_until + MARGIN_S > now())
        )
        with self._database.read() as session:
            return set(session.scalars(query))

    def _write(self, job_ids: list[int]) -> None:
        with self._database.write() as session:
            for job_id in job_ids:
                session.merge(Looker(process_id=self._lease.process_id, job_id=job_id))
