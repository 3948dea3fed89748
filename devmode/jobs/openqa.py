"""Asks the openQA instances which jobs run, in one process for all, and writes down what they say.

At most one request per interval, and one more when jobs have appeared or gone. An openQA that is
slow is asked less often, one that is away is waited for: its jobs stay meanwhile.
"""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, field

import gevent
import msgspec
import structlog
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from devmode.cluster.database import Database, changed_rows
from devmode.cluster.leases import Lease, is_alive
from devmode.cluster.notices import Notices
from devmode.commandserver.address import JobToken
from devmode.errors import DatabaseAway, OpenqaAway
from devmode.jobs.breath import breathe
from devmode.jobs.models import JobRow, OpenqaInstance, OpenqaJob
from devmode.jobs.modules import summary
from devmode.jobs.sealing import Seal
from devmode.openqa.answers import JobFacts, Worker
from devmode.openqa.api import Api
from devmode.openqa.hosts import HostRule, Refused

INTERVAL_S = 3.0
RESULTS_EVERY = 4
"""Every so many intervals the results of modules are asked for, instead of the workers."""
SCHEDULE_EVERY = 2
"""The same, as long as openQA has not told the schedule of some job: its worker is about to."""
BATCH = 50
"""How many jobs are written in one transaction."""
SHARE = 20
"""An openQA is kept busy by devmode for at most one part in this many of the time."""
LONGEST_WAIT_S = 60.0
STANDBY_S = 2.0
"""How often a process that does not ask looks whether the one that does is alive."""
OPENQA = "openqa"
"""Topic: this openQA can be asked again, or no longer."""
OPENQA_JOB = "openqa-job"
"""Topic: an openQA has told something new of this job, by its number here."""
log = structlog.stdlib.get_logger(__name__)


class Facts(msgspec.Struct, frozen=True):
    """What an openQA says of a job, for every process to read."""

    name: str
    started_at: float
    """When the worker began, with the assets: the clock of MAX_JOB_TIME starts later."""
    time_limit_s: int
    group: str | None = None
    worker: str = ""
    named_host: str | None = None
    """The command server's host as openQA names it."""
    worker_id: int | None = None
    host: str | None = None
    """The address of the command server's host, which was permitted."""
    port: int = 0
    obstacle: str | None = None
    """Why no link can be opened, as a sentence."""
    modules: tuple[tuple[str, str, str], ...] = ()
    """Name, category and result of each."""


@dataclass(frozen=True)
class _Told:
    """What is to be known of a job, and the token that belongs to it."""

    facts: Facts
    token: JobToken | None


@dataclass
class _Known:
    """A job that runs, and what was written of it last."""

    worker: Worker
    job: JobFacts
    written: _Told | None = None


@dataclass
class Instance:
    """One openQA as this process asks it."""

    api: Api
    rule: HostRule
    known: dict[int, _Known] = field(default_factory=dict)
    idle: dict[int, tuple[int, Worker]] = field(default_factory=dict)
    """Jobs that a worker has and that don't run, yet or any more; when that was heard, in turns."""
    turn: int = 0
    is_compared: bool = False
    """Whether it has answered since it is ours, and what was written of it before is compared."""
    left_alone_s: float = 0.0
    """How long it was to be left alone when it failed last; 0 once it has answered."""
    trouble: str | None = None
    is_mine: bool = False
    """Whether this process asks it, and knows what it has written of it."""
    wait_s: float = 0.0
    """How long to wait before it is asked again."""


