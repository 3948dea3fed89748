"""Every page in every state: axe finds nothing in it, and its pictures are kept to be looked at."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.chromium.people import Person, enter, keep_screenshot, take_control
from tests.chromium.server import Server
from tests.real.job import RealJob

HEIGHTS = {360: 760, 1400: 900, 2560: 1440}
"""Of a phone, a window and a wall, by their widths."""
LOOKS = (("light", 2560), ("light", 1400), ("light", 360), ("dark", 360))
LOOKS_OF_AXE = (("light", 1400), ("dark", 360))
WIDTHS = (360, 389, 390, 411, 412, 539, 540, 959, 960, 1159, 1160, 1239, 1240, 1319, 1320, 2560)
PLACES = """[".screen", ".schedule", ".texts"].map(
    (part) => Math.round(document.querySelector(part).getBoundingClientRect().top + scrollY)
)"""
BOXES = """(() => {
    const { x, y } = document.querySelector("#region-actions").getBoundingClientRect();
    const actions = [...document.querySelectorAll("#region-actions [data-action]")];
    return Object.fromEntries(actions.map((action) => {
        const { left, right, top, bottom } = action.getBoundingClientRect();
        return [action.dataset.action, [left - x, right - x, top - y, bottom - y].map(Math.round)];
    }));
})()"""
"""Of what can be pressed, seen from their corner: the names of the jobs differ in length."""
SCALE = """() => {
    const { clientWidth, clientHeight, naturalWidth, naturalHeight } = picture;
    return Math.min(clientWidth / naturalWidth, clientHeight / naturalHeight);
}"""
"""At once: the picture may be replaced at any moment."""
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
    "mismatch": {
        "SCHEDULE": "boot/menu_visible,boot/missing_needle",
        "PAUSE_ON_SCREEN_MISMATCH": "assert_screen",
        "MISMATCH_TIMEOUT": 1,
    },
    "lost": {"SCHEDULE": "boot/menu_visible,shell/long_wait", "LONG_WAIT": 300},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of this file, on a machine with as long a name as any."""
    folder = tmp_path_factory.mktemp("devmode")
    with Server(folder, host="openqa-worker-17.testing.example.org") as server:
        yield server


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
        for job in jobs.values():
            job.wait_until_listening()
        jobs["ended"].wait_for_end()
        for state in ("paused", "mismatch"):
            jobs[state].wait_for_pause()
        yield jobs
    finally:
        for job in jobs.values():
            job.kill()


