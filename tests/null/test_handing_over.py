"""Control goes from one to another: asked for, handed over, taken over."""

import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser

from tests.null.fixtures import Person, SignIn, Watched
from tests.waiting import until


def test_control_is_asked_for_and_handed_over(
    shared_job: Watched, owner: Person, oscar: Person
) -> None:
    owner.takes_control(shared_job)
    oscar.does(shared_job, "session/request")
    owner.does(shared_job, "session/hand-over", to="oscar")
    session = shared_job.view.session
    assert session is not None
    assert session.developer == "oscar"
    oscar.does(shared_job, "session/release", then="stay")


def test_a_request_is_withdrawn_or_declined_and_both_pages_tell_so(
    shared_job: Watched, owner: Person, oscar: Person, victor: Person
) -> None:
    def buttons(person: Person) -> set[str]:
        page = LexborHTMLParser(person.get(f"/jobs/{shared_job.id}").text)
        actions = page.css("#region-session button:not([disabled])")
        return {action.attributes["data-action"] or "" for action in actions}

    owner.takes_control(shared_job)
    oscar.does(shared_job, "session/request")
    assert (buttons(owner), buttons(oscar)) == ({"hand-over", "decline"}, {"withdraw"})
    assert "You have asked for control." in oscar.get(f"/jobs/{shared_job.id}").text
    oscar.does(shared_job, "session/withdraw")
    assert (buttons(owner), buttons(oscar)) == (set(), {"request"})
    oscar.does(shared_job, "session/request")
    answer = owner.post(f"/jobs/{shared_job.id}/session/decline", htmx=False, who="oscar")
    assert answer.status_code == 303
    assert (buttons(owner), buttons(oscar)) == (set(), {"request"})
    page = f"/jobs/{shared_job.id}"
    assert "olivia declined your request." in oscar.get(page).text
    assert "olivia declined the request of oscar." in victor.get(page).text
    assert "olivia declined" not in owner.get(page).text
    assert shared_job.events[-4:] == ["requested", "withdrawn", "requested", "declined"]
    owner.does(shared_job, "session/release", then="stay")


def test_what_nobody_asks_is_neither_withdrawn_nor_declined(
    shared_job: Watched, owner: Person, oscar: Person, sign_in: SignIn
) -> None:
    owner.takes_control(shared_job)
    assert owner.click(shared_job, "session/decline", who="oscar").status == 409
    oscar.does(shared_job, "session/request")
    sign_in("otto").does(shared_job, "session/request")
    # The newer request has taken the place of his.
    assert oscar.click(shared_job, "session/withdraw").status == 409
    assert owner.click(shared_job, "session/decline", who="oscar").status == 409
    assert shared_job.view.session.requested_by == "otto"
    owner.does(shared_job, "session/release", then="stay")


def test_who_asks_themselves_for_control_has_asked_nobody(
    shared_job: Watched, owner: Person
) -> None:
    owner.takes_control(shared_job)
    asked = shared_job.events.count("requested")
    assert owner.click(shared_job, "session/request").status == 409
    assert shared_job.events.count("requested") == asked
    owner.does(shared_job, "session/release", then="stay")


def test_an_administrator_takes_over_from_anybody(
    shared_job: Watched, owner: Person, oscar: Person, sign_in: SignIn
) -> None:
    owner.takes_control(shared_job)
    assert oscar.click(shared_job, "session/take-over").status == 403
    ada = sign_in("ada", "administrator")
    ada.does(shared_job, "session/take-over")
    assert owner.click(shared_job, "resume").status == 403
    ada.does(shared_job, "session/release", then="stay")


@pytest.fixture
def away_soon(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.extensions["devmode"].sessions, "_away_after_s", 1.0)


@pytest.mark.usefixtures("away_soon")
def test_an_owner_without_a_tab_is_away_after_a_while_unless_they_look(
    shared_job: Watched, owner: Person, oscar: Person
) -> None:
    owner.takes_control(shared_job)
    shared_job.wait_for(lambda view: view.session and view.session.away, "the owner to be away")
    owner.get(f"/jobs/{shared_job.id}")
    assert not shared_job.view.session.away
    stream = oscar.get(f"/events?jobs={shared_job.id}")
    until(lambda: b"take-over" in next(stream.response), "an open page to offer to take over")
    stream.close()
    oscar.does(shared_job, "session/take-over")
    assert owner.click(shared_job, "resume").status == 403
    oscar.does(shared_job, "session/release", then="stay")
