"""Requests that no page and no honest program sends, to every route.

Every rule of the URL map has to stand in `PAGES` or be an operation of the API: a route that is
added without a thought to this file fails its first test. The internal address has no routes:
`tests/processes/test_hosts.py` attacks it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from devmode.web.operations import JSON, operation_of
from devmode.web.security import FOR_ANYBODY
from tests.api.attacker import STREAMS, UNKNOWN_JOB, WEBSOCKETS, Attacker, methods, rules, url
from tests.api.fixtures import NewProgram
from tests.null.fixtures import HTMX, Person, SignIn, StartWatched, Watched

SIGNED = {"livehandler.upload_progress"}
"""Taken from nobody but openQA's workers, who have keys."""
OPEN = {"accounts.sign_in", "openapi.document", "openapi.page", *FOR_ANYBODY}
PAGES = {
    "accounts.enter",
    "accounts.sign_out",
    "jobs.doctor",
    "jobs.ended",
    "jobs.index",
    "health.tell_metrics",
    "jobs.show",
    "needles.edit",
    "needles.make",
    "livehandler.streaming",
    "livehandler.upload_progress",
    "results.result",
    "results.steps",
    "results.thumbnail",
    "texts.log",
    "texts.serial",
    "texts.show",
    "texts.text",
    "timeline.export",
    "timeline.show",
    "screen.picture",
    "steering.comment",
    "steering.decline_request",
    "steering.give_up",
    "steering.hand_over",
    "steering.pause",
    "steering.release",
    "steering.request_control",
    "steering.restart",
    "steering.resume",
    "steering.settings",
    "steering.skip_timeout",
    "steering.start",
    "steering.step",
    "steering.take_over",
    "steering.withdraw_request",
    "stream.events",
} | OPEN
"""Every endpoint that is no operation of the API."""

