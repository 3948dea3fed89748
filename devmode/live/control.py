"""Who controls a job, as its page shows it."""

from dataclasses import dataclass
from datetime import datetime

from devmode.moment import moment
from devmode.sessions.store import SessionFacts


@dataclass(frozen=True)
class Session:
    """Who controls the job."""

    developer: str
    started_at: datetime
    tabs: int
    open: bool
    requested_by: str | None
    away: bool


def session_of(facts: SessionFacts, *, away: bool) -> Session:
    """Return a session that the database tells of; whether its owner is away, it does not say."""
    return Session(
        developer=facts.developer,
        started_at=moment(facts.started_at),
        tabs=facts.tabs,
        open=facts.open,
        requested_by=facts.requested_by,
        away=away,
    )
