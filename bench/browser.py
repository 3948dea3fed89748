"""A Chromium before a devmode with one simulated job of 47 modules."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Playwright, sync_playwright

from bench.processes import Child
from tests.chromium.server import Server

LIMIT_MS = 30_000


@dataclass(frozen=True)
class Stage:
    """What a browser bench needs."""

    browser: Browser
    server: Server
    log: Path
    """The job's log, yet to be written."""
    login: Any
    """What the browser of a viewer who has signed in knows."""

    @property
    def address(self) -> str:
        """The live view of the job."""
        return f"{self.server.url}/jobs/1"


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Set everything up, and take it down."""
    with tempfile.TemporaryDirectory(prefix="devmode-bench-") as folder:
        server = Server(Path(folder))
        pools = server.folder / "pools"
        with (
            Child("bench.commandservers", str(pools), "1") as job,
            server,
            sync_playwright() as playwright,
        ):
            job.line()
            browser = launched(playwright)
            log = pools / "0" / "autoinst-log.txt"
            yield Stage(browser, server, log, _sign_in(browser, server))


def launched(playwright: Playwright) -> Browser:
    """Start Debian's Chromium."""
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    return playwright.chromium.launch(
        executable_path="/usr/bin/chromium", args=[*sandbox, "--disable-gpu"]
    )


def _sign_in(browser: Browser, server: Server) -> Any:
    page = browser.new_page()
    page.goto(f"{server.url}/sign-in")
    page.fill("#name", "bench")
    page.fill("#code", server.start_code)
    page.check("input[value=viewer]")
    page.click("button.primary")
    page.locator(".job .name").wait_for(timeout=LIMIT_MS)
    return {"cookies": page.context.cookies(), "origins": []}