def resize(page: Page, width: int, height: int) -> None:
    """Waits until the page has that size: it is told of it like of anything else."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function(f"innerWidth === {width} && innerHeight === {height}")


def look(page: Page, state: str) -> None:
    """Have axe look at a page in each theme, once on a phone, and keep what people see."""
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme)
        resize(page, width, HEIGHTS[width])
        keep_screenshot(page, f"looks-{state}-{theme}-{width}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{state} scrolls sideways at {width} px"
        if (theme, width) in LOOKS_OF_AXE:
            found = Axe().run(page, options=OPTIONS)
            assert not found.violations_count, found.generate_report()


def open_job(page: Page, name: str) -> None:
    page.click(f".job .name >> text={name}")
    expect(page.locator("#picture")).to_be_visible()
    # What a page holds can be seen before its style has come: until then it stands elsewhere.
    page.wait_for_load_state()


def test_the_pages_around(person: Person, server: Server) -> None:
    olivia = person("olivia")
    expect(olivia.locator(".job", has_text="shell-long_wait")).to_have_count(2)
    expect(olivia.locator(".job.paused")).to_have_count(2)
    expect(olivia.locator(".job img")).to_have_count(len(SCHEDULES))
    look(olivia, "list")
    for state, path in (("api", "/api"), ("error", "/jobs/4711"), ("ended-list", "/ended")):
        olivia.goto(server.url + path)
        look(olivia, state)
    olivia.click(".who button")
    olivia.wait_for_url("**/sign-in")
    look(olivia, "sign-in")
    enter(olivia, "olivia", "not the code")
    expect(olivia.locator(".message.error")).to_contain_text("That is not the start code")
    expect(olivia.locator("#code")).to_be_focused()
    look(olivia, "sign-in-refused")


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
    olivia.wait_for_url("**/timeline")
    look(olivia, "timeline")


def test_what_is_below_stays_where_it_is_when_a_test_pauses_on_a_mismatch(person: Person) -> None:
    """Of two jobs in these states, each part stands at the same height, however wide the page."""
    heights = {}
    for state, name in (("running", "olivia"), ("mismatch", "oscar")):
        with controlled(person(name), state) as owner:
            heights[state] = {width: heights_at(owner, width) for width in WIDTHS}
    assert heights["running"] == heights["mismatch"]


def test_who_could_take_control_sees_less_to_press_and_nothing_that_moves(person: Person) -> None:
    heights = {}
    for state, name in (("running", "olivia"), ("mismatch", "oscar")):
        page = person(name)
        open_job(page, state)
        expect(page.locator("[data-action=start]")).to_be_visible()
        heights[state] = {width: heights_at(page, width) for width in WIDTHS}
        room = page.locator(".now").evaluate("now => now.clientHeight")
    assert heights["running"] == heights["mismatch"]
    page.click(".brand")
    with controlled(page, "mismatch") as owner:
        assert owner.locator(".now").evaluate("now => now.clientHeight") > room


def test_nothing_moves_when_somebody_asks_the_owner_for_control(person: Person) -> None:
    """Neither when the test is paused on a mismatch, which leaves no room for anything else."""
    oscar = person("maximilian-oscar.habermann")
    open_job(oscar, "mismatch")
    resize(oscar, 360, HEIGHTS[360])
    sign_out = oscar.locator(".who button")
    assert sign_out.evaluate("button => button.clientHeight") < 40, "it is on two lines"
    with controlled(person("olivia"), "mismatch") as owner:
        before = {width: (heights_at(owner, width), boxes_at(owner, width)) for width in WIDTHS}
        oscar.click("[data-action=request]")
        expect(owner.locator("[data-action=hand-over]")).to_be_visible()
        after = {width: (heights_at(owner, width), boxes_at(owner, width)) for width in WIDTHS}
        look(owner, "asked-owner")
        owner.click("[data-action=decline]")
        expect(owner.locator("[data-action=decline]")).to_have_count(0)
    assert after == before


def test_who_presses_step_again_and_again_presses_nothing_else(person: Person) -> None:
    """While a screen check runs it keeps its place, and what fails a module is nowhere near."""
    boxes = {}
    for state, name in (("running", "olivia"), ("mismatch", "oscar")):
        with controlled(person(name), state) as owner:
            works = state != "running"
            expect(owner.get_by_role("button", name="Step")).to_be_enabled(enabled=works)
            boxes[state] = {width: boxes_at(owner, width) for width in WIDTHS}
    for width in WIDTHS:
        running, mismatch = boxes["running"][width], boxes["mismatch"][width]
        assert running["step"] == mismatch["step"], width
        assert running["pause"] == mismatch["resume"], width
        met = [name for name, box in mismatch.items() if meet(box, running["skip-timeout"])]
        assert not met, f"Skip timeout stands where {met} stood at {width} px"


@contextmanager
def controlled(owner: Page, state: str) -> Iterator[Page]:
    """Control a job for a while, without changing its state."""
    open_job(owner, state)
    take_control(owner)
    expect(owner.locator("#region-actions [data-action=step]")).to_be_visible()
    # Its stream is open: nothing comes any more that was not there from the start.
    expect(owner.locator("#region-session")).to_contain_text("1 tab")
    yield owner
    owner.click("[data-action=release-stay]")
    expect(owner.locator("#region-session")).to_contain_text("Nobody controls")


def boxes_at(page: Page, width: int) -> dict[str, list[float]]:
    resize(page, width, 900)
    boxes: dict[str, list[float]] = page.evaluate(BOXES)
    return boxes


def meet(one: list[float], other: list[float]) -> bool:
    (left, right, top, bottom), (left2, right2, top2, bottom2) = one, other
    return left < right2 and left2 < right and top < bottom2 and top2 < bottom


def test_a_larger_window_shows_a_larger_screen(person: Person) -> None:
    olivia = person("olivia")
    open_job(olivia, "running")
    scales = []
    for width, height in ((1400, 900), (1920, 1080), (2560, 1440)):
        resize(olivia, width, height)
        scales.append(olivia.evaluate(SCALE))
    assert scales == sorted(set(scales))


def test_screen_and_text_stay_in_sight_beside_a_long_schedule(person: Person) -> None:
    olivia = person("olivia", viewport={"width": 1400, "height": 900})
    open_job(olivia, "running")
    olivia.locator(".schedule").evaluate("schedule => { schedule.style.height = '3000px'; }")
    olivia.evaluate("scrollTo(0, 2000)")
    for part in (".screen", ".texts"):
        expect(olivia.locator(part)).to_be_in_viewport(ratio=1)


def test_nothing_moves_when_the_scripts_have_come(person: Person) -> None:
    olivia = person("olivia")
    open_job(olivia, "running")
    expect(olivia.locator("#region-status")).to_contain_text("Running")
    expect(olivia.locator("#keys-open")).to_be_visible()
    with_scripts = {width: heights_at(olivia, width) for width in WIDTHS}
    olivia.route(re.compile(r"/(keys|attention)\.js"), lambda route: route.abort())
    olivia.reload()
    expect(olivia.locator("#region-status")).to_contain_text("Running")
    expect(olivia.locator("#keys-open")).to_be_hidden()
    assert {width: heights_at(olivia, width) for width in WIDTHS} == with_scripts


def heights_at(page: Page, width: int) -> list[float]:
    resize(page, width, 900)
    places: list[float] = page.evaluate(PLACES)
    return places


def test_a_running_job(person: Person) -> None:
    olivia = person("olivia")
    open_job(olivia, "running")
    expect(olivia.locator("#region-status")).to_contain_text("Running")
    take_control(olivia)
    look(olivia, "running-owner")
    olivia.goto(olivia.url.partition("?")[0] + "/doctor")
    expect(olivia.locator(".examination .message")).to_contain_text("can be reached")
    look(olivia, "doctor")


def test_a_mismatch(person: Person) -> None:
    olivia = person("olivia")
    open_job(olivia, "mismatch")
    take_control(olivia)
    expect(olivia.get_by_role("button", name="Give up the check")).to_be_visible()
    look(olivia, "mismatch-owner")
    olivia.click("[data-action=needle]")
    expect(olivia.locator("#drawing-help")).to_be_visible()
    olivia.locator("#drawing rect").focus()
    look(olivia, "needle")


def test_a_lost_connection(person: Person, job: dict[str, RealJob]) -> None:
    olivia = person("olivia")
    open_job(olivia, "lost")
    take_control(olivia)
    # Without its command server isotovideo would end.
    job["lost"].freeze()
    try:
        job["lost"].kill_command_server()
        expect(olivia.locator("#region-status")).to_contain_text("Reconnecting")
        look(olivia, "reconnecting-owner")
    finally:
        job["lost"].thaw()


def test_paper_gets_what_happened_and_nothing_to_press(person: Person) -> None:
    victor = person("victor", "viewer")
    open_job(victor, "ended")
    victor.emulate_media(media="print", color_scheme="dark")
    resize(victor, 720, 1000)
    for printed in (".job-name", "#region-status", "#region-schedule", "#region-timeline"):
        expect(victor.locator(printed)).to_be_visible()
    for left_out in ("header", ".panel", ".screen", "#text", "#attention"):
        expect(victor.locator(left_out)).to_be_hidden()
    assert victor.evaluate("getComputedStyle(document.body).colorScheme") != "dark"
    keep_screenshot(victor, "looks-print-ended")


def test_an_ended_job_and_its_steps(person: Person) -> None:
    victor = person("victor", "viewer")
    open_job(victor, "ended")
    victor.click("#module-missing_needle summary")
    expect(victor.locator(".step.fail").first).to_be_visible()
    look(victor, "ended")
    victor.locator(".step.fail .shot").first.click()
    look(victor, "shot")
    victor.keyboard.press("Escape")
    steps = victor.locator("#module-missing_needle .steps").get_attribute("hx-get")
    victor.goto(victor.url.split("/jobs")[0] + str(steps))
    look(victor, "module")
