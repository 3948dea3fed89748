"""What every answer carries: no header, cookie, cache or redirect is left to chance."""

from urllib.parse import urlsplit

from flask import Flask
from werkzeug.test import TestResponse

from tests.api.attacker import STREAMS, UNKNOWN_JOB, Attacker, methods, rules, url
from tests.api.fixtures import NewProgram
from tests.apps import START_CODE
from tests.null.fixtures import SignIn, Watched

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def test_every_answer_says_what_a_browser_may_do_with_it(
    app: Flask, sign_in: SignIn, new_program: NewProgram, shared_job: Watched
) -> None:
    known = Attacker(app, sign_in("careful"), new_program("careful"))
    stranger = Attacker(app, None, None)
    for rule in rules(app):
        if rule.endpoint == "accounts.sign_out":
            continue
        for method in (*methods(rule), "OPTIONS", "TRACE"):
            # Of a job that is there only what looks: nothing is to be changed here.
            numbers = (UNKNOWN_JOB, shared_job.id) if method == "GET" else (UNKNOWN_JOB,)
            for number in numbers:
                for somebody in (known, stranger):
                    check(rule.endpoint, somebody.send(rule, method, number))


def check(endpoint: str, answer: TestResponse) -> None:
    headers = answer.headers
    for name, value in ALWAYS.items():
        assert headers[name] == value, endpoint
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    if answer.mimetype == "image/png" and endpoint == "screen.picture":
        assert headers["Cache-Control"] == "private, no-cache"
    elif endpoint != "static":
        assert headers["Cache-Control"] == "no-store", endpoint
    assert "Server" not in headers or "/" not in headers["Server"]
    assert not any(name.startswith("Access-Control-") for name in dict(headers))
    for cookie in headers.getlist("Set-Cookie"):
        assert not answer.request.path.startswith("/api/"), "the API knows no cookies"
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Domain" not in cookie
    if "Location" in headers:
        target = urlsplit(headers["Location"])
        assert (target.scheme, target.netloc) == ("", ""), headers["Location"]


def test_signing_in_leads_nowhere_else(sign_in: SignIn) -> None:
    person = sign_in("wanderer")
    form = {"name": "wanderer", "role": "viewer", "code": START_CODE} | person.token
    for target in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "\\\\evil.example",
        " //evil.example",
        "/%0d%0aX: y",
        "/\r\nX: y",
    ):
        answer = person.client.post("/sign-in", data=form | {"next": target})
        assert answer.status_code == 303, target
        where = urlsplit(answer.location)
        assert (where.scheme, where.netloc) == ("", ""), target
        assert not answer.location.startswith(("//", "/\\")), target
        assert "X" not in answer.headers
        form |= person._token("/")


def test_a_cookie_from_before_a_sign_out_opens_nothing(app: Flask, sign_in: SignIn) -> None:
    person = sign_in("leaver")
    cookie = person.client.get_cookie("devmode")
    assert cookie is not None
    person.post("/sign-out")
    thief = app.test_client()
    thief.set_cookie("devmode", cookie.value)
    assert thief.get("/").status_code == 303


def test_streams_are_never_kept_or_buffered(
    app: Flask, sign_in: SignIn, new_program: NewProgram, shared_job: Watched
) -> None:
    known = Attacker(app, sign_in("careful"), new_program("careful"))
    streams = [rule for rule in rules(app) if rule.endpoint in STREAMS]
    assert len(streams) == len(STREAMS)
    for rule in streams:
        answer = known.send(rule, "GET", shared_job.id)
        assert answer.mimetype == "text/event-stream", url(rule, shared_job.id)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Accel-Buffering"] == "no"
