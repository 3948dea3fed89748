"""Who is signed in by the proxy is signed in here, as it says and no longer."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser

from devmode.extensions import db
from devmode.sessions import users
from tests.apps import app_on, with_tables

SECRET = "what only the proxy knows"
Ask = Callable[..., str]


def devmode_behind_a_proxy(database_url: str, secret: str = SECRET) -> Flask:
    return with_tables(app_on(database_url, proxy_secret=secret))


@pytest.fixture
def app(database_url: str) -> Flask:
    return devmode_behind_a_proxy(database_url)


def named(user: str, role: str = "operator", secret: str = SECRET) -> dict[str, str]:
    return {"X-Devmode-Proxy-Secret": secret, "X-Devmode-User": user, "X-Devmode-Role": role}


def who(client: FlaskClient, headers: dict[str, str]) -> str | None:
    shown = LexborHTMLParser(client.get("/", headers=headers).text).css_first(".who span")
    return shown.text() if shown else None


def login_of(app: Flask, headers: dict[str, str]) -> str:
    with app.test_request_context("/", headers=headers):
        app.preprocess_request()
        return str(g.visitor.login_id)


@pytest.mark.parametrize("role", ["viewer", "operator", "administrator"])
def test_whom_the_proxy_names_is_signed_in_with_that_role(app: Flask, role: str) -> None:
    assert who(app.test_client(), named("olivia", role)) == f"olivia · {role}"


@pytest.mark.parametrize("role", ["", "root", "Administrator"])
def test_who_has_no_role_that_there_is_may_only_see(app: Flask, role: str) -> None:
    assert who(app.test_client(), named("olivia", role)) == "olivia · viewer"


@pytest.mark.parametrize(
    "headers",
    [
        named("olivia", secret=""),
        named("olivia", secret=SECRET[:-1]),
        named("olivia", secret="é"),
        named(""),
        {"X-Devmode-User": "olivia"},
    ],
)
def test_who_does_not_know_the_secret_names_nobody(app: Flask, headers: dict[str, str]) -> None:
    assert app.test_client().get("/", headers=headers).status_code == 303


def test_without_the_setting_nobody_is_named(tmp_path: Path) -> None:
    app = devmode_behind_a_proxy(f"sqlite:///{tmp_path / 'devmode.sqlite'}", secret="")
    assert app.test_client().get("/", headers=named("olivia", secret="")).status_code == 303


def test_a_name_from_elsewhere_is_shown_as_far_as_it_can_be(app: Flask) -> None:
    client = app.test_client()
    as_bytes = "Žofie Ψ".encode().decode("latin-1")
    assert who(client, named(as_bytes)) == "Žofie Ψ · operator"
    assert (who(client, named("<b>o</b>" * 20)) or "").startswith("<b>o</b><b>o</b>")


def test_a_change_of_role_counts_from_the_next_request_on(app: Flask) -> None:
    client = app.test_client()
    assert who(client, named("olivia", "administrator")) == "olivia · administrator"
    assert who(client, named("olivia", "viewer")) == "olivia · viewer"


def test_the_word_of_the_proxy_counts_for_streams_until_it_is_old(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = app.extensions["devmode"]
    login_id = login_of(app, named("olivia"))
    visitor = parts.visitor_of(login_id)
    assert (visitor.name, visitor.signed_in_at) == ("olivia", users.PROXY)
    monkeypatch.setattr(users, "VOUCHED_S", -1.0)
    login_of(app, named("oscar"))
    monkeypatch.undo()
    assert parts.visitor_of(login_of(app, named("olivia"))) == visitor, "renewed by each request"
    with parts.logins._database.write() as session:
        session.execute(db.update(users.Login).values(expires_at=users.now() - 1))
    assert parts.visitor_of(login_id) is None


def test_programs_are_not_signed_in_by_the_proxy(app: Flask) -> None:
    answer = app.test_client().get("/api/v1/jobs", headers=named("olivia"))
    assert answer.status_code == 401


def test_who_is_signed_in_by_the_proxy_needs_no_start_code_and_signs_out_there(app: Flask) -> None:
    client = app.test_client()
    back = client.get("/sign-in?next=/ended", headers=named("olivia"))
    assert (back.status_code, back.headers["Location"]) == (303, "/ended")
    page = LexborHTMLParser(client.get("/", headers=named("olivia")).text)
    token = page.css_first("input[name=csrf_token]").attributes["value"] or ""
    refused = client.post("/sign-out", data={"csrf_token": token}, headers=named("olivia"))
    assert refused.status_code == 403
    assert "by the proxy" in refused.text


def test_names_that_differ_are_different_people(app: Flask) -> None:
    long = "a-person-with-a-really-very-long-name-of-hers@example.org"
    shown = users.usable_name(long)
    names = [long, shown, "M\xfcller", "M\xf6ller", "\xa0x"]
    parts = app.extensions["devmode"]
    ids = {parts.visitor_of(login_of(app, named(name))).id for name in names}
    assert len(ids) == len(names)


def test_apaches_word_for_nobody_is_nobody(app: Flask) -> None:
    assert app.test_client().get("/", headers=named("(null)")).status_code == 303
