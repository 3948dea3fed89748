"""The panel under the screen in a real browser, and a viewer that reads slowly."""

import itertools
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.chromium.people import Person, StartJob, take_control
from tests.chromium.server import Server
from tests.real.job import RealJob
from tests.waiting import until

AT_END = """() => {
    const text = document.getElementById("text");
    return text.scrollHeight - text.scrollTop - text.clientHeight < 13;
}"""

FLOOD = """
import sys, time
line = b"[debug] a line of a hundred bytes %066d\\n"
with open(sys.argv[1], "ab", buffering=0) as log:
    begin, number = time.monotonic(), 0
    while number < 50_000 * float(sys.argv[2]):
        log.write(b"".join(line % n for n in range(number, number + 500)))
        number += 500
        time.sleep(max(0, begin + number / 50_000 - time.monotonic()))
    log.write(b"the flood is over\\n")
"""


@pytest.fixture(scope="module")
def real(server: Server) -> Iterator[RealJob]:
    """One paused job for all of this file: each test writes into its texts."""
    pool = server.folder / "pools" / "texts"
    real = RealJob(pool, "null", SCHEDULE="boot/menu_visible", PAUSE_AT="boot-menu_visible")
    try:
        real.start()
        real.wait_for_pause()
        yield real
    finally:
        real.kill()


def reads(person: Person, real: RealJob, **options: Any) -> Page:
    page = person("victor", "viewer", at=real, **options)
    expect(page.locator("#text .line").nth(5)).to_be_visible()
    return page


def append(job: RealJob, *lines: str) -> None:
    with (job.pool / "autoinst-log.txt").open("a") as log:
        log.writelines(f"{line}\n" for line in lines)


def is_at_end(page: Page) -> Any:
    return page.evaluate(AT_END)


def test_a_text_is_followed_until_one_scrolls_up(person: Person, real: RealJob) -> None:
    page = reads(person, real)
    append(real, *(f"line {n}" for n in range(100)))
    expect(page.locator("#text")).to_contain_text("line 99")
    assert is_at_end(page)
    page.locator("#text").evaluate("text => { text.scrollTop = 100 }")
    expect(page.locator(".follow")).to_have_attribute("aria-pressed", "false")
    append(real, "\033[1;31ma red <i>line</i>\033[0m")
    expect(page.locator("#text .fg-1.bold")).to_have_text("a red <i>line</i>")
    assert page.locator("#text").evaluate("text => text.scrollTop") == 100
    page.click(".follow")
    assert is_at_end(page)
    append(real, "and on")
    expect(page.locator("#text")).to_contain_text("and on")
    assert is_at_end(page)


