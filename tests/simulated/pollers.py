"""Processes that find the jobs of a simulated openQA, and do nothing else of what devmode does."""

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gevent
import pytest
from gevent.event import Event
from sqlalchemy import create_engine

from devmode.cluster.boards import board_of
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.jobs.job import Job
from devmode.jobs.openqa import Instance, Poller
from devmode.jobs.registry import Registry
from devmode.jobs.remote import RemoteJobs
from devmode.jobs.sealing import Seal
from devmode.openqa.api import Api
from devmode.openqa.hosts import HostRule
from devmode.openqa.server import Server
from tests.children import idle_in
from tests.simulated.openqa import SimulatedOpenQA
from tests.waiting import LIMIT_S, until

TOKEN = "a-token-of-this-job"
HERE = {"host": "127.0.0.1", "port": 20013, "token": TOKEN}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    engine = create_engine(database_url)
    Base.metadata.create_all(engine)
    yield Database(engine)
    engine.dispose()


@dataclass
class Process:
    """One devmode process, as far as it finds jobs."""

    lease: Lease
    poller: Poller
    instance: Instance
    registry: Registry
    told: list[Job]
    hear: "Hearing"
    """Waits until every notice has come that there is."""

    def asks(self) -> float:
        """Asks openQA what is due, and looks what that made of the jobs."""
        self.holds_its_lease()
        self.instance.api._server._left_alone_until = 0.0
        wait_s = self.poller.look(self.instance)
        self.looks()
        return wait_s

    def holds_its_lease(self) -> None:
        # A machine that is busy takes longer over a test, or one look, than a lease lasts.
        if not self.lease.renew():
            self.lease.resume(lambda: None)

    def looks(self) -> None:
        self.hear()
        self.registry.scan()

    @property
    def job(self) -> Job:
        (job,) = self.registry.running()
        return job


class Hearing:
    """Hears notices; those of one board come in the order in which they were left."""

    def __init__(self, database: Database, notices: Notices) -> None:
        self.database = database
        self.notices = notices
        self.began = Event()
        self.last = ""
        notices.when_missed(self.began.set)
        notices.listen("last", self._hear)
        self.greenlet = gevent.spawn(notices.run)
        assert self.began.wait(LIMIT_S)

    def __call__(self) -> None:
        somebody = Notices(board_of(self.database), Lease(self.database, "nowhere"))
        mark = uuid.uuid4().hex
        with self.database.write() as session:
            somebody.publish(session, "last", mark)
        until(lambda: self.last == mark, "the last notice")

    def _hear(self, mark: str) -> None:
        self.last = mark


@pytest.fixture
def new_process(database: Database, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    hearing: list[Hearing] = []

    def make(url: str, *, patterns: tuple[str, ...] = (), secret: str = "secret") -> Process:
        lease = Lease(database, "here")
        notices = Notices(board_of(database), lease)
        instance = Instance(Api(Server(url), None), HostRule(url, patterns))
        seal = Seal(secret)
        remote = RemoteJobs(database, seal)
        globs = (str(tmp_path / "pools" / "*"),)
        registry = Registry(database, notices, remote, globs, "here")
        told: list[Job] = []
        registry.listen(told.append)
        lease.take()
        hearing.append(Hearing(database, notices))
        poller = Poller(database, notices, lease, seal)
        return Process(lease, poller, instance, registry, told, hearing[-1])

    yield make
    gevent.killall([each.greenlet for each in hearing])


@pytest.fixture
def process(new_process: Callable[..., Process], openqa: SimulatedOpenQA) -> Process:
    return new_process(openqa.url)


@pytest.fixture
def isotovideo(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts something that looks like isotovideo in the pool directory of a worker."""
    started = []

    def start(name: str = "in the pool") -> "subprocess.Popen[bytes]":
        pool = tmp_path / "pools" / "1"
        pool.mkdir(parents=True)
        (pool / "vars.json").write_text(json.dumps({"JOBTOKEN": TOKEN, "NAME": name}))
        (pool / "job.json").write_text(json.dumps({"id": 7}))
        process = idle_in(pool)
        started.append(process)
        (pool / "os-autoinst.pid").write_text(str(process.pid))
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
