"""A page and the worker that holds its browser's stream, with a clock that can be turned."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.chromium.people import Person, take_control
from tests.chromium.server import Server
from tests.real.job import RealJob

PING_MS = 15_000

WORKER_IN_THE_PAGE = """
    window.SharedWorker = class {
        constructor(source) {
            const { port1, port2 } = new MessageChannel();
            const script = Object.assign(document.createElement("script"), { src: source });
            script.onload = () => onconnect({ ports: [port2] });
            document.head.append(script);
            this.port = port1;
        }
    };
"""
"""The clock of a worker can't be turned, that of a page can."""

FREEZE = """() => {
    const { postMessage } = MessagePort.prototype;
    const unsaid = [];
    MessagePort.prototype.postMessage = function (message) {
        if (message?.[0] === "pong") unsaid.push(() => postMessage.call(this, message));
        else postMessage.call(this, message);
    };
    window.thaw = () => {
        MessagePort.prototype.postMessage = postMessage;
        for (const say of unsaid) say();
    };
}"""


@pytest.fixture(scope="module")
def real(server: Server) -> Iterator[RealJob]:
    """One paused job for all of this file."""
    real = RealJob(
        server.folder / "pools" / "stream",
        "null",
        SCHEDULE="boot/menu_visible",
        PAUSE_AT="boot-menu_visible",
    )
    try:
        real.start()
        real.wait_for_pause()
        yield real
    finally:
        real.kill()


@pytest.fixture
def page(person: Person, server: Server, real: RealJob) -> Page:
    page = person("olivia")
    page.clock.install()
    page.add_init_script(WORKER_IN_THE_PAGE)
    page.goto(server.page_of(real.pool))
    sees_what_is_written(page, real, "when it was opened")
    return page


def sees_what_is_written(page: Page, real: RealJob, when: str) -> None:
    with (real.pool / "autoinst-log.txt").open("a") as log:
        log.write(f"written {when}\n")
    expect(page.locator("#text .line", has_text=f"written {when}").first).to_be_attached()


def test_a_page_is_live_when_its_laptop_has_slept(page: Page, real: RealJob) -> None:
    page.clock.fast_forward("10:00:00")
    sees_what_is_written(page, real, "after a night")


def test_a_page_that_was_frozen_comes_back(page: Page, real: RealJob) -> None:
    page.evaluate(FREEZE)
    for _ping in range(6):
        page.clock.run_for(PING_MS)
    assert page.evaluate("tabs.size") == 0
    page.evaluate("thaw()")
    sees_what_is_written(page, real, "when it was thawed")


def test_a_list_that_stays_open_keeps_nothing_of_jobs_that_have_left_it(page: Page) -> None:
    kept = page.evaluate("""() => {
        const tell = (regions) => receive({ data: JSON.stringify({ dashboard: true, regions }) });
        tell({ order: "8,9", "job-8": "eight", "job-9": "nine" });
        tell({ order: "9" });
        return latest.get("dashboard").regions;
    }""")
    assert kept == {"order": "9", "job-9": "nine"}


def test_what_waited_for_a_control_in_hand_does_not_replace_what_came_after_it(page: Page) -> None:
    take_control(page)
    # Late enough to lie ahead when it is asked for.
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 10"))
    select = page.locator("#setting-pause_on_mismatch")
    select.click()
    is_told(page, "settings", "before")
    select.evaluate("select => select.blur()")
    is_told(page, "settings", "after")
    page.clock.run_for(1000)
    expect(page.locator("#region-settings")).to_have_text("after")


def is_told(page: Page, region: str, text: str) -> None:
    page.evaluate(
        """([region, text]) => tellAll("message", { title: text, regions: { [region]: text } })""",
        [region, text],
    )
    expect(page).to_have_title(text)
