"""The connection doctor and real command servers."""

import json

from selectolax.lexbor import LexborHTMLParser

from tests.api.fixtures import Program
from tests.null.fixtures import Person, StartWatched, Watched

STEPS = ["Pool directory", "Name resolution", "TCP", "HTTP without the token"]
STEPS += ["HTTP with the token", "Websocket", "First status", "Version"]


def test_every_step_to_a_healthy_job_is_fine(shared_job: Watched, program: Program) -> None:
    told = program.get(f"/jobs/{shared_job.id}/doctor")
    assert told["reachable"], told
    assert [finding["step"] for finding in told["findings"]] == STEPS
    assert {finding["outcome"] for finding in told["findings"]} == {"fine"}
    assert "version 1." in told["findings"][-1]["seen"]
    assert shared_job.real.token not in json.dumps(told)


def test_an_examination_disturbs_no_session(controlled_job: Watched, program: Program) -> None:
    before = controlled_job.view
    assert program.get(f"/jobs/{controlled_job.id}/doctor")["reachable"]
    assert controlled_job.view.session == before.session
    assert controlled_job.view.execution == before.execution


def test_people_see_the_same_as_programs(shared_job: Watched, victor: Person) -> None:
    answer = victor.get(f"/jobs/{shared_job.id}/doctor")
    page = LexborHTMLParser(answer.text)
    assert [node.text() for node in page.css(".examination li strong")] == STEPS
    assert "can be reached" in page.css_first(".message").text()
    assert shared_job.real.token not in answer.text


def test_of_an_ended_job_nothing_is_tried(null: StartWatched, program: Program) -> None:
    job = null("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    job.real.terminate()
    job.wait_for_end()
    told = program.get(f"/jobs/{job.id}/doctor")
    assert not told["reachable"]
    assert told["findings"][0]["seen"] == "The job has ended."
    assert {finding["outcome"] for finding in told["findings"][1:]} == {"not_tried"}