BODIES: dict[str, dict[str, Any]] = {
    "10 MB": {"data": b"x" * (10 << 20), "content_type": "application/json"},
    "10 MB form": {
        "data": b"a=" + b"x" * (10 << 20),
        "content_type": "application/x-www-form-urlencoded",
    },
    "10,000 fields": {
        "data": b"&".join(b"f%d=" % number for number in range(10_000)),
        "content_type": "application/x-www-form-urlencoded",
    },
    "1,000 parts": {
        "data": b"".join(
            b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % number
            for number in range(1000)
        )
        + b"--x--\r\n",
        "content_type": "multipart/form-data; boundary=x",
    },
    "no boundary": {"data": b"--x", "content_type": "multipart/form-data"},
    "deep JSON": {"data": b"[" * 30_000, "content_type": "application/json"},
    "deep objects": {"data": b'{"revision":' * 5000, "content_type": "application/json"},
    "duplicate keys": {
        "data": b'{"revision": "1.1", "revision": "1.2"}',
        "content_type": "application/json",
    },
    "no object": {"data": b"null", "content_type": "application/json"},
    "no JSON": {"data": b"{", "content_type": "application/json"},
    "not a number": {"data": b'{"revision": NaN}', "content_type": "application/json"},
    "huge number": {"data": b"9" * 60_000, "content_type": "application/json"},
    "half a surrogate": {
        "data": rb'{"to": "\ud800", "pause_at": "\ud800", "revision": "\ud800"}',
        "content_type": "application/json",
    },
    "null bytes in JSON": {
        "data": rb'{"to": "\u0000", "pause_at": "\u0000"}',
        "content_type": "application/json",
    },
    "Latin-1": {"data": '{"to": "é"}'.encode("latin-1"), "content_type": "application/json"},
    "UTF-16": {
        "data": '{"to": "x"}'.encode("utf-16"),
        "content_type": "application/json; charset=utf-16",
    },
    "a form in UTF-16": {
        "data": "name=x&to=y".encode("utf-16"),
        "content_type": "application/x-www-form-urlencoded; charset=utf-16",
    },
    "null bytes": {
        "data": b"name=%00&to=%00&code=%00&role=%00&revision=%00&pause_at=%00&then=%00&next=%00",
        "content_type": "application/x-www-form-urlencoded",
    },
    "no UTF-8": {
        "data": b"name=%ff&to=%ff&code=%ff&role=%ff&revision=%ff&pause_at=%ff&then=%ff&next=%ff",
        "content_type": "application/x-www-form-urlencoded",
    },
    "XML": {"data": b"<a/>", "content_type": "application/xml"},
    "no content type": {"data": b'{"revision": "1.1"}'},
    "a content type of nonsense": {"data": b"{}", "content_type": ";;=\x7f"},
}
HEADERS: dict[str, dict[str, str]] = {
    "overlong": {"X-Long": "x" * 60_000},
    "no origin": {"Origin": "null"},
    "an origin that is no URL": {"Origin": "http://["},
    "a length that is none": {"Content-Length": "x"},
    "a negative length": {"Content-Length": "-1"},
    "a broken cookie": {"Cookie": "devmode=\xff.\x00; devmode; =;;"},
    "no date": {"If-Modified-Since": "yesterday", "If-None-Match": '"', "Range": "bytes=9-1"},
    "no accept": {"Accept": "\x7f", "Accept-Language": ";q=", "Accept-Encoding": ",,"},
    "another method": {"X-HTTP-Method-Override": "DELETE"},
    "another host before": {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "//evil"},
}
QUERIES = {
    "null bytes": "revision=%00&then=%00&jobs=%00&next=%00&ignore_failure=%00",
    "no UTF-8": "revision=%ff&then=%ff&jobs=%ff&next=%ff",
    "twice": "then=stay&then=cancel&jobs=1&jobs=2",
    "other digits": "jobs=%C2%B2,%D9%A1",
    "overlong": "x=" + "y" * 60_000,
    "1,500 parameters": "&".join(f"p{number}" for number in range(1500)),
    "a filter": "text=%00%ff&kind=%2525&owner=" + "z" * 5000,
    "elsewhere": "next=//evil.example&next=https://evil.example",
}
ROOT = Path(__file__).parents[2]
INNARDS = ("Traceback", "/site-packages", "sqlalchemy", "werkzeug", '.py"', "/tmp/", f"{ROOT}/")
"""Of what must never be shown: a path of the server, a piece of a traceback."""


def is_operation(app: Flask, rule: Rule) -> bool:
    return operation_of(app.view_functions[rule.endpoint]) is not None


def of_a_job(rule: Rule) -> bool:
    return "job_id" in rule.arguments


def assert_sound(answer: TestResponse, *secrets: str) -> None:
    """An answer that tells an error in the documented way, and nothing else."""
    asked = f"{answer.request.method} {answer.request.path} -> {answer.status}"
    assert answer.status_code < 500, asked
    is_stream = answer.mimetype == "text/event-stream"
    text = "" if is_stream or answer.request.path.startswith("/static") else answer.text
    shown = f"{answer.headers}{text}"
    # A job's own log, which is there to be shown, tells of its own files.
    for innard in INNARDS if answer.status_code >= 400 else ():
        assert innard not in shown, f"{asked} shows {innard}"
    for secret in secrets:
        assert secret not in shown, f"{asked} shows a secret"
    if answer.status_code >= 400 and answer.request.path.startswith("/api/"):
        assert answer.mimetype == "application/problem+json", asked
        assert answer.json is not None
        assert answer.json["status"] == answer.status_code
        assert answer.json.keys() == {"type", "title", "status", "detail", "code"}


@pytest.fixture(scope="module")
def stranger(app: Flask) -> Attacker:
    return Attacker(app, None, None)


