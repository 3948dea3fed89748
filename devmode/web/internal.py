"""The door for processes of other hosts, at an address of its own that no browser needs.

There are no cookies, routes or forms here: one sealed question comes in, sealed parts of an answer
go out. On the address for people nothing of this can be reached, and here nothing of theirs.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import structlog

from devmode.cluster.leases import Lease
from devmode.cluster.peers import ALIVE, OVER, REFUSED, SAID, Refusal, framed, split_address
from devmode.cluster.seals import Answer, NotSealed, Seals
from devmode.errors import DevmodeError
from devmode.jobs.elsewhere import decode, encode
from devmode.live.answers import STILL_THERE, Question

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

App = Callable[[dict[str, Any], "StartResponse"], Iterable[bytes]]

log = structlog.stdlib.get_logger(__name__)


class Doors:
    """Two applications on one server: people come by any address but the internal one."""

    def __init__(self, app: App, internal: App, address: str) -> None:
        """Hand what comes by `address` to `internal`, and all else to `app`."""
        self._app = app
        self._internal = internal
        host, port = split_address(address)
        self._address = host, str(port)

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Decide by the address that the connection was made to, not by what it says."""
        came_by = environ["SERVER_NAME"], environ["SERVER_PORT"]
        app = self._internal if came_by == self._address else self._app
        return app(environ, start_response)


class Internal:
    """Checks the seal, and answers sealed."""

    def __init__(
        self, host: str, lease: Lease, seals: Seals, answer: Callable[[Question], Iterator[Any]]
    ) -> None:
        """Answer what is for `host`."""
        self._host = host
        self._lease = lease
        self._seals = seals
        self._answer = answer

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a question; whatever else comes is refused without a word why."""
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ("POST", "/"):
            return _refuse(start_response, "404 Not Found")
        try:
            content, answer = self._seals.open(
                environ["wsgi.input"].read(), self._host, self._lease.database_time
            )
            question: Question = decode(content, Question)  # type: ignore[arg-type]  # no class
        except NotSealed as error:
            _log_refused(environ, error)
            return _refuse(start_response, "403 Forbidden")
        except ValueError as error:
            _log_refused(environ, error)
            return _refuse(start_response, "400 Bad Request")
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return self._parts(question, answer)

    def _parts(self, question: Question, answer: Answer) -> Iterator[bytes]:
        try:
            for said in self._answer(question):
                part = ALIVE if said is STILL_THERE else SAID + encode(said)
                yield framed(answer.seal(part))
        except DevmodeError as error:
            told = Refusal(error.code, error.sentence, error.field)
            yield framed(answer.seal(REFUSED + told.encode()))
        else:
            yield framed(answer.seal(OVER))


def _log_refused(environ: dict[str, Any], error: Exception) -> None:
    log.warning("a question is refused", address=environ["REMOTE_ADDR"], trouble=str(error))


def _refuse(start_response: "StartResponse", status: str) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Connection", "close")])
    return [status.encode()]