class Poller:
    """Follows instances as far as this process is the one to ask them."""

    def __init__(self, database: Database, notices: Notices, lease: Lease, seal: Seal) -> None:
        """Ask nobody yet."""
        self._database = database
        self._notices = notices
        self._lease = lease
        self._seal = seal

    def follow(self, instance: Instance) -> None:
        """Follow one instance for ever (run in a greenlet of its own).

        What an openQA says is the word of a stranger: if we stumble over it, that is the end of
        this, but not of the others. Called again, it waits before it asks.
        """
        structlog.contextvars.bind_contextvars(url=instance.api.url)
        while True:
            gevent.sleep(instance.wait_s)
            instance.wait_s = STANDBY_S
            # What can't be written now is asked again.
            with suppress(DatabaseAway):
                instance.wait_s = self.look(instance)

    def look(self, instance: Instance) -> float:
        """Ask one instance what is due; return after how many seconds to ask again."""
        if not self._takes(instance):
            return STANDBY_S
        began = time.monotonic()
        try:
            self._ask(instance)
        except OpenqaAway as error:
            instance.left_alone_s = min(LONGEST_WAIT_S, 2 * max(INTERVAL_S, instance.left_alone_s))
            self._note(instance, error.sentence)
            return instance.left_alone_s
        except Exception:
            # What was written of it, nobody knows.
            instance.is_mine = False
            raise
        instance.left_alone_s = 0.0
        self._note(instance, None)
        return min(LONGEST_WAIT_S, max(INTERVAL_S, SHARE * (time.monotonic() - began)))

    def _takes(self, instance: Instance) -> bool:
        """Whether this process is the one to ask, having become it if nobody else was."""
        url, me = instance.api.url, self._lease.process_id
        if not self._lease.is_held:
            return False
        with self._database.read() as connection:
            asking = connection.scalar(
                select(OpenqaInstance.process_id).where(OpenqaInstance.url == url)
            )
        if asking != me and not self._replaces(url, asking):
            instance.is_mine = False
            return False
        if not instance.is_mine:
            # What another process wrote, or an earlier life of this one, is compared anew.
            instance.is_mine, instance.turn, instance.is_compared = True, 0, False
            instance.known.clear()
            instance.idle.clear()
        return True

    def _replaces(self, url: str, asking: str | None) -> bool:
        me = self._lease.process_id
        try:
            with self._database.write() as session:
                if asking is None:
                    row = insert(OpenqaInstance).values(url=url, process_id=me, trouble=None)
                    session.execute(row)
                    return True
                if is_alive(session, asking):
                    return False
                swap = update(OpenqaInstance).where(
                    OpenqaInstance.url == url, OpenqaInstance.process_id == asking
                )
                return changed_rows(session, swap.values(process_id=me)) == 1
        except IntegrityError:
            return False

    def _ask(self, instance: Instance) -> None:
        instance.turn += 1
        known = instance.known
        unscheduled = any(not one.job.modules for one in known.values())
        if known and instance.turn % (SCHEDULE_EVERY if unscheduled else RESULTS_EVERY) == 0:
            self._take_jobs(instance, instance.api.jobs(known))
        else:
            workers = {worker.job_id: worker for worker in instance.api.workers()}
            changed = (workers.keys() ^ known.keys()) - _still_idle(instance, workers)
            if not instance.is_compared:
                changed |= self._written(instance)
            jobs = instance.api.jobs(changed) if changed else {}
            self._take_workers(instance, workers, jobs)
        gone = set() if instance.is_compared else self._written(instance) - known.keys()
        self._write(instance, gone)
        instance.is_compared = True

    def _take_workers(
        self, instance: Instance, workers: dict[int, Worker], jobs: dict[int, JobFacts]
    ) -> None:
        known = instance.known
        for number in known.keys() - workers.keys():
            # A worker that is not told of for a moment is no end: openQA says what runs.
            if number not in jobs or not jobs[number].is_running:
                self._end(instance, number)
        for number, worker in workers.items():
            if number in known:
                known[number].worker = worker
            elif number in jobs and jobs[number].is_running:
                known[number] = _Known(worker, jobs[number])
            elif number in jobs or number not in instance.idle:
                instance.idle[number] = instance.turn, worker
        for number in instance.idle.keys() - (workers.keys() - known.keys()):
            del instance.idle[number]

    def _take_jobs(self, instance: Instance, jobs: dict[int, JobFacts]) -> None:
        for number, known in tuple(instance.known.items()):
            if number in jobs and jobs[number].is_running:
                known.job = jobs[number]
            else:
                self._end(instance, number)

    def _write(self, instance: Instance, forgotten: set[int]) -> None:
        told = {number: self._told(instance, known) for number, known in instance.known.items()}
        changed = [number for number in told if instance.known[number].written != told[number]]
        for start in range(0, len(changed), BATCH):
            some = changed[start : start + BATCH]
            with self._database.write() as session:
                for number in some:
                    self._enter(session, instance.api.url, number, told[number])
            for number in some:
                instance.known[number].written = told[number]
            breathe()
        for number in forgotten:
            self._end(instance, number)

    def _told(self, instance: Instance, known: _Known) -> _Told:
        job, worker = known.job, known.worker
        server, obstacle, address = worker.command_server, worker.obstacle, None
        if server is not None:
            try:
                address = instance.rule.address_of(server.host)
            except Refused as error:
                obstacle = str(error)
        facts = Facts(
            name=job.name,
            started_at=job.started_at or time.time(),
            time_limit_s=job.time_limit_s,
            group=job.group,
            worker=worker.name,
            named_host=server.host if server else None,
            worker_id=worker.id,
            host=address,
            port=server.port if server else 0,
            obstacle=obstacle,
            modules=tuple((m.name, m.category, m.result) for m in job.modules),
        )
        if known.written and job.started_at is None:
            facts = msgspec.structs.replace(facts, started_at=known.written.facts.started_at)
        return _Told(facts, worker.token)

    def _enter(self, session: Session, url: str, number: int, told: _Told) -> None:
        row = self._row(session, url, number, told)
        if row is None:
            return
        is_usable = told.facts.host is not None
        session.merge(
            OpenqaJob(
                job_id=row.id,
                url=url,
                openqa_id=number,
                sealed_token=self._seal.close(told.token) if told.token and is_usable else None,
                facts=msgspec.to_builtins(told.facts),
            )
        )
        self._notices.publish(session, OPENQA_JOB, row.id)

    def _row(self, session: Session, url: str, number: int, told: _Told) -> JobRow | None:
        """Return the row of a job, made if it is new; None when it has ended in its directory."""
        await_turn(session)
        # Without a token the number has to do: two such jobs may start in one second.
        mark = hash_of(told.token) if told.token else f"{url} {number}"
        numbered = select(JobRow).where(JobRow.openqa_id == number)
        row = session.scalar(numbered.where(JobRow.openqa_url == url))
        if row is None:
            row = session.scalar(numbered.where(JobRow.token_hash == mark))
        if row is None and told.token is None:
            # No other job has this number and this name: openQA puts the one into the other.
            unclaimed = JobRow.openqa_url.is_(None), JobRow.ended_at.is_(None)
            named = numbered.where(JobRow.name == told.facts.name, *unclaimed)
            row = session.scalar(named.limit(1))
        if row is None:
            row = JobRow(
                host="", pool_directory="", token_hash=mark,
                openqa_id=number, name=told.facts.name, started_at=told.facts.started_at,
            )  # fmt: skip
            session.add(row)
        if row.ended_at is not None and row.host:
            return None
        row.openqa_url, row.ended_at, row.result = url, None, None
        if told.token is not None:
            row.token_hash = mark
        session.flush()
        return row

    def _end(self, instance: Instance, number: int) -> None:
        instance.known.pop(number, None)
        url = instance.api.url
        with self._database.write() as session:
            row = session.scalar(
                select(OpenqaJob).where(OpenqaJob.url == url, OpenqaJob.openqa_id == number)
            )
            if row is None:
                return
            facts = msgspec.convert(row.facts, Facts)
            # Who has the pool directory sees for itself when isotovideo ends.
            end = update(JobRow).where(
                JobRow.id == row.job_id, JobRow.host == "", JobRow.ended_at.is_(None)
            )
            results = [result for _name, _category, result in facts.modules]
            session.execute(end.values(ended_at=time.time(), result=summary(results)))
            session.execute(delete(OpenqaJob).where(OpenqaJob.job_id == row.job_id))
            self._notices.publish(session, OPENQA_JOB, row.job_id)

    def _written(self, instance: Instance) -> set[int]:
        query = select(OpenqaJob.openqa_id).where(OpenqaJob.url == instance.api.url)
        with self._database.read() as connection:
            return set(connection.scalars(query))

    def _note(self, instance: Instance, trouble: str | None) -> None:
        if trouble == instance.trouble and instance.turn > 1:
            return
        instance.trouble = trouble
        if trouble:
            log.warning("an openQA can't be asked", url=instance.api.url, trouble=trouble)
        row = update(OpenqaInstance).where(OpenqaInstance.url == instance.api.url)
        with self._database.write() as session:
            session.execute(row.values(trouble=trouble))
            self._notices.publish(session, OPENQA, instance.api.url)


def _still_idle(instance: Instance, workers: dict[int, Worker]) -> set[int]:
    """Return the jobs that did not run a moment ago, and whose worker says nothing new of them."""
    return {
        number
        for number, (turn, worker) in instance.idle.items()
        if workers.get(number) == worker and instance.turn - turn < RESULTS_EVERY
    }


def await_turn(session: Session) -> None:
    """Let one after the other look whether a job has a row already, and make it."""
    session.execute(select(OpenqaInstance.url).with_for_update())


def hash_of(token: JobToken) -> str:
    """Return what a token is known again by."""
    return hashlib.sha256(token.reveal().encode()).hexdigest()
