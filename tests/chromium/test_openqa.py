"""openQA's own live view, served by a real openQA, against devmode in livehandler's place."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Locator, Page, expect

from tests.chromium.people import enter, keep_screenshot
from tests.chromium.server import Server
from tests.databases import postgresql
from tests.openqa.conftest import RunJob, devmode, openqa, run_job, worker
from tests.openqa.instance import SLOW_OPENQA_S, OpenQA
from tests.openqa.site import Site

__all__ = ["devmode", "openqa", "postgresql", "run_job", "worker"]

MODULES = ("boot/menu_visible", "boot/choose_entry", "boot/optional_screen")
LASTING = (*MODULES, "shell/long_wait")
"""Still running when the developer has let go."""
HURRY = """
const later = window.setTimeout;
window.setTimeout = (call, ms, ...rest) => later(call, Math.min(ms || 0, 500), ...rest);
"""
"""openQA's page looks every five seconds for what has changed; here nobody has so much time."""
SignIn = Callable[..., Page]


@pytest.fixture(scope="module")
def site(
    openqa: OpenQA, devmode: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("nginx"), openqa)
    yield site
    site.stop()


@pytest.fixture
def people(browser: Browser, request: pytest.FixtureRequest) -> Iterator[SignIn]:
    """Opens openQA's page of a job as one of the users of its fake sign-in."""
    contexts: dict[str, BrowserContext] = {}

    def opens(url: str, name: str, job: int) -> Page:
        if name not in contexts:
            contexts[name] = browser.new_context(viewport={"width": 1200, "height": 900})
            contexts[name].add_init_script(HURRY)
            contexts[name].new_page().goto(f"{url}/login?user={name}")
            page = contexts[name].pages[0]
        else:
            page = contexts[name].new_page()
        page.goto(f"{url}/tests/{job}#live")
        return page

    yield opens
    for name, context in contexts.items():
        for number, page in enumerate(context.pages):
            keep_screenshot(page, f"{request.node.name}-{name}-{number}")
        context.close()


@pytest.fixture
def page_of_the_usual_port(
    browser_type: BrowserType, browser_type_launch_args: dict[str, Any], openqa: OpenQA
) -> Iterator[Page]:
    """For Chromium the proxy is at port 80, which no address names."""
    rule = f"--host-resolver-rules=MAP 127.0.0.1:80 127.0.0.1:{openqa.proxy_port}"
    arguments = [*browser_type_launch_args["args"], rule]
    with browser_type.launch(**browser_type_launch_args | {"args": arguments}) as browser:
        page = browser.new_page()
        page.add_init_script(HURRY)
        yield page


def status(page: Page) -> Locator:
    return page.locator("#developer-status-info")


def session(page: Page) -> Locator:
    return page.locator("#developer-session-info")


def says(locator: Locator, text: str) -> None:
    expect(locator).to_contain_text(text)


def expand(page: Page) -> None:
    """Opens the panel, as a click on its header does."""
    page.locator("#developer-status strong").click()
    expect(page.get_by_text("Confirm to control this test")).to_be_visible()


def takes_control(page: Page) -> None:
    expand(page)
    page.get_by_text("Confirm to control this test").click()
    expect(page.get_by_text("Confirm to control this test")).to_be_hidden()


def test_a_developer_steers_from_openqas_page_while_others_watch(
    site: Site, run_job: RunJob, people: SignIn
) -> None:
    job = run_job(*LASTING, PAUSE_AT="boot-menu_visible", LONG_WAIT=300)
    demo = people(site.url, "Demo", job)
    says(status(demo), "paused at module: boot-menu_visible")
    says(session(demo), "regular test execution")
    watching = people(site.url, "nobody", job)
    says(status(watching), "paused at module: boot-menu_visible")

    takes_control(demo)
    says(session(demo), "owned by Demo")
    says(session(demo), "developer has 1 tab open")
    says(session(watching), "owned by Demo")

    demo.locator("#developer-pause-at-module").select_option("choose_entry")
    demo.get_by_text("Resume test execution").click()
    for page in (demo, watching):
        says(status(page), "paused at module: boot-choose_entry")
        says(page.locator("#developer-status-appendix"), "reached module boot-choose_entry")

    second = people(site.url, "Demo", job)
    says(session(second), "developer has 2 tabs open")
    expect(second.get_by_text("Resume test execution")).to_be_visible()
    says(session(watching), "developer has 2 tabs open")
    second.close()
    says(session(demo), "developer has 1 tab open")

    other = people(site.url, "otherdeveloper", job)
    says(session(other), "owned by Demo")
    other.locator("#developer-status strong").click()
    expect(other.get_by_text("Another user has already locked this job.")).to_be_visible()
    expect(other.get_by_text("Resume test execution")).to_be_hidden()

    demo.evaluate("quitDeveloperSession()")
    for page in (demo, watching, other):
        says(session(page), "regular test execution")


