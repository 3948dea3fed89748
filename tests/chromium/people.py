"""What people do with their browsers, and what is looked at or kept of what they see."""

import contextlib
import re
from collections.abc import Callable

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, Route, expect

from tests.real.job import RealJob

Person = Callable[..., Page]
StartJob = Callable[..., RealJob]
LONGEST_PICTURE = 6000
"""Of the whole page, in pixels: the 17,000 of the API took seconds each time."""
NOTE_WHAT_IS_SPOKEN = """
    window.told = [];
    const spoken = document.getElementById("spoken");
    const note = () => window.told.push(spoken.textContent);
    new MutationObserver(note).observe(spoken, { childList: true });
"""


def enter(page: Page, name: str, code: str, role: str = "operator") -> None:
    """Fills in the sign-in and sends it."""
    page.fill("#name", name)
    page.fill("#code", code)
    page.check(f"input[value={role}]")
    page.click("button.primary")


def keep_screenshot(page: Page, name: str) -> None:
    """Keeps what can be seen of a page, and what is below it unless that is very much."""
    file = re.sub(r"[^\w-]+", "-", name)
    # A page that is just navigating has no picture to keep.
    with contextlib.suppress(BrowserError):
        height = page.evaluate("document.documentElement.scrollHeight")
        page.screenshot(path=f"test-results/{file}.png", full_page=height < LONGEST_PICTURE)


def take_control(page: Page) -> None:
    page.click("[data-action=start]")
    expect(page.locator("#region-session")).to_contain_text("You control this job")


def choose_where_to_pause(page: Page, module: str) -> None:
    """Waits until it is saved."""
    page.select_option("#setting-pause_at", module)
    expect(page.locator("#flash .done", has_text="Saved")).to_be_visible()


def stand_in(route: Route) -> None:
    """Answer as a proxy that finds nobody behind it."""
    route.fulfill(status=502, content_type="text/html", body="<h1>502 Bad Gateway</h1>")
