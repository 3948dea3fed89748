"""openQA's users and jobs in devmode, as a real openQA tells of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket
from flask import Flask
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser

from devmode.jobs import openqa as polling
from devmode.openqa import developers
from devmode.sessions import guests
from tests.apps import app_in, running
from tests.openqa.conftest import RunJob
from tests.openqa.instance import SLOW_OPENQA_S, OpenQA
from tests.waiting import LIMIT_S, until


@pytest.fixture(scope="module", autouse=True)
def hurry() -> Iterator[None]:
    """Ask openQA as if it were fast, and as often as somebody could wish for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polling, "INTERVAL_S", 0.5)
        patch.setattr(polling, "SHARE", 1)
        patch.setattr(developers, "GOOD_FOR_S", 1.0)
        yield


@pytest.fixture(scope="module")
def devmode(openqa: OpenQA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A devmode that knows nothing but openQA's URL and key."""
    yield from beside(openqa, tmp_path_factory.mktemp("devmode"))


def beside(openqa: OpenQA, folder: Path, **settings: str) -> Iterator[Flask]:
    asked = {"openqa_url": openqa.url, "openqa_key": openqa.key, "openqa_secret": openqa.secret}
    app = app_in(folder, **asked, **settings)
    yield from running(app)


def browser(devmode: Flask, openqa: OpenQA, name: str) -> FlaskClient:
    client = devmode.test_client()
    client.set_cookie("mojolicious", openqa.session_cookie(name), domain="localhost")
    return client


def who(client: FlaskClient) -> str | None:
    shown = LexborHTMLParser(client.get("/").text).css_first(".who span")
    return shown.text() if shown else None


def job_number(devmode: Flask, openqa_id: int) -> int:
    feed = devmode.extensions["devmode"].feed

    def found() -> int | None:
        views = (view for view in feed.views() if view.job.openqa_id == openqa_id)
        return next((view.job.id for view in views if view.job.address), None)

    return int(until(found, "openQA's job to appear", SLOW_OPENQA_S))


def does(client: FlaskClient, path: str, **form: str) -> str:
    field = LexborHTMLParser(client.get("/").text).css_first("input[name=csrf_token]")
    token = {"csrf_token": field.attributes["value"] or ""}
    answer = client.post(path, data=form | token, headers={"HX-Request": "true"})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_openqas_users_are_signed_in_with_their_roles(devmode: Flask, openqa: OpenQA) -> None:
    assert who(browser(devmode, openqa, "Demo")) == "Demo · administrator"
    assert who(browser(devmode, openqa, "nobody")) == "nobody · viewer"
    client = browser(devmode, openqa, "otherdeveloper")
    openqa.grant("otherdeveloper", operator=True, administrator=False)
    assert who(client) == "otherdeveloper · operator"
    openqa.grant("otherdeveloper", operator=True, administrator=True)


def test_whoever_signs_out_of_openqa_is_signed_out(devmode: Flask, openqa: OpenQA) -> None:
    cookies = openqa.sign_in("Demo")
    client = devmode.test_client()

    def show() -> None:
        value = next(cookie.value or "" for cookie in cookies)
        client.set_cookie("mojolicious", value, domain="localhost")

    show()
    assert who(client) == "Demo · administrator"
    openqa.sign_out(cookies)
    show()
    assert client.get("/").status_code == 303


def test_a_forged_cookie_opens_nothing(devmode: Flask, openqa: OpenQA) -> None:
    content, signature = openqa.session_cookie("Demo").rsplit("--", 1)
    for forged in (f"{content}--{'0' * len(signature)}", content, "x"):
        client = devmode.test_client()
        client.set_cookie("mojolicious", forged, domain="localhost")
        assert client.get("/").status_code == 303


def test_a_user_who_is_removed_is_nobody(
    devmode: Flask, openqa: OpenQA, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = browser(devmode, openqa, "nobody")
    assert who(client)
    monkeypatch.setattr(guests, "BELIEVED_S", 0.0)
    openqa.execute("DELETE FROM users WHERE username = 'nobody'")
    assert client.get("/").status_code == 303


def test_a_running_job_is_controlled_by_openqas_user(
    devmode: Flask, openqa: OpenQA, run_job: RunJob
) -> None:
    number = run_job(
        "boot/menu_visible", "boot/choose_entry", PAUSE_AT="boot-menu_visible", MAX_JOB_TIME=900
    )
    job_id = job_number(devmode, number)
    client = browser(devmode, openqa, "Demo")
    page = client.get(f"/jobs/{job_id}").text
    assert f"{openqa.url}/tests/{number}" in page
    view: Any = devmode.extensions["devmode"].feed.view(job_id)
    assert view.job.time_limit_s == 900
    assert "You control this job." in does(client, f"/jobs/{job_id}/session")
    feed = devmode.extensions["devmode"].feed
    until(lambda: feed.view(job_id).execution.pause, "the pause")
    until(lambda: feed.view(job_id).job.modules, "the schedule, from openQA")
    does(client, f"/jobs/{job_id}/settings", pause_at="boot-choose_entry", was_pause_at="")
    does(client, f"/jobs/{job_id}/resume", revision=feed.view(job_id).revision)
    until(
        lambda: (pause := feed.view(job_id).execution.pause) and "choose_entry" in pause.reason,
        "the pause at the next module",
    )
    assert feed.view(job_id).session.developer == "Demo"


def test_a_job_that_ends_in_openqa_ends_here(devmode: Flask, openqa: OpenQA, own_job: int) -> None:
    job_id = job_number(devmode, own_job)
    openqa.end_job(own_job)
    feed = devmode.extensions["devmode"].feed
    until(lambda: feed.view(job_id).headline.kind == "ended", "the end")


def test_a_comment_and_a_cancellation_stand_in_openqa_with_who_asked(
    devmode: Flask, openqa: OpenQA, own_job: int
) -> None:
    job_id = job_number(devmode, own_job)
    client = browser(devmode, openqa, "Demo")
    does(client, f"/jobs/{job_id}/openqa/comment", comment="looks *odd*")
    (comment,) = openqa.request("GET", f"/api/v1/jobs/{own_job}/comments")
    assert comment["text"] == "Demo, in devmode: looks *odd*"
    does(client, f"/jobs/{job_id}/session")
    told = does(client, f"/jobs/{job_id}/session/release", then="cancel", reason="wrong medium")
    assert "openQA is told to cancel the job." in told
    until(lambda: openqa.job(own_job)["state"] == "done", "openQA to cancel the job")
    job = openqa.job(own_job)
    assert job["result"] == "user_cancelled"
    assert "cancelled in devmode by Demo: wrong medium" in str(job.get("reason"))
    feed = devmode.extensions["devmode"].feed
    until(lambda: feed.view(job_id).headline.kind == "ended", "the end")
    until(lambda: feed.view(job_id).session is None, "the end of the session")


def test_a_job_is_run_again(devmode: Flask, openqa: OpenQA, own_job: int) -> None:
    job_id = job_number(devmode, own_job)
    client = browser(devmode, openqa, "Demo")
    told = does(client, f"/jobs/{job_id}/openqa/restart", reason="flaky")
    clone = openqa.job(own_job)["clone_id"]
    assert f"as its job {clone}." in told
    (comment,) = openqa.request("GET", f"/api/v1/jobs/{own_job}/comments")
    assert comment["text"] == f"Restarted as job {clone} in devmode by Demo: flaky."
    assert job_number(devmode, clone) != job_id
    openqa.end_job(clone)


def test_a_job_in_a_pool_directory_of_this_machine_is_one_job(
    openqa: OpenQA, paused_job: int, tmp_path: Path
) -> None:
    with contextmanager(beside)(openqa, tmp_path, pool_directories=str(openqa.pool)) as app:
        feed = app.extensions["devmode"].feed
        until(
            lambda: any(view.job.page and view.job.process for view in feed.views()),
            "the pool directory and openQA to tell of the job",
            SLOW_OPENQA_S,
        )
        (view,) = feed.views()
        assert view.job.openqa_id == paused_job
        assert view.job.pool_directory == openqa.pool


def test_a_needle_is_saved_behind_the_symlinks_of_a_worker_and_matches(
    openqa: OpenQA, run_job: RunJob, tmp_path: Path
) -> None:
    needles = openqa.folder.resolve() / "openqa" / "share" / "tests" / "demo" / "needles"
    mismatch = {"PAUSE_ON_SCREEN_MISMATCH": "assert_screen", "MISMATCH_TIMEOUT": 1}
    number = run_job("boot/missing_needle", **mismatch)
    places = {"pool_directories": str(openqa.pool), "needle_directories": str(needles)}
    with contextmanager(beside)(openqa, tmp_path, **places) as app:
        job_id, feed = job_number(app, number), app.extensions["devmode"].feed
        client = browser(app, openqa, "Demo")
        does(client, f"/jobs/{job_id}/session")
        until(lambda: feed.view(job_id).mismatch, "the mismatch")
        address = client.get(f"/jobs/{job_id}/needle").location
        area = {"xpos": "40", "ypos": "8", "width": "640", "height": "60"}
        fields = {"name": "made", "tags": "needle-to-be-made", "type": "match", "match": "96"}
        does(client, address, **area, **fields)
        assert "Needle made saved. Resume:" in client.get(f"/jobs/{job_id}").text
        assert (needles / "made.png").exists()
        does(client, f"/jobs/{job_id}/resume", revision=feed.view(job_id).revision)
        until(lambda: openqa.job(number)["state"] == "done", "the end in openQA")
    assert openqa.job(number)["result"] == "passed"
    # Other tests' jobs load them too.
    for file in needles.glob("made.*"):
        file.unlink()


def test_a_session_in_openqa_itself_is_told_before_anybody_takes_control(
    devmode: Flask, openqa: OpenQA, own_job: int
) -> None:
    livehandler = openqa.start_livehandler()
    page = f"/jobs/{job_number(devmode, own_job)}"
    client = browser(devmode, openqa, "Demo")
    assert "developer session in openQA itself" not in client.get(page).text
    theirs = websocket.create_connection(
        f"ws{livehandler.removeprefix('http')}/liveviewhandler/tests/{own_job}/developer/ws-proxy",
        cookie=f"mojolicious={openqa.session_cookie('otherdeveloper')}",
        timeout=LIMIT_S,
    )
    try:
        theirs.recv()
        told = "otherdeveloper has opened a developer session in openQA itself."
        until(lambda: told in client.get(page).text, "the other session to be told")
        assert "Take control" in client.get(page).text
    finally:
        theirs.close()
        openqa.stop_service("openqa-livehandler")
