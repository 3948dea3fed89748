import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from devmode.cluster.database import Base, Database
from devmode.jobs.archive import DAY_S, Archive
from devmode.jobs.models import JobRow
from devmode.jobs.registry import Job, JobState, Module
from devmode.jobs.screenshots import Picture, Place
from tests.unit.jobs.test_screenshots import png

MODULES = (Module("menu", "boot", "ok"), Module("steps", "shell", "fail"))


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
    archive, job = Archive(database, folder, 30), ended(database)
    picture = Picture(png(), Place("qemuscreenshot", "1.1.png", 5.0))
    archive.keep(job, picture)
    archive.keep(job, picture)  # as another process of this host does
    later = Archive(database, folder, 30)
    assert later.complete(without_schedule(job)).modules == MODULES
    kept = later.picture(job.id)
    assert kept
    assert (kept.data, kept.place.written_at) == (png(), 5.0)
    assert later.kept([job.id])[job.id].picture == kept.place
    assert [file.name for file in (folder / str(job.id)).iterdir()] == ["screen.png"]


def test_a_job_without_a_picture_keeps_its_schedule(database: Database, folder: Path) -> None:
    archive, job = Archive(database, folder, 30), ended(database)
    archive.keep(job, None)
    assert archive.complete(without_schedule(job)).modules == MODULES
    assert archive.picture(job.id) is None


def test_a_picture_that_can_not_be_kept_costs_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    job = ended(database)
    archive = Archive(database, tmp_path / "file", 30)
    archive.keep(job, Picture(png(), Place("qemuscreenshot", "1.1.png", 5.0)))
    assert archive.complete(without_schedule(job)).modules == MODULES
    assert archive.picture(job.id) is None


def test_what_was_kept_for_long_enough_is_removed(database: Database, folder: Path) -> None:
    archive = Archive(database, folder, 30)
    old, young = ended(database, days_ago=31), ended(database, days_ago=29)
    picture = Picture(png(), Place("qemuscreenshot", "1.1.png", 5.0))
    for job in (old, young):
        archive.keep(job, picture)
    archive.forget_old()
    assert set(archive.kept([old.id, young.id])) == {young.id}
    assert [path.name for path in folder.iterdir()] == [str(young.id)]
    assert archive.complete(without_schedule(old)).modules == ()
