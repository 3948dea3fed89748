"""What developers ask of keepers: it travels to the keeper's process, and back, as a row.

A request is taken once, hence sent at most once. Whoever asked may stop waiting: what was not
taken by then is withdrawn, and what nobody withdrew in time is refused, never sent late.
"""

from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from devmode.cluster.clock import now
from devmode.cluster.database import Database, changed_rows
from devmode.cluster.notices import Notices
from devmode.errors import (
    CommandNotConfirmed,
    DevmodeError,
    NotSessionOwner,
    OutcomeUnknown,
    StateChanged,
)
from devmode.sessions.events import REQUEST_S, Request
from devmode.sessions.lifecycle import LETTING_GO
from devmode.sessions.models import DeveloperSession, SessionCommand, User

COMMAND = "command"
"""Topic: a command for the keeper of this job waits."""
ANSWER = "answer"
"""Topic: the command of this number is done."""

ANSWER_S = REQUEST_S + 4.0
"""How long a developer waits at most for the answer."""
LONGEST_S = ANSWER_S + REQUEST_S
"""How long after it was asked something may still be on its way."""
REMEMBERED_S = 3600.0
"""How long it is known how a command ended."""

NOT_OWNER = "You don't control this job. Take control first."

# Put together once: that takes longer than the database needs to answer.
_ASK = insert(SessionCommand).values(asked_at=now(), state="waiting").returning(SessionCommand.id)
_FIRST_TWO = (
    select(
        SessionCommand.id,
        SessionCommand.action,
        SessionCommand.arguments,
        SessionCommand.revision,
        User.name,
        (SessionCommand.user_id == DeveloperSession.user_id).label("is_of_the_owner"),
        (SessionCommand.asked_at < now() - ANSWER_S).label("is_late"),
    )
    .join(User, User.id == SessionCommand.user_id)
    .join(DeveloperSession, DeveloperSession.job_id == SessionCommand.job_id)
    .where(
        SessionCommand.job_id == bindparam("job_id"),
        or_(
            SessionCommand.state == "waiting",
            and_(SessionCommand.state == "taken", SessionCommand.term == bindparam("term")),
        ),
        DeveloperSession.term == bindparam("term"),
        DeveloperSession.process_id == bindparam("process_id"),
    )
    .order_by(SessionCommand.id)
    .limit(2)
    # The session first, as everybody locks them, so that no two wait for each other.
    .with_for_update(of=(DeveloperSession, SessionCommand))
)
_LOCK = (
    select(DeveloperSession.job_id)
    .where(DeveloperSession.job_id == bindparam("job_id"))
    .with_for_update()
)
_ANY_WAITING = select(
    exists().where(SessionCommand.job_id == bindparam("job_id"), SessionCommand.state == "waiting")
)
_LETS_GO = select(
    exists().where(
        SessionCommand.job_id == bindparam("job_id"),
        SessionCommand.state == "taken",
        SessionCommand.action.in_(LETTING_GO),
        # A process that died just behind the end of a session has left it so.
        SessionCommand.asked_at > now() - LONGEST_S,
    )
)
_DONE = select(SessionCommand.error, SessionCommand.sentence).where(
    SessionCommand.id == bindparam("command_id"), SessionCommand.state == "done"
)


