"""A needle is drawn in a real browser, with the mouse, with keys, and without JavaScript."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.real.job import RealJob

StartJob = Callable[..., RealJob]
Person = Callable[..., Page]
MISMATCH = {"PAUSE_ON_SCREEN_MISMATCH": "assert_screen", "MISMATCH_TIMEOUT": 1}


def to_the_needle(page: Page) -> None:
    page.click("[data-action=start]")
    page.click("[data-action=needle]")


def drag(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Drags from one point of the picture to another, in its own pixels."""
    box = page.locator("#drawing").bounding_box()
    assert box is not None
    scale = box["width"] / 720
    for number, (x, y) in enumerate((begin, end)):
        page.mouse.move(box["x"] + x * scale, box["y"] + y * scale, steps=3)
        (page.mouse.up if number else page.mouse.down)()


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
    to_the_needle(page)
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
