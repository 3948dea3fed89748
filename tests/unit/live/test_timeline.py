from typing import get_args

import pytest

from devmode import schemas
from devmode.live.timeline import (
    GROUPS,
    Declined,
    by_day,
    declined_in,
    entries,
    group_of,
)
from devmode.sessions.store import EventFacts


def test_a_kind_of_event_is_in_one_group() -> None:
    kinds = [kind for group in GROUPS for kind in group.kinds]
    assert len(kinds) == len(set(kinds))


def test_programs_may_ask_for_every_group() -> None:
    assert get_args(schemas.Group) == tuple(group.name for group in GROUPS)


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("module", "modules"),
        ("paused", "pauses"),
        ("gave_up", "pauses"),
        ("taken_over", "people"),
        ("new", "connection"),
    ],
)
def test_every_kind_of_event_is_in_a_group(kind: str, group: str) -> None:
    assert group_of(kind) == group


def test_a_declined_request_is_told_until_people_do_something_else() -> None:
    declined = event("declined", "Declined the request of oscar.")
    told = Declined("olivia", "oscar")
    assert declined_in([event("module", "boot"), declined]) == told
    assert declined_in([event("requested", "Asks."), declined]) is None
    assert declined_in([]) is None


def test_days_are_told_apart() -> None:
    """What was paused in the evening may be resumed in the morning."""
    evening, morning = 1_767_225_599.0, 1_767_225_600.0
    told = entries(EventFacts(1, at, None, "paused", "") for at in (morning, evening, evening))
    assert [(day, len(of_day)) for day, of_day in by_day(told)] == [
        ("2026-01-01", 1),
        ("2025-12-31", 2),
    ]


def event(kind: str, text: str) -> EventFacts:
    return EventFacts(1, 1.0, "olivia", kind, text)
