"""People with browsers, a devmode served by gunicorn, and real jobs for them.

Chromium comes from the operating system, not from a download of the test tool. What everyone saw in
the end of a test is kept in test-results/, to be looked at.
"""

import itertools
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.chromium.people import Person, StartJob, keep_screenshot
from tests.chromium.server import Server
from tests.real.job import RealJob
from tests.waiting import LIMIT_S

_numbers = itertools.count(1)
FAILED = pytest.StashKey[bool]()

expect.set_options(timeout=LIMIT_S * 1000)


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Notes which tests fail, for those who keep what was seen."""
    report: Any = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A devmode served by gunicorn for all tests, that watches a folder for their jobs."""
    with Server(tmp_path_factory.mktemp("devmode")) as server:
        yield server


@pytest.fixture
def person(
    browser: Browser, server: Server, job: object, request: pytest.FixtureRequest
) -> Iterator[Person]:
    """Signs people in, each in a browser of their own that is gone before the jobs are.

    They look at the page of the job that is named, or else at the list.
    """
    contexts: dict[str, BrowserContext] = {}

    def sign_in(
        name: str, role: str = "operator", *, at: RealJob | None = None, **options: Any
    ) -> Page:
        context = browser.new_context(base_url=server.url, **options)
        contexts[name] = context
        post_sign_in(context, server, name, role)
        page = context.new_page()
        page.goto(server.page_of(at.pool) if at else "/")
        return page

    yield sign_in
    for name, context in contexts.items():
        if request.node.stash.get(FAILED, False):
            keep_screenshot(context.pages[0], f"{request.node.name}-{name}")
        context.close()


def post_sign_in(context: BrowserContext, server: Server, name: str, role: str) -> None:
    """Signs a browser in without drawing the form, which took a second for each person."""
    address = f"{server.url}/sign-in"
    token = re.search(
        r'name="csrf_token"[^>]* value="([^"]+)"', context.request.get(address).text()
    )
    assert token
    form = {"name": name, "role": role, "code": server.start_code, "csrf_token": token[1]}
    answer = context.request.post(address, form=form, max_redirects=0)
    assert answer.status == 303, answer.text()


@pytest.fixture
def job(server: Server) -> Iterator[StartJob]:
    """Starts real jobs in pool directories that the server watches."""
    jobs: list[RealJob] = []

    def start(*modules: str, **variables: str | int) -> RealJob:
        pool = server.folder / "pools" / f"job-{next(_numbers)}"
        started = RealJob(pool, "null", SCHEDULE=",".join(modules), **variables)
        jobs.append(started)
        started.start()
        started.wait_until_listening()
        return started

    yield start
    for started in jobs:
        started.kill()