class Requests:
    """Rows of `session_commands`: waiting, taken, done."""

    def __init__(self, database: Database, notices: Notices) -> None:
        """Use the tables of `database`."""
        self._database = database
        self._notices = notices

    def ask(
        self,
        job_id: int,
        user_id: int,
        action: str,
        arguments: dict[str, Any],
        revision: str | None,
    ) -> int:
        """Leave a command for the keeper and return its number; raise `NotSessionOwner`.

        Whoever asks for something is not away.
        """
        with self._database.write() as session:
            # This locks the session: it can't end before the command is there to be refused.
            if not attends(session, job_id, user_id):
                raise NotSessionOwner(NOT_OWNER)
            asked = {
                "job_id": job_id,
                "user_id": user_id,
                "action": action,
                "arguments": arguments,
                "revision": revision,
            }
            command_id: int = session.connection().scalars(_ASK, asked).one()
            self._notices.publish(session, COMMAND, job_id)
            return command_id

    def any_waits(self, job_id: int) -> bool:
        """Tell whether a command waits; a third of what it costs to take none."""
        with self._database.read() as connection:
            return bool(connection.scalar(_ANY_WAITING, {"job_id": job_id}))

    def take(self, job_id: int, term: int, process_id: str) -> tuple[Request | None, bool]:
        """Take what waits first for the keeper of a job, once; tell whether more waits.

        For a keeper that has nothing in hand: what it took nevertheless it never got, as the
        database went away before it had answered, and it is given that again. Nothing is taken by
        who keeps the job no more; what its developer has stopped waiting for, or that was asked by
        somebody who controls the job no more, is refused.
        """
        asked = {"job_id": job_id, "term": term, "process_id": process_id}
        with self._database.write() as session:
            waiting = session.connection().execute(_FIRST_TWO, asked).all()
            if not waiting:
                return None, False
            return self._take_one(session, term, waiting[0]), len(waiting) > 1

    def withdraw(self, command_id: int) -> None:
        """Stop waiting for a command: if nobody took it, nobody will."""
        with self._database.write() as session:
            self._refuse(
                session,
                CommandNotConfirmed("Nobody took the command; nothing was sent. Try again."),
                SessionCommand.id == command_id,
                SessionCommand.state == "waiting",
            )

    def answer(self, command_id: int, error: str | None, sentence: str) -> None:
        """Note how a command ended."""
        with self._database.write() as session:
            self._settle(session, error, sentence, SessionCommand.id == command_id)

    def outcome(self, command_id: int) -> tuple[str | None, str] | None:
        """Return the error code (if any) and the sentence of a command that is done."""
        with self._database.read() as connection:
            done = connection.execute(_DONE, {"command_id": command_id}).one_or_none()
        return (done.error, done.sentence or "") if done else None

    def lets_go(self, session: Session, job_id: int) -> bool:
        """Tell whether the owner's letting go is on its way, with the session locked."""
        session.execute(_LOCK, {"job_id": job_id})
        return bool(session.scalar(_LETS_GO, {"job_id": job_id}))

    def lose(self, session: Session, job_id: int) -> None:
        """Say of what a dead keeper had taken that nobody knows whether it arrived."""
        lost = OutcomeUnknown(
            "The process that sent the command died. The page shows the state as it is."
        )
        of_it = (SessionCommand.job_id == job_id, SessionCommand.state == "taken")
        self._refuse(session, lost, *of_it)

    def refuse_all(self, session: Session, job_id: int) -> None:
        """Refuse what still waits for a session that ends, and forget what ended long ago."""
        ended = StateChanged("The session has ended. Nothing was sent.")
        self._refuse(
            session, ended, SessionCommand.job_id == job_id, SessionCommand.state == "waiting"
        )
        old = SessionCommand.asked_at < now() - REMEMBERED_S
        session.execute(delete(SessionCommand).where(old))

    def _take_one(self, session: Session, term: int, command: Row[Any]) -> Request | None:
        this = SessionCommand.id == command.id
        if not command.is_of_the_owner:
            self._refuse(session, NotSessionOwner(NOT_OWNER), this)
            return None
        if command.is_late:
            late = CommandNotConfirmed("That came too late to be sent. Nothing was done.")
            self._refuse(session, late, this)
            return None
        take = update(SessionCommand).where(this)
        session.connection().execute(take.values(state="taken", term=term))
        asked = (command.action, command.arguments, command.revision)
        return Request(command.id, command.name, *asked)

    def _refuse(self, session: Session, error: DevmodeError, *which: Any) -> None:
        self._settle(session, error.code, error.sentence, *which)

    def _settle(self, session: Session, error: str | None, sentence: str, *which: Any) -> None:
        settle = update(SessionCommand).where(SessionCommand.state != "done", *which)
        done = settle.values(state="done", error=error, sentence=sentence)
        settled = session.connection().scalars(done.returning(SessionCommand.id)).all()
        for command_id in settled:
            self._notices.publish(session, ANSWER, command_id)


def attends(session: Session, job_id: int, user_id: int) -> bool:
    """Note that a user is there; tell whether they are the owner of the job's session."""
    owned = update(DeveloperSession).where(
        DeveloperSession.job_id == job_id, DeveloperSession.user_id == user_id
    )
    return changed_rows(session, owned.values(unattended_since=None)) == 1
