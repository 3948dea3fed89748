"""What is done again and again is done at the same moments."""

import time

import pytest

from devmode.beat import EARLY_S, is_due, to_beat_s


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock shows, as the last of these."""
    shown = [1000.3]
    monkeypatch.setattr(time, "monotonic", lambda: shown[-1])
    return shown


@pytest.mark.parametrize("later_s", [0.01, 0.1, 0.2, 0.4])
def test_those_who_wait_for_a_beat_end_together(at: list[float], later_s: float) -> None:
    first = at[-1] + to_beat_s(0.5)
    at.append(at[-1] + later_s)
    beats = (at[-1] + to_beat_s(0.5) - first) / 0.5
    assert beats == pytest.approx(round(beats))


def test_a_slower_beat_falls_on_a_faster_one(at: list[float]) -> None:
    between = (to_beat_s(2.5) - to_beat_s(0.25)) / 0.25
    assert between == pytest.approx(round(between))


def test_a_wait_that_ended_early_is_not_followed_by_another_for_the_same_beat(
    at: list[float],
) -> None:
    beat = at[-1] + to_beat_s(0.5)
    at.append(beat - EARLY_S / 2)
    assert at[-1] + to_beat_s(0.5) == pytest.approx(beat + 0.5)


@pytest.mark.parametrize("age_s", [0.99, 1.0, 1.01])
def test_what_was_done_a_little_after_a_beat_is_due_when_its_time_is_over(age_s: float) -> None:
    assert is_due(age_s, 1.0, 0.5)
    assert not is_due(age_s - 0.5, 1.0, 0.5)
