"""Tables of developer sessions. All times are seconds since 1970 by the database's clock."""

from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from devmode.cluster.database import Base


class User(Base):
    """A person, by name."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class DeveloperSession(Base):
    """One developer's exclusive control of one job.

    The primary key decides every race for control: who inserts first has it.
    """

    __tablename__ = "developer_sessions"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    started_at: Mapped[float]
    process_id: Mapped[str] = mapped_column(index=True)
    """The keeper: a process, whose lease is in `processes`."""
    term: Mapped[int]
    """Counts the keepers; whoever adopts the session raises it by compare-and-swap."""
    open: Mapped[bool]
    """False while the row is only reserved and the link has yet to come up."""
    turn: Mapped[int]
    """Rises with every pause and every resumption, so that a form can name the one it answers."""
    seen: Mapped[int] = mapped_column(server_default="0")
    """How many lines the keeper of this term has written into the timeline: one that it writes
    again, as nothing was heard of its commit, is there once."""
    requested_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    """Who asks the owner for control."""
    unattended_since: Mapped[float | None]
    """Since when the job has been paused without a tab of its owner."""


class SessionEvent(Base):
    """One step of a session: the audit trail, and the timeline on the page. Append-only."""

    __tablename__ = "session_events"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(index=True)
    at: Mapped[float]
    who: Mapped[str | None]
    kind: Mapped[str]
    text: Mapped[str]


class SessionCommand(Base):
    """What a developer asks of the keeper, and how it went; travels between processes as a row."""

    __tablename__ = "session_commands"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str]
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    revision: Mapped[str | None]
    asked_at: Mapped[float]
    state: Mapped[str] = mapped_column(index=True)
    """`waiting`, `taken` by the keeper of `term`, or `done`: taken once, sent at most once."""
    term: Mapped[int | None]
    error: Mapped[str | None]
    """Code of the error that it ended in, if it did."""
    sentence: Mapped[str | None]
