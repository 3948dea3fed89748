"""Reads from openQA's page of a job who has opened a developer session in openQA itself.

No interface tells it. The panel above each job's page says it (infopanel.html.ep), whether
livehandler runs or not, and everybody may see that.

Pure module: no sockets, no Flask, no database.
"""

from html.parser import HTMLParser

ELEMENT = "developer-global-session-info"
WORDS = "Developer session has been opened by"
LONGEST_NAME = 100


def developer_on(panel: str) -> str | None:
    """Return the developer that the panel of a running job names, None when it names nobody."""
    reader = _Reader()
    reader.feed(panel)
    reader.close()
    said = " ".join("".join(reader.texts).split())
    name = said.removeprefix(WORDS).strip()[:LONGEST_NAME]
    return name if said.startswith(f"{WORDS} ") and name else None


class _Reader(HTMLParser):
    """Keeps the text of the element, which has none within."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within = False

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = ("id", ELEMENT) in attrs

    def handle_endtag(self, _tag: str) -> None:
        self._within = False

    def handle_data(self, data: str) -> None:
        if self._within:
            self.texts.append(data)
