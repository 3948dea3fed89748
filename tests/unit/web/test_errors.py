"""How errors reach people: on the page they are on, and whatever went wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser

from devmode.errors import DatabaseAway, error_of
from tests.apps import app_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return app_in(tmp_path)


@pytest.fixture
def olivia(app: Flask) -> FlaskClient:
    client = app.test_client()
    field = LexborHTMLParser(client.get("/sign-in").text).css_first("input[name=csrf_token]")
    assert field is not None
    form = {"name": "olivia", "role": "operator", "code": "sesame"}
    form["csrf_token"] = field.attributes["value"] or ""
    assert client.post("/sign-in", data=form).status_code == 303
    return client


def raising(error: Exception) -> Callable[..., str]:
    def fail(**_arguments: object) -> str:
        raise error

    return fail


def told(body: str) -> list[str]:
    """Returns the messages of an answer to HTMX, which is no page."""
    assert "<html" not in body
    return [message.text() for message in LexborHTMLParser(body).css("#flash, .message.error")]


def test_what_nobody_foresaw_is_told_on_the_page_that_asked(
    app: Flask, olivia: FlaskClient
) -> None:
    app.view_functions["jobs.doctor"] = raising(ZeroDivisionError("a defect"))
    answer = olivia.get("/jobs/1/doctor", headers=HTMX)
    assert answer.status_code == 500
    assert told(answer.text)


def test_an_address_that_leads_nowhere_is_told_on_the_page_that_asked(olivia: FlaskClient) -> None:
    answer = olivia.get("/nowhere", headers=HTMX)
    assert answer.status_code == 404
    assert told(answer.text)


def test_an_error_of_another_version_of_devmode_is_told_in_its_words(
    app: Flask, olivia: FlaskClient
) -> None:
    app.view_functions["jobs.doctor"] = raising(error_of("of_tomorrow")("Not on a Sunday."))
    assert "Not on a Sunday." in (answer := olivia.get("/jobs/1/doctor")).text
    assert answer.status_code == 502
    assert told(olivia.get("/jobs/1/doctor", headers=HTMX).text) == ["Not on a Sunday."]


def test_what_a_page_is_made_of_needs_no_database(
    olivia: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_secret: str) -> None:
        raise DatabaseAway("The database can't be reached.")

    monkeypatch.setattr(app.extensions["devmode"].logins, "visitor", away)
    page = olivia.get("/")
    assert page.status_code == 503
    sheet = LexborHTMLParser(page.text).css_first("link[rel=stylesheet]")
    assert sheet is not None
    assert olivia.get(sheet.attributes["href"] or "").status_code == 200
