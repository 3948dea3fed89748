"""Who may steer: one developer at a time, never a viewer, never a form of somebody else's."""

from urllib.parse import unquote

import gevent
import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser

from tests.null.fixtures import HTMX, Person, SignIn, Watched


def test_a_second_developer_is_told_who_controls_the_job(
    shared_job: Watched, owner: Person, oscar: Person
) -> None:
    owner.takes_control(shared_job)
    answer = oscar.click(shared_job, "session")
    assert (answer.status, answer.kind) == (409, "error")
    assert answer.sentence.startswith("olivia controls this job")
    session = shared_job.view.session
    assert session is not None
    assert session.developer == "olivia"
    owner.does(shared_job, "session/release", then="stay")


def test_who_does_not_control_the_job_can_not_steer_it(
    shared_job: Watched, owner: Person, oscar: Person
) -> None:
    owner.takes_control(shared_job)
    before = shared_job.view.execution
    for action in ("pause", "resume", "step", "skip-timeout", "give-up", "session/release"):
        assert oscar.click(shared_job, action).status == 403
    assert shared_job.view.execution == before
    owner.does(shared_job, "session/release", then="stay")


def test_who_controls_a_job_may_take_control_once_more_in_a_second_tab(
    shared_job: Watched, owner: Person
) -> None:
    owner.takes_control(shared_job)
    owner.takes_control(shared_job)
    owner.does(shared_job, "session/release", then="stay")


def test_an_owner_who_is_a_viewer_by_now_steers_nothing_and_may_let_go(
    shared_job: Watched, owner: Person, sign_in: SignIn
) -> None:
    owner.takes_control(shared_job)
    lesser = sign_in("olivia", "viewer")
    before = shared_job.view.execution
    for action in ("pause", "resume", "step", "give-up", "settings", "session/hand-over"):
        assert lesser.click(shared_job, action, pause_on_failure="1").status == 403
    assert lesser.click(shared_job, "session/release", then="cancel").status == 403
    assert 'data-action="' not in lesser.get(f"/jobs/{shared_job.id}").text
    assert shared_job.view.execution == before
    lesser.does(shared_job, "session/release", then="stay")
    assert shared_job.view.session is None


def test_a_viewer_sees_the_job_and_is_refused_to_take_control(
    shared_job: Watched, victor: Person
) -> None:
    page = victor.get(f"/jobs/{shared_job.id}")
    assert "Paused at module boot-menu_visible" in page.text
    assert 'data-action="' not in page.text
    answer = victor.click(shared_job, "session")
    assert (answer.status, answer.kind) == (403, "error")
    assert shared_job.view.session is None


def test_without_javascript_a_refusal_is_told_on_the_page_that_follows(
    shared_job: Watched, victor: Person
) -> None:
    answer = victor.post(f"/jobs/{shared_job.id}/session", htmx=False)
    assert answer.status_code == 303
    assert answer.location == f"/jobs/{shared_job.id}"
    assert "which can&#39;t control a job" in victor.get(answer.location).text


def test_a_form_without_its_token_is_refused_and_changes_nothing(
    app: Flask, shared_job: Watched, owner: Person
) -> None:
    for headers in ({}, HTMX):
        answer = owner.client.post(f"/jobs/{shared_job.id}/session", headers=headers)
        assert answer.status_code == 400
        assert "This form has expired" in answer.text
    assert shared_job.view.session is None
    assert app.test_client().post("/sign-in", data={"name": "eve"}).status_code == 400


def test_the_token_of_somebody_elses_form_is_refused(
    shared_job: Watched, owner: Person, oscar: Person
) -> None:
    path = f"/jobs/{shared_job.id}/session"
    assert owner.client.post(path, data=oscar.token).status_code == 400
    assert shared_job.view.session is None


@pytest.mark.timeout(400)
def test_of_two_to_eight_who_start_at_once_exactly_one_wins_each_of_500_rounds(
    shared_job: Watched, sign_in: SignIn
) -> None:
    people = [sign_in(f"racer {number}") for number in range(8)]
    for number in range(500):
        racers = people[: 2 + number % 7]
        clicks = [gevent.spawn(person.click, shared_job, "session") for person in racers]
        gevent.joinall(clicks, raise_error=True)
        statuses = [click.value.status for click in clicks]
        assert sorted(statuses) == [200] + [409] * (len(racers) - 1)
        winner = racers[statuses.index(200)]
        session = shared_job.view.session
        assert session is not None
        assert session.developer == winner.name
        winner.does(shared_job, "session/release", then="stay")
        assert shared_job.view.session is None


def test_who_is_signed_out_meanwhile_is_led_back_to_the_same_page(
    shared_job: Watched, sign_in: SignIn
) -> None:
    person = sign_in("otto")
    with person.client.session_transaction() as cookie:
        cookie["login"] = "of yesterday"
    page = f"/jobs/{shared_job.id}?panel=timeline"
    headers = HTMX | {"HX-Current-URL": f"http://localhost{page}"}
    path = f"/jobs/{shared_job.id}/session"
    answer = person.client.post(path, data=person.token, headers=headers)
    assert answer.status_code == 401
    back = LexborHTMLParser(answer.text).css_first(".message a").attributes["href"]
    assert unquote(back or "") == f"/sign-in?next={page}"
    assert shared_job.view.session is None


@pytest.mark.parametrize("action", ["session", "session/release", "settings", "resume"])
def test_a_job_that_is_not_there_is_told_so(owner: Person, action: str) -> None:
    for htmx in (True, False):
        answer = owner.post(f"/jobs/999999/{action}", htmx=htmx, pause_on_failure="1")
        assert answer.status_code == 404