@pytest.fixture(scope="module", params=["viewer", "operator", "administrator"])
def attacker(
    app: Flask, sign_in: SignIn, new_program: NewProgram, request: pytest.FixtureRequest
) -> Attacker:
    name = f"attacking {request.param}"
    return Attacker(app, sign_in(name, request.param), new_program(name, request.param))


@pytest.fixture(scope="module")
def operator(app: Flask, sign_in: SignIn, new_program: NewProgram) -> Attacker:
    return Attacker(app, sign_in("mallory"), new_program("mallory"))


@pytest.fixture
def secret(running_job: Watched) -> str:
    return running_job.real.token


def test_every_route_is_attacked_here(app: Flask) -> None:
    operations = {rule.endpoint for rule in rules(app) if is_operation(app, rule)}
    assert {rule.endpoint for rule in rules(app)} == PAGES | operations


def test_without_a_handshake_there_are_no_websockets(
    app: Flask, attacker: Attacker, stranger: Attacker, secret: str
) -> None:
    endpoints = {rule.endpoint: rule for rule in app.url_map.iter_rules()}
    for rule in (endpoints[name] for name in WEBSOCKETS):
        for method in ("GET", "POST", "DELETE"):
            for who in (attacker, stranger):
                answer = who.send(rule, method, 1)
                assert_sound(answer, secret)
                assert answer.status_code in {303, 400, 401, 405}


def test_strangers_are_let_in_nowhere_but_where_they_sign_in(
    app: Flask, stranger: Attacker, shared_job: Watched, secret: str
) -> None:
    for rule in rules(app):
        for method in methods(rule):
            answer = stranger.send(rule, method, shared_job.id)
            assert_sound(answer, secret)
            if rule.endpoint in OPEN:
                assert answer.status_code == 200
            elif is_operation(app, rule) or rule.endpoint in STREAMS:
                assert answer.status_code == 401
            elif rule.endpoint in SIGNED:
                assert answer.status_code == 403
            elif method == "GET":
                assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/sign-in")
            else:
                assert answer.status_code == 400, "no CSRF token"
    assert shared_job.view.session is None


def test_of_a_job_that_is_not_there_nothing_can_be_done(
    app: Flask, attacker: Attacker, secret: str
) -> None:
    of_numbers = (0, UNKNOWN_JOB, 2**31, 2**63)
    numbers = (*of_numbers, "٣" * 6, "9" * 5000, -1, "1.5", "%00", "x")
    for rule in filter(of_a_job, rules(app)):
        for method in methods(rule):
            for number in numbers:
                answer = attacker.send(rule, method, number)
                assert_sound(answer, secret)
                # An address that fits no rule whole may fit one of another method.
                strange = {404, 405, 414}
                # A page leads back to the job's, which tells both what was not permitted and that
                # there is no such job.
                expected = {303, 403, 404, 422} if number in of_numbers else strange
                assert answer.status_code in expected, f"{method} {rule} of {number}"


@pytest.mark.parametrize("arrived", [b"", b'{"revision": "1'])
def test_a_request_that_breaks_off_changes_nothing(
    app: Flask, operator: Attacker, secret: str, arrived: bytes
) -> None:
    for rule in rules(app):
        for method in methods(rule) - {"GET"}:
            half = {"data": arrived, "environ_overrides": {"CONTENT_LENGTH": "20"}}
            answer = operator.send(rule, method, UNKNOWN_JOB, content_type=JSON, **half)
            assert_sound(answer, secret)
            assert answer.status_code == 400, f"{method} {rule}"
            assert "broke off" in answer.text


def test_devmode_answers_to_no_other_host(app: Flask, operator: Attacker, secret: str) -> None:
    for rule in rules(app):
        for method in methods(rule):
            for host in ("evil.example", "[::2]:8000", "localhost.evil.example", "[", "::1"):
                answer = operator.send(rule, method, UNKNOWN_JOB, headers={"Host": host})
                assert_sound(answer, secret)
                assert answer.status_code == 400, f"{method} {rule} at {host}"
                assert "DEVMODE_ALLOWED_HOSTS" in answer.text


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:8000", "[::1]", "[::1]:8000", "LocalHost"]
)
def test_devmode_answers_to_every_name_of_this_machine(app: Flask, host: str) -> None:
    assert app.test_client().get("/healthz", headers={"Host": host}).status_code == 200


