"""Jobs that have ended keep their page, though the next job empties their pool directory."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

from flask import Flask
from selectolax.lexbor import LexborHTMLParser

from tests.null.fixtures import Person, StartWatched, Watched, unique_name
from tests.waiting import until


def test_an_ended_job_keeps_schedule_and_picture(
    app: Flask, null: StartWatched, owner: Person
) -> None:
    job = null("boot/menu_visible", "shell/command_line")
    job.wait_for_end()
    for path in job.real.pool.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = owner.get(f"/jobs/{job.id}").text
    assert "shell-command_line" in page
    assert "2/2" in page
    assert "The last picture of this job." in page
    assert re.search(r"started \d{4}-\d\d-\d\d \d\d:\d\d UTC", page)
    assert owner.get(f"/jobs/{job.id}/screen.png").data.startswith(b"\x89PNG")
    line = next(line for line in app.extensions["devmode"].feed.jobs() if line.id == job.id)
    assert (line.kind, line.done, line.total) == ("ended", 2, 2)
    assert f"/jobs/{job.id}/screen.png?v={line.picture}" in owner.get("/").text


def test_an_ended_job_keeps_the_steps_of_its_modules(
    null: StartWatched, victor: Person, folder: Path
) -> None:
    job = null("boot/missing_needle", "shell/command_line", MISMATCH_TIMEOUT=1)
    job.wait_for_end()
    pages = {name: f"/jobs/{job.id}/modules/{name}" for name in ("missing_needle", "command_line")}
    before = {name: steps_on(victor, page) for name, page in pages.items()}
    pictures = [name for text in before.values() for name in named_in(text)]
    contents = {name: victor.get(name).data for name in pictures}
    assert any("thumbnails" in name for name in pictures)
    kept = folder / "kept" / str(job.id)
    files = [
        kept / name.partition(f"/{job.id}/")[2].replace("thumbnails", ".thumbs")
        for name in pictures
    ]
    until(lambda: all(file.exists() for file in files), "everything to be kept")
    shutil.rmtree(job.real.pool)
    assert {name: steps_on(victor, page) for name, page in pages.items()} == before
    assert {name: victor.get(name).data for name in pictures} == contents
    assert "none has these tags" in before["missing_needle"]
    assert "Hello, tester" in before["command_line"]
    for screenshot in (kept / "results").glob("missing_needle-*.png"):
        screenshot.unlink()
    page = victor.get(pages["missing_needle"]).text
    assert "Its screenshot is not there, or was not kept." in page
    assert "<img" not in page
    schedule = victor.get(f"/jobs/{job.id}").text
    assert re.search(r"shell-command_line<span class=\"note\"> ok, \d+ s", schedule)


def test_a_job_that_has_ended_leads_to_the_next_one_of_its_pool_directory(
    null: StartWatched, victor: Person
) -> None:
    first = null("boot/menu_visible")
    first.wait_for_end()
    first.real.stop()
    assert "pool directory" not in visible_status(victor, first)
    stream = victor.get(f"/events?jobs={first.id}")
    first.real.variables["NAME"] = unique_name()
    first.real.start()
    runs = b"A newer job runs in this pool directory"
    until(lambda: runs in next(stream.response), "an open page to tell of the next job")
    second = Watched(first.real, first.feed)
    told = visible_status(victor, first)
    assert f"A newer job runs in this pool directory: {second.name} #{second.id}" in told
    second.wait_for_end()
    ran = b"A newer job ran in this pool directory"
    until(lambda: ran in next(stream.response), "an open page to tell of its end")
    stream.close()
    assert "pool directory" not in visible_status(victor, second)


def visible_status(person: Person, job: Watched) -> str:
    """The status line, without the space around its words."""
    page = LexborHTMLParser(person.get(f"/jobs/{job.id}").text)
    return " ".join(page.css_first("#region-status").text().split())


def test_the_token_is_not_kept(null: StartWatched, folder: Path) -> None:
    job = null("shell/command_line", PAUSE_AT="shell-command_line")
    job.real.wait_for_pause()
    record = {"result": "ok", "details": [{"text": "secret-1.txt", "title": job.real.token}]}
    results = job.real.pool / "testresults"
    (results / "secret-1.txt").write_text(f"http://10.0.2.2:20003/{job.real.token}/data")
    (results / "result-command_line.json").write_text(json.dumps(record))
    # Nothing of it may tell its end, and write these files anew.
    for pid in job.real.remaining_processes():
        os.kill(pid, signal.SIGKILL)
    job.wait_for_end()
    text = folder / "kept" / str(job.id) / "results" / "secret-1.txt"
    until(text.exists, "the text to be kept")
    kept = [file.read_bytes() for file in (folder / "kept" / str(job.id)).rglob("*.*")]
    assert any(b"10.0.2.2" in content for content in kept)
    assert not any(job.real.token.encode() in content for content in kept)


def steps_on(person: Person, page: str) -> str:
    """The steps of a module; the page around them has another CSRF token every second."""
    return person.get(page).text.partition("<main>")[2]


def named_in(page: str) -> list[str]:
    """The addresses of the pictures and texts of a module's page."""
    return re.findall(r'"(/jobs/\d+/results/[^"]+)"', page)
