"""People with browsers, a devmode served by gunicorn, and real jobs for them.

Chromium comes from the operating system, not from a download of the test tool. What everyone saw in
the end of a test is kept in test-results/, to be looked at.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from playwright.sync_api import Error as BrowserError

from tests.chromium.server import Server
from tests.real.job import RealJob

Person = Callable[..., Page]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    # root, as in a container, can't have Chromium's sandbox.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    return {
        **browser_type_launch_args,
        "executable_path": "/usr/bin/chromium",
        "args": [*sandbox, *quiet, "--disable-gpu", "--disable-quic", "--no-first-run"],
    }


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A devmode of its own, served by gunicorn, that watches an empty folder for jobs."""
    server = Server(tmp_path_factory.mktemp("devmode"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def person(
    browser: Browser, server: Server, job: object, request: pytest.FixtureRequest
) -> Iterator[Person]:
    """Signs people in, each in a browser of their own that is gone before the jobs are."""
    contexts: dict[str, BrowserContext] = {}

    def sign_in(name: str, role: str = "operator", **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts[name] = context
        page = context.new_page()
        page.goto(f"{server.url}/sign-in")
        enter(page, name, server.start_code, role)
        page.wait_for_url(f"{server.url}/")
        return page

    yield sign_in
    for name, context in contexts.items():
        keep_screenshot(context.pages[0], f"{request.node.name}-{name}")
        context.close()


def enter(page: Page, name: str, code: str, role: str = "operator") -> None:
    """Fills in the sign-in and sends it."""
    page.fill("#name", name)
    page.fill("#code", code)
    page.check(f"input[value={role}]")
    page.click("button.primary")


def keep_screenshot(page: Page, name: str) -> None:
    file = re.sub(r"[^\w-]+", "-", name)
    # A page that is just navigating has no picture to keep.
    with contextlib.suppress(BrowserError):
        page.screenshot(path=f"test-results/{file}.png", full_page=True)


@pytest.fixture
def job(server: Server) -> Iterator[Callable[..., RealJob]]:
    """Starts real jobs in pool directories that the server watches."""
    jobs: list[RealJob] = []

    def start(*modules: str, **variables: str | int) -> RealJob:
        pool = server.folder / "pools" / str(len(jobs) + 1)
        started = RealJob(pool, "null", SCHEDULE=",".join(modules), **variables)
        jobs.append(started)
        started.start()
        started.wait_until_listening()
        return started

    yield start
    for started in jobs:
        started.stop()
