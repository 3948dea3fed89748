"""Jobs come and go, in whatever way: devmode notices, and lets nobody control the dead."""

import logging
from pathlib import Path

import pytest

from devmode.commandserver.link import LinkState
from tests.null.fixtures import Person, StartWatched, Watched

PAUSED = {"PAUSE_AT": "boot-menu_visible"}


def controlled_job(null: StartWatched, owner: Person) -> Watched:
    job = null("boot/menu_visible", **PAUSED)
    owner.takes_control(job)
    job.wait_for_pause()
    return job


def assert_over(job: Watched) -> None:
    job.wait_for(lambda view: view.session is None, "the end of the session")
    assert job.events[-1] == "ended"


def test_a_killed_isotovideo_ends_the_job_and_its_session(
    null: StartWatched, owner: Person
) -> None:
    job = controlled_job(null, owner)
    job.real.kill9()
    job.wait_for_end()
    assert_over(job)
    assert owner.click(job, "session").status == 409


def test_a_job_that_is_told_to_end_takes_its_session_along(
    null: StartWatched, owner: Person
) -> None:
    job = controlled_job(null, owner)
    job.real.terminate()
    view = job.wait_for_end()
    assert view.headline.detail.endswith(": isotovideo received signal TERM")
    assert_over(job)


def test_without_its_command_server_a_job_is_reconnected_to_until_it_ends(
    null: StartWatched, owner: Person
) -> None:
    job = controlled_job(null, owner)
    job.real.kill_command_server()
    view = job.wait_for(lambda view: view.link is LinkState.RECONNECTING, "the loss")
    assert view.headline.kind == "trouble"
    job.wait_for_end()
    assert_over(job)
    assert "connection_lost" in job.events


def test_the_job_token_is_in_no_page_no_stream_no_log_and_not_in_the_database(
    null: StartWatched, owner: Person, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    job = controlled_job(null, owner)
    paths = ("/", "/sign-in", f"/jobs/{job.id}", f"/jobs/{job.id}?refresh=off", "/jobs/999999")
    shown = [owner.get(path) for path in paths]
    stream = owner.client.get(f"/events?jobs={job.id}&dashboard=1")
    streamed = b"".join(next(stream.response) for _ in range(2))
    assert b"menu_visible" in streamed
    owner.sets(job, pause_on_failure="1")
    streamed += next(stream.response)
    job.real.kill_command_server()
    job.wait_for(lambda view: view.link is LinkState.RECONNECTING, "the loss")
    shown += [owner.get(path) for path in paths]
    job.wait_for_end()
    shown += [owner.get(path) for path in paths]
    streamed += next(stream.response)
    stream.close()

    token = job.real.token
    assert token in (job.real.pool / "vars.json").read_text(), "else this test proves nothing"
    assert all(token not in f"{page.headers}{page.text}" for page in shown)
    assert token.encode() not in streamed
    assert token not in caplog.text
    assert all(
        token.encode() not in file.read_bytes() for file in folder.rglob("*") if file.is_file()
    )
