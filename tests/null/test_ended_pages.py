"""Jobs that have ended keep their page, though the next job empties their pool directory."""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import delete

from devmode.extensions import db
from devmode.jobs.archive import DAY_S
from devmode.jobs.models import JobRow
from devmode.live.dashboard import PAGE
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
    app: Flask, null: StartWatched, victor: Person, folder: Path
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
    assert re.search(r"shell-command_line\s*<span class=\"note\">ok, \d+ s", schedule)


def test_a_job_that_has_ended_leads_to_the_next_one_of_its_pool_directory(
    app: Flask, null: StartWatched, victor: Person
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


def test_the_token_is_not_kept(app: Flask, null: StartWatched, folder: Path) -> None:
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
    assert not says_that_none_is_as_asked(owner.get(f"/?text={job.name}").text)
    assert says_that_none_is_as_asked(owner.get("/?text=nonsense").text)


@pytest.fixture
def yesterdays(app: Flask) -> Iterator[None]:
    """More jobs of two days ago than a page lists."""
    at = time.time() - 2 * DAY_S
    runs = [
        JobRow(
            host="here",
            pool_directory="/gone",
            token_hash=f"old-{number}",
            name=f"old {'odd' if number % 2 else '100%_even'} {number}",
            started_at=at,
            ended_at=at,
            result="passed",
        )
        for number in range(PAGE + 10)
    ]
    with app.app_context():
        db.session.add_all(runs)
        db.session.commit()
        yield
        db.session.execute(delete(JobRow).where(JobRow.token_hash.startswith("old-")))
        db.session.commit()


@pytest.mark.usefixtures("yesterdays")
def test_every_job_that_ended_can_be_found_as_long_as_it_is_kept(victor: Person) -> None:
    front = LexborHTMLParser(victor.get("/").text)
    assert "old odd" not in front.body.text()
    seen: list[tuple[str | None, str]] = []
    path = "/ended"
    assert front.css_first(f'main a[href="{path}"]') is not None
    while path:
        page = LexborHTMLParser(victor.get(path).text)
        jobs = [(node.attributes["href"], node.text()) for node in page.css(".job .name")]
        assert 0 < len(jobs) <= PAGE
        seen += jobs
        older = page.css_first('a[href*="before="]')
        path = older.attributes["href"] or "" if older else ""
    assert len(seen) == len(set(seen))
    assert {f"old odd {number}" for number in range(1, PAGE + 10, 2)} <= {name for _, name in seen}


@pytest.mark.usefixtures("yesterdays")
def test_jobs_that_ended_are_found_by_name(victor: Person) -> None:
    names = LexborHTMLParser(victor.get("/ended?text=100%25_EVEN").text).css(".job .name")
    assert len(names) == PAGE // 2 + 5
    assert "No job like this" in victor.get("/ended?text=%00nonsense").text
    assert "No job like this" in victor.get("/ended?before=-99").text
    assert victor.get("/ended?before=99999999999999999999").status_code == 200


def says_that_none_is_as_asked(page: str) -> bool:
    note = LexborHTMLParser(page).css_first("#none-admitted")
    return note is not None and "hidden" not in note.attributes


def visible(page: str) -> str:
    """The lines of the list that are not hidden."""
    rows = page.split('<li id="region-job-')[1:]
    return "".join(row for row in rows if "hidden>" not in row.partition("<article")[0])