@pytest.mark.usefixtures("site")
def test_openqas_page_shows_pictures_from_devmode(
    page_of_the_usual_port: Page, run_job: RunJob
) -> None:
    job = run_job(*MODULES, PAUSE_AT="boot-choose_entry")
    demo = page_of_the_usual_port
    demo.goto("http://127.0.0.1/login?user=Demo")
    demo.goto(f"http://127.0.0.1/tests/{job}#live")
    says(status(demo), "paused at module: boot-choose_entry")
    # An empty canvas has 1024 x 768 transparent pixels; the demo's screen is black and grey.
    demo.wait_for_function(
        """() => {
            const canvas = document.getElementById("livestream");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return pixels.data.some((value, index) => index % 4 === 3 && value === 255);
        }"""
    )


def test_the_needle_editor_is_offered_when_the_worker_has_uploaded_all(
    site: Site, run_job: RunJob, people: SignIn
) -> None:
    job = run_job(*MODULES, PAUSE_AT="boot-choose_entry")
    demo = people(site.url, "Demo", job)
    says(status(demo), "paused at module: boot-choose_entry")
    takes_control(demo)
    expect(demo.get_by_text("Open needle editor")).to_be_visible()


def test_without_a_proxy_devmode_on_livehandlers_port_is_found(
    openqa: OpenQA, devmode: Server, run_job: RunJob, people: SignIn
) -> None:
    job = run_job(*LASTING, PAUSE_AT="boot-menu_visible", LONG_WAIT=300)
    demo = people(openqa.url, "Demo", job)
    says(status(demo), "paused at module: boot-menu_visible")
    takes_control(demo)
    says(session(demo), "owned by Demo")
    on_failure = demo.locator("#developer-pause-on-failure")
    # Any message draws the box anew as it is known to be: until it is confirmed, the tick may go.
    on_failure.click()
    expect(on_failure).to_be_checked()
    demo.get_by_text("Resume test execution").click()
    says(status(demo), "current module")
    expect(on_failure).to_be_checked()
    demo.evaluate("quitDeveloperSession()")
    says(session(demo), "regular test execution")


def test_the_field_is_empty_once_a_comment_stands_in_openqa(
    browser: Browser, devmode: Server, openqa: OpenQA, run_job: RunJob
) -> None:
    job = run_job(*MODULES, PAUSE_AT="boot-menu_visible")
    page = browser.new_page()
    page.goto(f"{devmode.url}/sign-in")
    enter(page, "olivia", devmode.start_code)
    page.get_by_role("link", name=f"{job:08}-").first.click()
    # It is there once openQA has told of the job, which a pool directory does sooner.
    section = page.get_by_text("In openQA", exact=True)
    expect(section).to_be_visible(timeout=SLOW_OPENQA_S * 1000)
    expect(page.locator("#region-origin")).to_contain_text(f"openQA {job}")
    section.click()
    comment = page.get_by_label("Comment")
    comment.fill("looks odd")
    page.get_by_role("button", name="Leave the comment").click()
    says(page.locator("#flash"), "The comment stands in openQA.")
    expect(comment).to_have_value("")
    expect(comment).to_have_count(1)
    (left,) = openqa.request("GET", f"/api/v1/jobs/{job}/comments")
    assert left["text"] == "olivia, in devmode: looks odd"
    page.close()
