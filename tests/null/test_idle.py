"""A paused job is silent, and its command server drops whoever is silent for too long."""

import time

import gevent
import pytest

from devmode.commandserver import conversation, link
from devmode.commandserver.address import Address, JobToken
from devmode.commandserver.link import Link, LinkEvent, LinkState, Lost
from tests.real.fixtures import StartJob
from tests.real.job import RealJob
from tests.waiting import until

TIMEOUT_S = 2
PAUSED = {"PAUSE_AT": "boot-menu_visible", "UPLOAD_INACTIVITY_TIMEOUT": TIMEOUT_S}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks nothing while nothing happens, so that a ping is the only sign of life."""
    monkeypatch.setattr(conversation, "SILENCE_S", 3600.0)


def linked(job: RealJob) -> tuple[Link, list[LinkEvent]]:
    events: list[LinkEvent] = []
    address = Address("127.0.0.1", job.port, JobToken(job.token))
    link = Link(address, job_id=1, hear=events.append)
    link.start()
    until(lambda: link.execution.pause, "the pause")
    return link, events


@pytest.mark.usefixtures("silent")
def test_a_ping_keeps_an_idle_link_for_three_times_as_long_as_it_would_live(
    null_job: StartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PING_S", TIMEOUT_S / 4)
    kept, events = linked(null_job("boot/menu_visible", **PAUSED))
    since = time.monotonic()
    while time.monotonic() < since + 3 * TIMEOUT_S:
        assert kept.state is LinkState.CONNECTED
        gevent.sleep(0.05)
    assert not [event for event in events if isinstance(event, Lost)]
    kept.close()


@pytest.mark.usefixtures("silent")
def test_a_link_that_was_dropped_for_its_silence_comes_back(
    null_job: StartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PING_S", 3600.0)
    dropped, events = linked(null_job("boot/menu_visible", **PAUSED))
    until(lambda: [event for event in events if isinstance(event, Lost)], "the loss")
    until(lambda: dropped.state is LinkState.CONNECTED, "the link to come back")
    until(lambda: dropped.execution.pause, "the state")
    dropped.close()
