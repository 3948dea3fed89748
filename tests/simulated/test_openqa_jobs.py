"""Jobs that an openQA tells of: they come, go and stay as they are there, whatever it does."""

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import gevent
import pytest
from gevent.event import Event
from sqlalchemy import Row, create_engine, select, update

from devmode.cluster.boards import board_of
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway
from devmode.jobs import openqa as polling
from devmode.jobs.job import NOWHERE, Job, JobState
from devmode.jobs.models import JobRow, OpenqaJob
from devmode.jobs.openqa import Instance, Poller
from devmode.jobs.registry import Registry
from devmode.jobs.remote import OpenqaPart, RemoteJobs
from devmode.jobs.sealing import Seal
from devmode.openqa import server
from devmode.openqa.api import Api
from devmode.openqa.hosts import HostRule
from devmode.openqa.server import Server
from tests.children import idle_in
from tests.simulated.openqa import SimulatedOpenQA, always, endless, half, silent
from tests.waiting import LIMIT_S, until

TOKEN = "a-token-of-this-job"
HERE = {"host": "127.0.0.1", "port": 20013, "token": TOKEN}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    engine = create_engine(database_url)
    Base.metadata.create_all(engine)
    yield Database(engine)
    engine.dispose()


@dataclass
class Process:
    """One devmode process, as far as it finds jobs."""

    lease: Lease
    poller: Poller
    instance: Instance
    registry: Registry
    told: list[Job]
    hear: "Hearing"
    """Waits until every notice has come that there is."""

    def asks(self) -> float:
        """Asks openQA what is due, and looks what that made of the jobs."""
        self.holds_its_lease()
        self.instance.api._server._left_alone_until = 0.0
        wait_s = self.poller.look(self.instance)
        self.looks()
        return wait_s

    def holds_its_lease(self) -> None:
        # A machine that is busy takes longer over a test, or one look, than a lease lasts.
        if not self.lease.renew():
            self.lease.resume(lambda: None)

    def looks(self) -> None:
        self.hear()
        self.registry.scan()

    @property
    def job(self) -> Job:
        (job,) = self.registry.running()
        return job


class Hearing:
    """Hears notices; those of one board come in the order in which they were left."""

    def __init__(self, database: Database, notices: Notices) -> None:
        self.database = database
        self.notices = notices
        self.began = Event()
        self.last = ""
        notices.when_missed(self.began.set)
        notices.listen("last", self._hear)
        self.greenlet = gevent.spawn(notices.run)
        assert self.began.wait(LIMIT_S)

    def __call__(self) -> None:
        somebody = Notices(board_of(self.database), Lease(self.database, "nowhere"))
        mark = uuid.uuid4().hex
        with self.database.write() as session:
            somebody.publish(session, "last", mark)
        until(lambda: self.last == mark, "the last notice")

    def _hear(self, mark: str) -> None:
        self.last = mark


