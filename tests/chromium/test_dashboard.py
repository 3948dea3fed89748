"""The list of jobs, with as many as a team has."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from bench.commandservers import Burst
from tests.chromium.people import Person, StartJob, take_control
from tests.chromium.server import ROOT, Server
from tests.waiting import LIMIT_S, until

TOUR = ("boot/menu_visible", "shell/small_steps")
MANY = 300
NOTE_WHAT_MOVES = """() => {
    window.moved = [];
    window.observer = new PerformanceObserver((list) => moved.push(...list.getEntries()));
    return new Promise((resized) => requestAnimationFrame(() => requestAnimationFrame(() => {
        observer.observe({ type: "layout-shift" });
        resized();
    })));
}"""


class CommandServers:
    """Many simulated jobs in a process of their own."""

    def __init__(self, pools: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.commandservers", str(pools), str(MANY)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._answer()

    def play(self, burst: Burst) -> None:
        assert self._process.stdin
        self._process.stdin.write(msgspec.json.encode(burst) + b"\n")
        self._process.stdin.flush()
        self._answer()

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(LIMIT_S)

    def _answer(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of this file: all its jobs are listed."""
    with Server(tmp_path_factory.mktemp("devmode")) as server:
        yield server


@pytest.fixture
def many(server: Server) -> Iterator[CommandServers]:
    servers = CommandServers(server.folder / "pools")
    yield servers
    servers.stop()


def test_the_list_shows_who_controls_what_and_keeps_what_has_ended(
    person: Person, job: StartJob
) -> None:
    real = job(*TOUR, PAUSE_AT="shell-small_steps", STAIRS=1)
    real.wait_for_pause()
    olivia, victor = person("olivia"), person("victor", "viewer")
    line = victor.locator(".job")
    expect(line).to_have_class(re.compile("paused"))
    expect(line.locator(".detail")).to_contain_text("reached module shell-small_steps")
    expect(line.locator("img")).to_be_visible()
    assert line.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert not (real.pool / "live_log").exists()
    olivia.click(".job .name")
    take_control(olivia)
    expect(line.locator(".owner")).to_contain_text("controlled by olivia")
    victor.fill("#filter [name=text]", "OLIVIA small_steps")
    expect(line).to_be_visible()
    victor.fill("#filter [name=text]", "controlled")
    expect(victor.locator("#none-admitted")).to_be_visible()
    victor.fill("#filter [name=text]", "")
    olivia.click("[data-action=resume]")
    expect(line).to_have_class(re.compile("ended"))
    expect(line.locator("img")).to_be_visible()
    victor.fill("#filter [name=text]", "passed")
    expect(line).to_be_visible()
    line.locator(".name").click()
    expect(victor.locator("#region-schedule")).to_contain_text("2/2")
    expect(victor.locator("#picture")).to_be_visible()


def test_the_keyboard_stays_at_a_line_that_moves(person: Person, job: StartJob) -> None:
    jobs = [job(*TOUR, PAUSE_AT="boot-menu_visible") for _job in range(2)]
    for real in jobs:
        real.wait_for_pause()
    olivia = person("olivia")
    lines = olivia.locator(".job.paused .name")
    expect(lines).to_have_count(2)
    line = olivia.locator(f'.name[href="{lines.nth(1).get_attribute("href")}"]')
    line.focus()
    olivia.evaluate("""() => {
        const rows = [...document.querySelectorAll("#jobs > li")].reverse();
        const order = rows.map((row) => row.id.split("-")[2]).join();
        document.dispatchEvent(new CustomEvent("devmode:order", { detail: order }));
    }""")
    expect(line).to_be_focused()


def test_three_hundred_jobs_are_live_though_nobody_has_opened_one(
    many: CommandServers, person: Person
) -> None:
    olivia = person("olivia")
    expect(olivia.locator(".job:not(.ended)")).to_have_count(MANY)
    in_a_module = olivia.locator(".job .detail", has_text=re.compile("bench-at"))

    def are_all_live() -> bool:
        # What is said before a job's link is up is heard by nobody.
        many.play(Burst("module", per_second=MANY, seconds=1))
        return in_a_module.count() == MANY

    until(are_all_live, "all to be live")
    nothing_moves_when_lines_change(olivia, many)
    many.play(Burst("pause", per_second=10, seconds=0.3))
    expect(olivia.locator(".job.paused")).to_have_count(3)
    expect(olivia.locator(".job").first).to_have_class(re.compile("paused"))
    olivia.select_option("#filter [name=kind]", "paused")
    expect(olivia.locator(".job:visible")).to_have_count(3)
    olivia.reload()
    expect(olivia.locator(".job:visible")).to_have_count(3)
    olivia.fill("#filter [name=text]", "no such job")
    expect(olivia.locator("#none-admitted")).to_be_visible()


def nothing_moves_when_lines_change(page: Page, many: CommandServers) -> None:
    size = page.viewport_size
    assert size
    page.set_viewport_size({"width": 360, "height": 760})
    page.evaluate(NOTE_WHAT_MOVES)
    detail = page.locator(".job .detail").first
    for _change in range(3):
        before = detail.text_content() or ""
        many.play(Burst("module", per_second=MANY, seconds=1))
        expect(detail).not_to_have_text(before)
    assert page.evaluate("() => [...moved, ...observer.takeRecords()].length") == 0
    page.set_viewport_size(size)