def test_another_method_is_refused(app: Flask, operator: Attacker, secret: str) -> None:
    known = {"GET", "POST", "PUT", "PATCH", "DELETE"}
    for rule in rules(app):
        allowed = set().union(*((r.methods or set()) for r in rules(app) if r.rule == rule.rule))
        for method in (known - allowed) | {"TRACE", "PROPFIND"}:
            answer = operator.send(rule, method, UNKNOWN_JOB)
            assert_sound(answer, secret)
            assert answer.status_code == 405, f"{method} {rule}"
            assert set(answer.headers["Allow"].split(", ")) == allowed


def test_a_change_needs_its_csrf_token_on_every_page(
    app: Flask, operator: Attacker, owner: Person, shared_job: Watched, secret: str
) -> None:
    assert operator.person is not None
    for rule in rules(app):
        if is_operation(app, rule) or "POST" not in methods(rule) or rule.endpoint in SIGNED:
            continue
        for data in ({}, {"csrf_token": "x"}, owner.token):
            for headers in ({}, HTMX):
                answer = operator.person.client.post(
                    url(rule, shared_job.id), data=data, headers=headers
                )
                assert_sound(answer, secret)
                assert answer.status_code == 400, rule
    assert shared_job.view.session is None


def test_a_session_of_somebody_else_is_not_touched(
    app: Flask, controlled_job: Watched, attacker: Attacker, secret: str
) -> None:
    before = controlled_job.view
    ways = [
        rule
        for rule in rules(app)
        if of_a_job(rule) and not rule.endpoint.endswith((".take_over", ".request_control"))
    ]
    for rule in ways:
        for method in methods(rule) - {"GET"}:
            answer = attacker.send(rule, method, controlled_job.id)
            assert_sound(answer, secret)
            # A page is led back to, and tells the error there; a needle names no screenshot here.
            strange = {404} if rule.endpoint == "needles.make" else set()
            assert answer.status_code in {303, 403, 409, 422} | strange, rule
    assert controlled_job.view.session == before.session
    assert controlled_job.view.execution == before.execution


def test_an_ended_job_can_only_be_looked_at(
    app: Flask, null: StartWatched, operator: Attacker, secret: str
) -> None:
    job = null("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    job.real.terminate()
    job.wait_for_end()
    for rule in filter(of_a_job, rules(app)):
        for method in methods(rule):
            answer = operator.send(rule, method, job.id)
            assert_sound(answer, secret, job.real.token)
            if is_operation(app, rule) and method != "GET":
                assert answer.status_code in {403, 409, 422}, rule


def attacks() -> Iterator[Any]:
    for name, body in BODIES.items():
        yield pytest.param(body, id=f"body-{name}")
    for name, headers in HEADERS.items():
        yield pytest.param({"headers": headers}, id=f"header-{name}")
    for name, query in QUERIES.items():
        yield pytest.param({"suffix": f"?{query}"}, id=f"query-{name}")


@pytest.mark.parametrize("request_", list(attacks()))
def test_what_makes_no_sense_ends_in_a_documented_error(
    app: Flask, controlled_job: Watched, operator: Attacker, secret: str, request_: dict[str, Any]
) -> None:
    before = controlled_job.view
    for rule in rules(app):
        if rule.endpoint == "accounts.sign_out":
            continue
        for method in methods(rule):
            assert_sound(operator.send(rule, method, controlled_job.id, **dict(request_)), secret)
    assert controlled_job.view.session is not None
    assert controlled_job.view.session.developer == "robot"
    assert controlled_job.view.execution == before.execution
