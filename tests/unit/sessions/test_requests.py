"""What a developer asks for is taken once and in time, or refused; on both kinds of database."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import create_engine, update

from devmode.cluster.boards import board_of
from devmode.cluster.clock import now
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.cluster.postgresql import engine_options
from devmode.errors import CommandNotConfirmed, OutcomeUnknown, StateChanged
from devmode.jobs.models import JobRow
from devmode.sessions.models import SessionCommand, User
from devmode.sessions.requests import ANSWER_S, Requests
from devmode.sessions.store import Store

JOB, OLIVIA = 1, 1


@dataclass
class Session:
    """A session that olivia has, and what she asks for in it."""

    database: Database
    store: Store
    process_id: str
    term: int = 1

    @property
    def requests(self) -> Requests:
        return self.store.requests

    def asks(self, action: str = "pause") -> int:
        return self.requests.ask(JOB, OLIVIA, action, {}, None)

    def asked(self, number: int, seconds: float) -> None:
        """Has something be asked so long ago."""
        when = update(SessionCommand).where(SessionCommand.id == number)
        with self.database.write() as session:
            session.execute(when.values(asked_at=now() - seconds))

    def taken(self) -> list[int]:
        taken = self.requests.take(JOB, self.term, self.process_id)
        return [request.id for request in taken]

    def adopted(self) -> None:
        """Has the keeper die, and another take its place."""
        self.store.orphan(JOB, self.term)
        facts = self.store.session_of(JOB)
        assert facts is not None
        assert self.store.adopt(facts)
        self.term += 1

    def code(self, number: int) -> str | None:
        outcome = self.requests.outcome(number)
        return outcome[0] if outcome else "none yet"


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    engine = create_engine(database_url, **engine_options(database_url))
    database = Database(engine)
    Base.metadata.create_all(engine)
    nowhere = {"host": "", "pool_directory": "", "token_hash": ""}
    with database.write() as session:
        session.add(User(id=OLIVIA, name="olivia"))
        session.add(JobRow(id=JOB, name="x", started_at=1, **nowhere))
    lease = Lease(database, "here")
    lease.take()
    store = Store(database, Notices(board_of(database), lease), lease)
    store.reserve(JOB, OLIVIA, "olivia")
    yield Session(database, store, lease.process_id)
    engine.dispose()


def test_what_is_asked_is_taken_once(session: Session) -> None:
    numbers = [session.asks(), session.asks()]
    assert session.taken() == numbers
    assert session.requests.take(JOB, session.term, session.process_id, begun=numbers) == []


def test_what_nobody_took_is_withdrawn_and_never_sent(session: Session) -> None:
    number = session.asks()
    session.requests.withdraw(number)
    assert session.code(number) == CommandNotConfirmed.code
    assert session.taken() == []


def test_what_was_taken_is_not_withdrawn(session: Session) -> None:
    number = session.asks()
    assert session.taken() == [number]
    session.requests.withdraw(number)
    assert session.code(number) == "none yet"


def test_what_comes_too_late_is_refused_and_not_sent(session: Session) -> None:
    late, in_time = session.asks(), session.asks()
    session.asked(late, ANSWER_S + 1)
    session.asked(in_time, ANSWER_S - 1)
    assert session.taken() == [in_time]
    assert session.code(late) == CommandNotConfirmed.code


def test_what_a_dead_keeper_had_taken_is_lost_and_what_still_waits_is_not(
    session: Session,
) -> None:
    lost = session.asks()
    assert session.taken() == [lost]
    waiting = session.asks()
    session.adopted()
    assert session.code(lost) == OutcomeUnknown.code
    assert session.taken() == [waiting]


def test_what_waits_when_a_session_ends_is_refused(session: Session) -> None:
    number = session.asks()
    session.store.remove(JOB, session.term, "It is over.")
    assert session.code(number) == StateChanged.code
