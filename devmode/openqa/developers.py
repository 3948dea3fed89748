"""Who has opened a developer session in openQA itself, beside devmode's own."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from devmode.background import in_background
from devmode.errors import OpenqaAway
from devmode.openqa.pages import developer_on
from devmode.openqa.server import Server

GOOD_FOR_S = 15.0
"""How long an answer is good for, before one who looks has openQA asked again."""
LARGEST_PANEL = 256 << 10
MOST_REMEMBERED = 1000

log = structlog.stdlib.get_logger(__name__)

Job = tuple[str, int]
"""An openQA by its URL, and the number of the job there."""


@dataclass
class _Known:
    developer: str | None = None
    asked_at: float = float("-inf")


class Developers:
    """Remembers what openQA says of the jobs that somebody looks at."""

    def __init__(self, servers: tuple[Server, ...]) -> None:
        """Ask these; know nothing yet."""
        self._servers = {server.url: server for server in servers}
        self._known: OrderedDict[Job, _Known] = OrderedDict()

    def of(self, url: str | None, number: int | None) -> str | None:
        """Return who had a session of a job when openQA was asked last, None if nobody."""
        known = self._known.get((url or "", number or 0))
        return known.developer if known else None

    def look(self, url: str | None, number: int | None, tell: Callable[[], None]) -> None:
        """Have openQA asked in the background, and `tell` called when its answer is another one."""
        server = self._servers.get(url or "")
        if server is None or number is None:
            return
        known = self._known.setdefault((server.url, number), _Known())
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        if time.monotonic() - known.asked_at > GOOD_FOR_S:
            known.asked_at = time.monotonic()
            failed = "it was not heard who controls a job in openQA"
            in_background(failed, self._ask, server, number, known, tell)

    @staticmethod
    def _ask(server: Server, number: int, known: _Known, tell: Callable[[], None]) -> None:
        try:
            answer = server.get(f"/tests/{number}/infopanel_ajax", {}, LARGEST_PANEL)
        except OpenqaAway as error:
            untold = "openQA does not tell who controls a job"
            log.info(untold, openqa_job=number, trouble=error.sentence)
            return
        developer = developer_on(answer.text)
        if developer != known.developer:
            known.developer = developer
            tell()
