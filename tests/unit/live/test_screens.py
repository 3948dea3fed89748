"""Whose pictures the screen of a job shows, and keeps."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devmode.jobs.job import Job, JobState
from devmode.jobs.processes import Process
from devmode.jobs.screenshots import Picture, request_mark
from devmode.jobs.sightings import ended_job
from devmode.live.frame import Frame
from devmode.live.screens import Screens
from devmode.live.screenview import ScreenFacts
from tests.pictures import png

KEPT = 7
"""The number of a job whose last picture is kept."""


class Pool:
    """A pool directory, used by one job after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "qemuscreenshot").mkdir()

    def begins(self, number: int) -> Job:
        pid = self.directory / "os-autoinst.pid"
        pid.write_text("1000")
        os.utime(pid, (number, number))
        process = Process(1000, number)
        return Job(number, "a job", JobState.RUNNING, self.directory, number, process=process)

    def shows(self, width: int) -> None:
        folder = self.directory / "qemuscreenshot"
        (folder / f"{width}.1.png").write_bytes(png(width))
        (folder / "last.png").unlink(missing_ok=True)
        (folder / "last.png").symlink_to(f"{width}.1.png")


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


@pytest.fixture
def frames() -> list[Frame]:
    return []


@pytest.fixture
def screens(frames: list[Frame]) -> Iterator[Screens]:
    registry: Any = SimpleNamespace(is_here=lambda _job: True)
    lookers: Any = SimpleNamespace(
        enter=lambda _job_id: None, leave=lambda _job_ids: None, looked_at=set
    )
    elsewhere: Any = None
    archive: Any = SimpleNamespace(has_picture=lambda job_id: job_id == KEPT)
    screens = Screens(registry, elsewhere, lookers, archive, request_mark("secret"), 0)
    screens.listen(frames.append, lambda _job_id: None)
    yield screens
    screens.stop()


def width_of(picture: Picture | None) -> int | None:
    return picture.size[0] if picture else None


def end(screens: Screens, job: Job) -> Picture | None:
    return screens.job_ended(ended_job(job, 3000.0, "2 ok", ()))


def test_the_last_picture_of_a_job_is_kept(screens: Screens, pool: Pool) -> None:
    job = pool.begins(1)
    pool.shows(640)
    screens.look(job)
    pool.shows(800)
    assert width_of(end(screens, job)) == 800


def test_what_the_next_job_shows_is_no_picture_of_the_one_before(
    screens: Screens, pool: Pool, frames: list[Frame]
) -> None:
    before = pool.begins(1)
    pool.shows(640)
    screens.look(before)
    # While the database is away: the end of the first one can't be told.
    pool.begins(2)
    pool.shows(800)
    screens._tend(screens._looked[before.id])
    assert width_of(screens.of(before).picture) == 640
    assert not frames
    assert width_of(end(screens, before)) == 640


def test_where_nobody_looked_the_next_job_leaves_no_picture(screens: Screens, pool: Pool) -> None:
    before = pool.begins(1)
    pool.shows(640)
    pool.begins(2)
    pool.shows(800)
    assert end(screens, before) is None


@pytest.mark.parametrize(("number", "has_picture"), [(KEPT, True), (KEPT + 1, False)])
def test_whether_a_picture_of_an_ended_job_is_kept_is_told_without_reading_it(
    screens: Screens, pool: Pool, number: int, *, has_picture: bool
) -> None:
    ended = ended_job(pool.begins(number), 3000.0, "2 ok", ())
    pool.shows(640)
    assert screens.facts_of(ended) == ScreenFacts(has_picture)
