"""What the database says about developer sessions; every change is one short transaction."""

from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Row,
    Select,
    Update,
    bindparam,
    delete,
    exists,
    false,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from devmode.cluster.clock import now
from devmode.cluster.database import Database, changed_rows
from devmode.cluster.leases import MARGIN_S, Lease, is_alive
from devmode.cluster.models import Presence, Process
from devmode.cluster.notices import Notices
from devmode.commandserver.execution import ExecutionState, Pause
from devmode.errors import DatabaseAway, SessionLocked
from devmode.sessions.events import Record
from devmode.sessions.models import DeveloperSession, SessionEvent, User
from devmode.sessions.requests import Requests, attends

SESSION = "session"
"""Topic: the session of this job changed, or its events, tabs or requests."""
STATUS = "status"
"""Topic: somebody needs the whole state of this job, which only its keeper may ask for."""
ORPHANED = "orphaned"
"""Topic: the session of this job was left to whoever adopts it."""
NOBODY = ""
"""Keeps a session that was left: no process has this name."""
RACES = 3
"""How often taking control is tried while others are faster, and have let go again."""
NEWEST = 50
"""How many events of a job are shown beside it."""
DECLINED = "Declined the request of "
"""The text of an event begins so, then come the name and a full stop: pages read the name there."""

log = structlog.stdlib.get_logger(__name__)


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
    unattended_s: float | None
    """For how long the paused job has waited for an owner without a tab."""
    is_kept: bool
    """Whether its keeper is alive, as far as its lease tells."""


@dataclass(frozen=True)
class EventFacts:
    """One line of the timeline."""

    id: int
    at: float
    who: str | None
    kind: str
    text: str


def _facts_of_sessions() -> Select[Any]:
    asking = aliased(User)
    tabs = (
        select(func.coalesce(func.sum(Presence.tabs), 0))
        .where(
            Presence.job_id == DeveloperSession.job_id,
            Presence.user_id == DeveloperSession.user_id,
        )
        .scalar_subquery()
    )
    return (
        select(
            DeveloperSession.job_id,
            DeveloperSession.user_id,
            User.name.label("developer"),
            DeveloperSession.started_at,
            DeveloperSession.process_id,
            DeveloperSession.term,
            DeveloperSession.open,
            DeveloperSession.turn,
            tabs.label("tabs"),
            asking.name.label("requested_by"),
            (now() - DeveloperSession.unattended_since).label("unattended_s"),
            func.coalesce(Process.lease_until + MARGIN_S > now(), false()).label("is_kept"),
        )
        .join(User, User.id == DeveloperSession.user_id)
        .outerjoin(asking, asking.id == DeveloperSession.requested_by)
        .outerjoin(Process, Process.id == DeveloperSession.process_id)
    )


# Put together once: that takes longer than the database needs to answer.
_FACTS = _facts_of_sessions()
_FACTS_OF_ONE = _FACTS.where(DeveloperSession.job_id == bindparam("job_id"))
_EVENTS = (
    select(SessionEvent)
    .where(SessionEvent.job_id == bindparam("job_id"))
    .order_by(SessionEvent.id.desc())
    .limit(bindparam("limit"))
)

_LET_GO = select(
    exists().where(
        SessionEvent.job_id == bindparam("job_id"),
        SessionEvent.kind == "released",
        SessionEvent.who == bindparam("who"),
        SessionEvent.at > now() - bindparam("within_s"),
    )
)

_SESSION = _FACTS_OF_ONE.subquery()
# The session stands beside each event: one answer to wait for, half the cost of two.
_RECORDED = _EVENTS.add_columns(*_SESSION.c).outerjoin(
    _SESSION, _SESSION.c.job_id == SessionEvent.job_id
)

_RESERVE = insert(DeveloperSession).values(started_at=now(), term=1)
_EVENT = insert(SessionEvent).values(at=now())


def _facts(rows: CursorResult[Any]) -> dict[int, SessionFacts]:
    return {row["job_id"]: SessionFacts(**row) for row in rows.mappings()}


def _session_of(connection: Connection, job_id: int) -> SessionFacts | None:
    return _facts(connection.execute(_FACTS_OF_ONE, {"job_id": job_id})).get(job_id)


def _events_of(connection: Connection, job_id: int, limit: int) -> tuple[EventFacts, ...]:
    newest = connection.execute(_EVENTS, {"job_id": job_id, "limit": limit})
    return tuple(map(_event, newest))


def _event(row: Row[Any]) -> EventFacts:
    return EventFacts(row.id, row.at, row.who, row.kind, row.text)


def _session_beside(row: Row[Any]) -> SessionFacts | None:
    facts = dict(zip(_SESSION.c.keys(), row[-len(_SESSION.c) :], strict=True))
    return SessionFacts(**facts) if facts["job_id"] is not None else None


