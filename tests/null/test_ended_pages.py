"""Jobs that have ended keep their page, though the next job empties their pool directory."""

import shutil

from flask import Flask

from tests.null.fixtures import Person, StartWatched


def test_an_ended_job_keeps_schedule_and_picture(
    app: Flask, null: StartWatched, owner: Person
) -> None:
    job = null("boot/menu_visible", "shell/command_line")
    job.wait_for_end(30)
    for path in job.real.pool.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = owner.get(f"/jobs/{job.id}").text
    assert "shell-command_line" in page
    assert "2/2" in page
    assert "The last picture of this job." in page
    assert owner.get(f"/jobs/{job.id}/screen.png").data.startswith(b"\x89PNG")
    line = next(line for line in app.extensions["devmode"].feed.jobs() if line.id == job.id)
    assert (line.kind, line.done, line.total) == ("ended", 2, 2)
    assert f"/jobs/{job.id}/screen.png?v={line.picture}" in owner.get("/").text


def test_a_paused_job_is_seen_as_one_though_nobody_has_opened_it(
    app: Flask, null: StartWatched, owner: Person
) -> None:
    job = null("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    job.real.wait_for_pause()
    job.wait_for(lambda view: view.job.paused, "the registry to see it")
    lines = app.extensions["devmode"].feed.jobs()
    line = next(line for line in lines if line.id == job.id)
    assert (line.kind, line.detail) == ("paused", "reached module boot-menu_visible")
    ranks = [["paused", "trouble", "running", "ended"].index(line.kind) for line in lines]
    assert ranks == sorted(ranks)
    # It causes no pictures to be written.
    assert not (job.real.pool / "live_log").exists()
    assert job.name not in visible(owner.get("/?kind=ended").text)
    assert job.name in visible(owner.get(f"/?kind=paused&text={job.name}").text)


def visible(page: str) -> str:
    """The lines of the list that are not hidden."""
    rows = page.split('<li id="region-job-')[1:]
    return "".join(row for row in rows if "hidden>" not in row.partition("<article")[0])
