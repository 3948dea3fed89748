"""How long greenlets let each other wait is seen whenever that happens, and told for a while."""

import time

import gevent
import pytest

from devmode.lag import TOLD_S, Lag


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock shows, as the last of these."""
    shown = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: shown[-1])
    return shown


def keep_all_waiting(at: list[float], seconds: float) -> None:
    """Has a greenlet go on for so long, and then the loop sleep."""
    gevent.spawn(lambda: at.append(at[-1] + seconds))
    gevent.sleep(0.001)


def test_the_worst_is_told_however_short_it_is_and_whenever_it_comes(at: list[float]) -> None:
    lag = Lag()
    for seconds in (0.2, 1.0, 0.1):
        keep_all_waiting(at, seconds)
    assert lag.worst_s() == pytest.approx(1.0)


def test_the_worst_is_told_for_half_a_minute_and_then_forgotten(at: list[float]) -> None:
    lag = Lag()
    keep_all_waiting(at, 1.0)
    for _ in range(2):
        at.append(at[-1] + TOLD_S)
        assert lag.worst_s() == pytest.approx(1.0)
    at.append(at[-1] + TOLD_S + 0.1)
    assert lag.worst_s() == 0.0


def test_who_waits_for_a_timer_keeps_nobody_waiting() -> None:
    lag = Lag()
    began = time.monotonic()
    gevent.sleep(0.3)
    assert lag.worst_s() < time.monotonic() - began - 0.2
