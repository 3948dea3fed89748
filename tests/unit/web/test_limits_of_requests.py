"""Wrong start codes, wrong tokens and too many requests are slowed down; nobody else is."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser

from devmode.sessions.users import Role
from devmode.web import accounts
from tests.apps import app_in

MOST = 3
HERE, ELSEWHERE = {"REMOTE_ADDR": "10.0.0.1"}, {"REMOTE_ADDR": "10.0.0.2"}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setattr(accounts, "WRONG_CODE_S", 0.0)
    return app_in(tmp_path, sign_in_attempts_per_minute=MOST, api_requests_per_minute=MOST)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def sign_in(client: FlaskClient, code: str, address: dict[str, str]) -> int:
    page = client.get("/sign-in").text
    field = LexborHTMLParser(page).css_first("input[name=csrf_token]")
    assert field is not None
    form = {"name": "olivia", "role": "viewer", "code": code}
    form["csrf_token"] = field.attributes["value"] or ""
    answer = client.post("/sign-in", data=form, environ_base=address)
    if answer.status_code == 429:
        assert "Too many wrong start codes. Try again in" in answer.text
        assert 0 < int(answer.headers["Retry-After"]) <= 60
    return answer.status_code


def ask(client: FlaskClient, token: str, address: dict[str, str] = HERE) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.get("/api/v1/jobs", headers=headers, environ_base=address)
    if answer.status_code == 429:
        assert 0 < int(answer.headers["Retry-After"]) <= 60
        assert answer.json is not None
        assert answer.json["code"] == "too_many"
    return answer.status_code


def test_after_some_wrong_start_codes_even_the_right_one_has_to_wait(client: FlaskClient) -> None:
    codes = [sign_in(client, "wrong", HERE) for _ in range(MOST + 2)]
    assert codes == [403] * MOST + [429] * 2
    assert sign_in(client, "sesame", HERE) == 429
    assert sign_in(client, "sesame", ELSEWHERE) == 303


def test_right_start_codes_are_not_counted(app: Flask) -> None:
    assert {sign_in(app.test_client(), "sesame", HERE) for _ in range(MOST + 2)} == {303}


def test_wrong_tokens_are_slowed_down_and_lock_nobody_out(app: Flask, client: FlaskClient) -> None:
    right = app.extensions["devmode"].tokens.create("ci", Role.VIEWER, None)
    assert [ask(client, "wrong") for _ in range(MOST + 2)] == [401] * MOST + [429] * 2
    assert ask(client, right) == 200


def test_one_token_has_so_many_requests(app: Flask, client: FlaskClient) -> None:
    tokens = app.extensions["devmode"].tokens
    busy, other = (tokens.create(name, Role.VIEWER, None) for name in ("busy", "other"))
    assert [ask(client, busy) for _ in range(MOST + 1)] == [200] * MOST + [429]
    assert ask(client, busy, ELSEWHERE) == 429
    assert ask(client, other) == 200
