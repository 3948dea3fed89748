"""The rows of jobs, by which every process knows a job under the same number.

Whoever sees a job first makes its row, and whoever sees its end first writes that down.
"""

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, bindparam, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from devmode.cluster.database import Database, changed_rows
from devmode.cluster.notices import Notices
from devmode.digits import LARGEST
from devmode.errors import JobNotFound
from devmode.jobs.job import NOWHERE, Job, JobState
from devmode.jobs.models import JobRow
from devmode.jobs.openqa import await_turn, hash_of
from devmode.jobs.pool import PoolReading

RECENT_S: Final = 24 * 3600.0
"""How long ended jobs stay in the list."""
JOB: Final = "job"
"""Topic: this job appeared or ended."""

_JOB: Final = select(JobRow).where(JobRow.id == bindparam("job_id"))
_EARLIER_ROW: Final = aliased(JobRow)
_IN_ONE_DIRECTORY: Final = (
    JobRow.host == _EARLIER_ROW.host,
    JobRow.pool_directory == _EARLIER_ROW.pool_directory,
    JobRow.pool_directory != "",
    JobRow.id > _EARLIER_ROW.id,
)
_NEWEST: Final = (
    select(JobRow)
    .where(_EARLIER_ROW.id == bindparam("job_id"), *_IN_ONE_DIRECTORY)
    .order_by(JobRow.id.desc())
    .limit(1)
)
_EARLIER: Final = select(_EARLIER_ROW.id).where(
    JobRow.id == bindparam("job_id"),
    *_IN_ONE_DIRECTORY,
    _EARLIER_ROW.id.in_(bindparam("among", expanding=True)),
)


