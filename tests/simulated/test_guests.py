"""Who is signed in to openQA is signed in here, as openQA says and no longer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser

from devmode.cluster.database import AWAY, Database
from devmode.errors import DatabaseAway
from devmode.openqa import server
from devmode.sessions import guests
from devmode.sessions.users import LONGEST_NAME, usable_name
from devmode.web import limits
from tests.apps import app_in
from tests.simulated.openqa import SimulatedOpenQA, always, endless, half, silent

COOKIE = "eyJ1c2VyIjoib2xpdmlhIn0---0123456789abcdef"
CANARY = "0123456789abcdef"


@pytest.fixture
def app(tmp_path: Path, openqa: SimulatedOpenQA) -> Flask:
    return devmode_beside(openqa.url, tmp_path)


def devmode_beside(url: str, folder: Path, *, sign_in: bool = True) -> Flask:
    beside = {"openqa_url": url, "openqa_sign_in": sign_in}
    return app_in(folder, allowed_hosts="openqa.example.org", **beside)


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    client = app.test_client()
    show(client, COOKIE)
    return client


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for what devmode remembers of guests, and for servers that failed."""
    offset = 0.0
    clock = guests.time.monotonic

    def wait(seconds: float) -> None:
        nonlocal offset
        offset += seconds

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return clock() + offset

    monkeypatch.setattr(guests, "time", Clock)
    monkeypatch.setattr(server, "time", Clock)
    return wait


def out_of_reach(_database: Database) -> NoReturn:
    raise DatabaseAway(AWAY)


def show(client: FlaskClient, cookie: str) -> None:
    client.set_cookie("mojolicious", cookie, domain="localhost")


def who(client: FlaskClient) -> str | None:
    """Return what the page says of who is signed in."""
    answer = client.get("/")
    shown = LexborHTMLParser(answer.text).css_first(".who span")
    return shown.text() if shown is not None else None


def status(client: FlaskClient) -> int:
    return client.get("/").status_code


@pytest.mark.parametrize(
    ("role", "shown"),
    [("", "viewer"), ("operator", "operator"), ("administrator", "administrator")],
)
def test_openqas_users_have_their_name_and_role(
    browser: FlaskClient, openqa: SimulatedOpenQA, role: str, shown: str
) -> None:
    openqa.users[COOKIE] = ("https://id.example/olivia", "Olivia", role)
    assert who(browser) == f"Olivia · {shown}"


def test_nobody_in_openqa_is_nobody_here(browser: FlaskClient) -> None:
    assert status(browser) == 303


def test_without_a_cookie_openqa_is_not_asked(app: Flask, openqa: SimulatedOpenQA) -> None:
    assert status(app.test_client()) == 303
    assert openqa.asked == []


@pytest.mark.parametrize("cookie", ['a"b', "a b", "ä", "x" * 4097, "a,b", "a\\b"])
def test_what_can_be_no_cookie_is_not_passed_on(
    app: Flask, openqa: SimulatedOpenQA, cookie: str
) -> None:
    app.test_client(use_cookies=False).get("/", headers={"Cookie": f"mojolicious={cookie}"})
    assert openqa.asked == []


def test_openqa_is_asked_once_in_a_while(
    browser: FlaskClient, openqa: SimulatedOpenQA, later: Callable[[float], None]
) -> None:
    openqa.users[COOKIE] = ("olivia", "Olivia", "operator")
    for _ in range(5):
        who(browser)
    asked = len(openqa.asked)
    assert openqa.count("/session/test") == 1
    later(guests.BELIEVED_S + 1)
    who(browser)
    assert len(openqa.asked) == asked + 1


def test_many_requests_at_once_ask_once(app: Flask, openqa: SimulatedOpenQA) -> None:
    openqa.users[COOKIE] = ("olivia", "Olivia", "operator")

    def look() -> str | None:
        client = app.test_client()
        show(client, COOKIE)
        return who(client)

    looks = [gevent.spawn(look) for _ in range(10)]
    assert {greenlet.get() for greenlet in looks} == {"Olivia · operator"}
    assert openqa.count("/session/test") == 1


