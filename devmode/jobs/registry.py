"""The registry: which jobs run on this host, found by looking into the pool directories."""

import glob
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import gevent
from sqlalchemy import select, update

from devmode.cluster.database import Database
from devmode.commandserver.address import Address
from devmode.errors import JobNotFound, JobNotRunning
from devmode.jobs.models import JobRow
from devmode.jobs.pool import Isotovideo, PoolReading, UnreadablePool, read_pool, terminate

SCAN_S = 0.5
"""A job appears, and is known to have ended, within about two of these."""
RECENT_S = 24 * 3600.0
"""How long ended jobs stay in the list."""

LARGEST_ID = 2**31 - 1

log = logging.getLogger(__name__)


class JobState(Enum):
    """Whether a job's isotovideo runs."""

    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True)
class Module:
    """One test module of a job's schedule."""

    name: str
    category: str
    result: str

    @property
    def full_name(self) -> str:
        """The name that means this module and not its post-fail hook too (basetest.pm)."""
        return f"{self.category}-{self.name}"


@dataclass(frozen=True)
class Job:
    """One run of isotovideo, as it was at the last look."""

    id: int
    name: str
    state: JobState
    pool_directory: Path
    started_at: float
    ended_at: float | None = None
    result: str | None = None
    modules: tuple[Module, ...] = ()
    current_module: str | None = None
    address: Address | None = None
    vnc: str | None = None
    process: Isotovideo | None = None
    openqa_id: int | None = None

    def terminate(self) -> None:
        """Tell the isotovideo to end; raise `JobNotRunning` or `NotPermitted`."""
        if self.process is None:
            raise JobNotRunning("The job has ended already.")
        terminate(self.pool_directory, self.process)


OnChange = Callable[[Job], None]


