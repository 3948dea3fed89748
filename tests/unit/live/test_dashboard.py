from datetime import UTC, datetime

import pytest

from devmode.live.dashboard import Filter, JobLine


def line(**changes: object) -> JobLine:
    facts = {
        "id": 1,
        "name": "opensuse-DVD-textmode",
        "kind": "paused",
        "module": "boot-grub",
        "done": 1,
        "failed": 0,
        "total": 3,
        "detail": "reached module boot-grub",
        "owner": "olivia",
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "ended_at": None,
        "deadline": None,
        "picture": None,
    }
    return JobLine(**(facts | changes))  # type: ignore[arg-type]  # a mixture of types


@pytest.mark.parametrize(
    ("chosen", "admitted"),
    [
        (Filter(), True),
        (Filter(text="dvd REACHED"), True),
        (Filter(text="olivia"), True),
        (Filter(text="dvd sle"), False),
        (Filter(kind="paused"), True),
        (Filter(kind="running"), False),
        (Filter(kind="nonsense"), False),
        (Filter(owner="mine"), True),
        (Filter(owner="nobody"), False),
        (Filter(owner="nonsense"), False),
        (Filter("textmode", "paused", "mine"), True),
    ],
)
def test_a_line_is_admitted_if_all_that_was_chosen_fits(chosen: Filter, admitted: bool) -> None:
    assert chosen.admits(line(), "olivia") is admitted


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "paused"),
        ({"kind": "ended", "detail": "passed"}, "passed"),
        ({"kind": "ended", "detail": "1 of 3 modules failed", "failed": 1}, "failed"),
        ({"kind": "ended", "detail": "stopped early, 2 of 3 modules without a result"}, "ended"),
    ],
)
def test_a_line_says_how_an_ended_job_went(changes: dict[str, object], word: str) -> None:
    assert line(**changes).word == word


def test_nobodys_jobs_can_be_asked_for() -> None:
    assert Filter(owner="nobody").admits(line(owner=None), "olivia")
    assert not Filter(owner="mine").admits(line(owner=None), "olivia")
