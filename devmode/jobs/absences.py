"""Jobs whose host does not come back: in time they are told as ended, their outcome as unknown.

A host is away while none of its processes has a lease. Whoever sees that first writes down since
when, and whoever comes first gives its jobs up; if they run after all, their host takes that back
(`JobRows`). What answers, or what an openQA tells of, is not given up.
"""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import gevent
import structlog
from sqlalchemy import Float, exists, not_, or_, select, type_coerce, update
from sqlalchemy.orm import Session

from devmode.cluster.clock import now
from devmode.cluster.database import Database, changed_rows
from devmode.cluster.leases import MARGIN_S
from devmode.cluster.models import Process
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway
from devmode.jobs.job import JobState
from devmode.jobs.models import JobRow, OpenqaJob
from devmode.jobs.registry import Registry
from devmode.jobs.rows import JOB

SWEEP_S: Final = 60.0

_AWAY_SINCE: Final = type_coerce(JobRow.away_since, Float)
_GOES_ON: Final = JobRow.ended_at.is_(None)
_IS_SEEN: Final = or_(
    JobRow.host.in_(select(Process.host).where(Process.lease_until + MARGIN_S > now())),
    exists().where(OpenqaJob.job_id == JobRow.id),
)

log = structlog.stdlib.get_logger(__name__)


class Absences:
    """Notes since when the hosts of jobs are away, and gives up those that were for long."""

    def __init__(
        self,
        database: Database,
        notices: Notices,
        registry: Registry,
        answering: Callable[[], Collection[int]],
        patience_s: float,
    ) -> None:
        """Wait for `patience_s`; `answering` returns whose command server answers here."""
        self._database = database
        self._notices = notices
        self._registry = registry
        self._answering = answering
        self._patience_s = patience_s

    def run(self) -> None:
        """Look every minute, for ever (run in a greenlet)."""
        while True:
            gevent.sleep(SWEEP_S)
            with suppress(DatabaseAway):
                self.sweep()

    def sweep(self) -> None:
        """Look once, and take what any process has given up."""
        if self._any_is_elsewhere():
            with self._database.write() as session:
                self._note(session)
                self._give_up(session)
        for job in self._registry.away():
            recorded = self._registry.as_recorded(job)
            if recorded.state is JobState.ENDED:
                self._registry.hear(recorded)

    def _any_is_elsewhere(self) -> bool:
        others = select(JobRow.id).where(_GOES_ON, JobRow.host.not_in(["", self._registry.host]))
        with self._database.read() as connection:
            return connection.scalar(others.limit(1)) is not None

    def _note(self, session: Session) -> None:
        going_on = update(JobRow).where(_GOES_ON, JobRow.host != "")
        is_seen = or_(_IS_SEEN, JobRow.id.in_(self._answering()))
        again = going_on.where(is_seen, JobRow.away_since.is_not(None))
        no_more = going_on.where(not_(is_seen), JobRow.away_since.is_(None))
        session.execute(again.values(away_since=None))
        session.execute(no_more.values(away_since=now()))

    def _give_up(self, session: Session) -> None:
        missed = _GOES_ON, not_(_IS_SEEN), JobRow.away_since < now() - self._patience_s
        query = select(JobRow.id, JobRow.host, _AWAY_SINCE).where(*missed)
        for job_id, host, away_since in session.execute(query).all():
            # Its host may come back in this moment, and clears that when it finds the job.
            going = update(JobRow).where(JobRow.id == job_id, *missed)
            since = datetime.fromtimestamp(away_since, UTC)
            result = f"outcome unknown: its host has been away since {since:%Y-%m-%d %H:%M} UTC"
            if changed_rows(session, going.values(ended_at=time.time(), result=result)) == 1:
                log.warning("a job is given up: its host is away", job=job_id, host=host)
                self._notices.publish(session, JOB, job_id)