class Registry:
    """Finds jobs and remembers them; `run` looks again and again."""

    def __init__(self, database: Database, globs: tuple[str, ...], host: str) -> None:
        """Look into the directories that `globs` name, on this host."""
        self._database = database
        self._globs = globs
        self._host = host
        self._running: dict[Path, tuple[str, Job]] = {}
        self._problems: dict[Path, str] = {}
        self._listeners: list[OnChange] = []

    def listen(self, listener: OnChange) -> None:
        """Call `listener` with every job that appeared, changed or ended."""
        self._listeners.append(listener)

    def running(self) -> list[Job]:
        """Return the jobs that run, the newest first."""
        jobs = (job for _token, job in self._running.values())
        return sorted(jobs, key=lambda job: job.id, reverse=True)

    def ended(self, most: int = 20) -> list[Job]:
        """Return the jobs that ended lately, the newest first."""
        query = (
            select(JobRow)
            .where(JobRow.ended_at > time.time() - RECENT_S)
            .order_by(JobRow.id.desc())
            .limit(most)
        )
        with self._database.read() as session:
            return [_ended(row) for row in session.scalars(query)]

    def get(self, job_id: int) -> Job:
        """Return a job, ended ones too; raise `JobNotFound`."""
        for _token, job in self._running.values():
            if job.id == job_id:
                return job
        with self._database.read() as session:
            row = session.get(JobRow, job_id) if job_id <= LARGEST_ID else None
        if row is None:
            raise JobNotFound(f"There is no job {job_id}. The list of jobs shows those there are.")
        return _ended(row)

    def run(self) -> None:
        """Look twice a second, for ever (run in a greenlet)."""
        while True:
            self.scan()
            gevent.sleep(SCAN_S)

    def scan(self) -> None:
        """Look into every pool directory once and tell what changed."""
        seen = {Path(found) for pattern in self._globs for found in glob.iglob(pattern)}
        for directory in seen | self._running.keys():
            self._look(directory)
        for directory in self._problems.keys() - seen:
            del self._problems[directory]

    def _look(self, directory: Path) -> None:
        try:
            reading = read_pool(directory)
        except UnreadablePool as error:
            self._tell_problem(directory, str(error))
            reading = None
        known = self._running.get(directory)
        token_hash = _hash(reading) if reading else None
        if known is not None and (reading is None or known[0] != token_hash or _is_over(reading)):
            if reading is None and self._still_runs(known[1]):
                return
            self._end(directory, known[1], reading if known[0] == token_hash else None)
            known = None
        if reading is None or token_hash is None or reading.process is None:
            return
        job = self._job(directory, reading, token_hash, known[1] if known else None)
        if job is not None and (known is None or known[1] != job):
            self._running[directory] = (token_hash, job)
            self._tell(job)

    def _still_runs(self, job: Job) -> bool:
        """vars.json is missing for a moment whenever isotovideo rewrites it."""
        return job.process is not None and Path(f"/proc/{job.process.pid}/cwd").exists()

    def _job(
        self, directory: Path, reading: PoolReading, token_hash: str, known: Job | None
    ) -> Job | None:
        job_id = known.id if known else self._enter(directory, reading, token_hash)
        if job_id is None:
            return None
        return Job(
            id=job_id,
            name=reading.name,
            state=JobState.RUNNING,
            pool_directory=directory,
            started_at=reading.started_at,
            modules=tuple(Module(m.name, m.category, m.result) for m in reading.modules),
            current_module=reading.current_module,
            address=Address("127.0.0.1", reading.port, reading.token),
            vnc=f"{self._host}:{reading.vnc}",
            process=reading.process,
            openqa_id=reading.openqa_id,
        )

    def _enter(self, directory: Path, reading: PoolReading, token_hash: str) -> int | None:
        """Find or make the row of a job; None when it has ended before our eyes already."""
        same = (
            JobRow.host == self._host,
            JobRow.pool_directory == str(directory),
            JobRow.token_hash == token_hash,
        )
        with self._database.write() as session:
            row = session.scalar(select(JobRow).where(*same))
            if row is None:
                row = JobRow(
                    host=self._host,
                    pool_directory=str(directory),
                    token_hash=token_hash,
                    openqa_id=reading.openqa_id,
                    name=reading.name,
                    started_at=reading.started_at,
                )
                session.add(row)
                session.flush()
            return row.id if row.ended_at is None else None

    def _end(self, directory: Path, job: Job, last: PoolReading | None) -> None:
        del self._running[directory]
        modules = job.modules
        if last is not None:
            modules = tuple(Module(m.name, m.category, m.result) for m in last.modules)
        ended = replace(
            job,
            state=JobState.ENDED,
            ended_at=time.time(),
            result=_summary(modules),
            modules=modules,
            address=None,
            vnc=None,
            process=None,
        )
        with self._database.write() as session:
            session.execute(
                update(JobRow)
                .where(JobRow.id == job.id)
                .values(ended_at=ended.ended_at, result=ended.result)
            )
        self._tell(ended)

    def _tell(self, job: Job) -> None:
        for listener in self._listeners:
            listener(job)

    def _tell_problem(self, directory: Path, problem: str) -> None:
        if self._problems.get(directory) != problem:
            self._problems[directory] = problem
            log.warning("pool directory %s is passed over: %s", directory, problem)


def _is_over(reading: PoolReading) -> bool:
    return reading.process is None


def _hash(reading: PoolReading) -> str:
    return hashlib.sha256(reading.token.reveal().encode()).hexdigest()


def _summary(modules: tuple[Module, ...]) -> str:
    failed = sum(module.result == "fail" for module in modules)
    unfinished = sum(module.result not in ("ok", "softfail", "fail", "skip") for module in modules)
    if unfinished:
        return f"stopped early, {unfinished} of {len(modules)} modules without a result"
    return f"{failed} of {len(modules)} modules failed" if failed else "passed"


def _ended(row: JobRow) -> Job:
    return Job(
        id=row.id,
        name=row.name,
        state=JobState.ENDED,
        pool_directory=Path(row.pool_directory),
        started_at=row.started_at,
        ended_at=row.ended_at,
        result=row.result,
        openqa_id=row.openqa_id,
    )
