"""What a developer asks for is taken once and in time, or refused; on both kinds of database."""

from dataclasses import dataclass

import pytest
from sqlalchemy import update

from devmode.cluster.boards import board_of
from devmode.cluster.clock import now
from devmode.cluster.database import Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.errors import CommandNotConfirmed, NotSessionOwner, OutcomeUnknown, StateChanged
from devmode.sessions.models import SessionCommand
from devmode.sessions.requests import ANSWER_S, LONGEST_S, Requests
from devmode.sessions.store import SessionFacts, Store

JOB, OLIVIA, ADAM, OSCAR = 1, 1, 2, 3


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

    def takes(self) -> int | None:
        """Takes the next that is not refused, and returns its number."""
        more = True
        while more:
            taken, more = self.requests.take(JOB, self.term, self.process_id)
            if taken is not None:
                return taken.id
        return None

    @property
    def facts(self) -> SessionFacts:
        facts = self.store.session_of(JOB)
        assert facts is not None
        return facts

    def is_taken_over(self) -> bool:
        return self.store.change_owner(self.facts, ADAM, kind="taken_over", text="", who="adam")

    def is_declined(self, seen: SessionFacts) -> bool:
        return self.store.end_request(seen, OSCAR, kind="declined", text="", who="olivia")

    def adopted(self) -> None:
        """Has the keeper die, and another take its place."""
        self.store.orphan(JOB, self.term)
        assert self.store.adopt(self.facts)
        self.term += 1

    def code(self, number: int) -> str | None:
        outcome = self.requests.outcome(number)
        return outcome[0] if outcome else "none yet"


@pytest.fixture
def session(peopled: Database) -> Session:
    lease = Lease(peopled, "here")
    lease.take()
    store = Store(peopled, Notices(board_of(peopled), lease), lease)
    store.reserve(JOB, OLIVIA, "olivia")
    return Session(peopled, store, lease.process_id)


def test_what_is_asked_is_taken_once_and_in_order(session: Session) -> None:
    numbers = [session.asks(), session.asks()]
    for number, more in zip(numbers, (True, False), strict=True):
        taken, more_waits = session.requests.take(JOB, session.term, session.process_id)
        assert (taken and taken.id, more_waits) == (number, more)
        session.requests.answer(number, None, "Done.")
    assert session.takes() is None


def test_who_never_got_what_they_took_is_given_it_again(session: Session) -> None:
    number = session.asks()
    session.asks()
    assert session.takes() == number
    assert session.takes() == number


def test_what_waits_for_its_turn_is_refused_when_somebody_else_controls_the_job_by_then(
    session: Session,
) -> None:
    begun, waiting = session.asks(), session.asks("leave")
    assert session.takes() == begun
    assert session.is_taken_over()
    session.requests.answer(begun, None, "Done.")
    assert session.takes() is None
    assert session.code(waiting) == NotSessionOwner.code


@pytest.mark.parametrize("action", ["release", "leave"])
def test_a_session_that_is_let_go_of_just_now_changes_no_hands(
    session: Session, action: str
) -> None:
    number = session.asks(action)
    assert session.takes() == number
    assert not session.is_taken_over()
    session.requests.answer(number, CommandNotConfirmed.code, "It was not.")
    assert session.is_taken_over()


def test_a_session_that_was_left_in_the_middle_of_letting_go_can_be_taken_over_again(
    session: Session,
) -> None:
    number = session.asks("leave")
    assert session.takes() == number
    session.asked(number, LONGEST_S + 1)
    assert session.is_taken_over()


def test_what_nobody_took_is_withdrawn_and_never_sent(session: Session) -> None:
    number = session.asks()
    session.requests.withdraw(number)
    assert session.code(number) == CommandNotConfirmed.code
    assert session.takes() is None


def test_what_was_taken_is_not_withdrawn(session: Session) -> None:
    number = session.asks()
    assert session.takes() == number
    session.requests.withdraw(number)
    assert session.code(number) == "none yet"


def test_what_comes_too_late_is_refused_and_not_sent(session: Session) -> None:
    late, in_time = session.asks(), session.asks()
    session.asked(late, ANSWER_S + 1)
    session.asked(in_time, ANSWER_S - 1)
    assert session.takes() == in_time
    assert session.code(late) == CommandNotConfirmed.code


def test_what_a_dead_keeper_had_taken_is_lost_and_what_still_waits_is_not(
    session: Session,
) -> None:
    lost = session.asks()
    assert session.takes() == lost
    waiting = session.asks()
    session.adopted()
    assert session.code(lost) == OutcomeUnknown.code
    assert session.takes() == waiting


def test_what_waits_when_a_session_ends_is_refused(session: Session) -> None:
    number = session.asks()
    session.store.remove(JOB, session.term, "It is over.")
    assert session.code(number) == StateChanged.code


def test_who_controls_a_job_no_more_declines_nobody_who_asks_the_next_owner(
    session: Session,
) -> None:
    session.store.request_control(JOB, OSCAR, "oscar")
    as_olivia_saw_it = session.facts
    assert session.is_taken_over()
    session.store.request_control(JOB, OSCAR, "oscar")
    assert not session.is_declined(as_olivia_saw_it)
    assert session.facts.requested_by == "oscar"
    assert session.is_declined(session.facts)
