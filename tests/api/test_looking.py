"""What programs see of a job besides its state: what its page shows, as this token may see it."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from flask import Flask

from tests.api.fixtures import Program
from tests.null.fixtures import Watched, unique_name
from tests.real.job import RealJob
from tests.waiting import until

PNG = b"\x89PNG\r\n\x1a\n"
UNKNOWN_JOB = 999_999


@pytest.fixture(scope="module")
def job(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A job that has typed and recorded something, and pauses at its second module.

    Nobody looks at it but who is told to: not even for its state.
    """
    schedule = "shell/command_line,boot/menu_visible"
    variables = {"PAUSE_AT": "boot-menu_visible", "TYPING_LIMIT": 100, "NAME": unique_name()}
    real = RealJob(tmp_path_factory.mktemp("pool"), SCHEDULE=schedule, **variables)
    try:
        real.start()
        real.wait_until_listening()
        watched = Watched(real, app.extensions["devmode"].feed)
        watched.wait_for(lambda view: view.job.modules[0].result, "the result of a module")
        yield watched
    finally:
        real.stop()


def test_the_screen_is_the_latest_picture_and_says_of_when(job: Watched, program: Program) -> None:
    answer = program.ask("GET", f"/jobs/{job.id}/screen")
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    assert answer.data.startswith(PNG)
    picture = job.feed.picture_of(job.id)
    assert picture is not None
    written_at = parsedate_to_datetime(answer.headers["Last-Modified"])
    assert written_at == picture.written_at.replace(microsecond=0)


def test_pictures_are_written_for_a_program_that_looks(job: Watched, program: Program) -> None:
    program.ask("GET", f"/jobs/{job.id}/screen")
    until((job.real.pool / "live_log").exists, "the request for pictures")


def test_where_there_is_no_picture_yet_that_is_told(shared_job: Watched, program: Program) -> None:
    assert program.is_refused("GET", shared_job, "screen") == (404, "text_not_found")


@pytest.mark.parametrize("what", ["screen"])
def test_of_a_job_that_is_not_there_nothing_is_seen(program: Program, what: str) -> None:
    refused = program.ask("GET", f"/jobs/{UNKNOWN_JOB}/{what}")
    assert refused.json is not None
    assert (refused.status_code, refused.json["code"]) == (404, "job_not_found")
