"""What a developer does on the page, done by a program; only with its token."""

import pytest
from flask import Flask

from devmode.live.screens import Screens
from tests.api.fixtures import NewProgram, Program
from tests.null.fixtures import Person, SignIn, StartWatched, Watched

JOB_FIELDS = {
    "id", "name", "state", "origin", "started_at", "ended_at", "deadline", "result", "modules",
    "execution", "link", "session", "headline", "revision",
}  # fmt: skip


def test_a_job_is_told_as_its_page_shows_it(shared_job: Watched, program: Program) -> None:
    told = program.get(f"/jobs/{shared_job.id}")
    assert told.keys() == JOB_FIELDS
    assert told["name"] == shared_job.name
    assert (told["state"], told["link"], told["session"]) == ("running", "connected", None)
    assert told["modules"] == [{"name": "menu_visible", "category": "boot", "result": ""}]
    assert told["execution"] | {"api_function": None} == {
        "known": True,
        "module": "boot-menu_visible",
        "api_function": None,
        "paused": True,
        "pause_reason": "reached module boot-menu_visible",
        "pause_at": "boot-menu_visible",
        "pause_on_mismatch": "off",
        "pause_on_next_command": False,
        "pause_on_failure": shared_job.view.execution.pause_on_failure,
    }
    assert told["headline"]["title"] == "Paused at module boot-menu_visible"