class Store:
    """Reads and changes sessions, their events and their commands."""

    def __init__(self, database: Database, notices: Notices, lease: Lease) -> None:
        """Use one database, on behalf of the process that holds `lease`."""
        self.requests = Requests(database, notices)
        self._database = database
        self._notices = notices
        self._lease = lease

    @property
    def is_away(self) -> bool:
        """Whether the database can't be reached just now."""
        return self._database.is_away

    # Looking

    def session_of(self, job_id: int) -> SessionFacts | None:
        """Return the session of a job, if it has one."""
        with self._database.read() as connection:
            return _session_of(connection, job_id)

    def sessions(self) -> dict[int, SessionFacts]:
        """Return every session by its job."""
        with self._database.read() as connection:
            return _facts(connection.execute(_FACTS))

    def user_named(self, name: str) -> int | None:
        """Return the number of the user of this name."""
        with self._database.read() as connection:
            return connection.scalar(select(User.id).where(User.name == name))

    def events_of(self, job_id: int, limit: int = NEWEST) -> tuple[EventFacts, ...]:
        """Return the newest events of a job, newest first."""
        with self._database.read() as connection:
            return _events_of(connection, job_id, limit)

    def recorded_of(self, job_id: int) -> tuple[SessionFacts | None, tuple[EventFacts, ...]]:
        """Return the session of a job and its newest events: what everybody who comes is shown."""
        with self._database.read() as connection:
            rows = connection.execute(_RECORDED, {"job_id": job_id, "limit": NEWEST}).all()
        # With a session comes its first event, and events stay: most jobs have neither.
        return _session_beside(rows[0]) if rows else None, tuple(map(_event, rows))

    def has_let_go(self, job_id: int, name: str, within_s: float) -> bool:
        """Tell whether a developer has let go of a job in the last seconds."""
        asked = {"job_id": job_id, "who": name, "within_s": within_s}
        with self._database.read() as connection:
            return bool(connection.scalar(_LET_GO, asked))

    def remembered(self, job_id: int) -> ExecutionState:
        """Return what the timeline last said of a job's execution, for who continues it."""
        events = self.events_of(job_id)
        module = next((event.text for event in events if event.kind == "module"), None)
        turns = (event for event in events if event.kind in ("paused", "resumed"))
        last = next(turns, None)
        paused = last is not None and last.kind == "paused"
        return ExecutionState(module=module, pause=Pause(last.text) if last and paused else None)

    def ask_for_status(self, job_id: int) -> None:
        """Ask the keeper of a job to have the command server tell its state."""
        with self._database.write() as session:
            self._notices.publish(session, STATUS, job_id)

    # Ownership

    def reserve(
        self,
        job_id: int,
        user_id: int,
        name: str,
        *,
        keeper: str | None = None,
        turn: int | None = None,
    ) -> bool:
        """Reserve a job for a developer; False when it is theirs already.

        This process keeps it, unless another `keeper` is named; it is open at once where the link
        is up, in this `turn`. Raises `SessionLocked`, naming the owner. The primary key decides
        the race.
        """
        reserved = {
            "job_id": job_id,
            "user_id": user_id,
            "process_id": self._lease.process_id if keeper is None else keeper,
            "open": turn is not None,
            "turn": turn or 0,
        }
        for _race in range(RACES):
            if self._wins(reserved, name):
                return True
            facts = self.session_of(job_id)
            if facts is None:
                continue
            if facts.user_id == user_id:
                return False
            raise SessionLocked(f"{facts.developer} controls this job. You can ask for control.")
        raise SessionLocked("Others took control of this job and let go just now. Try again.")

    def _wins(self, reserved: dict[str, Any], name: str) -> bool:
        try:
            with self._database.write() as session:
                session.connection().execute(_RESERVE, reserved)
                self._add_event(session, reserved["job_id"], "started", "Took control.", name)
        except IntegrityError:
            return False
        return True

    def opened(self, job_id: int, term: int, turn: int) -> None:
        """Note that the link is up: from now on the session is one."""
        with self._database.write() as session:
            opened = self._mine(job_id, term).values(open=True, turn=turn)
            session.connection().execute(opened)
            self._notices.publish(session, SESSION, job_id)

    def remove(self, job_id: int, term: int, reason: str) -> None:
        """End a session, unless somebody else keeps it by now."""
        with self._database.write() as session:
            mine = _kept_by(job_id, term, self._lease.process_id)
            if changed_rows(session, delete(DeveloperSession).where(*mine)) != 1:
                return
            self.requests.refuse_all(session, job_id)
            self._add_event(session, job_id, "ended", reason, None)

    def request_control(self, job_id: int, user_id: int, name: str) -> bool:
        """Note who asks the owner for control; False when there is nobody else to ask."""
        of_another = DeveloperSession.job_id == job_id, DeveloperSession.user_id != user_id
        with self._database.write() as session:
            asked = update(DeveloperSession).where(*of_another).values(requested_by=user_id)
            if changed_rows(session, asked) != 1:
                return False
            self._add_event(session, job_id, "requested", "Asked for control.", name)
            return True

    def end_request(
        self, facts: SessionFacts, asking: int, *, kind: str, text: str, who: str
    ) -> bool:
        """Note that somebody asks the owner of the session seen as `facts` for control no more.

        False when the session changed since, or when they don't anyway.
        """
        theirs = *_seen_as(facts), DeveloperSession.requested_by == asking
        with self._database.write() as session:
            ended = update(DeveloperSession).where(*theirs).values(requested_by=None)
            if changed_rows(session, ended) != 1:
                return False
            self._add_event(session, facts.job_id, kind, text, who)
            return True

    def change_owner(
        self, facts: SessionFacts, user_id: int, *, kind: str, text: str, who: str
    ) -> bool:
        """Give the session seen as `facts` to another developer; False when it changed since.

        One that its owner lets go of just now is about to end: it would be the other one's.
        """
        with self._database.write() as session:
            if self.requests.lets_go(session, facts.job_id):
                return False
            changed = changed_rows(
                session,
                update(DeveloperSession)
                .where(*_seen_as(facts))
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
            noted = self._mine(job_id, term).values(unattended_since=since)
            session.connection().execute(noted)
            self._notices.publish(session, SESSION, job_id)

    def note_owner(self, job_id: int, user_id: int) -> None:
        """Note that somebody looks at a job; if it is the owner, they are not away."""
        with self._database.write() as session:
            attends(session, job_id, user_id)

    # Adoption

    def adopt(self, facts: SessionFacts) -> bool:
        """Become the keeper of an orphan by compare-and-swap; False when another one did.

        What was on its way to the command server then has an unknown outcome.
        """
        with self._database.write() as session:
            mine = facts.process_id == self._lease.process_id
            if not mine and is_alive(session, facts.process_id):
                return False
            seen = _kept_by(facts.job_id, facts.term, facts.process_id)
            ours = {"process_id": self._lease.process_id, "term": facts.term + 1, "seen": 0}
            adopt = update(DeveloperSession).where(*seen).values(**ours)
            if changed_rows(session, adopt) != 1:
                return False
            self.requests.lose(session, facts.job_id)
            text = "Another process keeps the session now."
            self._add_event(session, facts.job_id, "adopted", text, None)
            return True

    def orphan(self, job_id: int, term: int) -> None:
        """Stop keeping a session, so that another process adopts it at once."""
        with self._database.write() as session:
            left = self._mine(job_id, term).values(process_id=NOBODY)
            session.connection().execute(left)
            self._notices.publish(session, ORPHANED, job_id)

    # Events

    def record(self, job_id: int, kind: str, text: str, who: str | None = None) -> None:
        """Append what somebody has done, which is done though the database may be away."""
        try:
            with self._database.write() as session:
                self._add_event(session, job_id, kind, text, who)
        except DatabaseAway:
            log.warning("not in the timeline", job=job_id, kind=kind, text=text, who=who)

    def record_seen(self, job_id: int, term: int, number: int, seen: Record) -> None:
        """Append, once, what the keeper of `term` saw as its `number`-th line, counted from 1.

        Not if another one keeps the session by now.
        """
        mine = self._mine(job_id, term).where(DeveloperSession.seen < number)
        with self._database.write() as session:
            if changed_rows(session, mine.values(turn=seen.turn, seen=number)) == 1:
                self._add_event(session, job_id, seen.kind, seen.text, seen.who)

    def _add_event(
        self, session: Session, job_id: int, kind: str, text: str, who: str | None
    ) -> None:
        event = {"job_id": job_id, "who": who, "kind": kind, "text": text}
        session.connection().execute(_EVENT, event)
        self._notices.publish(session, SESSION, job_id)

    def _mine(self, job_id: int, term: int) -> Update:
        """Change a session only as long as this process keeps it in this term."""
        return update(DeveloperSession).where(*_kept_by(job_id, term, self._lease.process_id))


def _kept_by(job_id: int, term: int, process_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        DeveloperSession.job_id == job_id,
        DeveloperSession.term == term,
        DeveloperSession.process_id == process_id,
    )


def _seen_as(facts: SessionFacts) -> tuple[ColumnElement[bool], ...]:
    """Change a session only as long as its owner is the one who was seen."""
    return (
        DeveloperSession.job_id == facts.job_id,
        DeveloperSession.user_id == facts.user_id,
        DeveloperSession.started_at == facts.started_at,
    )
