"""A session is adopted from the dead, once, and never from a process that came back in time."""

from dataclasses import dataclass

import pytest
from sqlalchemy import update

from devmode.cluster.boards import board_of
from devmode.cluster.clock import now
from devmode.cluster.database import Database
from devmode.cluster.leases import Lease
from devmode.cluster.models import Process
from devmode.cluster.notices import Notices
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
def keeping(peopled: Database) -> Keeping:
    lease, other = Lease(peopled, "here"), Lease(peopled, "there")
    stores = [Store(peopled, Notices(board_of(peopled), each), each) for each in (lease, other)]
    for each in (lease, other):
        each.take()
    stores[0].reserve(JOB, OLIVIA, "olivia")
    return Keeping(peopled, lease, stores[1])


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
