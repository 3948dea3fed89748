from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from devmode.commandserver.address import JobToken
from devmode.openqa.answers import CommandServer, Worker, jobs_of, workers_of

PROPERTIES = {
    "CMD_SRV_URL": "http://localhost:20013/mgaM_NIarYLkCYgT",
    "JOBTOKEN": "mgaM_NIarYLkCYgT",
    "WORKER_HOSTNAME": "10.0.0.1",
}
WORKER = {"host": "vm", "id": 1, "instance": 1, "jobid": 7, "properties": PROPERTIES}
JOB = {
    "id": 7,
    "name": "demo-1-grub-x86_64-tour@null",
    "group": "Demo",
    "state": "running",
    "t_started": "2026-11-24T17:35:10",
    "settings": {"NAME": "00000007-demo", "MAX_JOB_TIME": "900"},
    "modules": [{"name": "menu", "category": "boot", "result": "passed", "flags": []}],
    "clone_id": None,
}
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=10,
)


def one(**properties: Any) -> Worker:
    (worker,) = workers_of({"workers": [WORKER | {"properties": PROPERTIES | properties}]})
    return worker


def test_a_worker_tells_where_its_command_server_is() -> None:
    expected = CommandServer("10.0.0.1", 20013, JobToken("mgaM_NIarYLkCYgT"))
    assert one() == Worker("vm:1", 7, expected, None, id=1, token=expected.token)


def test_the_token_is_known_before_there_is_a_command_server() -> None:
    assert one(CMD_SRV_URL="").token == JobToken("mgaM_NIarYLkCYgT")


def test_without_a_host_name_of_its_own_the_workers_host_counts() -> None:
    server = one(WORKER_HOSTNAME="").command_server
    assert server is not None
    assert server.host == "vm"


def test_a_worker_without_a_job_is_of_no_interest() -> None:
    assert workers_of({"workers": [WORKER | {"jobid": None}]}) == ()


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"CMD_SRV_URL": ""}, "not told openQA of a command server yet"),
        ({"CMD_SRV_URL": 5}, "not told openQA of a command server yet"),
        ({"JOBTOKEN": ""}, "does not tell the job token"),
        ({"JOBTOKEN": "another"}, "command server of its last job"),
        ({"JOBTOKEN": "a/b", "CMD_SRV_URL": "http://localhost:1/a/b"}, "job token"),
        ({"CMD_SRV_URL": "http://localhost/mgaM_NIarYLkCYgT"}, "no port"),
        ({"CMD_SRV_URL": "http://localhost:99999/mgaM_NIarYLkCYgT"}, "can't be understood"),
        ({"CMD_SRV_URL": "http://a:mgaM_NIarYLkCYgT/mgaM_NIarYLkCYgT"}, "can't be understood"),
        ({"CMD_SRV_URL": "http://[/mgaM_NIarYLkCYgT"}, "can't be understood"),
        ({"WORKER_HOSTNAME": "<script>"}, "is none"),
        ({"WORKER_HOSTNAME": "host/path@evil"}, "is none"),
        ({"WORKER_HOSTNAME": "a\r\nHost: b"}, "is none"),
    ],
)
def test_what_can_not_be_talked_to_has_a_reason(properties: dict[str, Any], sentence: str) -> None:
    worker = one(**properties)
    assert worker.command_server is None
    assert sentence in str(worker.obstacle)
    assert "mgaM" not in repr(worker)


def test_a_job_has_its_schedule_and_its_clock() -> None:
    job = jobs_of({"jobs": [JOB]})[7]
    assert (job.name, job.group, job.is_running) == ("00000007-demo", "Demo", True)
    assert (job.time_limit_s, job.started_at) == (900, 1795541710.0)
    assert [(m.category, m.name, m.result) for m in job.modules] == [("boot", "menu", "ok")]


@pytest.mark.parametrize(
    "change",
    [
        {"settings": []},
        {"settings": {"NAME": 5, "MAX_JOB_TIME": "-1"}},
        {"t_started": "yesterday"},
        {"t_started": 5},
        {"modules": {}},
        {"modules": [None, {}, {"name": "a/b"}, {"name": "x" * 9999, "result": ["passed"]}]},
        {"group": {"a": 1}},
        {"name": "\0<b>\ud800"},
    ],
)
def test_values_of_a_wrong_kind_are_as_good_as_none(change: dict[str, Any]) -> None:
    job = jobs_of({"jobs": [JOB | change]})[7]
    assert 0 < len(job.name) <= 255
    assert job.time_limit_s > 0
    assert all(len(module.name) <= 255 for module in job.modules)
    assert "\0" not in job.name.encode().decode()


@pytest.mark.parametrize("number", [None, 0, -1, True, "x", "²", 2**31, 1.5, [], "9" * 5000])
def test_a_job_without_a_number_is_none(number: Any) -> None:
    assert jobs_of({"jobs": [JOB | {"id": number}, JOB | {"id": 8}]}).keys() == {8}
    assert workers_of({"workers": [WORKER | {"jobid": number}]}) == ()


@given(JSON)
def test_nothing_that_can_be_said_is_stumbled_over(answer: Any) -> None:
    for key in ("workers", "jobs"):
        for value in (answer, {key: answer}, {key: [answer]}):
            workers_of(value)
            jobs_of(value)


@given(some.dictionaries(some.sampled_from(sorted({*WORKER, *JOB, *PROPERTIES})), JSON))
def test_no_value_of_a_known_field_is_stumbled_over(values: dict[str, Any]) -> None:
    workers_of({"workers": [WORKER | values, WORKER | {"properties": PROPERTIES | values}]})
    jobs_of({"jobs": [JOB | values, JOB | {"settings": values}]})
