"""The registry: which jobs run on this host, found by looking into the pool directories."""

import contextlib
import glob
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import gevent
from gevent.event import Event
from gevent.lock import RLock
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from devmode.cluster.database import Database, changed_rows
from devmode.cluster.notices import Notices
from devmode.commandserver.address import Address, JobToken
from devmode.errors import DatabaseAway, JobNotFound, JobNotRunning, TextNotFound
from devmode.jobs.models import JobRow
from devmode.jobs.pool import (
    Isotovideo,
    PoolReading,
    Results,
    ScheduledModule,
    UnreadablePool,
    is_running,
    read_pool,
    terminate,
)

SCAN_S = 0.5
"""A job appears, and is known to have ended, within about two of these."""
RECENT_S = 24 * 3600.0
"""How long ended jobs stay in the list."""

LARGEST_ID = 2**31 - 1
JOB = "job"
"""Topic: this job appeared or ended."""

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
    run_time_s: int | None = None
    version: str = ""
    """Changes whenever the module has told new steps."""

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
    paused: str | None = None
    """The reason of a pause as its pool directory tells it: not that of a pause on failure."""
    no_video: bool = False
    machine_gone: bool = False
    time_limit_s: int | None = None

    @property
    def done(self) -> int:
        """How many modules have a result."""
        return sum(module.result not in ("", "none", "running") for module in self.modules)

    @property
    def failed(self) -> int:
        """How many modules have failed."""
        return sum(module.result == "fail" for module in self.modules)

    def terminate(self) -> None:
        """Tell the isotovideo to end; raise `JobNotRunning` or `NotPermitted`."""
        if self.process is None:
            raise JobNotRunning("The job has ended already.")
        terminate(self.pool_directory, self.process)


OnChange = Callable[[Job], None]


@dataclass
class _Run:
    """What is known of the job in one pool directory."""

    token_hash: str
    job: Job
    results: Results

    def is_told_by(self, reading: PoolReading) -> bool:
        """Whether a reading is of this very run: a hand-started isotovideo keeps its token."""
        same = (self.token_hash, self.job.process) == (_hash(reading), reading.process)
        return same and reading.process is not None


