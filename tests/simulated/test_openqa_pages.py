"""A job that only an openQA has told of, on the pages and in the API of devmode."""

from typing import Any

from flask import Flask
from selectolax.lexbor import LexborHTMLParser

from devmode.commandserver.simulator.server import Simulator
from tests.api.fixtures import Program
from tests.null.fixtures import Person
from tests.simulated.fixtures import MARKUP, app, command_server, job_id, only_job, owner, token
from tests.simulated.openqa import SimulatedOpenQA, always
from tests.waiting import until

__all__ = ["app", "command_server", "job_id", "owner", "token"]


def text_of(page: str, css: str) -> str:
    found = LexborHTMLParser(page).css_first(css)
    assert found is not None, page
    return " ".join(found.text().split())


def test_it_is_seen_and_controlled_like_any_other(
    job_id: int, owner: Person, openqa: SimulatedOpenQA
) -> None:
    page = owner.get(f"/jobs/{job_id}").text
    assert "worker:7" in page
    link = LexborHTMLParser(page).css_first(f'a[href="{openqa.url}/tests/7"]')
    assert link.text() == "openQA 7"
    taken = owner.post(f"/jobs/{job_id}/session")
    assert "You control this job." in taken.text
    paused = owner.post(f"/jobs/{job_id}/pause")
    assert paused.status_code == 200, paused.text


def test_names_with_markup_stay_texts(job_id: int, owner: Person) -> None:
    for path in ("/", f"/jobs/{job_id}", f"/jobs/{job_id}/timeline"):
        page = owner.get(path).text
        assert MARKUP not in page
        assert "&lt;script&gt;alert(1)" in page


def test_the_api_tells_where_it_comes_from(
    app: Flask, job_id: int, openqa: SimulatedOpenQA
) -> None:
    told = Program(app, "robot").get(f"/jobs/{job_id}")
    assert told["origin"] == {
        "kind": "openqa",
        "openqa_id": 7,
        "openqa_page": f"{openqa.url}/tests/7",
    }


def test_its_texts_and_pictures_are_not_looked_for_elsewhere(
    job_id: int, owner: Person, token: str, openqa: SimulatedOpenQA
) -> None:
    pages = ("log", "serial", "texts/log", "screen.png", "results/menu_visible")
    answers = [owner.get(f"/jobs/{job_id}/{page}") for page in pages]
    assert {answer.status_code for answer in answers} <= {200, 404}
    assert not any(token in answer.text for answer in answers if "image" not in answer.mimetype)
    page = owner.get(f"/jobs/{job_id}").text
    assert "not on this machine" in page
    assert "once devmode runs on the worker" in page
    (link,) = LexborHTMLParser(page).css(f'a[href="{openqa.url}/tests/7#live"]')
    assert link.text() == "its live view in openQA"


def test_an_openqa_that_is_away_is_told_on_the_page_of_its_job(
    app: Flask, job_id: int, owner: Person, openqa: SimulatedOpenQA
) -> None:
    openqa.broken = always("500 Internal Server Error")
    feed = app.extensions["devmode"].feed
    until(lambda: feed.view(job_id).job.openqa.trouble, "openQA's trouble to be seen")
    page = owner.get(f"/jobs/{job_id}").text
    assert "HTTP status 500" in page
    assert "can be controlled all the same" in page
    assert "You control this job." in owner.post(f"/jobs/{job_id}/session").text


def test_a_job_out_of_reach_says_why_instead_of_being_controlled(
    app: Flask, openqa: SimulatedOpenQA, owner: Person
) -> None:
    openqa.runs(8, host="169.254.169.254", port=80, token="x")
    feed = app.extensions["devmode"].feed
    job_id = only_job(app)
    page = owner.get(f"/jobs/{job_id}").text
    assert text_of(page, ".headline strong") == "Out of reach"
    assert "DEVMODE_COMMAND_SERVER_HOSTS" in text_of(page, ".detail")
    refused = owner.post(f"/jobs/{job_id}/session")
    assert refused.status_code == 502
    assert "DEVMODE_COMMAND_SERVER_HOSTS" in refused.text
    assert feed.view(job_id).session is None


def test_a_page_comes_alive_when_the_command_server_is_known(
    app: Flask, openqa: SimulatedOpenQA, command_server: Simulator, token: str
) -> None:
    openqa.runs(8, host="127.0.0.1", port=command_server.port, token=token)
    properties: dict[str, Any] = openqa.workers[0]["properties"]
    url, properties["CMD_SRV_URL"] = properties["CMD_SRV_URL"], ""
    feed = app.extensions["devmode"].feed
    job_id = only_job(app)
    watcher = app.extensions["devmode"].tokens
    visitor = watcher.visitor(watcher.create("vera", 1, None))
    subscription = feed.subscribe(visitor, [job_id])
    assert feed.view(job_id).headline.title == "Out of reach"
    properties["CMD_SRV_URL"] = url
    until(lambda: feed.view(job_id).execution.known, "the link to come up")
    feed.unsubscribe(subscription)