class JobRows:
    """Finds, makes and ends them; the others hear of it."""

    def __init__(self, database: Database, notices: Notices, host: str) -> None:
        """Enter jobs as those of `host`."""
        self._database = database
        self._notices = notices
        self._host = host

    def find(self, job_id: int) -> Job | None:
        """Return a job as its row has it, None if there is none."""
        if job_id > LARGEST:
            return None
        with self._database.read() as connection:
            row = connection.execute(_JOB, {"job_id": job_id}).one_or_none()
        return _from_row(row) if row else None

    def get(self, job_id: int) -> Job:
        """Return a job as its row has it; raise `JobNotFound`."""
        job = self.find(job_id)
        if job is None:
            raise no_such_job(job_id)
        return job

    def number_of(self, openqa_id: int, url: str | None) -> int:
        """Return the number of the newest job that the openQA at `url`, None for any, calls so.

        Raises `JobNotFound`.
        """
        query = select(JobRow.id).where(JobRow.openqa_id == openqa_id).order_by(JobRow.id.desc())
        if url is not None:
            query = query.where(or_(JobRow.openqa_url.is_(None), JobRow.openqa_url == url))
        with self._database.read() as connection:
            job_id = connection.scalar(query.limit(1)) if openqa_id <= LARGEST else None
        if job_id is None:
            raise JobNotFound(f"devmode has seen no job {openqa_id} of an openQA.")
        return job_id

    def ended(self, most: int) -> list[Job]:
        """Return the jobs that ended lately, the last one first."""
        return self._ended(most, JobRow.ended_at > time.time() - RECENT_S)

    def ended_before(self, job_id: int | None, words: str, most: int) -> list[Job]:
        """Return the jobs that ended before another one did, and have `words` in their names.

        The last one comes first, as long as they are kept.
        """
        named = JobRow.name.icontains(words, autoescape=True)
        if job_id is None:
            return self._ended(most, JobRow.ended_at.is_not(None), named)
        return self._ended(most, _earlier_than(job_id), named)

    def running(self) -> set[int]:
        """Return the numbers of the jobs of this host whose end nobody has written down."""
        with self._database.read() as connection:
            return set(connection.scalars(select(JobRow.id).where(*self._going_on())))

    def is_of(self, job_id: int, reading: PoolReading) -> bool:
        """Tell whether a reading of a job's pool directory is of its own run."""
        run = JobRow.token_hash == hash_of(reading.token), JobRow.started_at == reading.started_at
        with self._database.read() as connection:
            return connection.scalar(select(JobRow.id).where(JobRow.id == job_id, *run)) is not None

    def newer_than(self, job_id: int) -> Job | None:
        """Return the newest job of a job's pool directory, if that is a later one."""
        with self._database.read() as connection:
            row = connection.execute(_NEWEST, {"job_id": job_id}).one_or_none()
        return _from_row(row) if row else None

    def earlier_than(self, job_id: int, among: Collection[int]) -> list[int]:
        """Return which of some jobs were in the pool directory of a job before it."""
        with self._database.read() as connection:
            found = connection.scalars(_EARLIER, {"job_id": job_id, "among": list(among)})
            return list(found)

    def enter(self, directory: Path, reading: PoolReading) -> int:
        """Return the number of a job that runs: of the row that there is of it, or a new one."""
        try:
            return self._enter(directory, reading)
        except IntegrityError:
            # Another process saw it in the same moment.
            return self._enter(directory, reading)

    def end(self, job: Job) -> None:
        """Write the end of a job down, unless another process has done so."""
        # One that was given up meanwhile has its outcome after all.
        open_end = or_(JobRow.ended_at.is_(None), JobRow.away_since.is_not(None))
        going_on = update(JobRow).where(JobRow.id == job.id, open_end)
        end = going_on.values(ended_at=job.ended_at, result=job.result, away_since=None)
        with self._database.write() as session:
            if changed_rows(session, end) == 1:
                self._notices.publish(session, JOB, job.id)

    def take_back(self, job_ids: Collection[int]) -> None:
        """Note that these jobs run, which others may have missed or given up (`absences.py`)."""
        missed = update(JobRow).where(JobRow.id.in_(job_ids), JobRow.away_since.is_not(None))
        run = missed.values(ended_at=None, result=None, away_since=None).returning(JobRow.id)
        with self._database.write() as session:
            for job_id in session.scalars(run).all():
                self._notices.publish(session, JOB, job_id)

    def end_forgotten(self, job_ids: set[int]) -> None:
        """Write down that these jobs of this host ended, whenever that was."""
        forgotten = update(JobRow).where(*self._going_on(), JobRow.id.in_(job_ids))
        result = "ended while devmode did not run"
        with self._database.write() as session:
            session.execute(forgotten.values(ended_at=time.time(), result=result))
            for job_id in job_ids:
                self._notices.publish(session, JOB, job_id)

    def _going_on(self) -> tuple[ColumnElement[bool], ...]:
        return JobRow.host == self._host, JobRow.ended_at.is_(None)

    def _ended(self, most: int, *conditions: ColumnElement[bool]) -> list[Job]:
        last_first = JobRow.ended_at.desc(), JobRow.id.desc()
        query = select(JobRow).where(*conditions).order_by(*last_first).limit(most)
        with self._database.read() as connection:
            return [_from_row(row) for row in connection.execute(query)]

    def _enter(self, directory: Path, reading: PoolReading) -> int:
        same = (
            JobRow.host == self._host,
            JobRow.pool_directory == str(directory),
            JobRow.token_hash == hash_of(reading.token),
            JobRow.started_at == reading.started_at,
        )
        with self._database.write() as session:
            row = session.scalar(select(JobRow).where(*same))
            if row is None and reading.openqa_id is not None:
                row = self._adopted(session, directory, reading)
            if row is None:
                row = JobRow(
                    host=self._host,
                    pool_directory=str(directory),
                    token_hash=hash_of(reading.token),
                    openqa_id=reading.openqa_id,
                    name=reading.name,
                    started_at=reading.started_at,
                )
                session.add(row)
                session.flush()
                self._notices.publish(session, JOB, row.id)
            elif row.ended_at is not None or row.away_since is not None:
                row.ended_at = row.result = row.away_since = None
                self._notices.publish(session, JOB, row.id)
            return row.id

    def _adopted(self, session: Session, directory: Path, reading: PoolReading) -> JobRow | None:
        """Return the row of a job that an openQA has told of already, for this directory."""
        await_turn(session)
        told = (JobRow.host == "", JobRow.openqa_id == reading.openqa_id)
        # As that openQA's row is marked which tells no token (`Poller`).
        marked = JobRow.token_hash == JobRow.openqa_url + f" {reading.openqa_id}"
        same = or_(
            JobRow.token_hash == hash_of(reading.token),
            and_(marked, JobRow.name == reading.name, JobRow.ended_at.is_(None)),
        )
        row = session.scalar(select(JobRow).where(*told, same).limit(1))
        if row is not None:
            row.host, row.pool_directory = self._host, str(directory)
            row.token_hash, row.started_at = hash_of(reading.token), reading.started_at
            self._notices.publish(session, JOB, row.id)
        return row


def no_such_job(job_id: int) -> JobNotFound:
    """Return what to tell who asks for a number that no job has."""
    return JobNotFound(f"There is no job {job_id}. The list of jobs shows those there are.")


def _earlier_than(job_id: int) -> ColumnElement[bool]:
    """Of jobs that ended in the same moment the one with the smaller number is the earlier."""
    other = aliased(JobRow)
    ended_at = select(other.ended_at).where(other.id == job_id).scalar_subquery()
    return tuple_(JobRow.ended_at, JobRow.id) < tuple_(ended_at, job_id)


def _from_row(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        name=row.name,
        state=JobState.RUNNING if row.ended_at is None else JobState.ENDED,
        pool_directory=Path(row.pool_directory) if row.pool_directory else NOWHERE,
        started_at=row.started_at,
        ended_at=row.ended_at,
        result=row.result,
        openqa_id=row.openqa_id,
        openqa_url=row.openqa_url,
        host=row.host,
    )
