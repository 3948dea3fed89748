"""A needle is made while the test is paused for want of it, and matches when it is resumed."""

import io
import json
import zipfile
from collections.abc import Iterator

import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.null.fixtures import Person, Watched, lasting_job

MISMATCH: dict[str, str | int] = {
    "PAUSE_ON_SCREEN_MISMATCH": "assert_screen",
    "MISMATCH_TIMEOUT": 1,
}
LOGO = {"xpos": "40", "ypos": "8", "width": "640", "height": "60", "type": "match", "match": "90"}


@pytest.fixture(scope="module")
def job(app: Flask, owner: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A job that is paused because no needle has the tag, controlled by olivia."""
    with lasting_job(app, tmp_path_factory, "boot/missing_needle", **MISMATCH) as job:
        owner.takes_control(job)
        job.wait_for(lambda view: view.mismatch, "the mismatch")
        yield job


def address_of(person: Person, job: Watched) -> str:
    """Follows the button of the live view to the screenshot of the mismatch."""
    button = LexborHTMLParser(person.get(f"/jobs/{job.id}").text).css_first("[data-action=needle]")
    assert button is not None
    answer = person.get(button.attributes["href"] or "")
    assert answer.status_code == 303
    return answer.location


def fields_of(page: str) -> dict[str, str]:
    form = LexborHTMLParser(page).css_first("form.needle")
    assert form is not None
    return {
        name: node.attributes.get("value") or ""
        for node in form.css("#name, #tags, #areas input")
        if (name := node.attributes["name"])
    }


def rows_of(page: str) -> list[LexborNode]:
    return LexborHTMLParser(page).css("#areas .area")


def problem_of(page: str) -> str:
    problem = LexborHTMLParser(page).css_first("form.needle .error")
    assert problem is not None, page
    return problem.text(strip=True)


def refusals_of(page: str) -> dict[str, str]:
    """What is said beside fields, by the ids that they are described by."""
    marks = LexborHTMLParser(page).css(".refusal")
    return {mark.attributes["id"] or "": told for mark in marks if (told := mark.text(strip=True))}


def test_what_was_typed_stays_in_the_form_when_it_makes_no_sense(
    job: Watched, owner: Person, victor: Person
) -> None:
    address = address_of(owner, job)
    typed = LOGO | {"name": "../x", "tags": 'a <b> "c"', "xpos": "100"}
    refused = owner.post(address, htmx=False, **typed)
    assert refused.status_code == 422
    assert fields_of(refused.text) == {key: typed[key] for key in typed if key != "type"}
    assert problem_of(refused.text).startswith("A name has up to 100")
    fine = {"name": "x", "xpos": "40"}
    for wrong, told, field in (
        ({"name": ".x"}, "A name has up to 100 letters", "name"),
        ({"tags": ""}, "A needle has one to 50 tags", "tags"),
        ({"xpos": "100"}, "Area 1 leaves the picture, which is 720 × 400 pixels.", "area-1"),
        ({"name": "grub-menu"}, "There is a needle grub-menu already.", "name"),
        ({"xpos": "4.5"}, "Area 1: “4.5” is not a number.", "area-1"),
        ({"type": "ocr"}, "A needle needs an area of the type match", "areas"),
    ):
        answer = owner.post(address, htmx=False, **typed | fine | wrong)
        problem = problem_of(answer.text)
        assert problem.startswith(told)
        assert refusals_of(answer.text) == {f"mark-{field}": problem}
        assert answer.text.count(f'aria-describedby="mark-{field}"') == 1
        assert answer.text.count("aria-invalid") == (field in ("name", "tags"))
    added = owner.post(address, htmx=False, **typed, do="add")
    assert len(rows_of(added.text)) == 2
    assert rows_of(owner.post(address, htmx=False, **typed, do="remove-1").text) == []
    assert owner.post(address, **typed).status_code == 422
    others = victor.post(address, htmx=False, **LOGO, name="x", tags="x")
    assert others.status_code == 403
    assert problem_of(others.text).startswith("You are signed in as viewer")
    assert refusals_of(others.text) == {}
    assert sorted(path.name for path in (job.real.pool / "needles").glob("*x*")) == []


def test_whoever_sees_the_picture_may_download_a_needle_of_it(job: Watched, victor: Person) -> None:
    # Nobody can know beforehand which screenshot that is.
    address = victor.get(f"/jobs/{job.id}/needle").location
    page = LexborHTMLParser(victor.get(address).text)
    assert page.css_first("button[value=download]") is not None
    assert page.css_first(".buttons button[value=save]") is None
    answer = victor.post(address, htmx=False, **LOGO, name="mine", tags="a b", do="download")
    assert answer.status_code == 200
    packed = zipfile.ZipFile(io.BytesIO(answer.data))
    assert packed.namelist() == ["mine.png", "mine.json"]
    assert json.loads(packed.read("mine.json"))["tags"] == ["a", "b"]


def test_the_screen_as_it_is_now_stays_what_it_was_while_a_needle_is_made(
    job: Watched, owner: Person
) -> None:
    address = owner.get(f"/jobs/{job.id}/needle?screenshot=now").location
    name = address.rpartition("=")[2]
    assert fields_of(owner.get(address).text)["tags"] == "needle-to-be-made"
    picture = owner.get(f"/jobs/{job.id}/results/{name}")
    assert picture.status_code == 200
    owner.post(address, htmx=False, **LOGO, name="as-it-is", tags="x")
    assert (job.real.pool / "needles" / "as-it-is.png").read_bytes() == picture.data


def test_the_steps_lead_to_needles_of_their_screenshots(job: Watched, owner: Person) -> None:
    steps = owner.get(f"/jobs/{job.id}/modules/missing_needle").text
    matched = LexborHTMLParser(steps).css_first(".step")
    assert matched is not None
    link, drawn = matched.css_first('a[href*="/needle?"]'), matched.css_first("rect.matched")
    assert link is not None
    assert drawn is not None
    fields = fields_of(owner.get(link.attributes["href"] or "").text)
    assert fields["tags"] == "grub-menu"
    assert fields["width"] == drawn.attributes["width"]


# The last one: it ends the job that all of them share.
def test_a_needle_of_the_mismatch_is_saved_and_matches_when_the_test_is_resumed(
    job: Watched, owner: Person
) -> None:
    address = address_of(owner, job)
    fields = fields_of(owner.get(address).text)
    assert fields["tags"] == "needle-to-be-made"
    assert fields["name"].startswith("needle-to-be-made-20")
    saved = owner.post(address, htmx=False, **fields | LOGO | {"name": "made-by-hand"})
    assert (saved.status_code, saved.location) == (303, f"/jobs/{job.id}")
    assert "Needle made-by-hand saved. Resume: the needles are" in owner.get(saved.location).text
    assert "needle_made" in job.events
    screenshot = address.rpartition("=")[2]
    results, needles = job.real.pool / "testresults", job.real.pool / "needles"
    assert (needles / "made-by-hand.png").read_bytes() == (results / screenshot).read_bytes()
    assert json.loads((needles / "made-by-hand.json").read_text()) == {
        "area": [{"xpos": 40, "ypos": 8, "width": 640, "height": 60, "type": "match", "match": 90}],
        "properties": [],
        "tags": ["needle-to-be-made"],
    }
    owner.does(job, "resume")
    job.wait_for_end()
    assert job.real.results() == {"boot-missing_needle": "ok"}
    # Its screenshots can still be made needles of, elsewhere.
    page = LexborHTMLParser(owner.get(address).text)
    assert page.css_first(".buttons button[value=save]") is None
    assert "The job has ended." in page.css_first("form.needle section").text()
