import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gevent
import pytest
from sqlalchemy import create_engine, select, update

from devmode.cluster.database import Base, Database
from devmode.jobs.archive import DAY_S, Archive
from devmode.jobs.job import Job, JobState
from devmode.jobs.models import JobRow, KeptJob
from devmode.jobs.modules import Module
from devmode.jobs.screenshots import Picture, Place
from tests.pictures import png

MODULES = (Module("menu", "boot", "ok", 3), Module("steps", "shell", "fail"))


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(create_engine(f"sqlite:///{tmp_path / 'devmode.sqlite'}"))
    Base.metadata.create_all(database.engine)
    return database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def ended(database: Database, days_ago: float = 0) -> Job:
    at = time.time() - days_ago * DAY_S
    with database.write() as session:
        row = JobRow(
            host="here",
            pool_directory="/pool",
            token_hash=f"{at}",
            name="a job",
            started_at=at,
            ended_at=at,
        )
        session.add(row)
        session.flush()
        job_id = row.id
    return Job(job_id, "a job", JobState.ENDED, Path("/pool"), at, at, modules=MODULES)


def without_schedule(job: Job) -> Job:
    return Job(job.id, job.name, job.state, job.pool_directory, job.started_at, job.ended_at)


def test_an_ended_job_keeps_its_schedule_and_its_last_picture(
    database: Database, folder: Path
) -> None:
    archive, job = Archive(database, folder, 30, 20), ended(database)
    picture = Picture(png(), Place("qemuscreenshot", "1.1.png", 5.0))
    archive.keep(job, picture)
    archive.keep(job, picture)  # as another process of this host does
    later = Archive(database, folder, 30, 20)
    assert later.complete(without_schedule(job)).modules == MODULES
    kept = later.picture(job.id)
    assert kept
    assert (kept.data, kept.place.written_at) == (png(), 5.0)
    assert later.has_picture(job.id)
    assert later.kept([job.id])[job.id].picture == kept.place
    assert [file.name for file in (folder / str(job.id)).iterdir()] == ["screen.png"]


def test_a_job_without_a_picture_keeps_its_schedule(database: Database, folder: Path) -> None:
    archive, job = Archive(database, folder, 30, 20), ended(database)
    archive.keep(job, None)
    assert archive.complete(without_schedule(job)).modules == MODULES
    assert archive.picture(job.id) is None
    assert not archive.has_picture(job.id)


def test_a_picture_that_lies_on_no_disk_of_this_host_is_none(
    database: Database, folder: Path
) -> None:
    archive, job = Archive(database, folder, 30, 20), ended(database)
    archive.keep(job, Picture(png(), Place("qemuscreenshot", "1.1.png", 5.0)))
    (folder / str(job.id) / "screen.png").unlink()
    assert archive.picture(job.id) is None
    assert not archive.has_picture(job.id)


def test_several_jobs_get_their_schedules_at_once(database: Database, folder: Path) -> None:
    archive = Archive(database, folder, 30, 20)
    kept, again, unknown = ended(database), ended(database, 1), ended(database, 2)
    running = replace(without_schedule(again), state=JobState.RUNNING, ended_at=None)
    for job in (kept, again):
        archive.keep(job, None)
    jobs = archive.complete_all([running, without_schedule(kept), without_schedule(unknown)])
    assert [job.modules for job in jobs] == [(), MODULES, ()]


def test_a_picture_that_can_not_be_kept_costs_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    job = ended(database)
    archive = Archive(database, tmp_path / "file", 30, 20)
    archive.keep(job, Picture(png(), Place("qemuscreenshot", "1.1.png", 5.0)))
    assert archive.complete(without_schedule(job)).modules == MODULES
    assert archive.picture(job.id) is None


