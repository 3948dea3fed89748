"""Jobs as they come and go in pool directories, seen by one devmode and the next."""

import errno
import gc
import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, update

from devmode.cluster.boards import board_of
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.models import Change
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway, JobNotFound
from devmode.jobs import poolwatch
from devmode.jobs import registry as looking
from devmode.jobs.job import Job, JobState
from devmode.jobs.models import JobRow, OpenqaInstance, OpenqaJob
from devmode.jobs.openqa import Facts
from devmode.jobs.pool import Known, PoolReading, read_pool
from devmode.jobs.registry import Registry
from devmode.jobs.remote import OpenqaPart, RemoteJobs
from devmode.jobs.sealing import Seal
from devmode.jobs.sightings import job_in_pool
from tests.children import idle_in

Run = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    engine = create_engine(database_url)
    database = Database(engine)
    tables = (JobRow, Change, OpenqaInstance, OpenqaJob)
    Base.metadata.create_all(engine, tables=[table.__table__ for table in tables])
    yield database
    engine.dispose()


@pytest.fixture(params=["told by inotify", "looked for"], autouse=True)
def changes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How changes in pool directories are noticed."""
    if request.param == "looked for":
        monkeypatch.setattr(poolwatch, "INotify", _no_inotify)


def _no_inotify(**_named: object) -> None:
    raise OSError(errno.EMFILE, "no instance is left")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    directory = tmp_path / "pools" / "1"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def isotovideo(pool: Path) -> Iterator[Run]:
    """Starts processes that look like an isotovideo in the pool directory."""
    started = []

    def start(token: str = "abc", start: float = 1000.5) -> "subprocess.Popen[bytes]":
        (pool / "vars.json").write_text(json.dumps({"JOBTOKEN": token, "NAME": "a job"}))
        process = idle_in(pool)
        started.append(process)
        (pool / "os-autoinst.pid").write_text(str(process.pid))
        os.utime(pool / "os-autoinst.pid", (start, start))
        return process

    yield start
    for process in started:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def registry(database: Database, pool: Path) -> Registry:
    """A devmode that has just been started."""
    notices = Notices(board_of(database), Lease(database, "here"))
    remote = RemoteJobs(database, Seal("secret"))
    registry = Registry(database, notices, remote, (str(pool.parent / "*"),), "here")
    registry.end_forgotten()
    return registry


def only(jobs: list[Job]) -> Job:
    assert len(jobs) == 1, jobs
    return jobs[0]


def test_a_job_runs_until_its_isotovideo_is_gone(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    process = isotovideo()
    jobs = registry(database, pool)
    job = only(jobs.running())
    assert jobs.get(job.id) is job
    stop(process)
    jobs.scan()
    assert jobs.running() == []
    assert jobs.get(job.id).state is JobState.ENDED
    assert only(jobs.ended()).id == job.id


def test_what_can_not_be_understood_hides_no_other_directory(
    database: Database, pool: Path, isotovideo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = pool.parent / "odd"
    odd.mkdir()

    def read(directory: Path, known: Known) -> PoolReading | None:
        if directory == odd:
            raise RecursionError
        return read_pool(directory, known)

    monkeypatch.setattr(looking, "read_pool", read)
    # Otherwise in no order.
    monkeypatch.setattr(Registry, "_due_among", lambda _self, _those: [odd, pool])
    isotovideo()
    assert only(registry(database, pool).running()).pool_directory == pool


@pytest.mark.parametrize("trouble", [RecursionError(), DatabaseAway("gone")])
def test_a_listener_that_fails_hides_the_news_from_nobody(
    database: Database,
    pool: Path,
    isotovideo: Run,
    trouble: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_job: Job) -> None:
        raise trouble

    jobs, told = registry(database, pool), list[Job]()
    jobs.listen(fail)
    jobs.listen(told.append)
    process = isotovideo()
    jobs.scan()
    stop(process)
    jobs.scan()
    assert [job.state for job in told] == [JobState.RUNNING, JobState.ENDED]
    assert f"of job {told[0].id}" in caplog.text


def test_the_end_of_a_job_is_noticed_though_nothing_changes_in_its_directory(
    database: Database, pool: Path, isotovideo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poolwatch, "RESTLESS_S", 0.0)
    of_other_tests = watched_processes()
    process = isotovideo()
    jobs = registry(database, pool)
    jobs.scan()
    only(jobs.running())
    assert watched_processes() == of_other_tests + 1
    stop(process)
    jobs.scan()
    assert jobs.running() == []
    assert watched_processes() == of_other_tests


def watched_processes() -> int:
    gc.collect()
    descriptors = Path("/proc/self/fd").iterdir()
    return sum("pidfd" in os.readlink(it) for it in descriptors if it.is_symlink())


def test_what_an_openqa_says_once_more_is_taken_once(
    database: Database, pool: Path, isotovideo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    isotovideo()
    jobs = registry(database, pool)
    part = OpenqaPart("http://openqa", 1, Facts("a job", 1.0, 7200), None)
    told: list[Job] = []
    jobs.listen(told.append)
    made: list[OpenqaPart] = []

    def make(*facts: Any) -> Job:
        made.append(facts[-1])
        return job_in_pool(*facts)

    monkeypatch.setattr(looking, "job_in_pool", make)
    for said in (part, replace(part)):
        monkeypatch.setattr(RemoteJobs, "known", lambda _self, _job_id, said=said: said)
        for _time in range(3):
            jobs.scan()
    assert len(made) == 2
    assert len(told) == 1


def test_a_job_has_not_ended_because_this_process_can_open_nothing_more(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    process = isotovideo()
    jobs = registry(database, pool)
    job = only(jobs.running())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for more in range(4):
        # Each lets it come a little further into the pool directory.
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + more, hard))
        try:
            jobs.scan()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert only(jobs.running()) == job
    stop(process)
    jobs.scan()
    assert jobs.running() == []


def test_a_devmode_that_is_started_anew_knows_its_jobs_again(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    isotovideo()
    before, after = registry(database, pool), registry(database, pool)
    assert only(before.running()).id == only(after.running()).id


@pytest.mark.parametrize("token", ["another", "abc"])
def test_the_next_run_in_the_same_directory_is_another_job_even_with_the_same_token(
    database: Database, pool: Path, isotovideo: Run, token: str
) -> None:
    first = isotovideo()
    jobs = registry(database, pool)
    first_id = only(jobs.running()).id
    stop(first)
    isotovideo(token, start=2000.5)
    jobs.scan()
    assert only(jobs.running()).id != first_id
    assert jobs.get(first_id).state is JobState.ENDED


def test_a_job_that_ended_while_no_devmode_ran_is_told_as_ended(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    process = isotovideo()
    job_id = only(registry(database, pool).running()).id
    stop(process)
    ended = only(registry(database, pool).ended())
    assert (ended.id, ended.result) == (job_id, "ended while devmode did not run")


def test_a_job_that_was_out_of_sight_for_a_while_is_itself_again(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    isotovideo()
    job_id = only(registry(database, pool).running()).id
    assert registry(database, pool / "elsewhere").running() == []
    again = registry(database, pool)
    assert only(again.running()).id == job_id
    assert again.ended() == []


def test_settings_that_are_missing_for_a_moment_end_nothing(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    isotovideo()
    jobs = registry(database, pool)
    (pool / "vars.json").unlink()
    jobs.scan()
    only(jobs.running())


def test_a_result_that_is_written_anew_is_read_anew(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    results = pool / "testresults"
    results.mkdir()
    (results / "test_order.json").write_text('[{"name": "a", "category": "x"}]')
    isotovideo()
    jobs = registry(database, pool)
    for result in ("na", "ok"):
        draft = results / "draft"
        draft.write_text(json.dumps({"result": result}))
        draft.rename(results / "result-a.json")
        jobs.scan()
        assert only(jobs.running()).modules[0].result == result


def test_a_machine_that_ends_is_noticed_though_it_is_left_a_zombie(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    isotovideo()
    jobs = registry(database, pool)
    with idle_in(pool) as it:
        (pool / "qemu.pid").write_text(str(it.pid))
        jobs.scan()
        assert not only(jobs.running()).machine_gone
        it.kill()
        os.waitid(os.P_PID, it.pid, os.WEXITED | os.WNOWAIT)
        jobs.scan()
        assert only(jobs.running()).machine_gone


def test_a_job_that_could_not_be_written_down_is_seen_again(
    database: Database, pool: Path, isotovideo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = registry(database, pool)
    isotovideo()
    with monkeypatch.context() as away:
        away.setattr(Database, "write", _away)
        with pytest.raises(DatabaseAway):
            jobs.scan()
    jobs.scan()
    only(jobs.running())


def test_a_job_that_names_a_number_no_database_keeps_is_seen_all_the_same(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    (pool / "job.json").write_text(json.dumps({"id": 10**12}))
    isotovideo()
    assert only(registry(database, pool).running()).openqa_id is None


def _away(_database: Database) -> None:
    raise DatabaseAway("It is away.")


def test_a_job_that_another_process_saw_first_is_found_at_once(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    second = registry(database, pool)
    isotovideo()
    job_id = only(registry(database, pool).running()).id
    assert second.get(job_id).state is JobState.RUNNING


def test_a_test_module_that_another_process_saw_first_is_found_at_once(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    isotovideo()
    jobs = registry(database, pool)
    job_id = only(jobs.running()).id
    results = pool / "testresults"
    results.mkdir()
    (results / "test_order.json").write_text('[{"name": "a", "category": "x"}]')
    assert jobs.get_scheduling(job_id, "x-a").schedules("x-a")
    assert not jobs.get_scheduling(job_id, "x-b").schedules("x-b")


def test_of_two_processes_that_see_the_end_of_a_job_one_notes_it(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    process = isotovideo()
    first, second = registry(database, pool), registry(database, pool)
    stop(process)
    first.scan()
    ended_at = only(first.ended()).ended_at
    second.scan()
    assert only(second.ended()).ended_at == ended_at


def test_an_unknown_number_is_no_job(database: Database, pool: Path) -> None:
    for number in (1, 2**70):
        with pytest.raises(JobNotFound):
            registry(database, pool).get(number)


def test_a_job_that_others_gave_up_runs_again_when_its_host_does(
    database: Database, pool: Path, isotovideo: Run
) -> None:
    isotovideo()
    before = registry(database, pool)
    job_id = only(before.running()).id
    for found_again in (before.take_back, lambda: registry(database, pool)):
        with database.write() as session:
            session.execute(update(JobRow).values(ended_at=1.5, result="gone", away_since=0.5))
        found_again()
        assert before.recorded(job_id).state is JobState.RUNNING
        with database.read() as connection:
            assert connection.scalar(select(JobRow.away_since)) is None