def test_the_list_tells_jobs_as_they_are_told_alone_and_looks_at_no_screen(
    shared_job: Watched, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = program.get(f"/jobs/{shared_job.id}")
    monkeypatch.delattr(Screens, "of")
    listed = program.get("/jobs")["jobs"]
    assert next(job for job in listed if job["id"] == shared_job.id) == alone


def test_a_program_steers_a_test_from_pause_to_end(null: StartWatched, program: Program) -> None:
    job = null("boot/menu_visible", "shell/command_line", PAUSE_AT="boot-menu_visible")
    taken = program.does("PUT", job, "session")
    assert taken["message"] == "You control this job."
    assert taken["session"]["developer"] == "robot"
    job.wait_for_pause()
    changed = program.does(
        "PATCH",
        job,
        "settings",
        pause_at="shell-command_line",
        pause_on_mismatch="assert_screen",
        pause_on_failure=True,
    )
    assert changed["execution"]["pause_at"] == "shell-command_line"
    assert changed["execution"]["pause_on_mismatch"] == "assert_screen"
    assert changed["execution"]["pause_on_failure"] is True
    turn = job.view.execution.turn
    assert program.does("POST", job, "resume")["message"] == "The test goes on."
    job.wait_for_pause(after_turn=turn + 1)
    paused = program.get(f"/jobs/{job.id}")
    assert paused["headline"]["title"] == "Paused at module shell-command_line"
    program.does("POST", job, "step", revision=paused["revision"])
    job.wait_for_pause(after_turn=turn + 2)
    assert program.is_refused("POST", job, "step", revision=paused["revision"]) == (
        409,
        "state_changed",
    )
    cleared = program.does("PATCH", job, "settings", pause_at=None)
    assert cleared["execution"]["pause_at"] is None
    let_go = program.does("DELETE", job, "session")
    assert let_go["message"] == "You let go, the test continues."
    assert let_go["session"] is None
    job.wait_for_end()
    assert set(job.real.results().values()) == {"ok"}
    ended = program.get(f"/jobs/{job.id}")
    assert (ended["state"], ended["link"]) == ("ended", "closed")
    for method, path in (("PUT", "session"), ("POST", "resume"), ("DELETE", "session")):
        assert program.is_refused(method, job, path) == (409, "job_not_running")


def test_a_cancelled_job_ends(null: StartWatched, program: Program) -> None:
    job = null("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    program.does("PUT", job, "session")
    told = program.does("DELETE", job, "session?then=cancel")["message"]
    assert told == "The job is told to end."
    job.wait_for_end()


def test_control_goes_from_hand_to_hand(
    controlled_job: Watched, program: Program, other_program: Program, new_program: NewProgram
) -> None:
    assert other_program.is_refused("PUT", controlled_job, "session") == (409, "session_locked")
    assert other_program.is_refused("POST", controlled_job, "resume") == (403, "not_session_owner")
    asked = other_program.does("POST", controlled_job, "session/request")
    assert asked["session"]["requested_by"] == "other robot"
    nobody = program.is_refused("POST", controlled_job, "session/decline", who="nobody")
    assert nobody == (409, "state_changed")
    for who, path, body in (
        (other_program, "session/withdraw", {}),
        (program, "session/decline", {"who": "other robot"}),
    ):
        assert who.does("POST", controlled_job, path, **body)["session"]["requested_by"] is None
        assert who.is_refused("POST", controlled_job, path, **body) == (409, "state_changed")
        other_program.does("POST", controlled_job, "session/request")
    by_another = other_program.is_refused("POST", controlled_job, "session/decline", who="x")
    assert by_another == (403, "not_session_owner")
    given = program.does("POST", controlled_job, "session/hand-over", to="other robot")
    assert given["session"]["developer"] == "other robot"
    assert program.is_refused("POST", controlled_job, "session/take-over") == (403, "not_permitted")
    admin = new_program("root", "administrator")
    taken = admin.does("POST", controlled_job, "session/take-over")
    assert taken["session"]["developer"] == "root"
    admin.does("DELETE", controlled_job, "session?then=stay")


def test_a_token_and_a_browser_of_one_name_are_the_same_developer(
    controlled_job: Watched, sign_in: SignIn
) -> None:
    robot = sign_in("robot")
    assert "You control this job" in robot.get(f"/jobs/{controlled_job.id}").text


def test_values_that_no_setting_has_never_leave_devmode(
    controlled_job: Watched, program: Program
) -> None:
    before = controlled_job.view.execution
    for change in (
        {"pause_at": "no-such"},
        {"pause_at": 7},
        {"pause_at": "x" * 2000},
        {"pause_on_mismatch": "nonsense"},
        {"pause_on_mismatch": None},
        {"pause_on_next_command": "1"},
        {"pause_on_failure": 1},
        {"pause_on_nothing": True},
        {"cmd": "QUIT"},
    ):
        refused = program.is_refused("PATCH", controlled_job, "settings", **change)
        assert refused == (422, "invalid_command"), change
    assert controlled_job.view.execution == before
    assert controlled_job.real.is_running


def test_a_viewers_token_looks_and_steers_nothing(
    shared_job: Watched, new_program: NewProgram
) -> None:
    viewer = new_program("looker", "viewer")
    assert viewer.get(f"/jobs/{shared_job.id}")["id"] == shared_job.id
    for method, path in (
        ("PUT", "session"),
        ("POST", "session/request"),
        ("POST", "session/withdraw"),
        ("POST", "session/take-over"),
    ):
        assert viewer.is_refused(method, shared_job, path) == (403, "not_permitted")
    assert shared_job.view.session is None


def test_a_cookie_opens_nothing_of_the_api(shared_job: Watched, owner: Person) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), ("PUT", "/session"), ("POST", "/pause")):
        for form in ({}, owner.token):
            answer = owner.client.open(
                f"/api/v1/jobs/{shared_job.id}{path}", method=method, data=form
            )
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert shared_job.view.session is None


def test_a_token_opens_no_page(shared_job: Watched, program: Program) -> None:
    for path in ("/", f"/jobs/{shared_job.id}"):
        answer = program.client.get(path, headers=program.headers)
        assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/sign-in")
    assert program.client.get("/events", headers=program.headers).status_code == 401
    posted = program.client.post(f"/jobs/{shared_job.id}/session", headers=program.headers)
    assert posted.status_code == 400
    assert shared_job.view.session is None


def test_a_wrong_a_revoked_and_an_expired_token_open_nothing(
    app: Flask, new_program: NewProgram
) -> None:
    tokens = app.extensions["devmode"].tokens
    gone = new_program("gone")
    assert gone.ask("GET", "/jobs").status_code == 200
    assert tokens.revoke("gone") == 1
    lapsed = new_program("lapsed")
    lapsed.headers = {"Authorization": f"Bearer {tokens.create('lapsed', 2, -1.0)}"}
    wrong = new_program("wrong")
    wrong.headers = {"Authorization": "Bearer devmode_x"}
    basic = new_program("basic")
    basic.headers = {"Authorization": "Basic b2xpdmlhOng="}
    for program in (gone, lapsed, wrong, basic):
        assert program.ask("GET", "/jobs").status_code == 401
