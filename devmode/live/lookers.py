"""Which jobs' screens are looked at, in whatever process: rows that lapse with their process."""

from collections.abc import Iterable

from sqlalchemy import select

from devmode.cluster.clock import now
from devmode.cluster.database import Database
from devmode.cluster.leases import MARGIN_S, Lease
from devmode.cluster.models import Looker, Process
from devmode.cluster.ownrows import OwnRows


class Lookers:
    """Notes for this process what it looks at, and tells what anybody does."""

    def __init__(self, database: Database, lease: Lease) -> None:
        """Look at nothing yet."""
        self._database = database
        self.rows = OwnRows(database, lease, Looker, ("job_id",))

    def enter(self, job_id: int) -> None:
        """Note that this process looks at a job's screen; others know when that is written."""
        self.rows.put((job_id,))

    def leave(self, job_ids: Iterable[int]) -> None:
        """Note that it no longer looks at these."""
        self.rows.remove((job_id,) for job_id in job_ids)
        self.rows.write()

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