def test_signed_out_there_is_signed_out_here(browser: FlaskClient, openqa: SimulatedOpenQA) -> None:
    openqa.users[COOKIE] = ("olivia", "Olivia", "operator")
    assert who(browser)
    show(browser, "eyJub2JvZHkiOjF9---0")
    assert status(browser) == 303


def test_a_withdrawn_role_is_withdrawn_here(
    browser: FlaskClient, openqa: SimulatedOpenQA, later: Callable[[float], None]
) -> None:
    openqa.users[COOKIE] = ("olivia", "Olivia", "administrator")
    assert who(browser) == "Olivia · administrator"
    openqa.users[COOKIE] = ("olivia", "Olivia", "")
    later(guests.BELIEVED_S + 1)
    assert who(browser) == "Olivia · viewer"


def test_a_role_is_withdrawn_also_if_the_database_was_away_when_openqa_said_so(
    browser: FlaskClient,
    openqa: SimulatedOpenQA,
    later: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    openqa.users[COOKIE] = ("olivia", "Olivia", "administrator")
    assert who(browser) == "Olivia · administrator"
    openqa.users[COOKIE] = ("olivia", "Olivia", "")
    later(guests.BELIEVED_S + 1)
    with monkeypatch.context() as away:
        away.setattr(Database, "read", out_of_reach)
        assert status(browser) == 503
    assert who(browser) == "Olivia · viewer"


def test_a_removed_user_is_signed_out(
    browser: FlaskClient, openqa: SimulatedOpenQA, later: Callable[[float], None]
) -> None:
    openqa.users[COOKIE] = ("olivia", "Olivia", "")
    assert who(browser)
    del openqa.users[COOKIE]
    later(guests.BELIEVED_S + 1)
    assert status(browser) == 303


def test_a_guest_signs_out_in_openqa_alone(browser: FlaskClient, openqa: SimulatedOpenQA) -> None:
    openqa.users[COOKIE] = ("olivia", "Olivia", "operator")
    page = LexborHTMLParser(browser.get("/").text)
    assert page.css_first(".who button") is None
    token = page.css_first("input[name=csrf_token]").attributes["value"]
    assert browser.post("/sign-out", data={"csrf_token": token}).status_code == 403


@pytest.mark.parametrize(
    "broken",
    [
        always("500 Internal Server Error"),
        always("200 OK", "Welcome to the captive portal"),
        always("403 Forbidden", "a proxy says no"),
        always("404 Not Found"),
        half,
        endless,
        silent,
    ],
    ids=["500", "another page", "403 of a proxy", "404", "half", "huge", "silent"],
)
def test_an_openqa_that_does_not_tell_lets_nobody_in(
    browser: FlaskClient,
    openqa: SimulatedOpenQA,
    broken: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "WAIT_S", 0.3)
    openqa.broken = broken  # type: ignore[assignment]
    answer = browser.get("/")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert browser.get("/sign-in").status_code == 200, "there is another way in"


def test_an_answer_that_comes_in_drops_is_not_waited_for(
    browser: FlaskClient, openqa: SimulatedOpenQA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WHOLE_ANSWER_S", 0.3)

    def drops(_environ: object, start: Callable[..., object]) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "text/html")])
        while True:
            gevent.sleep(0.05)
            yield b"."

    openqa.broken = drops  # type: ignore[assignment]
    assert status(browser) == 503


def test_a_guest_stays_for_a_while_when_openqa_is_gone(
    browser: FlaskClient, openqa: SimulatedOpenQA, later: Callable[[float], None]
) -> None:
    openqa.users[COOKIE] = ("olivia", "Olivia", "operator")
    assert who(browser)
    openqa.stop()
    later(guests.BELIEVED_S + 1)
    assert who(browser) == "Olivia · operator"
    later(guests.MISSED_S)
    assert status(browser) == 503


def test_an_openqa_that_failed_is_left_alone_for_a_moment(
    browser: FlaskClient, openqa: SimulatedOpenQA, later: Callable[[float], None]
) -> None:
    openqa.broken = half  # type: ignore[assignment]
    for _ in range(5):
        status(browser)
    assert len(openqa.asked) == 1
    openqa.broken = None
    openqa.users[COOKIE] = ("olivia", "Olivia", "operator")
    later(server.LEFT_ALONE_S + 1)
    assert who(browser) == "Olivia · operator"


