"""What waits for a browser: the newest of everything, in an order that shows it."""

from collections import Counter

import pytest

from devmode.live.subscription import News, Regions, Subscription, merged
from devmode.sessions.users import Role, Visitor

VISITOR = Visitor(1, "victor", Role.VIEWER, "login")


def test_of_each_region_the_newest_waits() -> None:
    subscription = Subscription(VISITOR, Counter([7]))
    subscription.offer(News(7, {"status": "old", "clock": "kept"}))
    subscription.offer(News(7, {"status": "new"}))
    assert subscription.take() == [News(7, {"status": "new", "clock": "kept"})]
    assert subscription.take() == []


@pytest.mark.parametrize(
    ("known", "later", "both"),
    [
        ({"a": "1"}, {"a/x": "2"}, [("a", "1"), ("a/x", "2")]),
        ({"a": "1", "a/x": "2"}, {"a": "3"}, [("a", "3")]),
        ({"a/x": "2", "b/x": "2"}, {"a": "3"}, [("b/x", "2"), ("a", "3")]),
        ({"a/x": "2"}, {"a/x": "3", "a/y": "3"}, [("a/x", "3"), ("a/y", "3")]),
    ],
)
def test_a_region_told_whole_takes_the_place_of_its_parts(
    known: Regions, later: Regions, both: list[tuple[str, str]]
) -> None:
    assert list(merged(known, later).items()) == both
