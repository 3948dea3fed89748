"""Needles made while paused, died modules, hand-overs, races, and values that never leave."""

import gevent
import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.null.fixtures import Person, SignIn, StartWatched, Watched

PAUSED = {"PAUSE_AT": "boot-menu_visible"}


def test_a_needle_made_while_paused_matches_on_resume(null: StartWatched, owner: Person) -> None:
    job = null("boot/menu_visible", "boot/missing_needle", **PAUSED, MISMATCH_TIMEOUT=2)
    owner.takes_control(job)
    turn = job.wait_for_pause().execution.turn
    owner.sets(job, pause_on_mismatch="assert_screen")
    owner.does(job, "resume")
    job.wait_for_pause(after_turn=turn + 1)
    job.real.make_needle("needle-to-be-made")
    owner.does(job, "resume")
    job.wait_for_end()
    assert job.real.results()["boot-missing_needle"] == "ok"


def test_the_death_of_a_module_is_ignored_and_the_next_one_runs(
    null: StartWatched, owner: Person
) -> None:
    job = null("boot/menu_visible", "shell/broken_module", "shell/command_line", **PAUSED)
    owner.takes_control(job)
    turn = job.wait_for_pause().execution.turn
    owner.sets(job, pause_on_failure="1")
    owner.does(job, "resume")
    view = job.wait_for_pause(after_turn=turn + 1)
    assert "test died" in view.headline.detail
    assert owner.does(job, "resume", ignore_failure="1").startswith("The failure is ignored")
    job.wait_for(lambda view: view.current_module == "shell-command_line", "the next module")


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


@pytest.mark.timeout(400)
def test_of_two_to_eight_who_start_at_once_exactly_one_wins_each_of_500_rounds(
    shared_job: Watched, sign_in: SignIn
) -> None:
    people = [sign_in(f"racer {number}") for number in range(8)]
    for number in range(500):
        racers = people[: 2 + number % 7]
        races = [gevent.spawn(person.click, shared_job, "session") for person in racers]
        gevent.joinall(races)
        won = [
            person for person, race in zip(racers, races, strict=True) if race.value.status == 200
        ]
        assert len(won) == 1
        assert all(race.value.status in (200, 409) for race in races)
        won[0].does(shared_job, "session/release", then="stay")
        assert shared_job.view.session is None


def test_an_unknown_module_or_value_never_leaves_devmode(
    shared_job: Watched, owner: Person
) -> None:
    owner.takes_control(shared_job)
    assert owner.click(shared_job, "settings", pause_at="no-such").status == 422
    assert owner.click(shared_job, "settings", pause_on_mismatch="nonsense").status == 422
    assert owner.click(shared_job, "settings", pause_on_next_command="maybe").status == 422
    assert shared_job.real.is_running
    owner.does(shared_job, "session/release", then="stay")
