from typing import get_args

import pytest

from devmode import schemas
from devmode.live.timeline import GROUPS, Declined, declined_in, group_of, moment
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


def event(kind: str, text: str) -> EventFacts:
    return EventFacts(1, 1.0, "olivia", kind, text)


@pytest.mark.parametrize(("seconds", "year"), [(-1e14, 1970), (0, 1970), (1e9, 2001), (1e14, 9999)])
def test_a_time_beyond_the_calendar_can_be_shown(seconds: float, year: int) -> None:
    assert moment(seconds).year == year
