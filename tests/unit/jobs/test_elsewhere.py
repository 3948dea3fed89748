"""Other hosts are followed as long as there is anything of them, whatever they answer."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import gevent
import pytest

from devmode.errors import DevmodeError, JobNotFound, OpenqaAway
from devmode.jobs import elsewhere
from devmode.jobs.elsewhere import Elsewhere, encode
from devmode.jobs.job import Job, JobState
from devmode.jobs.sightings import ended_job
from tests.waiting import LIMIT_S

JOB = Job(7, "a job", JobState.RUNNING, Path("/pool"), 1.0, host="there")


class OneOtherHost:
    """Peers, one of which answers what a test has it answer."""

    hosts = ("there",)

    def __init__(self) -> None:
        self.answers: list[list[Job] | DevmodeError] = []

    def when_changed(self, _listener: Callable[[], None]) -> None:
        pass

    def ask(self, _host: str, _question: bytes) -> Iterator[bytes]:
        answer = self.answers.pop(0)
        if isinstance(answer, DevmodeError):
            raise answer
        yield encode(answer)
        if not self.answers:
            gevent.get_hub().switch()


class Heard:
    """A registry that knows nothing but what it hears, and has no rows."""

    def __init__(self) -> None:
        self.told: list[Job] = []

    def hear(self, job: Job) -> None:
        self.told.append(job)

    def heard_from(self, _host: str) -> list[Job]:
        last = {job.id: job for job in self.told}
        return [job for job in last.values() if job.state is JobState.RUNNING]

    def as_recorded(self, job: Job) -> Job:
        return ended_job(job, None, None, ())


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> OneOtherHost:
    monkeypatch.setattr(elsewhere, "AGAIN_S", 0.001)
    return OneOtherHost()


def heard(peers: OneOtherHost, expected: int) -> list[Job]:
    """Follows the other host until so much has been heard."""
    registry = Heard()
    following = gevent.spawn(Elsewhere(peers, registry).run)
    try:
        with gevent.Timeout(LIMIT_S):
            while len(registry.told) < expected:
                gevent.sleep(0.001)
    finally:
        following.kill()
    return registry.told


@pytest.mark.parametrize("refusal", [JobNotFound("Gone."), OpenqaAway("A later kind of error.")])
def test_a_host_that_refuses_to_answer_is_asked_again(
    peers: OneOtherHost, refusal: DevmodeError
) -> None:
    peers.answers = [[JOB], refusal, [JOB]]
    assert heard(peers, 3) == [JOB, replace(JOB, host_away=True), JOB]


def test_a_job_that_its_host_tells_no_more_of_is_as_it_is_recorded(peers: OneOtherHost) -> None:
    peers.answers = [[JOB], []]
    assert [job.state for job in heard(peers, 2)] == [JobState.RUNNING, JobState.ENDED]
