"""The schedule of real jobs, with results and steps."""

import json
import os
from collections.abc import Iterator

import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.null.fixtures import Person, Watched, unique_name
from tests.real.job import RealJob

SCHEDULE = "boot/missing_needle,shell/command_line,boot/menu_visible"
VARIABLES = {"PAUSE_AT": "boot-menu_visible", "MISMATCH_TIMEOUT": 1, "TYPING_LIMIT": 100}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def job(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A job with a failed module and a good one, paused at its third."""
    real = RealJob(
        tmp_path_factory.mktemp("pool"), SCHEDULE=SCHEDULE, NAME=unique_name(), **VARIABLES
    )
    try:
        real.start()
        real.make_needle("needle-to-be-made", "grub-command-line")
        real.wait_until_listening()
        watched = Watched(real, app.extensions["devmode"].feed)
        watched.feed.view_for_page(watched.id)
        watched.wait_for(
            lambda view: view.is_paused and view.job.modules[1].result,
            "two results and the pause",
        )
        yield watched
    finally:
        real.stop()


def steps_of(person: Person, job: Watched, module: str) -> list[LexborNode]:
    page = person.get(f"/jobs/{job.id}/modules/{module}")
    assert page.status_code == 200
    return LexborHTMLParser(page.text).css(".step")


def class_of(node: LexborNode) -> str:
    return node.attributes["class"] or ""


def file_of(job: Watched, kind: str) -> str:
    """The last result of a kind that the failed module has told."""
    content = (job.real.pool / "testresults" / "result-missing_needle.json").read_text()
    return [detail[kind] for detail in json.loads(content)["details"] if kind in detail][-1]


def test_the_schedule_tells_results_and_run_times(job: Watched, victor: Person) -> None:
    page = LexborHTMLParser(victor.get(f"/jobs/{job.id}").text)
    lines = [
        " ".join(node.text().split()) for node in page.css(".schedule .module > details > summary")
    ]
    assert lines[0].startswith("✗ boot-missing_needle fail, ")
    assert lines[1].startswith("✓ shell-command_line ok, ")
    assert lines[2] == "‖ boot-menu_visible paused"


def test_a_failed_needle_is_drawn_over_the_screenshot(job: Watched, victor: Person) -> None:
    matched, *steps = steps_of(victor, job, "missing_needle")
    failed = next(step for step in steps if step.css_first(".shot") and "fail" in class_of(step))
    assert "grub-menu 100 %" in matched.text()
    assert matched.css_first("rect.matched") is not None
    assert "open" in failed.attributes
    area = failed.css_first("rect.missed")
    assert area is not None
    assert area.attributes["width"] == "620"
    assert failed.css_first("svg").attributes["viewBox"] == "0 0 720 400"
    assert "needle-to-be-made, 0 %" in " ".join(failed.text().split())


def test_texts_stand_among_the_steps_without_what_only_a_terminal_needs(
    job: Watched, victor: Person
) -> None:
    texts = [step.css_first(".text") for step in steps_of(victor, job, "command_line")]
    shown = "\n".join(text.text() for text in texts if text)
    assert "grub> echo Hello, tester" in shown
    assert "\x1b" not in shown


def test_pictures_and_texts_can_be_had(job: Watched, victor: Person) -> None:
    shot = file_of(job, "screenshot")
    for path, kind in (
        (f"results/{shot}", "image/png"),
        (f"results/thumbnails/{shot}", "image/png"),
        (f"results/{file_of(job, 'text')}", "text/plain"),
    ):
        answer = victor.get(f"/jobs/{job.id}/{path}")
        assert (answer.status_code, answer.mimetype) == (200, kind)
        assert answer.data.startswith(PNG) == (kind == "image/png")


def test_the_token_is_masked_in_texts_of_results(job: Watched, victor: Person) -> None:
    text = job.real.pool / "testresults" / file_of(job, "text")
    before = text.read_text()
    text.write_text(f"http://10.0.2.2:20003/{job.real.token}/data\n")
    page = victor.get(f"/jobs/{job.id}/modules/missing_needle").text
    whole = victor.get(f"/jobs/{job.id}/results/{text.name}").text
    text.write_text(before)
    assert "10.0.2.2" in page
    assert "10.0.2.2" in whole
    assert job.real.token not in page + whole


NO_RESULTS = """../vars.json %2e%2e/vars.json result-missing_needle.json x.png pipe.png link.png
text.png thumbnails/.. thumbnails/x.png .thumbs/missing_needle-1.png"""


@pytest.mark.parametrize("path", NO_RESULTS.split())
def test_there_is_no_way_to_other_files(job: Watched, owner: Person, path: str) -> None:
    results = job.real.pool / "testresults"
    if not (results / "pipe.png").exists():
        os.mkfifo(results / "pipe.png")
        (results / "link.png").symlink_to("missing_needle-1.png")
        (results / "text.png").write_text("<script>")
    assert owner.get(f"/jobs/{job.id}/results/{path}").status_code == 404


def test_a_module_without_steps_says_so(job: Watched, owner: Person) -> None:
    for module in ("menu_visible", "no_such_module", "%2e%2e"):
        answer = owner.get(f"/jobs/{job.id}/modules/{module}")
        assert answer.status_code == 200
        assert "has not told any steps yet" in answer.text


def test_only_the_owner_can_pick_a_module_to_pause_at(
    job: Watched, owner: Person, victor: Person
) -> None:
    path = f"/jobs/{job.id}"
    owner.takes_control(job)
    owner.sets(job, pause_at="")
    answer = owner.click(job, "settings", pause_at="boot-menu_visible")
    assert answer.sentence == "Saved."
    assert LexborHTMLParser(owner.get(path).text).css_first("button.pause-here.set") is not None
    assert LexborHTMLParser(victor.get(path).text).css("button.pause-here") == []
    assert LexborHTMLParser(victor.get(path).text).css_first("span.pause-here.set") is not None
    owner.does(job, "session/release", then="stay")
