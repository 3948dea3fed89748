"""What openQA is asked to do about a job, and what is told when it doesn't."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser

from devmode.errors import DatabaseAway
from devmode.openqa import server
from devmode.sessions.store import Store
from tests.api.fixtures import Program
from tests.null.fixtures import Person
from tests.simulated.fixtures import app, command_server, job_id, owner, token
from tests.simulated.openqa import SimulatedOpenQA, always, half, silent
from tests.waiting import until

__all__ = ["app", "command_server", "job_id", "owner", "token"]


def kinds(app: Flask, job_id: int) -> dict[str, str]:
    events = app.extensions["devmode"].feed.view(job_id).events
    return {event.kind: f"{event.who}: {event.text}" for event in events}


def test_a_cancelled_job_is_cancelled_in_openqa_with_who_and_why(
    app: Flask, openqa: SimulatedOpenQA, job_id: int, owner: Person
) -> None:
    owner.post(f"/jobs/{job_id}/session")
    answer = owner.post(
        f"/jobs/{job_id}/session/release", then="cancel", reason=" the  needle\nis wrong. "
    )
    assert "openQA is told to cancel the job." in answer.text
    said = {"reason": "cancelled in devmode by olivia: the needle is wrong"}
    assert openqa.done == [("cancel", 7, said)]
    feed = app.extensions["devmode"].feed
    until(lambda: feed.view(job_id).headline.kind == "ended", "the end")
    assert kinds(app, job_id)["cancelled"] == "olivia: Cancelled the job: the needle is wrong."
    until(lambda: feed.view(job_id).session is None, "the end of the session")


def test_only_its_owner_cancels_a_job(openqa: SimulatedOpenQA, job_id: int, owner: Person) -> None:
    answer = owner.post(f"/jobs/{job_id}/session/release", then="cancel")
    assert answer.status_code == 403
    assert openqa.done == []


def test_a_restart_is_told_with_its_number_and_who_asked(
    app: Flask, openqa: SimulatedOpenQA, job_id: int, owner: Person
) -> None:
    answer = owner.post(f"/jobs/{job_id}/openqa/restart", reason="flaky")
    assert "openQA runs the job again, as its job 107." in answer.text
    assert openqa.done == [
        ("restart", 7, {}),
        ("comments", 7, {"text": "Restarted as job 107 in devmode by olivia: flaky."}),
    ]
    expected = "olivia: Had openQA run the job again as job 107: flaky."
    assert kinds(app, job_id)["restarted"] == expected


def test_a_job_that_somebody_else_controls_is_not_restarted(
    app: Flask, openqa: SimulatedOpenQA, job_id: int, owner: Person
) -> None:
    owner.post(f"/jobs/{job_id}/session")
    answer = Person(app, "oscar").post(f"/jobs/{job_id}/openqa/restart")
    assert answer.status_code == 409
    assert "olivia controls the job" in answer.text
    assert openqa.done == []


FRESH = "hx-partial[hx-target='#comment']"


def test_a_comment_names_its_author(openqa: SimulatedOpenQA, job_id: int, owner: Person) -> None:
    answer = owner.post(f"/jobs/{job_id}/openqa/comment", comment="bsc#1234 & <b>more</b>\n2nd")
    assert "The comment stands in openQA." in answer.text
    (field,) = LexborHTMLParser(answer.text).css(f"{FRESH} textarea")
    assert (field.attributes["name"], field.text()) == ("comment", "")
    text = "olivia, in devmode: bsc#1234 & <b>more</b>\n2nd"
    assert openqa.done == [("comments", 7, {"text": text})]


@pytest.mark.parametrize("text", ["", "  \n", "x" * 4001])
def test_a_comment_of_nothing_or_too_much_is_not_left(
    openqa: SimulatedOpenQA, job_id: int, owner: Person, text: str
) -> None:
    answer = owner.post(f"/jobs/{job_id}/openqa/comment", comment=text)
    assert answer.status_code == 422
    assert not LexborHTMLParser(answer.text).css(FRESH), "what was written stays"
    assert openqa.done == []


@pytest.mark.parametrize("way", ["restart", "comment"])
def test_viewers_have_openqa_do_nothing(
    app: Flask, openqa: SimulatedOpenQA, job_id: int, way: str
) -> None:
    victor = Person(app, "victor", "viewer")
    assert victor.post(f"/jobs/{job_id}/openqa/{way}", comment="x").status_code == 403
    assert "In openQA" not in victor.get(f"/jobs/{job_id}").text
    assert openqa.done == []


@pytest.mark.parametrize(
    ("broken", "status", "sentence"),
    [
        (always("403 Forbidden", '{"error": "Administrator level <b>required</b>"}'), 502,
         "openQA refused (HTTP status 403): Administrator level &lt;b&gt;required&lt;/b&gt;"),
        (always("404 Not Found", "gone"), 502, "HTTP status 404"),
        (always("500 Internal Server Error"), 503, "HTTP status 500"),
        (always("200 OK", '{"result": [], "errors": ["Job 7 misses assets"]}'), 502,
         "Job 7 misses assets"),
        (always("200 OK", "null"), 502, "it does not say why"),
        (always("200 OK", '{"result": [{"7": "x"}]}'), 502, "it does not say why"),
        (half, 503, "could not be asked"),
        (silent, 503, "could not be asked"),
    ],
    ids=["403", "404", "500", "errors", "null", "wrong", "half", "silent"],
)  # fmt: skip
def test_what_openqa_says_instead_is_told(
    app: Flask,
    openqa: SimulatedOpenQA,
    job_id: int,
    owner: Person,
    broken: Callable[..., Any],
    status: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "WAIT_S", 0.3)

    def posts(environ: dict[str, Any], start: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST":
            return broken(environ, start)
        return openqa.answer_soundly(environ, start)

    openqa.broken = posts
    answer = owner.post(f"/jobs/{job_id}/openqa/restart")
    assert answer.status_code == status, answer.text
    assert sentence in answer.text
    assert "restarted" not in kinds(app, job_id)


def test_a_wrong_key_is_told(
    app: Flask, openqa: SimulatedOpenQA, job_id: int, owner: Person
) -> None:
    errands = app.extensions["devmode"].errands
    (api,) = errands._apis.values()
    object.__setattr__(api._credentials, "secret", "another")
    answer = owner.post(f"/jobs/{job_id}/openqa/comment", comment="x")
    assert (answer.status_code, openqa.done) == (502, [])
    assert "openQA refused (HTTP status 403): Not authorized" in answer.text


def test_without_a_key_it_is_said_where_one_belongs(app: Flask, job_id: int, owner: Person) -> None:
    errands = app.extensions["devmode"].errands
    (api,) = errands._apis.values()
    api._credentials = None
    owner.post(f"/jobs/{job_id}/session")
    answer = owner.post(f"/jobs/{job_id}/session/release", then="cancel")
    assert answer.status_code == 502
    assert "DEVMODE_OPENQA_KEY" in answer.text


def test_a_restart_whose_comment_fails_is_a_restart(
    openqa: SimulatedOpenQA, job_id: int, owner: Person
) -> None:
    def no_comments(environ: dict[str, Any], start: Any) -> Any:
        if environ["PATH_INFO"].endswith("/comments"):
            return always("403 Forbidden", '{"error": "no comments"}')(environ, start)
        return openqa.answer_soundly(environ, start)

    openqa.broken = no_comments
    answer = owner.post(f"/jobs/{job_id}/openqa/restart")
    assert answer.status_code == 200
    assert "as its job 107. A comment that says who asked could not be left" in answer.text


@pytest.mark.parametrize(
    ("way", "told"),
    [("restart", "openQA runs the job again, as its job 107."),
     ("comment", "The comment stands in openQA.")],
)  # fmt: skip
def test_what_openqa_has_done_is_told_though_it_can_not_be_written_down(
    job_id: int, owner: Person, way: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_event: Any) -> None:
        raise DatabaseAway("Nothing was changed; try again.")

    monkeypatch.setattr(Store, "_add_event", away)
    answer = owner.post(f"/jobs/{job_id}/openqa/{way}", comment="x")
    assert answer.status_code == 200
    assert told in answer.text


def test_programs_do_the_same(app: Flask, openqa: SimulatedOpenQA, job_id: int) -> None:
    robot = Program(app, "robot")
    body = {"json": {"reason": "nightly"}}
    told = robot.ask("POST", f"/jobs/{job_id}/openqa/restart", **body)
    assert told.json["message"].endswith("job 107.")
    told = robot.ask("POST", f"/jobs/{job_id}/openqa/comment", json={"text": "seen"})
    assert told.json["message"] == "The comment stands in openQA."
    robot.ask("PUT", f"/jobs/{job_id}/session")
    told = robot.ask("DELETE", f"/jobs/{job_id}/session?then=cancel&reason=stuck")
    assert told.json["message"] == "openQA is told to cancel the job."
    assert openqa.done[-1][2] == {"reason": "cancelled in devmode by robot: stuck"}
