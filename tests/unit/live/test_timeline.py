import pytest

from devmode.live.timeline import GROUPS, group_of


def test_a_kind_of_event_is_in_one_group() -> None:
    kinds = [kind for group in GROUPS for kind in group.kinds]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(
    ("kind", "group"),
    [("module", "modules"), ("paused", "pauses"), ("taken_over", "people"), ("new", "connection")],
)
def test_every_kind_of_event_is_in_a_group(kind: str, group: str) -> None:
    assert group_of(kind) == group