def test_nothing_is_left_of_what_a_full_disk_does_not_take(
    database: Database, folder: Path
) -> None:
    archive = Archive(database, folder, 30, 20)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        archive.keep_text(7, "log", bytes(2 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert archive.text(7, "log") is None
    assert list((folder / "7").iterdir()) == []


def test_what_was_kept_for_long_enough_is_removed(database: Database, folder: Path) -> None:
    archive = Archive(database, folder, 30, 20)
    old, young = ended(database, days_ago=31), ended(database, days_ago=29)
    picture = Picture(png(), Place("qemuscreenshot", "1.1.png", 5.0))
    for job in (old, young):
        archive.keep(job, picture)
        assert job.ended_at
        os.utime(folder / str(job.id), (job.ended_at, job.ended_at))
    (folder / "notes").mkdir()
    os.utime(folder / "notes", (0, 0))
    archive.forget_old()
    assert set(archive.kept([old.id, young.id])) == {young.id}
    assert {path.name for path in folder.iterdir()} == {"notes", str(young.id)}
    assert archive.complete(without_schedule(old)).modules == ()
    with database.read() as connection:
        assert connection.scalars(select(JobRow.id)).all() == [young.id]


def test_files_that_can_not_be_removed_are_tried_again_only_after_an_hour(
    database: Database, folder: Path
) -> None:
    folder.write_text("no folder")
    old = ended(database, 31)
    sweeping = gevent.spawn(Archive(database, folder, 30, 20).run)
    while not sweeping.ready() and is_known(database, old):
        gevent.sleep(0)
    gevent.sleep(0)
    assert not sweeping.ready()
    sweeping.kill()


def is_known(database: Database, job: Job) -> bool:
    with database.read() as connection:
        return connection.scalar(select(JobRow.id).where(JobRow.id == job.id)) is not None


def test_a_job_that_runs_is_never_too_old(database: Database, folder: Path) -> None:
    job = ended(database, days_ago=99)
    with database.write() as session:
        session.execute(update(JobRow).values(ended_at=None))
    Archive(database, folder, 30, 20).forget_old()
    with database.read() as connection:
        assert connection.scalars(select(JobRow.id)).all() == [job.id]


def test_a_schedule_that_was_kept_without_run_times_is_read(
    database: Database, folder: Path
) -> None:
    archive, job = Archive(database, folder, 30, 20), ended(database)
    archive.keep(job, None)
    with database.write() as session:
        session.execute(update(KeptJob).values(modules=[["menu", "boot", "ok"]]))
    assert archive.complete(without_schedule(job)).modules == (Module("menu", "boot", "ok"),)


def test_what_modules_recorded_is_kept_as_far_as_there_is_room(
    database: Database, folder: Path
) -> None:
    archive, job = Archive(database, folder, 30, megabytes=0.0001), ended(database)
    record = json.dumps({"details": [{"result": "fail", "screenshot": "menu-1.png"}]}).encode()
    files = [
        ("result-menu.json", record),
        ("menu-1.png", png()[: 100 - len(record)]),
        ("menu-2.png", b"x"),
        ("menu-2.txt", b""),
    ]
    archive.keep_results(job.id, iter(files))
    kept = archive.results(job.id)
    assert kept
    assert [step.screenshot for step in kept.steps("menu")] == ["menu-1.png"]
    names = {file.name for file in (folder / str(job.id) / "results").iterdir()}
    assert names == {"result-menu.json", "menu-1.png"}


def test_where_there_is_no_folder_no_results_are_kept(database: Database) -> None:
    archive, job = Archive(database, None, 30, 20), ended(database)
    archive.keep_results(job.id, iter([("result-menu.json", b"{}")]))
    assert archive.results(job.id) is None


def test_one_process_keeps_the_results_of_a_job_for_all(database: Database, folder: Path) -> None:
    first, second = (Archive(database, folder, 30, 20) for _ in range(2))
    job = ended(database)

    def files() -> Iterator[tuple[str, bytes]]:
        yield "result-menu.json", b"{}"
        assert not second.keep_results(job.id, unasked())
        yield "menu-1.png", png()

    assert first.keep_results(job.id, files())
    assert second.keep_results(job.id, unasked())
    names = {file.name for file in (folder / str(job.id) / "results").iterdir()}
    assert names == {"result-menu.json", "menu-1.png"}


def test_another_process_keeps_the_results_if_one_did_not_come_to_the_end(
    database: Database, folder: Path
) -> None:
    job = ended(database)
    code = f"""
import os
from pathlib import Path
from devmode.jobs.archive import Archive

def files():
    yield "result-menu.json", b"{{}}"
    os.kill(os.getpid(), 9)

Archive(None, Path({str(folder)!r}), 30, 20).keep_results({job.id}, files())
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    archive = Archive(database, folder, 30, 20)
    assert archive.keep_results(job.id, iter([("result-menu.json", b"[]"), ("menu-1.png", png())]))
    kept = archive.results(job.id)
    assert kept
    assert (kept.record("menu"), kept.picture("menu-1.png")) == (b"[]", png())


def unasked() -> Iterator[tuple[str, bytes]]:
    raise AssertionError("read what another process keeps")
    yield
