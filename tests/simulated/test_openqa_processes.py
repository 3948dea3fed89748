"""One process asks openQA and all know, also after what went wrong and after a restart."""

from collections.abc import Callable
from typing import Any, NoReturn

import gevent
import pytest
from sqlalchemy import Row

from devmode.cluster.database import Database
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway
from devmode.jobs import openqa as polling
from devmode.jobs.remote import OpenqaPart, RemoteJobs
from tests.simulated.openqa import SimulatedOpenQA, always
from tests.simulated.pollers import HERE, Hearing, Process, database, new_process, process

__all__ = ["database", "new_process", "process"]


def results(process: Process) -> dict[int | None, list[str | None]]:
    return {
        job.openqa_id: [module.result for module in job.modules]
        for job in process.registry.running()
    }


def failing_with(failure: BaseException) -> Callable[..., NoReturn]:
    def fail(*_arguments: object) -> NoReturn:
        raise failure

    return fail


def test_one_process_asks_and_all_know(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA
) -> None:
    asking, other = new_process(openqa.url), new_process(openqa.url)
    openqa.runs(7, **HERE)
    asking.asks()
    asked = len(openqa.asked)
    assert other.asks() == polling.STANDBY_S
    assert len(openqa.asked) == asked
    assert other.job == asking.job
    assert other.job.address is not None


def test_another_process_goes_on_asking_when_the_first_has_gone(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA
) -> None:
    asking, other = new_process(openqa.url), new_process(openqa.url)
    openqa.runs(7, **HERE)
    openqa.runs(8, host="127.0.0.1", port=20023, token="another")
    asking.asks()
    known = {job.openqa_id: job.id for job in asking.registry.running()}
    asking.lease.give_back()
    openqa.ends(8)
    other.asks()
    assert {other.job.openqa_id: other.job.id} == {7: known[7]}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The openQA's numbers of jobs that were read from the database, one after the other."""
    numbers: list[int] = []
    part = RemoteJobs._part

    def noted(remote: RemoteJobs, row: Row[Any, Any]) -> OpenqaPart:
        numbers.append(row.openqa_id)
        return part(remote, row)

    monkeypatch.setattr(RemoteJobs, "_part", noted)
    return numbers


def test_a_process_reads_only_the_jobs_of_which_something_is_new(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA, read: list[int]
) -> None:
    asking, other = new_process(openqa.url), new_process(openqa.url)
    for number in range(1, 10):
        openqa.runs(number, host="127.0.0.1", port=20013, token=f"token-{number}")
    asking.asks()
    other.looks()
    read.clear()
    openqa.jobs[3]["modules"].append({"name": "late", "category": "second", "result": "failed"})
    for _ in range(polling.RESULTS_EVERY):
        asking.asks()
    openqa.ends(5)
    asking.asks()
    assert read == [3]
    other.looks()
    assert read == [3, 3]
    assert results(other) == results(asking)
    assert results(other)[3] == ["ok", "fail"]
    assert 5 not in results(other)


def test_a_process_that_missed_notices_reads_everything_again(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA, database: Database
) -> None:
    asking, other = new_process(openqa.url), new_process(openqa.url)
    for number in (7, 8):
        openqa.runs(number, host="127.0.0.1", port=20013, token=f"token-{number}")
    asking.asks()
    other.looks()
    other.hear.greenlet.kill()
    openqa.ends(7)
    openqa.runs(9, host="127.0.0.1", port=20013, token="token-9")
    asking.asks()
    other.registry.scan()
    assert results(other).keys() == {7, 8}
    other.hear = Hearing(database, other.hear.notices)
    other.looks()
    assert results(other).keys() == {8, 9}
    other.hear.greenlet.kill()


@pytest.mark.parametrize("failure", [DatabaseAway("away"), gevent.GreenletExit()], ids=repr)
def test_a_reading_that_failed_is_made_up_for(
    process: Process,
    openqa: SimulatedOpenQA,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    openqa.runs(8, host="127.0.0.1", port=20023, token="another")
    with monkeypatch.context() as broken:
        broken.setattr(RemoteJobs, "_parts", failing_with(failure))
        with pytest.raises(type(failure)):
            process.asks()
    process.registry.scan()
    assert results(process).keys() == {7, 8}


def test_the_end_of_a_job_that_could_not_be_written_is_written_later(
    process: Process, openqa: SimulatedOpenQA, monkeypatch: pytest.MonkeyPatch
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    openqa.ends(7)
    with monkeypatch.context() as broken:
        broken.setattr(Notices, "publish", failing_with(DatabaseAway("away")))
        with pytest.raises(DatabaseAway):
            process.asks()
    process.asks()
    assert process.registry.running() == []


def test_a_devmode_with_another_secret_key_says_so(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA
) -> None:
    asking, other = new_process(openqa.url), new_process(openqa.url, secret="another")
    openqa.runs(7, **HERE)
    asking.asks()
    other.looks()
    assert other.job.address is None
    assert "DEVMODE_SECRET_KEY" in str(other.job.obstacle)


def started_without(openqa: SimulatedOpenQA, new_process: Callable[..., Process]) -> Process:
    """A process that starts while openQA is away, and has asked it once."""
    openqa.broken = always("502 Bad Gateway")
    process = new_process(openqa.url)
    process.registry.end_forgotten()
    process.asks()
    return process


def test_what_was_known_is_there_after_a_restart_while_openqa_is_away(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA
) -> None:
    before = new_process(openqa.url)
    openqa.runs(7, **HERE)
    before.asks()
    before.lease.give_back()
    after = started_without(openqa, new_process)
    assert after.job.address is not None
    assert after.job.openqa is not None
    assert after.job.openqa.trouble


def test_a_job_that_ended_during_a_restart_has_ended_though_openqa_was_away_at_first(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA
) -> None:
    before = new_process(openqa.url)
    openqa.runs(7, **HERE)
    before.asks()
    before.lease.give_back()
    openqa.ends(7)
    after = started_without(openqa, new_process)
    assert after.job
    openqa.broken = None
    after.asks()
    assert after.registry.running() == []
