"""The registry: which jobs run: by the pool directories of this host, by what other hosts tell of
theirs, and by openQA instances.

A job that is known in several ways is one.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gevent.event import Event
from gevent.lock import RLock

from devmode.beat import to_beat_s
from devmode.cluster.database import Database
from devmode.cluster.notices import Notices
from devmode.commandserver.address import JobToken
from devmode.errors import DatabaseAway, JobNotFound, TextNotFound
from devmode.jobs.breath import breathe, in_breaths
from devmode.jobs.job import NOWHERE, Job, JobState
from devmode.jobs.modules import summary
from devmode.jobs.openqa import OPENQA, OPENQA_JOB
from devmode.jobs.pool import Known, PoolReading, UnreadablePool, read_pool
from devmode.jobs.poolpaths import PoolPaths
from devmode.jobs.poolwatch import PoolWatch
from devmode.jobs.processes import is_running
from devmode.jobs.remote import BATCH, OpenqaPart, RemoteJobs
from devmode.jobs.rows import JOB, JobRows
from devmode.jobs.sightings import ended_job, job_in_pool, job_of_openqa
from devmode.jobs.variables import ANOTHERS
from devmode.jobs.vigil import Vigil

SCAN_S = 0.5
"""A job appears, and is known to have ended, within about two of these."""

log = logging.getLogger(__name__)

OnChange = Callable[[Job], None]


@dataclass
class _Run:
    """What is known of the job in one pool directory."""

    job: Job
    known: Known
    reading: PoolReading

    def is_told_by(self, reading: PoolReading) -> bool:
        """Whether a reading is of this very run: a hand-started isotovideo keeps its token."""
        mine = self.reading
        same = (mine.token, mine.process) == (reading.token, reading.process)
        return same and reading.process is not None


class Registry:
    """Finds jobs and remembers them; `run` looks again and again.

    Every process looks for itself into the pool directories of its host; whichever sees a job first
    writes its row, and tells the others to look at once.
    """

    def __init__(
        self,
        database: Database,
        notices: Notices,
        remote: RemoteJobs,
        globs: tuple[str, ...],
        host: str,
    ) -> None:
        """Look into the directories that `globs` name, on this host, and at `remote` jobs."""
        self._rows = JobRows(database, notices, host)
        self._paths = PoolPaths(globs)
        self.host = host
        self._remote = remote
        self._pools = PoolWatch()
        self._vigil = Vigil()
        self._running: dict[Path, _Run] = {}
        self._told: dict[int, Job] = {}
        """The jobs that run in pool directories of other hosts, as those tell."""
        self._elsewhere: dict[int, Job] = {}
        """The jobs that run in pool directories that no devmode has looked into."""
        self._directories: dict[int, Path] = {}
        """Where each running job is, by its number."""
        self._problems: dict[Path, str] = {}
        self._listeners: list[OnChange] = []
        self._due = Event()
        self._looking = RLock()
        for topic in (JOB, OPENQA_JOB):
            notices.listen(topic, lambda subject: self._look_soon(int(subject)))
        notices.listen(OPENQA, lambda _url: self._look_anew())
        notices.when_missed(self._look_anew)

    def listen(self, listener: OnChange) -> None:
        """Call `listener` with every job that appeared, changed or ended."""
        self._listeners.append(listener)

    def running(self) -> list[Job]:
        """Return the jobs that run, the newest first."""
        here = {job.id: job for job in self.running_here()}
        # One that has just been found here is elsewhere too until that is looked at again.
        jobs = {**self._elsewhere, **self._told, **here}
        return [jobs[job_id] for job_id in sorted(jobs, reverse=True)]

    def running_here(self) -> list[Job]:
        """Return the jobs that run on this host."""
        return [run.job for run in self._running.values()]

    def is_here(self, job: Job) -> bool:
        """Tell whether a job's files are on this host, as far as any devmode knows of them."""
        return job.host in (self.host, "")

    def hear(self, job: Job) -> None:
        """Take what the registry of another host says of a job there."""
        if self._told.get(job.id) == job:
            return
        if job.state is JobState.RUNNING:
            self._told[job.id] = job
        else:
            self._told.pop(job.id, None)
        self._tell(job)

    def heard_from(self, host: str) -> list[Job]:
        """Return the jobs that run on another host, as far as it told."""
        return [job for job in self._told.values() if job.host == host]

    def away(self) -> list[Job]:
        """Return the jobs that run on hosts that can't be reached, as those told last."""
        return [job for job in self._told.values() if job.host_away]

    def take_back(self) -> None:
        """Note that what runs here does: this process was away, and others may have given it up."""
        self._rows.take_back([job.id for job in self.running_here()])

    def ended(self, most: int = 20) -> list[Job]:
        """Return the jobs that ended lately, the last one first."""
        return self._rows.ended(most)

    def ended_before(self, job_id: int | None, words: str, most: int) -> list[Job]:
        """Return ended jobs, the last one first; as `JobRows` does."""
        return self._rows.ended_before(job_id, words, most)

    def get(self, job_id: int) -> Job:
        """Return a job, ended ones too; raise `JobNotFound`."""
        known = self._found(job_id)
        if known is not None:
            return known
        job = self.recorded(job_id)
        if job.state is JobState.RUNNING and self.is_here(job):
            # Another process was faster.
            self._remote.outdate(job_id)
            self.scan()
        return self._found(job_id) or job

    def get_scheduling(self, job_id: int, module: str) -> Job:
        """Return a job as `get` does, looked at anew if it seems not to schedule a test module.

        A process that looked a moment later may have shown that module on a page already.
        """
        job = self.get(job_id)
        if job.schedules(module):
            return job
        self.scan()
        return self.get(job_id)

    def recorded(self, job_id: int) -> Job:
        """Return a job as the database knows it, without what is read or told; as `get` does."""
        job = self._rows.get(job_id)
        unheard = job.state is JobState.RUNNING and not self.is_here(job)
        return replace(job, host_away=unheard)

    def as_recorded(self, job: Job) -> Job:
        """Return a job that only others told of as the database knows it.

        One that is not even kept any more has ended.
        """
        try:
            return self.recorded(job.id)
        except JobNotFound:
            return ended_job(job, None, None, ())

    def newer_than(self, job_id: int) -> Job | None:
        """Return the newest job that followed one in its pool directory; none while that runs."""
        return None if self._found(job_id) else self._rows.newer_than(job_id)

    def earlier_than(self, job_id: int, among: Iterable[int]) -> list[int]:
        """Return which of some jobs that run no more were in the pool directory of a job before."""
        over = [number for number in among if not self._found(number)]
        return self._rows.earlier_than(job_id, over) if over else []

    def of_openqa(self, openqa_id: int, url: str | None) -> Job:
        """Return the job that the openQA at `url`, None for any, gave this number.

        The newest if several did, as where only pool directories tell of jobs: those do not say
        whose the number is. Raises `JobNotFound`.
        """
        for job in self.running():
            if job.openqa_id == openqa_id and (url is None or job.openqa_url in (None, url)):
                return job
        return self.get(self._rows.number_of(openqa_id, url))

    def token_in_pool(self, job_id: int) -> JobToken:
        """Return the job's token, which has to be masked in what its pool directory holds.

        Raises `JobNotFound`, and `TextNotFound` if the directory is another run's by now.
        """
        job = self.get(job_id)
        if job.pool_directory == NOWHERE:
            raise TextNotFound(
                "It lies in the job's pool directory, which is not on this machine. It is shown"
                " here once devmode runs on the worker's host too."
            )
        if job.address is not None:
            return job.address.token
        reading = self._read(job.pool_directory, Known())
        if reading and self._rows.is_of(job_id, reading):
            return reading.token
        raise TextNotFound(ANOTHERS)

    def run(self) -> None:
        """Look twice a second, and when another process saw something (run in a greenlet)."""
        while True:
            # What can't be written now is seen again.
            with contextlib.suppress(DatabaseAway):
                self.scan()
            self._due.wait(to_beat_s(SCAN_S))
            self._due.clear()

    def scan(self) -> None:
        """Look into every pool directory that may have changed, and tell what did."""
        with self._looking:
            # Pool directories are looked at all the same.
            with contextlib.suppress(DatabaseAway):
                self._remote.read()
            self._pools.hear()
            seen = self._paths.found()
            for directory in self._due_among(seen | self._running.keys()):
                self._look_apart(directory)
                breathe()
            self._take_news_of_openqa()
            self._pools.keep_to(seen)
            for directory in self._problems.keys() - seen:
                del self._problems[directory]
            self._look_elsewhere()

    def end_forgotten(self) -> None:
        """Note the end of jobs that ended while no devmode looked: call it once, at the start.

        Only what had begun before this scan: another process may see one begin meanwhile.
        """
        begun = self._rows.running()
        self.scan()
        self._rows.end_forgotten(begun - self._directories.keys() - self._elsewhere.keys())

    def _found(self, job_id: int) -> Job | None:
        directory = self._directories.get(job_id)
        if directory is not None:
            return self._running[directory].job
        return self._told.get(job_id) or self._elsewhere.get(job_id)

    def _look_soon(self, job_id: int) -> None:
        self._remote.outdate(job_id)
        self._due.set()

    def _look_anew(self) -> None:
        self._remote.outdate_all()
        self._due.set()

    def _look_elsewhere(self) -> None:
        """Look what the openQA instances say, apart from what pool directories say better."""
        parts = self._remote.read()
        known_better = self._directories.keys() | self._told.keys()
        for job_id in self._elsewhere.keys() & known_better:
            del self._elsewhere[job_id]
        others = parts.keys() - known_better
        news = [job_id for job_id in others if self._part_taken(job_id) is not parts[job_id]]
        for job_id in in_breaths(news, BATCH):
            self._take_elsewhere(job_of_openqa(job_id, parts[job_id]))
        for job_id in self._elsewhere.keys() - parts.keys():
            self._end_elsewhere(self._elsewhere[job_id])

    def _part_taken(self, job_id: int) -> OpenqaPart | None:
        job = self._elsewhere.get(job_id)
        return job.openqa if job else None

    def _take_elsewhere(self, job: Job) -> None:
        is_new = self._elsewhere.get(job.id) != job
        self._elsewhere[job.id] = job
        if is_new:
            self._tell(job)

    def _end_elsewhere(self, job: Job) -> None:
        """Tell the end of a job that no openQA tells of any more, once its row says so.

        Until then it runs in a pool directory of another machine.
        """
        row = self._rows.find(job.id)
        if row is not None and row.state is JobState.RUNNING:
            return
        del self._elsewhere[job.id]
        at, result = (row.ended_at, row.result) if row else (time.time(), None)
        self._tell(ended_job(job, at, result, job.modules))

    def _due_among(self, directories: set[Path]) -> set[Path]:
        """Return where something has changed, or may have, since the last look."""
        changed = {it for it in directories if not self._pools.is_as_before(it)}
        return changed | self._vigil.ended()

    def _take_news_of_openqa(self) -> None:
        runs = tuple(self._running.values())
        news = [run for run in runs if run.job.openqa is not self._remote.known(run.job.id)]
        for run in in_breaths(news, BATCH):
            self._go_on(run, run.reading)

    def _look_apart(self, directory: Path) -> None:
        """Look into a directory; whatever is in it, those behind it are looked into as well."""
        try:
            with self._pools.look(directory):
                self._look(directory)
        except DatabaseAway:
            raise
        except Exception:
            log.exception("pool directory %s could not be looked into", directory)

    def _look(self, directory: Path) -> None:
        run = self._running.get(directory)
        reading = self._read(directory, run.known if run else Known())
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
        self._vigil.keep(directory, reading.at_work)

    def _read(self, directory: Path, known: Known) -> PoolReading | None:
        try:
            return read_pool(directory, known)
        except UnreadablePool as error:
            self._tell_problem(directory, str(error))
            return None

    def _begin(self, directory: Path, reading: PoolReading) -> None:
        job_id = self._rows.enter(directory, reading)
        job = job_in_pool(directory, reading, job_id, self.host, self._remote.known(job_id))
        self._running[directory] = _Run(job, Known(), reading)
        self._directories[job.id] = directory
        self._tell(job)

    def _go_on(self, run: _Run, reading: PoolReading) -> None:
        # Nearly always all is as before: to compare that takes much less than to make a job of it.
        part = self._remote.known(run.job.id)
        if reading == run.reading and run.job.openqa is part:
            return
        run.reading = reading
        job = job_in_pool(run.job.pool_directory, reading, run.job.id, self.host, part)
        # What is equal may be another object, which the next look compares by.
        is_new, run.job = job != run.job, job
        if is_new:
            self._tell(job)

    def _end(self, directory: Path, run: _Run, last: PoolReading | None) -> None:
        modules, failure = run.job.modules, None
        if last is not None and last.process is None and run.reading.token == last.token:
            modules, failure = last.modules, last.failure
        result = summary([module.result for module in modules])
        if failure is not None:
            result = f"{result}: {failure}"
        job = ended_job(run.job, time.time(), result, modules)
        self._rows.end(job)
        self._vigil.keep(directory, [])
        self._remote.outdate(job.id)
        del self._running[directory], self._directories[run.job.id]
        self._tell(job)

    def _tell(self, job: Job) -> None:
        for listener in self._listeners:
            # Those behind it hear the news, whatever becomes of it here.
            try:
                listener(job)
            except DatabaseAway:
                log.warning("news of job %d came while the database was away", job.id)
            except Exception:
                log.exception("news of job %d was not taken", job.id)

    def _tell_problem(self, directory: Path, problem: str) -> None:
        if self._problems.get(directory) != problem:
            self._problems[directory] = problem
            log.warning("pool directory %s is passed over: %s", directory, problem)


def _still_runs(job: Job) -> bool:
    return job.process is not None and is_running(job.pool_directory, job.process)
