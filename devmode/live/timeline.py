"""The timeline, by what its events are about, so that some of them can be looked at alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from devmode.moment import moment
from devmode.sessions.store import DECLINED, EventFacts


@dataclass(frozen=True)
class Group:
    """Kinds of events that belong together."""

    name: str
    label: str
    kinds: frozenset[str]


GROUPS: Final = (
    Group("modules", "Modules", frozenset({"module"})),
    Group("pauses", "Pauses", frozenset({"paused", "resumed", "skipped", "gave_up"})),
    Group("settings", "Settings", frozenset({"setting"})),
    Group(
        "people",
        "People",
        frozenset(
            {"started", "released", "requested", "withdrawn", "declined", "handed_over"}
            | {"taken_over", "cancelled", "restarted", "commented", "needle_made"}
        ),
    ),
    Group(
        "connection",
        "Connection",
        frozenset({"connection_lost", "connection_back", "adopted", "ended"}),
    ),
)


def group_of(kind: str) -> str:
    """Return the name of the group that a kind of event belongs to."""
    return next((group.name for group in GROUPS if kind in group.kinds), "connection")


@dataclass(frozen=True)
class TimelineEntry:
    """One line of the timeline."""

    at: datetime
    who: str | None
    text: str
    kind: str

    @property
    def group(self) -> str:
        """What it is about."""
        return group_of(self.kind)


@dataclass(frozen=True)
class Declined:
    """A request for control that was declined."""

    owner: str
    who: str
    """Whose it was."""


def entries(events: Iterable[EventFacts]) -> list[TimelineEntry]:
    """Return events as lines of the timeline, in the same order."""
    return [TimelineEntry(moment(e.at), e.who, e.text, e.kind) for e in events]


def declined_in(events: Iterable[EventFacts]) -> Declined | None:
    """Return the request that was declined, until people do something else."""
    last = next((event for event in events if group_of(event.kind) == "people"), None)
    if last is None or last.kind != "declined" or last.who is None:
        return None
    return Declined(last.who, last.text.removeprefix(DECLINED).removesuffix("."))


def by_day(entries: Iterable[TimelineEntry]) -> list[tuple[str, list[TimelineEntry]]]:
    """Return each day of UTC with its entries, in the same order."""
    days = groupby(entries, lambda entry: f"{entry.at:%Y-%m-%d}")
    return [(day, list(of_day)) for day, of_day in days]
