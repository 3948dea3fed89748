"""One openQA over HTTP: slow, wrong, huge or gone, it costs no more than a few seconds.

Follows no redirect, keeps few connections, and reads no more of an answer than it was told to.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import gevent
import urllib3
from urllib3.exceptions import HTTPError

from devmode.errors import OpenqaAway

WAIT_S = 5.0
"""How long openQA may be silent."""
WHOLE_ANSWER_S = 10.0
"""How long an answer may take as a whole: drop by drop is slow too."""
LARGEST_PAGE = 2 << 20
LEFT_ALONE_S = 2.0
"""How long an openQA that failed is not asked again: what waits for it waits in vain."""
CONNECTIONS = 4


@dataclass(frozen=True)
class Answer:
    """What came back, unless openQA itself, or a proxy, has a problem."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.body.decode(errors="replace")


class Server:
    """The openQA at one URL."""

    def __init__(self, url: str) -> None:
        """Connect to nothing yet."""
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self.hostname = parts.hostname or ""
        self._path = parts.path.rstrip("/")
        self._pool = urllib3.connection_from_url(
            f"{parts.scheme}://{parts.netloc}", maxsize=CONNECTIONS
        )
        self._left_alone_until = 0.0

    def target(self, path: str) -> str:
        """Return what stands in the first line of a request for a path of this openQA."""
        return self._path + path

    def get(self, path: str, headers: Mapping[str, str], largest: int = LARGEST_PAGE) -> Answer:
        """Ask for a path of this openQA; raise `OpenqaAway` unless a whole answer comes."""
        return self.ask("GET", path, headers, largest=largest)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        largest: int = LARGEST_PAGE,
    ) -> Answer:
        """Send a request; raise `OpenqaAway` unless a whole answer of at most `largest` comes."""
        if time.monotonic() < self._left_alone_until:
            raise self._away("did not answer a moment ago")
        try:
            with gevent.Timeout(WHOLE_ANSWER_S, TimeoutError("took too long")):
                answer = self._exchange(method, path, headers, body, largest)
        except (HTTPError, OSError) as error:
            self._left_alone_until = time.monotonic() + LEFT_ALONE_S
            # Only its kind: texts of such errors hold whatever openQA, or a proxy, has sent.
            raise self._away(f"could not be asked ({type(error).__name__})") from error
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._away(f"has a problem (HTTP status {answer.status})")
        return answer

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, largest: int
    ) -> Answer:
        response = self._pool.urlopen(
            method,
            self.target(path),
            body,
            headers=headers,
            retries=False,
            redirect=False,
            timeout=WAIT_S,
            preload_content=False,
        )
        try:
            content = response.read(largest + 1)
            if len(content) > largest:
                raise self._away(f"answered with more than {largest >> 10} kB")
            return Answer(response.status, response.headers, content)
        finally:
            # A connection that was read to its end has gone back to the pool; others end here.
            response.close()

    def _away(self, what: str) -> OpenqaAway:
        return OpenqaAway(f"The openQA at {self.url} {what}. Try again in a few seconds.")
