"""Reads from openQA's pages what no interface of openQA tells.

Every page greets who is signed in, in an element `user-action` with “Logged in as NAME” or with a
link to sign in (navbar.html.ep; the same from 2019 to 2026). The panel above the page of a job says
who has opened a developer session in openQA itself (infopanel.html.ep), whether livehandler runs or
not, and everybody may see that.

Pure module: no sockets, no Flask, no database.
"""

from contextlib import suppress
from html.parser import HTMLParser

GREETED = "user-action"
GREETING = "Logged in as"
CONTROLLED = "developer-global-session-info"
OPENED_BY = "Developer session has been opened by"
LONGEST_DEVELOPER = 100


def name_on(page: str) -> str | None:
    """Return the name that the page greets; None when it greets nobody, or is no page of openQA."""
    return _after(GREETING, _said(page, _FirstLink()))


def developer_on(panel: str) -> str | None:
    """Return the developer that the panel of a running job names, None when it names nobody."""
    name = _after(OPENED_BY, _said(panel, _Session()))
    return name and name[:LONGEST_DEVELOPER]


class _Reader(HTMLParser):
    """Keeps the texts that it reads while it `keeps`."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._keeps = False

    def handle_data(self, data: str) -> None:
        if self._keeps:
            self.texts.append(data)


class _FirstLink(_Reader):
    """Keeps the text of the first link within the element that greets."""

    _is_within = _was_there = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_within = self._is_within or ("id", GREETED) in attrs
        if tag == "a" and self._is_within and not self._was_there:
            self._keeps = self._was_there = True

    def handle_endtag(self, tag: str) -> None:
        self._keeps = self._keeps and tag != "a"


class _Session(_Reader):
    """Keeps the text of the element about the session, which has none within."""

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._keeps = ("id", CONTROLLED) in attrs

    def handle_endtag(self, _tag: str) -> None:
        self._keeps = False


def _said(page: str, reader: _Reader) -> str:
    """Return what a reader keeps of a page, as far as it can be read."""
    # An older parser raises it for a declaration that it does not know, `<![what[`.
    with suppress(AssertionError):
        reader.feed(page)
        reader.close()
    return " ".join("".join(reader.texts).split())


def _after(words: str, said: str) -> str | None:
    """Return what follows these words; None if nothing does, or something else is said."""
    return said.removeprefix(f"{words} ") if said.startswith(f"{words} ") else None
