"""Reads who is signed in from the navigation bar of an openQA page.

No interface of openQA tells the name that people go by, so its pages have to: every one has an
element `user-action` with “Logged in as NAME”, or with a link to sign in (navbar.html.ep; the same
from 2019 to 2026).

Pure module: no sockets, no Flask, no database.
"""

from html.parser import HTMLParser

ELEMENT = "user-action"
GREETING = "Logged in as"


def name_on(page: str) -> str | None:
    """Return the name that the page greets; None when it greets nobody, or is no page of openQA."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    greeting = " ".join("".join(reader.texts).split())
    return greeting.removeprefix(GREETING).strip() if greeting.startswith(f"{GREETING} ") else None


class _Reader(HTMLParser):
    """Keeps the text of the first link within the element."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within = self._in_link = self._done = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = self._within or ("id", ELEMENT) in attrs
        self._in_link = self._in_link or (self._within and tag == "a")

    def handle_endtag(self, tag: str) -> None:
        self._done = self._done or (self._in_link and tag == "a")

    def handle_data(self, data: str) -> None:
        if self._in_link and not self._done:
            self.texts.append(data)
