"""What is logged, with the numbers of job and session, and what is not."""

import logging
from typing import Any

import pytest
from flask import Flask

from tests.null.fixtures import Person, Watched


def lines(caplog: pytest.LogCaptureFixture, logger: str) -> list[dict[str, Any]]:
    """The fields of what was logged under a name."""
    records = (record for record in caplog.records if record.name.startswith(logger))
    return [record.msg for record in records if isinstance(record.msg, dict)]


def test_the_life_of_a_session_is_logged_without_what_its_commands_say(
    shared_job: Watched, owner: Person, oscar: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "devmode")
    owner.takes_control(shared_job)
    owner.sets(shared_job, pause_at="boot-menu_visible", was_pause_at="another")
    assert owner.click(shared_job, "skip-timeout").status == 409
    oscar.does(shared_job, "session/request")
    owner.does(shared_job, "session/hand-over", to="oscar")
    oscar.does(shared_job, "session/release", then="stay")
    told = lines(caplog, "devmode.sessions")
    assert {(line["job"], line["term"]) for line in told} == {(shared_job.id, 1)}
    assert [(line["event"], line.get("action"), line.get("outcome")) for line in told] == [
        ("session started", None, None),
        ("command settled", "settings", "done"),
        ("command settled", "skip_timeout", "state_changed"),
        ("session handed over", None, None),
        ("session ended", None, None),
        ("command settled", "leave", "done"),
    ]
    assert "menu_visible" not in repr(told)
    assert shared_job.real.token not in caplog.text


def test_a_request_that_failed_is_logged_with_its_job_and_without_what_it_asked(
    app: Flask,
    shared_job: Watched,
    owner: Person,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(job_id: int) -> None:
        raise RuntimeError(f"a defect in {job_id}")

    monkeypatch.setitem(app.view_functions, "jobs.show", fail)
    assert owner.get(f"/jobs/{shared_job.id}?asked=secret").status_code == 500
    (told,) = lines(caplog, "devmode.web.errors")
    assert (told["event"], told["job"]) == ("a request failed", shared_job.id)
    assert (told["method"], told["path"]) == ("GET", f"/jobs/{shared_job.id}")
    assert str(told["exc_info"]) == f"a defect in {shared_job.id}"
    assert "secret" not in caplog.text
