"""The SUT's screen in real browsers, fast and slow."""

import http.client
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.chromium.people import Person, StartJob, take_control
from tests.chromium.server import Server
from tests.waiting import LIMIT_S, until

TOUR = ("boot/menu_visible", "shell/command_line", "shell/small_steps")
STREAMED = re.compile("^data:image/png")
MANY = 60
AT_THE_MENU = {"PAUSE_AT": "shell-command_line"}


def show_next(pool: Path, number: int, picture: bytes) -> float:
    """Does what isotovideo's video encoder does, and returns the time of the picture."""
    folder = pool / "qemuscreenshot"
    name = f"{2000000000 + number}.1.png"
    (folder / name).write_bytes(picture)
    (folder / "last.png").unlink(missing_ok=True)
    (folder / "last.png").symlink_to(name)
    return (folder / name).stat().st_mtime


def slow_stream(server: Server, path: str, cookies: str) -> Iterator[float]:
    """Opens a stream, and reads the times of its pictures only when asked for the next."""
    address = urlsplit(server.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(LIMIT_S)
        connection.connect((address.hostname, address.port))
        head = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {cookies}\r\n\r\n"
        connection.sendall(head.encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        yield 0.0
        for line in iter(answer.readline, b""):
            if line.startswith(b"data: ") and (picture := json.loads(line[6:]).get("picture")):
                yield picture["at"]


def source(page: Page) -> str:
    return page.locator("#picture").get_attribute("src") or ""


def test_the_picture_follows_the_screen_in_every_tab(person: Person, job: StartJob) -> None:
    real = job(*TOUR, **AT_THE_MENU)
    real.wait_for_pause()
    olivia = person("olivia", at=real)
    tabs = [olivia, *(olivia.context.new_page() for _ in range(3))]
    for tab in tabs:
        tab.goto(olivia.url)
        expect(tab.locator("#picture")).to_have_attribute("src", STREAMED)
        expect(tab.locator("#picture-age")).to_contain_text("Changed")
    shown = source(olivia)
    box = olivia.locator("#picture-frame").bounding_box()
    take_control(olivia)
    olivia.click("[data-action=resume]")
    for tab in tabs:
        # A tab in the background takes the newest picture when it comes to the front.
        tab.bring_to_front()
        expect(tab.locator("#picture")).not_to_have_attribute("src", shown)
    assert olivia.locator("#picture-frame").bounding_box() == box


def test_one_click_shows_the_full_size_and_escape_or_back_leads_back(
    person: Person, job: StartJob
) -> None:
    real = job(*TOUR, **AT_THE_MENU)
    real.wait_for_pause()
    olivia = person("olivia", at=real)
    expect(olivia.locator("#picture")).to_have_attribute("src", STREAMED)
    olivia.click("#picture-frame")
    natural = olivia.locator("#picture").evaluate("image => image.naturalWidth")
    assert olivia.locator("#picture").evaluate("image => image.clientWidth") == natural
    live = olivia.url
    olivia.keyboard.press("Escape")
    expect(olivia.locator(".screen.full")).to_have_count(0)
    olivia.click("#picture-frame")
    expect(olivia.locator(".screen.full")).to_have_count(1)
    olivia.go_back()
    expect(olivia.locator(".screen.full")).to_have_count(0)
    assert olivia.url == live
    olivia.go_back()
    assert olivia.url != live, "what was over the page is still in the history"


def test_without_javascript_the_page_comes_with_the_picture(person: Person, job: StartJob) -> None:
    real = job(*TOUR, **AT_THE_MENU)
    real.wait_for_pause()
    olivia = person("olivia", at=real, java_script_enabled=False)
    # Another page would take the place of the one that is looked at.
    olivia.goto(f"{olivia.url}?refresh=off")
    until(lambda: says_that_pictures_come(olivia), "the page to tell of pictures")
    assert olivia.locator("#picture").evaluate("image => image.naturalWidth") > 0


def test_a_slow_browser_skips_pictures_and_gets_the_last_one(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, **AT_THE_MENU)
    real.wait_for_pause()
    olivia = person("olivia", at=real)
    job_id = olivia.url.rpartition("/")[2]
    expect(olivia.locator("#picture")).to_be_visible()
    picture = max((real.pool / "testresults").glob("*.png")).read_bytes()
    cookies = "; ".join(f"{c['name']}={c['value']}" for c in olivia.context.cookies())
    stream = slow_stream(server, f"/events?jobs={job_id}", cookies)
    next(stream)
    for number in range(MANY):
        show_next(real.pool, number, with_chunk(picture, os.urandom(400_000)))
        time.sleep(0.02)  # the pace of the pictures, no waiting
    last = show_next(real.pool, MANY, with_chunk(picture, b"the last one"))
    times = []
    while last not in times:
        times.append(next(stream))
    assert len(times) < 10


def test_what_a_killed_server_asked_for_is_withdrawn_by_the_next(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, **AT_THE_MENU)
    olivia = person("olivia", at=real)
    until((real.pool / "live_log").exists, "the request for pictures")
    with server.down():
        olivia.goto("about:blank")
        assert (real.pool / "live_log").exists()
    until(lambda: not (real.pool / "live_log").exists(), "the request to be withdrawn")


def says_that_pictures_come(page: Page) -> bool:
    """Tells what the page says now, which does not refresh itself."""
    page.reload()
    return "with every change" in page.locator("#region-screen").inner_text()


def with_chunk(picture: bytes, data: bytes) -> bytes:
    """Adds a private chunk before the end of a PNG."""
    length = len(data).to_bytes(4, "big")
    return picture[:-12] + length + b"prVt" + data + b"\0\0\0\0" + picture[-12:]
