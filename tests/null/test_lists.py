"""The list of jobs, and the list of those that ended long ago."""

import time
from collections.abc import Iterator

import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import delete

from devmode.extensions import db
from devmode.jobs.archive import DAY_S
from devmode.jobs.models import JobRow
from devmode.live.dashboard import PAGE
from tests.null.fixtures import Person, StartWatched


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
