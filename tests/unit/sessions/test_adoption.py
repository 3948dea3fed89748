"""A session is adopted from the dead, once, and never from a process that came back in time."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import create_engine, update

from devmode.cluster.boards import board_of
from devmode.cluster.clock import now
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.models import Process
from devmode.cluster.notices import Notices
from devmode.cluster.postgresql import engine_options
from devmode.jobs.models import JobRow
from devmode.sessions.models import User
from devmode.sessions.store import SessionFacts, Store

JOB, OLIVIA = 1, 1


@dataclass
class Keeping:
    """A process with the session of olivia, and another one beside it."""

    database: Database
    lease: Lease
    beside: Store

    def lapses(self) -> None:
        mine = update(Process).where(Process.id == self.lease.process_id)
        with self.database.write() as session:
            session.execute(mine.values(lease_until=now() - 1))

    def facts(self) -> SessionFacts:
        facts = self.beside.session_of(JOB)
        assert facts is not None
        return facts


@pytest.fixture
def keeping(database_url: str) -> Iterator[Keeping]:
    engine = create_engine(database_url, **engine_options(database_url))
    database = Database(engine)
    Base.metadata.create_all(engine)
    nowhere = {"host": "", "pool_directory": "", "token_hash": ""}
    with database.write() as session:
        session.add(User(id=OLIVIA, name="olivia"))
        session.add(JobRow(id=JOB, name="x", started_at=1, **nowhere))
    lease, other = Lease(database, "here"), Lease(database, "there")
    stores = [Store(database, Notices(board_of(database), each), each) for each in (lease, other)]
    for each in (lease, other):
        each.take()
    stores[0].reserve(JOB, OLIVIA, "olivia")
    yield Keeping(database, lease, stores[1])
    engine.dispose()


def test_who_takes_its_lease_up_again_before_the_adoption_keeps_what_it_has(
    keeping: Keeping,
) -> None:
    keeping.lapses()
    seen = keeping.facts()
    assert not seen.is_kept
    keeping.lease.resume(lambda: None)
    assert not keeping.beside.adopt(seen)
    assert keeping.facts().process_id == keeping.lease.process_id


def test_what_is_adopted_is_adopted_once(keeping: Keeping) -> None:
    keeping.lapses()
    seen = keeping.facts()
    assert keeping.beside.adopt(seen)
    assert not keeping.beside.adopt(seen)
    assert keeping.facts().term == 2
