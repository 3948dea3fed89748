"""A needle is drawn in a real browser, with the mouse, a finger, keys, and without JavaScript."""

import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, Route, expect

from tests.chromium.people import Person, StartJob, enter, stand_in
from tests.chromium.server import Server
from tests.real.job import RealJob

MISMATCH = {"PAUSE_ON_SCREEN_MISMATCH": "assert_screen", "MISMATCH_TIMEOUT": 1}


def to_the_needle(page: Page) -> None:
    page.click("[data-action=start]")
    page.click("[data-action=needle]")


def to_the_drawing(page: Page) -> None:
    """Waits for the script, too: before it there is nothing to draw with."""
    to_the_needle(page)
    expect(page.locator("#drawing-help")).to_be_visible()


def drag(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Drags from one point of the picture to another, in its own pixels."""
    page.mouse.move(*on_the_page(page, begin))
    page.mouse.down()
    page.mouse.move(*on_the_page(page, end), steps=3)
    page.mouse.up()


def swipe(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """As `drag`, with a finger."""
    fingers = page.context.new_cdp_session(page)
    for kind, point in (("touchStart", begin), ("touchMove", end), ("touchMove", end)):
        x, y = on_the_page(page, point)
        touch = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
        fingers.send("Input.dispatchTouchEvent", touch)
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    fingers.detach()


def on_the_page(page: Page, point: tuple[float, float]) -> tuple[float, float]:
    """Where a point of the picture is."""
    box = page.locator("#drawing").bounding_box()
    assert box is not None
    scale = box["width"] / 720
    return box["x"] + point[0] * scale, box["y"] + point[1] * scale


def areas_of(page: Page) -> list[list[int]]:
    """What stands in the fields of each area."""
    areas: list[list[int]] = page.locator("#areas .area").evaluate_all(
        "areas => areas.map((area) => [...area.querySelectorAll('input')].slice(0, 4)"
        ".map((input) => Number(input.value)))"
    )
    return areas


def assert_near(found: list[int], meant: list[int]) -> None:
    """A pixel of the screen may be more than one of the picture."""
    assert all(abs(a - b) <= 3 for a, b in zip(found, meant, strict=True)), (found, meant)


def saved(job: RealJob, name: str) -> Any:
    return json.loads((job.pool / "needles" / f"{name}.json").read_text())


def test_a_drawn_needle_matches_when_the_test_is_resumed(person: Person, job: StartJob) -> None:
    real = job("boot/missing_needle", **MISMATCH)
    page = person("olivia", at=real, viewport={"width": 1400, "height": 900})
    to_the_drawing(page)
    expect(page.locator("#tags")).to_have_value("needle-to-be-made")
    # The whole picture, which what is drawn replaces.
    expect(page.locator("#drawing rect")).to_have_count(1)
    drag(page, (40, 10), (680, 80))
    [area] = areas_of(page)
    assert_near(area, [40, 10, 640, 70])
    drag(page, (300, 40), (310, 60))
    assert_near(areas_of(page)[0], [50, 30, 640, 70])
    drag(page, (690, 100), (400, 90))
    assert_near(areas_of(page)[0], [50, 30, 350, 60])
    before = areas_of(page)[0]
    page.locator("#drawing rect").focus()
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    x, y, width, height = areas_of(page)[0]
    assert [x, y, width, height] == [before[0] - 1, before[1] - 1, before[2] + 1, before[3] + 1]
    page.keyboard.press("Escape")
    drag(page, (60, 40), (90, 70))
    assert len(areas_of(page)) == 2
    page.keyboard.press("Delete")
    assert areas_of(page) == [[x, y, width, height]]
    page.fill("#name", "drawn")
    page.click(".buttons [value=save]")
    expect(page.locator("#flash")).to_contain_text("Needle drawn saved. Resume:")
    assert saved(real, "drawn")["area"][0] == {
        "xpos": x, "ypos": y, "width": width, "height": height, "type": "match", "match": 96,
    }  # fmt: skip
    page.click("[data-action=resume]")
    expect(page.locator("#region-status")).to_contain_text("Ended")
    assert real.results() == {"boot-missing_needle": "ok"}


def test_the_keyboard_goes_on_where_an_area_was_removed(person: Person, job: StartJob) -> None:
    page = person("olivia", at=job("boot/missing_needle", **MISMATCH))
    to_the_drawing(page)
    add, remove = page.locator("[value=add]"), page.locator("#areas [value^=remove]")
    for _area in range(2):
        add.press("Enter")
    expect(remove).to_have_count(2)
    remove.first.press("Enter")
    expect(remove).to_have_count(1)
    expect(remove).to_be_focused()
    page.keyboard.press("Enter")
    expect(remove).to_have_count(0)
    expect(add).to_be_focused()


def test_a_needle_that_is_not_saved_is_not_left_unasked(person: Person, job: StartJob) -> None:
    page = person("olivia", at=job("boot/missing_needle", **MISMATCH))
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    to_the_drawing(page)
    page.click(".brand")
    expect(page.locator("#jobs")).to_be_visible()
    assert not asked
    page.go_back()
    expect(page.locator("#drawing-help")).to_be_visible()
    drag(page, (40, 10), (680, 80))
    with page.expect_event("dialog"):
        page.click(".brand")
    expect(page.locator("#drawing rect.chosen")).to_be_visible()
    page.fill("#name", "unfinished")
    page.fill("[name=xpos]", "700")
    page.click(".buttons [value=save]")
    expect(page.locator("#flash .error")).to_contain_text("leaves the picture")
    with page.expect_event("dialog"):
        page.click(".brand")
    expect(page.locator("#flash .error")).to_be_visible()
    page.fill("[name=xpos]", "0")
    page.click(".buttons [value=save]")
    expect(page.locator("#flash")).to_contain_text("Needle unfinished saved.")
    assert asked == ["beforeunload"] * 2


@pytest.mark.parametrize("lose", [Route.abort, stand_in], ids=["network", "proxy"])
def test_a_needle_that_does_not_reach_devmode_stays_to_be_sent_again(
    person: Person, job: StartJob, lose: Callable[[Route], None]
) -> None:
    page = person("olivia", at=job("boot/missing_needle", **MISMATCH))
    to_the_drawing(page)
    drag(page, (40, 10), (680, 80))
    drawn = areas_of(page)
    page.fill("#name", "lost-on-the-way")
    page.route("**/needle?*", lambda route: lose(route))
    for button in ("save", "download"):
        page.click(f".buttons [value={button}]")
        told = page.locator("#flash .error")
        expect(told).to_have_text(
            "devmode did not answer. Nothing on this page is lost: try again."
        )
        assert areas_of(page) == drawn
        told.click()
    page.unroute_all()
    page.click(".buttons [value=save]")
    expect(page.locator("#flash")).to_contain_text("Needle lost-on-the-way saved. Resume:")


def test_what_was_drawn_is_there_again_after_an_expired_sign_in(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job("boot/missing_needle", **MISMATCH)
    page = person("olivia", at=real)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    to_the_drawing(page)
    drag(page, (40, 10), (680, 80))
    page.click("[value=add]")
    page.select_option("#areas .area:last-child [name=type]", "exclude")
    page.fill("#name", "after-signing-in")
    drawn, address = areas_of(page), page.url
    server.expire_logins()
    page.click(".buttons [value=save]")
    expect(page.locator("#flash .error")).to_contain_text("Sign in first")
    page.click("#flash a")
    enter(page, "olivia", server.start_code)
    page.wait_for_url(address)
    expect(page.locator("#flash")).to_contain_text("What was not saved is here again.")
    assert not asked
    assert areas_of(page) == drawn
    expect(page.locator("#drawing rect.exclude")).to_have_count(1)
    page.click(".buttons [value=save]")
    expect(page.locator("#flash")).to_contain_text("Needle after-signing-in saved.")
    areas = saved(real, "after-signing-in")["area"]
    assert [area["type"] for area in areas] == ["match", "exclude"]
    page.goto(address)
    expect(page.locator("#drawing-help")).to_be_visible()
    expect(page.locator("#flash p")).to_have_count(0)


def test_what_was_drawn_is_there_again_when_an_expired_form_is_loaded_anew(
    person: Person, job: StartJob
) -> None:
    page = person("olivia", at=job("boot/missing_needle", **MISMATCH))
    to_the_drawing(page)
    drag(page, (40, 10), (680, 80))
    drawn = areas_of(page)
    page.locator(".needle [name=csrf_token]").evaluate("field => { field.value += 'x'; }")
    page.click(".buttons [value=save]")
    expect(page.locator("#flash .error")).to_contain_text("Load the page again")
    page.reload()
    expect(page.locator("#flash")).to_contain_text("What was not saved is here again.")
    assert areas_of(page) == drawn


def test_a_field_says_why_its_needle_was_refused_until_it_is_mended(
    person: Person, job: StartJob
) -> None:
    page = person("olivia", at=job("boot/missing_needle", **MISMATCH))
    to_the_drawing(page)
    name = page.locator("#name")
    name.fill("no spaces")
    page.click(".buttons [value=save]")
    expect(name).to_have_accessible_description(re.compile("^A name has up to 100 letters"))
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_be_focused()
    name.fill("now-without")
    expect(name).to_have_accessible_description("")
    expect(name).not_to_have_attribute("aria-invalid", "true")
    page.click("[value=add]")
    page.fill("[name=xpos]", "700")
    page.click(".buttons [value=save]")
    area = page.get_by_role("group", name="Area 1")
    expect(area).to_have_accessible_description(re.compile("^Area 1 leaves the picture"))
    expect(page.locator("[name=xpos]")).to_be_focused()
    page.fill("[name=xpos]", "0")
    page.click(".buttons [value=save]")
    expect(page.locator("#flash")).to_contain_text("Needle now-without saved.")


def test_a_needle_is_downloaded_and_the_page_stays(person: Person, job: StartJob) -> None:
    page = person("victor", at=job("boot/missing_needle", **MISMATCH))
    to_the_drawing(page)
    page.fill("#name", "taken-along")
    with page.expect_download() as taken:
        page.click(".buttons [value=download]")
    assert taken.value.suggested_filename == "taken-along.zip"
    with zipfile.ZipFile(taken.value.path()) as files:
        assert sorted(files.namelist()) == ["taken-along.json", "taken-along.png"]
    expect(page.locator("#name")).to_have_value("taken-along")


def test_a_finger_draws_moves_and_resizes_an_area_on_a_phone(person: Person, job: StartJob) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = person("olivia", at=job("boot/missing_needle", **MISMATCH), **phone)
    to_the_drawing(page)
    page.locator("#drawing").scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    swipe(page, (100, 60), (500, 300))
    assert_near(areas_of(page)[0], [100, 60, 400, 240])
    swipe(page, (300, 150), (350, 200))
    assert_near(areas_of(page)[0], [150, 110, 400, 240])
    # Beside the corner, as fingers are.
    swipe(page, (560, 360), (610, 160))
    assert_near(areas_of(page)[0], [150, 110, 450, 40])
    assert page.evaluate("scrollY") == scrolled, "the page moved under the finger"


def test_without_javascript_areas_are_added_and_removed_by_the_form(
    person: Person, job: StartJob
) -> None:
    real = job("boot/missing_needle", **MISMATCH)
    page = person("olivia", at=real, java_script_enabled=False)
    to_the_needle(page)
    page.fill("#name", "typed")
    page.click("[value=add]")
    expect(page.locator(".area")).to_have_count(2)
    expect(page.locator("#name")).to_have_value("typed")
    page.click("[value=remove-1]")
    page.fill("[name=xpos]", "700")
    page.locator("#name").press("Enter")
    expect(page.locator("form .error")).to_contain_text("leaves the picture")
    page.fill("[name=xpos]", "0")
    page.select_option("[name=type]", "match")
    page.click(".buttons [value=save]")
    expect(page.locator("#flash")).to_contain_text("Needle typed saved.")
    assert saved(real, "typed")["area"][0]["width"] == 720
