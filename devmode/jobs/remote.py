"""The jobs that openQA instances tell of, as one process wrote them down for all."""

from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec
from sqlalchemy import Row, select

from devmode.cluster.database import Database
from devmode.commandserver.address import Address
from devmode.jobs.breath import breathe
from devmode.jobs.models import JobRow, OpenqaInstance, OpenqaJob
from devmode.jobs.openqa import Facts
from devmode.jobs.sealing import Seal

FIRST_VNC_PORT: Final = 5990
BATCH: Final = 100
"""How many jobs are read, and taken, in one go."""
OTHER_KEY: Final = "The job token was sealed by a devmode with another DEVMODE_SECRET_KEY."


@dataclass(frozen=True)
class OpenqaPart:
    """What a job has from its openQA."""

    url: str
    id: int
    facts: Facts
    address: Address | None
    trouble: str | None = None
    """Why that openQA can't be asked just now: the rest is what it said last."""

    @property
    def vnc(self) -> str | None:
        """Where the worker's instance has the SUT's screen (Workers.pm)."""
        host, _colon, instance = self.facts.worker.rpartition(":")
        return f"{host}:{FIRST_VNC_PORT + int(instance)}" if instance.isdigit() else None

    @property
    def obstacle(self) -> str | None:
        """Why no link can be opened, if none can."""
        return None if self.address else self.facts.obstacle or OTHER_KEY


class RemoteJobs:
    """Reads them, and again what is outdated: what a notice names, or all after a missed one."""

    def __init__(self, database: Database, seal: Seal) -> None:
        """Know nothing yet."""
        self._database = database
        self._seal = seal
        self._jobs: dict[int, OpenqaPart] = {}
        self._outdated: set[int] = set()
        self._all_outdated = True

    def outdate(self, job_id: int) -> None:
        """Note that there may be something new of a job, or that it runs no more."""
        self._outdated.add(job_id)

    def outdate_all(self) -> None:
        """Note that there may be something new of any job."""
        self._all_outdated = True

    def read(self) -> dict[int, OpenqaPart]:
        """Return what every openQA says of the jobs that run, by number.

        A job's part is the same object as before unless there was a reason to read it again.
        """
        try:
            self._read_outdated()
        except BaseException:
            # A request may be given up in the middle of it, too.
            self._all_outdated = True
            raise
        return self._jobs

    def known(self, job_id: int) -> OpenqaPart | None:
        """Return what an openQA said of a job at the last reading."""
        return self._jobs.get(job_id)

    def _read_outdated(self) -> None:
        # What is about to be read may be outdated again meanwhile.
        if self._all_outdated:
            self._all_outdated = False
            self._outdated |= self._jobs.keys() | self._running()
        while self._outdated:
            some = list(islice(self._outdated, BATCH))
            self._outdated.difference_update(some)
            parts = self._parts(some)
            others = {job_id: self._jobs[job_id] for job_id in self._jobs.keys() - some}
            self._jobs = others | parts
            breathe()

    def _running(self) -> set[int]:
        going_on = select(OpenqaJob.job_id).join(JobRow).where(JobRow.ended_at.is_(None))
        with self._database.read() as connection:
            return set(connection.scalars(going_on))

    def _parts(self, job_ids: list[int]) -> dict[int, OpenqaPart]:
        query = (
            select(OpenqaJob, OpenqaInstance.trouble)
            .join(JobRow, JobRow.id == OpenqaJob.job_id)
            .outerjoin(OpenqaInstance, OpenqaInstance.url == OpenqaJob.url)
            .where(JobRow.ended_at.is_(None), OpenqaJob.job_id.in_(job_ids))
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {row.job_id: self._part(row) for row in rows}

    def _part(self, row: Row[Any, Any]) -> OpenqaPart:
        facts = msgspec.convert(row.facts, Facts)
        token = self._seal.open(row.sealed_token) if row.sealed_token else None
        address = Address(facts.host, facts.port, token) if token and facts.host else None
        return OpenqaPart(row.url, row.openqa_id, facts, address, row.trouble)