def test_a_text_is_followed_also_when_its_size_changes(person: Person, real: RealJob) -> None:
    page = reads(person, real)
    append(real, *(f"a line that is long enough to need several on a phone {n}" for n in range(99)))
    expect(page.locator("#text")).to_contain_text("on a phone 98")
    for width, height in ((360, 700), (1400, 500), (700, 900), (2560, 1440), (1280, 720)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(f"innerWidth === {width}")
        append(real, f"seen at {width}")
        expect(page.locator("#text")).to_contain_text(f"seen at {width}")
        page.wait_for_function(AT_END)
        expect(page.locator(".follow")).to_have_attribute("aria-pressed", "true")
    page.locator("#text").evaluate("text => { text.style.height = '7rem' }")
    page.wait_for_function(AT_END)
    expect(page.locator(".follow")).to_have_attribute("aria-pressed", "true")
    page.locator("#text").hover()
    page.mouse.wheel(0, -200)
    expect(page.locator(".follow")).to_have_attribute("aria-pressed", "false")


def test_what_was_kept_of_a_text_is_shown_at_its_end(
    person: Person, job: StartJob, server: Server
) -> None:
    ended = job("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    page = person("victor", "viewer")
    # Who reads the log now would have it in the memory of the server.
    page_of_job = server.page_of(ended.pool)
    page.goto(f"{page_of_job}?panel=timeline")
    append(ended, *(f"line {n}" for n in range(100)))
    ended.stop()
    expect(page.locator("#region-status .headline")).to_have_attribute("data-kind", "ended")
    kept = server.folder / "kept" / page_of_job.rpartition("/")[2] / "end-of-log"
    until(kept.exists, "the end of the log to be kept")
    shutil.rmtree(ended.pool)
    page.click("#panel .tabs a >> text=Log")
    expect(page.locator("#text .problem")).to_have_text("This is all that was kept of it.")
    expect(page.locator(".follow")).to_have_count(0)
    page.wait_for_function(AT_END)
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_function(f"innerWidth === 700 && ({AT_END})()")


def test_tabs_of_one_browser_show_different_texts_and_the_same(
    person: Person, real: RealJob
) -> None:
    first = reads(person, real)
    append(real, "before the second tab")
    expect(first.locator("#text")).to_contain_text("before the second tab")
    second = first.context.new_page()
    second.goto(first.url)
    third = first.context.new_page()
    third.goto(f"{first.url}?panel=serial0")
    append(real, "for both")
    for page in (first, second):
        expect(page.locator("#text .line", has_text="for both")).to_have_count(1)
        expect(page.locator("#text .line", has_text="before the second tab")).to_have_count(1)
    with (real.pool / "serial0").open("a") as serial:
        serial.write("login: ")
        serial.flush()
        expect(third.locator("#text")).to_contain_text("login:")
        serial.write("root\nPassword: ")
    expect(third.locator("#text .line", has_text="login:")).to_have_text("login: root")
    first.click("#panel .tabs a >> text=Serial")
    expect(first.locator("#text")).to_contain_text("login: root")
    expect(first).to_have_url(re.compile("panel=serial0$"))
    first.click("#panel .tabs a >> text=Timeline")
    expect(first.locator("#region-timeline")).to_be_visible()
    first.click("#panel .tabs a >> text=Log")
    append(real, "back at the log")
    expect(first.locator("#text .line", has_text="back at the log")).to_have_count(1)


def test_a_link_to_a_line_shows_it_also_when_it_is_far_from_the_end(
    person: Person, real: RealJob
) -> None:
    page = reads(person, real)
    line = page.locator("#text .line").nth(5)
    text = line.inner_text()
    line.hover()
    line.locator(".at").click()
    page.wait_for_url(re.compile(r"panel=log&at=[0-9]+#at-[0-9]+$"))
    link = page.url
    page.fill("#search", text)
    page.evaluate("history.replaceState(null, '', location.pathname)")
    page.get_by_role("button", name="Copy link").press("Enter")
    # Without a mouse it is the line that was found.
    expect(page).to_have_url(link)
    append(real, *("filler" * 20 for _ in range(5000)))
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator("#text .line:target")).to_have_text(text)
    expect(page.locator("#text .line:target")).to_be_in_viewport()
    page.click("text=To the end")
    expect(page.locator("#text .line").last).to_have_text("filler" * 20)


def test_another_tab_is_shown_while_a_link_is_said_to_be_copied(
    person: Person, real: RealJob
) -> None:
    page = reads(person, real)
    page.clock.install()
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#panel-note")).not_to_be_empty()
    page.click("#panel .tabs a >> text=Timeline")
    expect(page.locator("#region-timeline")).to_be_visible()
    # Raises what a timer does.
    page.clock.run_for(4000)


def test_what_scrolled_away_long_ago_is_found_in_the_whole_text(
    person: Person, real: RealJob
) -> None:
    append(real, "the NEEDLE of long ago", *("filler" * 20 for _ in range(8000)))
    page = reads(person, real)
    page.fill("#search", "needle of long")
    expect(page.locator("#panel output")).to_have_text("0/0")
    page.get_by_role("button", name="In all").press("Enter")
    expect(page.locator("#text .line")).to_have_text(["the NEEDLE of long ago"])
    expect(page.get_by_role("button", name="In all")).to_be_focused()
    expect(page.locator("#panel output")).to_have_text("0/1")
    page.get_by_label("Show what is around").click()
    expect(page.locator("#text .line:target")).to_have_text("the NEEDLE of long ago")
    expect(page.locator("#text .line").nth(5)).to_be_visible()


def test_on_a_phone_the_tools_stay_within_their_card(person: Person, real: RealJob) -> None:
    page = reads(person, real, viewport={"width": 360, "height": 760})
    page.fill("#search", "e")
    expect(page.locator("#panel output")).to_contain_text("/")
    card, count, tool = (
        page.locator(each).evaluate("(element) => element.getBoundingClientRect()")
        for each in ("#panel", "#panel output", "#panel .search [type=submit]")
    )
    assert tool["right"] <= card["right"]
    assert tool["height"] < 40, "its words are on one line"
    assert count["right"] <= tool["left"] or count["bottom"] <= tool["top"]


def test_without_javascript_the_whole_text_is_searched(person: Person, real: RealJob) -> None:
    append(real, "a needle", *("filler" * 20 for _ in range(8000)))
    page = reads(person, real, java_script_enabled=False)
    page.fill("#search", "A NEEDLE")
    page.press("#search", "Enter")
    expect(page.locator("#text .line")).to_have_text(["a needle"])
    expect(page.locator("#text .problem")).to_have_text("1 line holds “A NEEDLE”.")
    expect(page.locator("noscript a")).to_have_text("Refresh automatically")


def test_matches_are_counted_and_gone_through_from_the_newest(
    person: Person, real: RealJob
) -> None:
    page = reads(person, real)
    append(real, *(f"needle number {n}" for n in range(50)), "the end")
    expect(page.locator("#text")).to_contain_text("the end")
    page.fill("#search", "NEEDLE NUMBER")
    expect(page.locator("#panel output")).to_have_text("50/50")
    page.press("#search", "Enter")
    expect(page.locator("#panel output")).to_have_text("49/50")
    page.press("#search", "Shift+Enter")
    expect(page.locator("#panel output")).to_have_text("50/50")
    page.press("#search", "Escape")
    expect(page.locator("#panel output")).to_have_text("")


def test_a_reconnect_goes_on_without_gap_or_repeat(
    person: Person, real: RealJob, server: Server
) -> None:
    page = reads(person, real)
    append(real, "before the break")
    expect(page.locator("#text")).to_contain_text("before the break")
    with server.down():
        append(real, "during the break")
        expect(page.locator("#stream-state")).to_be_visible()
    append(real, "after the break")
    expect(page.locator("#text")).to_contain_text("after the break")
    for text in ("before the break", "during the break", "after the break"):
        expect(page.locator("#text .line", has_text=text)).to_have_count(1)


def test_a_tab_that_shows_a_flood_stays_small_and_alive(person: Person, real: RealJob) -> None:
    page = reads(person, real)
    flood(real, 1)
    expect(page.locator("#text .line").last).to_have_text("the flood is over")
    assert page.locator("#text .line").count() <= 4000
    expect(page.locator("#text .omitted").first).to_contain_text("bytes are not shown here")


def test_without_javascript_the_texts_are_links_and_pages(person: Person, real: RealJob) -> None:
    page = reads(person, real, java_script_enabled=False)
    (real.pool / "serial0").write_text("from the SUT\n")
    page.click("#panel .tabs a >> text=Serial")
    expect(page.locator("#text")).to_contain_text("from the SUT")
    expect(page.get_by_label("Earlier match")).to_be_hidden()
    page.locator("noscript a").click()
    assert "panel=serial0" in page.url
    expect(page.locator("#text")).to_contain_text("from the SUT")


def flood(job: RealJob, seconds: float) -> "subprocess.Popen[bytes]":
    """Writes 50,000 lines a second to the log of a job."""
    log = job.pool / "autoinst-log.txt"
    return subprocess.Popen([sys.executable, "-c", FLOOD, log, str(seconds)])


class SlowViewer:
    """Reads its stream at forty kilobytes a second."""

    def __init__(self, page: Page, job_id: str) -> None:
        address = urlsplit(page.url)
        cookies = "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())
        self._connection = socket.socket()
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._connection.connect((address.hostname, address.port))
        request = f"GET /events?jobs={job_id}&texts={job_id}:log HTTP/1.0"
        self._connection.sendall(
            f"{request}\r\nHost: {address.netloc}\r\nCookie: {cookies}\r\n\r\n".encode()
        )
        self.received = b""

    def read_until(self, text: bytes, *, at_once: int = 4096) -> None:
        while text not in self.received:
            piece = self._connection.recv(at_once)
            assert piece, f"the stream ended before {text!r}"
            self.received += piece
            if at_once == 4096:
                time.sleep(0.1)  # the pace of the viewer, no waiting

    @property
    def lines(self) -> list[list[Any]]:
        events = re.findall(rb"event: text\ndata: (.*)\n", self.received)
        return [line for event in events for line in json.loads(event)["news"]["lines"]]

    def close(self) -> None:
        self._connection.close()


def resident(server: Server) -> int:
    """Memory of all processes of a server, in kilobytes."""
    processes = server.processes()
    status = [Path(f"/proc/{pid}/status").read_text() for pid in processes]
    return sum(int(found) for text in status for found in re.findall(r"VmRSS:\s*(\d+)", text))


def test_a_flood_costs_a_slow_viewer_a_gap_and_the_server_nothing(
    person: Person, real: RealJob, server: Server
) -> None:
    olivia = person("olivia", at=real)
    slow = SlowViewer(olivia, olivia.url.rpartition("/")[2])
    slow.read_until(b"event: text")
    before = resident(server)
    writer = flood(real, 2)
    # The state goes on to reach them, behind no more than what fits into the buffers.
    slow.read_until(b"a line of a hundred bytes")
    take_control(olivia)
    slow.read_until(b"You control this job")
    writer.wait()
    slow.read_until(b"the flood is over", at_once=1 << 20)
    assert resident(server) - before < 50_000
    lines = slow.lines
    assert any(omitted and not spans for _start, spans, omitted in lines)
    for (start, spans, omitted), (following, *_rest) in itertools.pairwise(lines):
        assert following == start or following > start
        assert spans or not omitted or following == start + omitted
    slow.close()
