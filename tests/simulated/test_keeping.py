"""A process that ends leaves every session to the others, also one that it was about to keep."""

import json
import os
import sqlite3
from collections.abc import Iterator
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
from devmode.commandserver.simulator import Simulator
from devmode.jobs.job import Job
from devmode.jobs.registry import Registry
from devmode.jobs.remote import RemoteJobs
from devmode.jobs.sealing import Seal
from devmode.sessions.keeping import Keeping
from devmode.sessions.links import Links
from devmode.sessions.models import User
from devmode.sessions.store import NOBODY, SessionFacts, Store
from devmode.sessions.users import Role, Visitor

OLIVIA = Visitor(1, "olivia", Role.OPERATOR, "login")


class ToldStore(Store):
    """Tells when somebody is about to write."""

    def __init__(self, database: Database, notices: Notices, lease: Lease) -> None:
        super().__init__(database, notices, lease)
        self.writing = Event()

    def adopt(self, facts: SessionFacts) -> bool:
        self.writing.set()
        return super().adopt(facts)

    def reserve(self, job_id: int, user_id: int, name: str, *, keeper: str | None = None) -> bool:
        self.writing.set()
        return super().reserve(job_id, user_id, name, keeper=keeper)


@dataclass
class Process:
    """The parts of one devmode process that keep sessions."""

    path: Path
    store: ToldStore
    keeping: Keeping
    job: Job

    def keeper(self) -> str:
        facts = self.store.session_of(self.job.id)
        assert facts is not None
        return facts.process_id

    def end_while(self, begin: "gevent.Greenlet[..., object]") -> None:
        """Ends the process between the beginning and the commit of what `begin` writes."""
        blocking = sqlite3.connect(self.path, isolation_level=None)
        blocking.execute("BEGIN IMMEDIATE")
        self.store.writing.clear()
        begin.start()
        assert self.store.writing.wait(5)
        ending = gevent.spawn(self.keeping.retire)
        gevent.sleep(0)
        assert self.keeping.is_retiring
        blocking.execute("COMMIT")
        blocking.close()
        gevent.joinall([ending, begin], timeout=5, raise_error=True)
        assert ending.successful()


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    simulator = Simulator()
    simulator.start()
    pool = tmp_path / "pool"
    pool.mkdir()
    monkeypatch.chdir(pool)
    settings = {"JOBTOKEN": simulator.address.token.reveal(), "QEMUPORT": simulator.port - 1}
    Path("vars.json").write_text(json.dumps(settings | {"NAME": "a job"}))
    Path("os-autoinst.pid").write_text(str(os.getpid()))
    path = tmp_path / "test.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    database = Database(engine)
    Base.metadata.create_all(engine)
    with database.write() as session:
        session.add(User(name="olivia"))
    lease = Lease(database, "here")
    notices = Notices(board_of(database), lease)
    remote = RemoteJobs(database, Seal("only for tests"))
    registry = Registry(database, notices, remote, (str(pool),), "here")
    store = ToldStore(database, notices, lease)
    lease.take()
    registry.scan()
    (job,) = registry.running()
    yield Process(path, store, Keeping(registry, store, Links(0), notices, lease), job)
    simulator.terminate()
    engine.dispose()


def test_a_session_that_is_adopted_while_the_process_ends_is_left_like_the_others(
    process: Process,
) -> None:
    process.store.reserve(process.job.id, OLIVIA.id, OLIVIA.name, keeper=NOBODY)
    process.end_while(gevent.Greenlet(process.keeping.run))
    assert process.keeper() == NOBODY


def test_a_session_that_begins_while_the_process_ends_is_left_like_the_others(
    process: Process,
) -> None:
    rounds = gevent.spawn(process.keeping.run)
    process.end_while(gevent.Greenlet(process.keeping.reserve, process.job, OLIVIA))
    rounds.join(5)
    assert process.keeper() == NOBODY
