"""What the database says about developer sessions; every change is one short transaction."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from devmode.cluster.clock import now
from devmode.cluster.database import Database, changed_rows
from devmode.cluster.leases import MARGIN_S, Lease
from devmode.cluster.models import Presence, Process
from devmode.cluster.notices import Notices
from devmode.errors import NotSessionOwner, SessionLocked
from devmode.sessions.models import DeveloperSession, SessionCommand, SessionEvent, User

SESSION = "session"
"""Topic: the session of this job changed, or its events, tabs or requests."""
COMMAND = "command"
"""Topic: a command for the keeper of this job waits."""
ANSWER = "answer"
"""Topic: the command of this number is done."""


@dataclass(frozen=True)
class SessionFacts:
    """A developer session as everyone may see it; times in seconds since 1970."""

    job_id: int
    user_id: int
    developer: str
    started_at: float
    process_id: str
    term: int
    open: bool
    turn: int
    tabs: int
    requested_by: str | None
    unattended_since: float | None


@dataclass(frozen=True)
class EventFacts:
    """One line of the timeline."""

    id: int
    at: float
    who: str | None
    kind: str
    text: str


class Store:
    """Reads and changes sessions, their events and their commands."""

    def __init__(self, database: Database, notices: Notices, lease: Lease) -> None:
        """Use one database, on behalf of the process that holds `lease`."""
        self._database = database
        self._notices = notices
        self._lease = lease

    # Looking

    def session_of(self, job_id: int) -> SessionFacts | None:
        """Return the session of a job, if it has one."""
        return self._facts(DeveloperSession.job_id == job_id).get(job_id)

    def sessions(self) -> dict[int, SessionFacts]:
        """Return every session by its job."""
        return self._facts()

    def user_named(self, name: str) -> int | None:
        """Return the number of the user of this name."""
        with self._database.read() as session:
            return session.scalar(select(User.id).where(User.name == name))

    def events_of(self, job_id: int, limit: int = 50) -> tuple[EventFacts, ...]:
        """Return the newest events of a job, newest first."""
        query = (
            select(SessionEvent)
            .where(SessionEvent.job_id == job_id)
            .order_by(SessionEvent.id.desc())
            .limit(limit)
        )
        with self._database.read() as session:
            return tuple(
                EventFacts(e.id, e.at, e.who, e.kind, e.text) for e in session.scalars(query)
            )

    def _facts(self, *conditions: Any) -> dict[int, SessionFacts]:
        asking = User.__table__.alias("asking")
        tabs = (
            select(func.coalesce(func.sum(Presence.tabs), 0))
            .where(
                Presence.job_id == DeveloperSession.job_id,
                Presence.user_id == DeveloperSession.user_id,
            )
            .scalar_subquery()
        )
        query = (
            select(DeveloperSession, User.name, asking.c.name, tabs)
            .join(User, User.id == DeveloperSession.user_id)
            .outerjoin(asking, asking.c.id == DeveloperSession.requested_by)
            .where(*conditions)
        )
        with self._database.read() as session:
            return {
                row.job_id: SessionFacts(
                    job_id=row.job_id,
                    user_id=row.user_id,
                    developer=developer,
                    started_at=row.started_at,
                    process_id=row.process_id,
                    term=row.term,
                    open=row.open,
                    turn=row.turn,
                    tabs=tabs_open,
                    requested_by=requested_by,
                    unattended_since=row.unattended_since,
                )
                for row, developer, requested_by, tabs_open in session.execute(query)
            }

    # Ownership

    def reserve(self, job_id: int, user_id: int) -> bool:
        """Reserve a job for a developer; False when it is theirs already.

        Raises `SessionLocked`, naming the owner. The primary key decides the race.
        """
        try:
            with self._database.write() as session:
                session.add(
                    DeveloperSession(
                        job_id=job_id,
                        user_id=user_id,
                        started_at=now(),
                        process_id=self._lease.process_id,
                        term=1,
                        open=False,
                        turn=0,
                    )
                )
                self._notices.publish(session, SESSION, job_id)
        except IntegrityError:
            facts = self.session_of(job_id)
            if facts is None:
                return self.reserve(job_id, user_id)
            if facts.user_id == user_id:
                return False
            raise SessionLocked(
                f"{facts.developer} controls this job. You can ask for control."
            ) from None
        return True

    def opened(self, job_id: int, term: int) -> None:
        """Note that the link is up: from now on the session is one."""
        with self._database.write() as session:
            session.execute(_mine(job_id, term).values(open=True))
            self._notices.publish(session, SESSION, job_id)

    def remove(self, job_id: int, term: int) -> bool:
        """Remove a session that this keeper held; False when somebody else holds it now."""
        with self._database.write() as session:
            removed = changed_rows(
                session,
                delete(DeveloperSession).where(
                    DeveloperSession.job_id == job_id,
                    DeveloperSession.term == term,
                    DeveloperSession.process_id == self._lease.process_id,
                ),
            )
            self._notices.publish(session, SESSION, job_id)
            return removed == 1

    def request_control(self, job_id: int, user_id: int, name: str) -> None:
        """Note who asks the owner for control."""
        with self._database.write() as session:
            session.execute(
                update(DeveloperSession)
                .where(DeveloperSession.job_id == job_id, DeveloperSession.user_id != user_id)
                .values(requested_by=user_id)
            )
            self._add_event(session, job_id, "requested", "Asked for control.", name)

    def change_owner(
        self, facts: SessionFacts, user_id: int, *, kind: str, text: str, who: str
    ) -> bool:
        """Give the session seen as `facts` to another developer; False when it changed since."""
        with self._database.write() as session:
            changed = changed_rows(
                session,
                update(DeveloperSession)
                .where(
                    DeveloperSession.job_id == facts.job_id,
                    DeveloperSession.user_id == facts.user_id,
                    DeveloperSession.started_at == facts.started_at,
                )
                .values(
                    user_id=user_id, started_at=now(), requested_by=None, unattended_since=None
                ),
            )
            if changed != 1:
                return False
            self._add_event(session, facts.job_id, kind, text, who)
            return True

    def note_attendance(self, job_id: int, term: int, *, attended: bool) -> None:
        """Start or stop the clock of an owner without a tab beside a paused job."""
        since = None if attended else now()
        with self._database.write() as session:
            session.execute(_mine(job_id, term).values(unattended_since=since))
            self._notices.publish(session, SESSION, job_id)

    def note_owner(self, job_id: int, user_id: int) -> None:
        """Note that somebody looks at a job; if it is the owner, they are not away."""
        with self._database.write() as session:
            self._attends(session, job_id, user_id)

    @staticmethod
    def _attends(session: Session, job_id: int, user_id: int) -> bool:
        owned = update(DeveloperSession).where(
            DeveloperSession.job_id == job_id, DeveloperSession.user_id == user_id
        )
        return changed_rows(session, owned.values(unattended_since=None)) == 1

    # Adoption

    def orphans(self) -> list[SessionFacts]:
        """Return the sessions whose keeper's lease has lapsed, or that never had one."""
        alive = select(Process.id).where(Process.lease_until + MARGIN_S > now())
        return list(self._facts(DeveloperSession.process_id.not_in(alive)).values())

    def adopt(self, facts: SessionFacts) -> bool:
        """Become the keeper of an orphan by compare-and-swap; False when another one did.

        What was on its way to the command server then has an unknown outcome.
        """
        with self._database.write() as session:
            adopted = changed_rows(
                session,
                update(DeveloperSession)
                .where(
                    DeveloperSession.job_id == facts.job_id,
                    DeveloperSession.term == facts.term,
                    DeveloperSession.process_id == facts.process_id,
                )
                .values(process_id=self._lease.process_id, term=facts.term + 1, open=True),
            )
            if adopted != 1:
                return False
            lost = select(SessionCommand.id).where(
                SessionCommand.job_id == facts.job_id, SessionCommand.state == "taken"
            )
            for command_id in session.scalars(lost).all():
                self._answer(
                    session,
                    command_id,
                    "outcome_unknown",
                    "The process that sent the command died. The page shows the state as it is.",
                )
            text = "Another process keeps the session now."
            self._add_event(session, facts.job_id, "adopted", text, None)
            return True

    # Events

    def record(
        self, job_id: int, kind: str, text: str, who: str | None = None, *, turn: int | None = None
    ) -> None:
        """Append one event to the timeline, and the turn that it belongs to to the session."""
        with self._database.write() as session:
            if turn is not None:
                session.execute(
                    update(DeveloperSession)
                    .where(DeveloperSession.job_id == job_id)
                    .values(turn=turn)
                )
            self._add_event(session, job_id, kind, text, who)

    def _add_event(
        self, session: Session, job_id: int, kind: str, text: str, who: str | None
    ) -> None:
        session.add(SessionEvent(job_id=job_id, at=now(), who=who, kind=kind, text=text))
        self._notices.publish(session, SESSION, job_id)

    # Commands

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
            if not self._attends(session, job_id, user_id):
                raise NotSessionOwner("You don't control this job. Take control first.")
            command = SessionCommand(
                job_id=job_id,
                user_id=user_id,
                action=action,
                arguments=arguments,
                revision=revision,
                asked_at=now(),
                state="waiting",
            )
            session.add(command)
            session.flush()
            self._notices.publish(session, COMMAND, job_id)
            return command.id

    def take_commands(self, job_id: int, term: int) -> list[tuple[SessionCommand, str]]:
        """Take every waiting command of a job, once, with the name of who asks."""
        query = (
            select(SessionCommand, User.name)
            .join(User, User.id == SessionCommand.user_id)
            .where(SessionCommand.job_id == job_id, SessionCommand.state == "waiting")
            .order_by(SessionCommand.id)
        )
        with self._database.write() as session:
            taken = [(command, name) for command, name in session.execute(query)]
            for command, _name in taken:
                command.state, command.term = "taken", term
            return taken

    def answer(self, command_id: int, error: str | None, sentence: str) -> None:
        """Note how a command ended."""
        with self._database.write() as session:
            self._answer(session, command_id, error, sentence)

    def outcome(self, command_id: int) -> tuple[str | None, str] | None:
        """Return the error code (if any) and the sentence of a command that is done."""
        with self._database.read() as session:
            command = session.get(SessionCommand, command_id)
            if command is None or command.state != "done":
                return None
            return command.error, command.sentence or ""

    def _answer(self, session: Session, command_id: int, error: str | None, sentence: str) -> None:
        session.execute(
            update(SessionCommand)
            .where(SessionCommand.id == command_id, SessionCommand.state != "done")
            .values(state="done", error=error, sentence=sentence)
        )
        self._notices.publish(session, ANSWER, command_id)


def _mine(job_id: int, term: int) -> Any:
    return update(DeveloperSession).where(
        DeveloperSession.job_id == job_id, DeveloperSession.term == term
    )
