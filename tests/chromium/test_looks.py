"""Every page in every state: axe finds nothing in it, and its pictures are kept to be looked at."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.chromium.conftest import keep_screenshot
from tests.chromium.server import Server
from tests.chromium.test_live_view import take_control
from tests.real.job import RealJob

Person = Callable[..., Page]
LIMIT_MS = 30_000
WIDTHS = {360: 760, 1400: 900, 2560: 1440}
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
OPTIONS = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
SCHEDULES = {
    "ended": {"SCHEDULE": "boot/menu_visible,boot/missing_needle", "MISMATCH_TIMEOUT": 1},
    "paused": {
        "SCHEDULE": "boot/menu_visible,boot/choose_entry,shell/small_steps",
        "PAUSE_AT": "shell-small_steps",
        "MAX_JOB_TIME": 7200,
    },
    "running": {"SCHEDULE": "boot/menu_visible,shell/long_wait", "LONG_WAIT": 300},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of this file."""
    server = Server(tmp_path_factory.mktemp("devmode"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def job(server: Server) -> Iterator[dict[str, RealJob]]:
    """A job in each state for all of this file; they are numbered in this order."""
    jobs = {
        state: RealJob(server.folder / "pools" / state, "null", NAME=state, **variables)
        for state, variables in SCHEDULES.items()
    }
    try:
        for job in jobs.values():
            job.start()
            job.wait_until_listening()
        jobs["ended"].wait_for_end()
        jobs["paused"].wait_for_pause()
        yield jobs
    finally:
        for job in jobs.values():
            job.stop()


def look(page: Page, state: str) -> None:
    """Have axe look at a page in each theme, once on a phone, and keep what people see."""
    for theme, width_for_axe in (("light", 1400), ("dark", 360)):
        page.emulate_media(color_scheme=theme)
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            keep_screenshot(page, f"looks-{state}-{theme}-{width}")
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{state} scrolls sideways at {width} px"
            if width == width_for_axe:
                found = Axe().run(page, options=OPTIONS)
                assert not found.violations_count, found.generate_report()


def open_job(page: Page, name: str) -> None:
    page.click(f".job .name >> text={name}")
    expect(page.locator("#picture")).to_be_visible(timeout=LIMIT_MS)


def test_the_pages_around(person: Person, server: Server) -> None:
    olivia = person("olivia")
    expect(olivia.locator(".job.running .detail")).to_contain_text("long_wait", timeout=LIMIT_MS)
    expect(olivia.locator(".job img")).to_have_count(3, timeout=LIMIT_MS)
    look(olivia, "list")
    for state, path in (("api", "/api"), ("error", "/jobs/4711")):
        olivia.goto(server.url + path)
        look(olivia, state)
    olivia.click(".who button")
    look(olivia, "sign-in")


def test_a_paused_job(person: Person) -> None:
    olivia, victor = person("olivia"), person("victor", "viewer")
    open_job(victor, "paused")
    look(victor, "paused-viewer")
    open_job(olivia, "paused")
    take_control(olivia)
    look(olivia, "paused-owner")
    olivia.click("#keys-open")
    look(olivia, "keys")
    olivia.keyboard.press("Escape")
    olivia.click("#panel .tabs a >> text=Timeline")
    expect(olivia.locator("#region-timeline")).to_be_visible()
    look(olivia, "paused-timeline")
    olivia.click("text=Whole timeline")
    look(olivia, "timeline")


def test_a_running_job(person: Person) -> None:
    olivia = person("olivia")
    open_job(olivia, "running")
    expect(olivia.locator("#region-status")).to_contain_text("Running", timeout=LIMIT_MS)
    take_control(olivia)
    look(olivia, "running-owner")


def test_an_ended_job_and_its_steps(person: Person) -> None:
    victor = person("victor", "viewer")
    open_job(victor, "ended")
    victor.click("#module-missing_needle summary")
    expect(victor.locator(".step.fail").first).to_be_visible()
    look(victor, "ended")
    steps = victor.locator("#module-missing_needle .steps").get_attribute("hx-get")
    victor.goto(victor.url.split("/jobs")[0] + str(steps))
    look(victor, "module")