@pytest.fixture
def new_process(database: Database, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    hearing: list[Hearing] = []

    def make(url: str, *, patterns: tuple[str, ...] = (), secret: str = "secret") -> Process:
        lease = Lease(database, "here")
        notices = Notices(board_of(database), lease)
        instance = Instance(Api(Server(url), None), HostRule(url, patterns))
        seal = Seal(secret)
        remote = RemoteJobs(database, seal)
        globs = (str(tmp_path / "pools" / "*"),)
        registry = Registry(database, notices, remote, globs, "here")
        told: list[Job] = []
        registry.listen(told.append)
        lease.take()
        hearing.append(Hearing(database, notices))
        poller = Poller(database, notices, lease, seal)
        return Process(lease, poller, instance, registry, told, hearing[-1])

    yield make
    gevent.killall([each.greenlet for each in hearing])


@pytest.fixture
def process(new_process: Callable[..., Process], openqa: SimulatedOpenQA) -> Process:
    return new_process(openqa.url)


@pytest.fixture
def isotovideo(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts something that looks like isotovideo in the pool directory of a worker."""
    started = []

    def start(name: str = "in the pool") -> "subprocess.Popen[bytes]":
        pool = tmp_path / "pools" / "1"
        pool.mkdir(parents=True)
        (pool / "vars.json").write_text(json.dumps({"JOBTOKEN": TOKEN, "NAME": name}))
        (pool / "job.json").write_text(json.dumps({"id": 7}))
        process = idle_in(pool)
        started.append(process)
        (pool / "os-autoinst.pid").write_text(str(process.pid))
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


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


def test_a_job_that_was_taken_for_ended_has_what_its_openqa_says_again(
    new_process: Callable[..., Process],
    openqa: SimulatedOpenQA,
    isotovideo: Callable[[], Any],
    database: Database,
) -> None:
    asking = new_process(openqa.url)
    openqa.runs(7, **HERE)
    isotovideo()
    asking.asks()
    with database.write() as session:
        session.execute(update(JobRow).values(ended_at=1.5, result="by mistake"))
    another = new_process(openqa.url)
    for _ in range(2):
        another.looks()
    assert another.job.page == f"{openqa.url}/tests/7"
    assert another.job.openqa is not None


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


def results(process: Process) -> dict[int | None, list[str | None]]:
    return {
        job.openqa_id: [module.result for module in job.modules]
        for job in process.registry.running()
    }


def failing_with(failure: BaseException) -> Callable[..., NoReturn]:
    def fail(*_arguments: object) -> NoReturn:
        raise failure

    return fail


def test_the_token_is_not_readable_in_the_database(
    process: Process, openqa: SimulatedOpenQA, database: Database
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    with database.read() as connection:
        rows = [*connection.execute(select(OpenqaJob)), *connection.execute(select(JobRow))]
        assert not any(TOKEN in str(row) for row in rows)
    assert TOKEN not in repr(process.job)


def test_a_devmode_with_another_secret_key_says_so(
    new_process: Callable[..., Process], openqa: SimulatedOpenQA
) -> None:
    asking, other = new_process(openqa.url), new_process(openqa.url, secret="another")
    openqa.runs(7, **HERE)
    asking.asks()
    other.looks()
    assert other.job.address is None
    assert "DEVMODE_SECRET_KEY" in str(other.job.obstacle)


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


def test_a_job_that_openqa_told_of_while_it_was_prepared_is_the_one_in_the_pool(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[[], Any]
) -> None:
    openqa.runs(7, **HERE)
    url = openqa.workers[0]["properties"].pop("CMD_SRV_URL")
    process.asks()
    assert process.job.obstacle
    isotovideo()
    process.looks()
    openqa.workers[0]["properties"]["CMD_SRV_URL"] = url
    process.asks()
    assert process.job.pool_directory != NOWHERE
    assert {told.id for told in process.told} == {process.job.id}


@pytest.mark.parametrize("first", ["openqa", "pool"])
def test_a_job_in_a_pool_directory_and_in_openqa_is_one(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[[], Any], first: str
) -> None:
    openqa.runs(7, **HERE)
    if first == "openqa":
        process.asks()
        isotovideo()
        process.looks()
    else:
        isotovideo()
        process.looks()
        process.asks()
    job = process.job
    assert (job.name, job.openqa_id) == ("in the pool", 7)
    assert job.pool_directory != NOWHERE
    assert job.page == f"{openqa.url}/tests/7"
    assert {told.id for told in process.told} == {job.id}


def test_a_job_of_openqa_is_never_listed_twice_while_it_is_found_in_the_pool(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[[], Any]
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    listed: list[int] = []
    process.registry.listen(lambda _job: listed.append(len(process.registry.running())))
    isotovideo()
    process.looks()
    assert listed
    assert set(listed) == {1}


@pytest.mark.parametrize("first", ["openqa", "pool"])
def test_a_job_whose_token_openqa_hides_is_one_with_that_of_its_name_in_the_pool(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[..., Any], first: str
) -> None:
    openqa.runs(7, **HERE)
    openqa.workers[0]["properties"] = {}
    if first == "openqa":
        process.asks()
    isotovideo("00000007-a-job")
    process.looks()
    process.asks()
    job = process.job
    assert job.page == f"{openqa.url}/tests/7"
    assert job.pool_directory != NOWHERE
    assert job.address is not None
    assert job.obstacle is None
    assert {told.id for told in process.told} == {job.id}


def test_a_job_whose_token_openqa_hides_is_no_other_of_that_number(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[..., Any]
) -> None:
    openqa.runs(7, **HERE)
    openqa.workers[0]["properties"] = {}
    process.asks()
    isotovideo("00000007-of-another-openqa")
    process.looks()
    process.asks()
    assert len(process.registry.running()) == 2


def test_the_end_in_the_pool_directory_counts_before_openqa_knows(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[[], Any]
) -> None:
    openqa.runs(7, **HERE)
    running = isotovideo()
    process.asks()
    running.kill()
    running.communicate()
    process.looks()
    for _ in range(5):
        process.asks()
    assert process.registry.running() == []
    assert [job.state for job in process.told][-1] is JobState.ENDED
    openqa.ends(7)
    process.asks()
    (ended,) = process.registry.ended()
    assert ended.openqa_id == 7


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
