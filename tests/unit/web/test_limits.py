import pytest

from devmode.errors import TooMany
from devmode.web import limits
from devmode.web.limits import Limit


class Clock:
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


def spend(limit: Limit, key: str, times: int) -> int:
    """Returns how often it was let through."""
    passed = 0
    for _ in range(times):
        try:
            limit.spend(key)
        except TooMany:
            continue
        passed += 1
    return passed


def test_a_burst_is_let_through_and_then_refused(clock: Clock) -> None:
    limit = Limit(10, "Too fast.")
    assert spend(limit, "a", 15) == 10
    assert spend(limit, "b", 15) == 10, "nobody pays for somebody else"


def test_the_refusal_says_when_to_come_back_and_that_is_true(clock: Clock) -> None:
    limit = Limit(10, "Too fast.")
    spend(limit, "a", 10)
    with pytest.raises(TooMany, match=r"Too fast\. Try again in 6 s\.") as refusal:
        limit.check("a")
    clock.now_s += refusal.value.retry_after_s
    assert spend(limit, "a", 5) == 1


def test_after_a_minute_all_is_forgiven(clock: Clock) -> None:
    limit = Limit(10, "Too fast.")
    spend(limit, "a", 100)
    clock.now_s += 60
    assert spend(limit, "a", 15) == 10


def test_looking_costs_nothing(clock: Clock) -> None:
    limit = Limit(1, "Too fast.")
    for _ in range(5):
        limit.check("a")
    assert spend(limit, "a", 2) == 1


def test_made_up_keys_fill_no_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_KEYS", 3)
    limit = Limit(10, "Too fast.")
    for number in range(100):
        limit.spend(str(number))
    assert len(limit._free_at) == 3
