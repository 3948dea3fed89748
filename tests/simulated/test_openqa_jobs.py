"""Jobs that an openQA tells of: they come, go and stay as they are there, whatever it does."""

import json
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from sqlalchemy import select

from devmode.cluster.database import Database
from devmode.jobs import openqa as polling
from devmode.jobs.job import NOWHERE, JobState
from devmode.jobs.models import JobRow, OpenqaJob
from devmode.jobs.openqa import Poller
from devmode.openqa import server
from tests.simulated.openqa import SimulatedOpenQA, always, endless, half, silent
from tests.simulated.pollers import HERE, TOKEN, Process, database, new_process, process
from tests.waiting import until

__all__ = ["database", "new_process", "process"]


def test_a_job_is_there_with_all_that_openqa_knows(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    job = process.job
    assert (job.name, job.state, job.openqa_id) == ("00000007-a-job", JobState.RUNNING, 7)
    assert job.page == f"{openqa.url}/tests/7"
    assert (job.time_limit_s, job.started_at) == (900, 1795541710.0)
    assert [(m.full_name, m.result) for m in job.modules] == [("first-boot", "ok")]
    assert job.openqa is not None
    assert (job.openqa.facts.group, job.openqa.facts.worker) == ("A group", "worker:7")
    assert job.address is not None
    assert job.address.url() == f"ws://127.0.0.1:20013/{TOKEN}/ws"
    assert (job.obstacle, job.vnc, job.pool_directory) == (None, "worker:5997", NOWHERE)


def test_a_job_that_has_ended_in_openqa_has_ended(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    openqa.ends(7)
    process.asks()
    assert process.registry.running() == []
    (ended,) = process.registry.ended()
    assert (ended.result, ended.page) == ("passed", f"{openqa.url}/tests/7")
    assert process.told[-1].state is JobState.ENDED
    assert process.told[-1].modules, "the archive keeps them"


def test_results_come_after_some_intervals(process: Process, openqa: SimulatedOpenQA) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    openqa.jobs[7]["modules"].append({"name": "late", "category": "second", "result": "failed"})
    for _ in range(polling.RESULTS_EVERY):
        process.asks()
    assert [module.result for module in process.job.modules] == ["ok", "fail"]


def test_a_schedule_that_is_not_told_yet_comes_sooner(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    openqa.runs(7, **HERE)
    modules = openqa.jobs[7].pop("modules")
    process.asks()
    assert not process.job.modules
    openqa.jobs[7]["modules"] = modules
    for _ in range(polling.SCHEDULE_EVERY):
        process.asks()
    assert process.job.modules


def test_one_request_an_interval_and_one_for_new_jobs(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    for number in range(1, 50):
        openqa.runs(number, host="127.0.0.1", port=20013, token=f"token-{number}")
    process.asks()
    assert len(openqa.asked) == 2
    for _ in range(12):
        process.asks()
    assert len(openqa.asked) == 14
    openqa.runs(50, host="127.0.0.1", port=20013, token="token-50")
    process.asks()
    assert len(openqa.asked) == 16
    assert len(process.registry.running()) == 50


def test_nothing_is_written_while_nothing_changes(
    process: Process, openqa: SimulatedOpenQA, monkeypatch: pytest.MonkeyPatch
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    monkeypatch.setattr(Poller, "_enter", lambda *_arguments: pytest.fail("wrote"))
    for _ in range(5):
        process.asks()
    assert len(process.told) == 1


@pytest.mark.parametrize(
    "broken",
    [
        always("500 Internal Server Error"),
        always("403 Forbidden", '{"error": "no"}'),
        always("200 OK", '{"workers": {}}'),
        always("200 OK", '{"workers": ['),
        always("200 OK", "null"),
        always("200 OK", "<html>"),
        always("302 Found"),
        half,
        endless,
        silent,
    ],
    ids=["500", "403", "wrong", "cut off", "null", "html", "redirect", "half", "huge", "silent"],
)
def test_jobs_stay_and_are_marked_while_openqa_is_away(
    process: Process,
    openqa: SimulatedOpenQA,
    broken: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "WAIT_S", 0.3)
    openqa.runs(7, **HERE)
    process.asks()
    openqa.broken = broken
    first, second = process.asks(), process.asks()
    assert polling.INTERVAL_S < first < second <= polling.LONGEST_WAIT_S
    job = process.job
    assert job.address is not None
    assert job.openqa is not None
    assert openqa.url in str(job.openqa.trouble)
    openqa.broken = None
    process.asks()
    assert process.job.openqa is not None
    assert process.job.openqa.trouble is None


def test_an_openqa_that_is_away_for_days_is_still_waited_for(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    openqa.broken = always("503 Service Unavailable")
    for _ in range(1100):
        process.holds_its_lease()
        wait_s = process.poller.look(process.instance)
    assert wait_s == polling.LONGEST_WAIT_S
    openqa.broken = None
    process.asks()
    assert process.job.openqa is not None
    assert process.job.openqa.trouble is None


def test_a_slow_openqa_is_asked_less_often(process: Process, openqa: SimulatedOpenQA) -> None:
    def slow(environ: dict[str, Any], start: Any) -> Any:
        gevent.sleep(0.3)
        return openqa.answer_soundly(environ, start)

    openqa.broken = slow
    assert process.asks() > polling.INTERVAL_S * 1.5


def test_an_entry_that_makes_no_sense_hides_no_other(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    openqa.workers += [None, {"jobid": 8, "properties": []}, {"jobid": "x"}]
    openqa.jobs[8] = {"id": 8, "state": "running", "modules": 5, "settings": "none"}
    openqa.runs(7, **HERE)
    process.asks()
    assert {job.openqa_id for job in process.registry.running()} == {7, 8}
    obstacles = {job.openqa_id: job.obstacle for job in process.registry.running()}
    assert "not told openQA of a command server" in str(obstacles[8])


def test_a_worker_that_is_not_listed_for_once_ends_no_job(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    workers, openqa.workers = openqa.workers, []
    process.asks()
    assert process.job.openqa_id == 7
    openqa.workers = workers
    process.asks()
    assert [job.state for job in process.told] == [JobState.RUNNING]


def test_a_link_is_not_opened_with_the_token_of_another_job(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    openqa.runs(7, **HERE)
    openqa.workers[0]["properties"]["JOBTOKEN"] = "of-the-next-job"
    process.asks()
    assert process.job.address is None
    assert "last job" in str(process.job.obstacle)
    openqa.workers[0]["properties"]["JOBTOKEN"] = TOKEN
    process.asks()
    assert process.job.address is not None
    assert len(process.registry.running()) == 1, "the same job"


@pytest.mark.parametrize("host", ["169.254.169.254", "10.1.2.3", "0.0.0.0", "[::1]", "a b"])
def test_a_link_goes_to_no_host_that_is_not_permitted(
    process: Process, openqa: SimulatedOpenQA, host: str
) -> None:
    openqa.runs(7, host=host, port=80, token=TOKEN)
    process.asks()
    assert process.job.address is None
    assert process.job.obstacle


def test_the_setting_permits_more(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA
) -> None:
    process = new_process(openqa.url, patterns=("10.0.0.0/8",))
    openqa.runs(7, host="10.1.2.3", port=20013, token=TOKEN)
    process.asks()
    assert process.job.address is not None


def test_an_openqa_that_is_stumbled_over_is_not_asked_again_at_once(
    process: Process, openqa: SimulatedOpenQA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "STANDBY_S", 30)
    openqa.runs(7, **HERE)
    with monkeypatch.context() as broken:
        broken.setattr(Poller, "_take_workers", lambda *_arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            process.poller.follow(process.instance)
    asked = len(openqa.asked)
    with gevent.Timeout(0.1, exception=False):
        process.poller.follow(process.instance)
    assert len(openqa.asked) == asked
    process.instance.wait_s = 0
    following = gevent.spawn(process.poller.follow, process.instance)
    until(lambda: len(openqa.asked) > asked, "openQA to be asked again")
    following.kill()


def test_the_token_is_not_readable_in_the_database(
    process: Process, openqa: SimulatedOpenQA, database: Database
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    with database.read() as connection:
        rows = [*connection.execute(select(OpenqaJob)), *connection.execute(select(JobRow))]
        assert not any(TOKEN in str(row) for row in rows)
    assert TOKEN not in repr(process.job)


def test_jobs_whose_token_is_not_told_are_told_apart(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    for number in (7, 8):
        openqa.runs(number, host="127.0.0.1", port=20013, token="x")
        openqa.workers[-1]["properties"] = {}
    process.asks()
    assert {job.openqa_id for job in process.registry.running()} == {7, 8}


def test_a_job_that_does_not_run_yet_is_not_asked_about_all_the_time(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    openqa.runs(7, **HERE)
    openqa.jobs[7]["state"] = "setup"
    for _ in range(polling.RESULTS_EVERY):
        process.asks()
    assert len(openqa.asked) == polling.RESULTS_EVERY + 1
    openqa.jobs[7]["state"] = "running"
    openqa.workers[0]["properties"]["WORKER_TMPDIR"] = "/tmp/x"
    openqa.workers[0]["properties"]["WORKER_HOSTNAME"] = "localhost"
    process.asks()
    assert process.job.openqa_id == 7


def test_jobs_of_one_number_in_two_instances_are_two(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA
) -> None:
    another = SimulatedOpenQA()
    openqa.runs(7, **HERE)
    another.runs(7, host="127.0.0.1", port=20023, token="another")
    first, second = new_process(openqa.url), new_process(another.url)
    first.asks()
    second.asks()
    pages = {job.page for job in second.registry.running()}
    assert pages == {f"{openqa.url}/tests/7", f"{another.url}/tests/7"}
    another.stop()


def test_all_pages_of_a_long_list_are_read(process: Process, openqa: SimulatedOpenQA) -> None:
    openqa.runs(7, **HERE)
    openqa.runs(8, host="127.0.0.1", port=20023, token="another")

    def paged(environ: dict[str, Any], start: Any) -> Any:
        if environ["PATH_INFO"] != "/api/v1/workers":
            return openqa.answer_soundly(environ, start)
        at = int(environ["QUERY_STRING"].partition("=")[2] or 0)
        following = '<http://evil.example/api/v1/workers?limit=1&offset=1>; rel="next"'
        start("200 OK", [("Link", "" if at else following)])
        return [json.dumps({"workers": [openqa.workers[at]]}).encode()]

    openqa.broken = paged
    process.asks()
    assert {job.openqa_id for job in process.registry.running()} == {7, 8}


def test_an_answer_that_has_not_changed_need_not_be_sent_again(
    process: Process, openqa: SimulatedOpenQA
) -> None:
    openqa.runs(7, **HERE)
    sent: list[str] = []

    def tagged(environ: dict[str, Any], start: Any) -> Any:
        if environ.get("HTTP_IF_NONE_MATCH") == '"1"':
            sent.append("304")
            start("304 Not Modified", [])
            return []
        if environ["PATH_INFO"] != "/api/v1/workers":
            return openqa.answer_soundly(environ, start)
        sent.append("200")
        start("200 OK", [("ETag", '"1"')])
        return [json.dumps({"workers": openqa.workers}).encode()]

    openqa.broken = tagged
    process.asks()
    process.asks()
    assert sent == ["200", "304"]
    assert process.job.openqa_id == 7