class Registry:
    """Finds jobs and remembers them; `run` looks again and again.

    Every process looks for itself, so that no job token has to travel; whichever sees a job first
    writes its row, and tells the others to look at once.
    """

    def __init__(
        self, database: Database, notices: Notices, globs: tuple[str, ...], host: str
    ) -> None:
        """Look into the directories that `globs` name, on this host."""
        self._database = database
        self._notices = notices
        self._globs = globs
        self._host = host
        self._running: dict[Path, _Run] = {}
        self._directories: dict[int, Path] = {}
        """Where each running job is, by its number."""
        self._problems: dict[Path, str] = {}
        self._listeners: list[OnChange] = []
        self._due = Event()
        self._looking = RLock()
        notices.listen(JOB, lambda _job_id: self._due.set())

    def listen(self, listener: OnChange) -> None:
        """Call `listener` with every job that appeared, changed or ended."""
        self._listeners.append(listener)

    def running(self) -> list[Job]:
        """Return the jobs that run, the newest first."""
        jobs = (run.job for run in self._running.values())
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
            return [_from_row(row) for row in session.scalars(query)]

    def get(self, job_id: int) -> Job:
        """Return a job, ended ones too; raise `JobNotFound`."""
        known = self._found(job_id)
        if known is not None:
            return known
        with self._database.read() as session:
            row = session.get(JobRow, job_id) if job_id <= LARGEST_ID else None
        if row is None:
            raise JobNotFound(f"There is no job {job_id}. The list of jobs shows those there are.")
        if row.ended_at is None and row.host == self._host:
            # Another process of this host was faster.
            self.scan()
        return self._found(job_id) or _from_row(row)

    def token_in_pool(self, job_id: int) -> JobToken:
        """Return the job's token, which has to be masked in what its pool directory holds.

        Raises `JobNotFound`, and `TextNotFound` if the directory is another run's by now.
        """
        job = self.get(job_id)
        if job.address is not None:
            return job.address.token
        with self._database.read() as session:
            row = session.get(JobRow, job_id)
        reading = self._read(job.pool_directory, {})
        if reading and row and (row.token_hash, row.started_at) == _identity(reading):
            return reading.token
        raise TextNotFound("The pool directory holds another job by now, or none.")

    def run(self) -> None:
        """Look twice a second, and when another process saw something (run in a greenlet)."""
        while True:
            # What can't be written now is seen again.
            with contextlib.suppress(DatabaseAway):
                self.scan()
            self._due.wait(SCAN_S)
            self._due.clear()

    def scan(self) -> None:
        """Look into every pool directory once and tell what changed."""
        with self._looking:
            seen = {Path(found) for pattern in self._globs for found in glob.iglob(pattern)}
            for directory in seen | self._running.keys():
                self._look(directory)
                gevent.sleep(0)
            for directory in self._problems.keys() - seen:
                del self._problems[directory]

    def end_forgotten(self) -> None:
        """Note the end of jobs that ended while no devmode looked: call it once, at the start.

        Only what had begun before this scan: another process may see one begin meanwhile.
        """
        going_on = (JobRow.host == self._host, JobRow.ended_at.is_(None))
        with self._database.read() as session:
            begun = set(session.scalars(select(JobRow.id).where(*going_on)))
        self.scan()
        forgotten = JobRow.id.in_(begun - self._directories.keys())
        with self._database.write() as session:
            session.execute(
                update(JobRow)
                .where(*going_on, forgotten)
                .values(ended_at=time.time(), result="ended while devmode did not run")
            )

    def _found(self, job_id: int) -> Job | None:
        directory = self._directories.get(job_id)
        return self._running[directory].job if directory is not None else None

    def _look(self, directory: Path) -> None:
        run = self._running.get(directory)
        reading = self._read(directory, run.results if run else {})
        if run is not None and (reading is None or not run.is_told_by(reading)):
            # vars.json is missing for a moment whenever isotovideo rewrites it.
            if reading is None and _still_runs(run.job):
                return
            self._end(directory, run, reading)
            run = None
        if reading is None or reading.process is None:
            return
        if run is None:
            self._begin(directory, reading)
        else:
            self._go_on(run, reading)

    def _read(self, directory: Path, results: Results) -> PoolReading | None:
        try:
            return read_pool(directory, results)
        except UnreadablePool as error:
            self._tell_problem(directory, str(error))
            return None

    def _begin(self, directory: Path, reading: PoolReading) -> None:
        job = self._job(directory, reading, self._enter(directory, reading))
        self._running[directory] = _Run(_hash(reading), job, {})
        self._directories[job.id] = directory
        self._tell(job)

    def _go_on(self, run: _Run, reading: PoolReading) -> None:
        job = self._job(run.job.pool_directory, reading, run.job.id)
        if job != run.job:
            run.job = job
            self._tell(job)

    def _job(self, directory: Path, reading: PoolReading, job_id: int) -> Job:
        return Job(
            id=job_id,
            name=reading.name,
            state=JobState.RUNNING,
            pool_directory=directory,
            started_at=reading.started_at,
            modules=tuple(_module(m) for m in reading.modules),
            current_module=reading.current_module,
            address=Address("127.0.0.1", reading.port, reading.token),
            vnc=f"{self._host}:{reading.vnc}",
            process=reading.process,
            openqa_id=reading.openqa_id,
            paused=reading.paused,
            no_video=reading.no_video,
            machine_gone=reading.machine_gone,
            time_limit_s=reading.time_limit_s,
        )

    def _enter(self, directory: Path, reading: PoolReading) -> int:
        """Find the row of a job that another devmode process saw, or make it."""
        try:
            return self._enter_row(directory, reading)
        except IntegrityError:
            # Another process saw it in the same moment.
            return self._enter_row(directory, reading)

    def _enter_row(self, directory: Path, reading: PoolReading) -> int:
        same = (
            JobRow.host == self._host,
            JobRow.pool_directory == str(directory),
            JobRow.token_hash == _hash(reading),
            JobRow.started_at == reading.started_at,
        )
        with self._database.write() as session:
            row = session.scalar(select(JobRow).where(*same))
            if row is None:
                row = JobRow(
                    host=self._host,
                    pool_directory=str(directory),
                    token_hash=_hash(reading),
                    openqa_id=reading.openqa_id,
                    name=reading.name,
                    started_at=reading.started_at,
                )
                session.add(row)
                session.flush()
                self._notices.publish(session, JOB, row.id)
            row.ended_at = row.result = None
            return row.id

    def _end(self, directory: Path, run: _Run, last: PoolReading | None) -> None:
        modules = run.job.modules
        if last is not None and last.process is None and run.token_hash == _hash(last):
            modules = tuple(_module(m) for m in last.modules)
        ended = replace(
            run.job,
            state=JobState.ENDED,
            ended_at=time.time(),
            result=_summary(modules),
            modules=modules,
            address=None,
            vnc=None,
            process=None,
        )
        self._write_end(ended)
        del self._running[directory], self._directories[run.job.id]
        self._tell(ended)

    def _write_end(self, job: Job) -> None:
        """Note the end of a job, unless another process has done so."""
        going_on = update(JobRow).where(JobRow.id == job.id, JobRow.ended_at.is_(None))
        end = going_on.values(ended_at=job.ended_at, result=job.result)
        with self._database.write() as session:
            if changed_rows(session, end) == 1:
                self._notices.publish(session, JOB, job.id)

    def _tell(self, job: Job) -> None:
        for listener in self._listeners:
            listener(job)

    def _tell_problem(self, directory: Path, problem: str) -> None:
        if self._problems.get(directory) != problem:
            self._problems[directory] = problem
            log.warning("pool directory %s is passed over: %s", directory, problem)


def _module(line: ScheduledModule) -> Module:
    told = line.told
    return Module(line.name, line.category, told.result, told.run_time_s, told.version)


def _still_runs(job: Job) -> bool:
    return job.process is not None and is_running(job.pool_directory, job.process)


def _hash(reading: PoolReading) -> str:
    return hashlib.sha256(reading.token.reveal().encode()).hexdigest()


def _identity(reading: PoolReading) -> tuple[str, float]:
    return _hash(reading), reading.started_at


def _summary(modules: tuple[Module, ...]) -> str:
    failed = sum(module.result == "fail" for module in modules)
    unfinished = sum(module.result not in ("ok", "softfail", "fail", "skip") for module in modules)
    if unfinished:
        return f"stopped early, {unfinished} of {len(modules)} modules without a result"
    return f"{failed} of {len(modules)} modules failed" if failed else "passed"


def _from_row(row: JobRow) -> Job:
    return Job(
        id=row.id,
        name=row.name,
        state=JobState.RUNNING if row.ended_at is None else JobState.ENDED,
        pool_directory=Path(row.pool_directory),
        started_at=row.started_at,
        ended_at=row.ended_at,
        result=row.result,
        openqa_id=row.openqa_id,
    )
