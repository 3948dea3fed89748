"""The timeline of a real job, narrowed to some events and exported."""

import json
import re

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.null.fixtures import Person, Watched

EVERYTHING = ("started", "setting", "setting", "released", "ended")


@pytest.fixture
def job(shared_job: Watched, owner: Person) -> Watched:
    """A job in whose timeline something happened."""
    owner.takes_control(shared_job)
    for value in ("assert_screen", "off"):
        owner.sets(shared_job, pause_on_mismatch=value)
    owner.does(shared_job, "session/release", then="stay")
    return shared_job


def kinds_of(person: Person, job: Watched, query: str = "") -> list[str]:
    page = LexborHTMLParser(person.get(f"/jobs/{job.id}/timeline{query}").text)
    return [entry.attributes["class"] or "" for entry in page.css(".timeline li")]


def exported(person: Person, job: Watched, query: str = "") -> list[dict[str, str]]:
    answer = person.get(f"/jobs/{job.id}/timeline.jsonl{query}")
    assert answer.mimetype == "application/jsonl"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_whole_timeline_is_a_page(job: Watched, victor: Person) -> None:
    assert tuple(reversed(kinds_of(victor, job)))[-len(EVERYTHING) :] == EVERYTHING


def test_the_whole_timeline_names_the_day(job: Watched, victor: Person) -> None:
    page = LexborHTMLParser(victor.get(f"/jobs/{job.id}/timeline").text)
    day = page.css_first(".timeline h2")
    assert day is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\d UTC", day.text().strip())


def test_it_can_be_narrowed_to_what_events_are_about(job: Watched, victor: Person) -> None:
    assert set(kinds_of(victor, job, "?only=settings")) == {"setting"}
    assert set(kinds_of(victor, job, "?only=people")) >= {"started", "released"}
    assert kinds_of(victor, job, "?only=nothing") == ["note"]


def test_it_is_exported_the_oldest_first(job: Watched, victor: Person) -> None:
    events = exported(victor, job)
    assert tuple(event["kind"] for event in events[-len(EVERYTHING) :]) == EVERYTHING
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert (events[-2]["who"], events[-2]["group"]) == ("olivia", "people")
    assert {event["kind"] for event in exported(victor, job, "?only=settings")} == {"setting"}


@pytest.mark.parametrize("path", ["timeline", "timeline.jsonl"])
def test_there_is_none_of_a_job_that_is_not_there(owner: Person, path: str) -> None:
    assert owner.get(f"/jobs/999999/{path}").status_code == 404