def test_cookies_that_nobody_has_are_asked_about_only_so_often(
    app: Flask, openqa: SimulatedOpenQA
) -> None:
    most = 3
    limit = limits.Limit(most, "Too many cookies that openQA disowned.")
    object.__setattr__(app.extensions["devmode"].limits, "strange_cookie", limit)
    for number in range(most + 2):
        client = app.test_client(use_cookies=False)
        answer = client.get("/", headers={"Cookie": f"mojolicious=made-up-{number}"})
    assert answer.status_code == 429
    assert len(openqa.asked) == most


def test_the_cookie_is_in_no_log_and_no_page(
    browser: FlaskClient, openqa: SimulatedOpenQA, caplog: pytest.LogCaptureFixture,
    later: Callable[[float], None],
) -> None:  # fmt: skip
    caplog.set_level(0)
    openqa.users[COOKIE] = ("olivia", "Olivia", "operator")
    pages = browser.get("/").text
    openqa.stop()
    later(guests.BELIEVED_S + 1)
    pages += browser.get("/").text
    later(guests.MISSED_S)
    pages += browser.get("/").text
    assert "openQA" in pages
    assert CANARY not in pages + caplog.text + repr(
        guests._Guest(server.Server("http://x"), COOKIE)
    )


def test_a_cookie_goes_to_the_openqa_of_its_host_name_alone(tmp_path: Path) -> None:
    app = devmode_beside("https://openqa.opensuse.org,http://openqa.example.org/sub", tmp_path)
    known = app.extensions["devmode"].guests
    assert known.server_of("openqa.example.org").url == "http://openqa.example.org/sub"
    assert known.server_of("localhost") is None


def test_two_of_one_name_from_two_openqas_are_two(tmp_path: Path, openqa: SimulatedOpenQA) -> None:
    app = devmode_beside(f"{openqa.url},https://openqa.example.org", tmp_path)
    openqa.users[COOKIE] = ("olivia", "Olivia", "operator")
    client = app.test_client()
    show(client, COOKIE)
    assert who(client) == "Olivia@127.0.0.1 · operator"


def test_an_openqa_on_this_machine_may_go_by_any_name(app: Flask, openqa: SimulatedOpenQA) -> None:
    openqa.users[COOKIE] = ("olivia", "Olivia", "operator")
    client = app.test_client()
    client.set_cookie("mojolicious", COOKIE, domain="openqa.example.org")
    page = client.get("/", base_url="https://openqa.example.org:8443").text
    link = LexborHTMLParser(page).css_first(".who a")
    assert link.attributes["href"] == "https://openqa.example.org"


def test_the_sign_in_leads_to_openqa_and_back(app: Flask) -> None:
    page = LexborHTMLParser(app.test_client().get("/sign-in?next=javascript:alert(1)").text)
    links = [link.attributes["href"] for link in page.css("form a")]
    assert links == ["http://localhost/login", "/"]


def test_it_can_be_switched_off(tmp_path: Path, openqa: SimulatedOpenQA) -> None:
    client = devmode_beside(openqa.url, tmp_path, sign_in=False).test_client()
    show(client, COOKIE)
    assert status(client) == 303
    assert openqa.asked == []


@pytest.mark.parametrize(
    ("openqas", "here"),
    [
        ("Olivia", "Olivia"),
        ("<b>Olivia</b>", "<b>Olivia</b>"),
        ("o" * 41, f"{'o' * 31}~37a0d6b1"),
        ("o" * 42, f"{'o' * 31}~"),
        ("\u202eaivilO", "aivilO~"),
    ],
)
def test_a_name_that_can_not_be_shown_becomes_one_that_can(openqas: str, here: str) -> None:
    name = usable_name(openqas)
    assert name.startswith(here[:32])
    assert name.isprintable()
    assert len(name) <= LONGEST_NAME


def test_two_long_names_stay_different() -> None:
    assert usable_name("o" * 50) != usable_name("o" * 51)
