"""Talks to the API of a devmode over HTTP."""

import http.client
import socket
import time
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from devmode import schemas
from devmode.cli.access import Access
from devmode.cli.events import ServerEvent, parse
from devmode.cli.exits import FAILED, TIMED_OUT, UNREACHABLE, Failure, Refused, Unreachable

ANSWER_S = 40.0
"""Longer than devmode lets any request wait for a command server."""
SILENCE_S = 30.0
"""A stream says something every ten seconds."""
RETRY_S = 1.0
GONE_S = 60.0
"""How long a server may be away, to be restarted say, before one stops trying."""
BETWEEN = (502, 503, 504)
"""What a proxy answers while the server behind it is away."""

Type = TypeVar("Type")


class Deadline:
    """Until when something may take; with `seconds` None for ever."""

    def __init__(self, seconds: float | None) -> None:
        """Start to count."""
        self._until = None if seconds is None else time.monotonic() + seconds

    def left_s(self) -> float:
        """Return how much time is left, at least 0."""
        return float("inf") if self._until is None else max(0.0, self._until - time.monotonic())

    def check(self) -> None:
        """Raise `Failure` when the time is up."""
        if self.left_s() == 0.0:
            raise Failure("The time is up.", TIMED_OUT)


class Client:
    """One server, one token."""

    def __init__(self, access: Access) -> None:
        """Connect to nothing yet."""
        self._access = access
        self._url = urlsplit(access.url)

    def jobs(self) -> tuple[schemas.Job, ...]:
        """Return the jobs that the server lists."""
        return self._ask("GET", "/jobs", schemas.Jobs).jobs

    def job(self, job_id: int) -> schemas.Job:
        """Return one job; raise `Refused`."""
        return self._ask("GET", f"/jobs/{job_id}", schemas.Job)

    def examine(self, job_id: int) -> schemas.Examination:
        """Have the way to a job's command server examined; raise `Refused`."""
        return self._ask("GET", f"/jobs/{job_id}/doctor", schemas.Examination)

    def do(
        self, method: str, job_id: int, path: str, body: dict[str, Any] | None = None
    ) -> schemas.Answer:
        """Have something done about a job; raise `Refused`."""
        return self._ask(method, f"/jobs/{job_id}/{path}", schemas.Answer, body)

    def follow(self, job_id: int, deadline: Deadline) -> Iterator[schemas.Job]:
        """Yield a job now and at each change, also across restarts of the server.

        Raises `Refused`, `Unreachable`, and `Failure` when the time is up.
        """
        last_id, lost_at = "", 0.0
        while True:
            try:
                for event in self._events(job_id, last_id, deadline):
                    last_id, lost_at = event.id, 0.0
                    if event.name == "message":
                        yield _decode(event.data.encode(), schemas.Job)
            except Failure as failure:
                lost_at = lost_at or time.monotonic()
                is_gone = time.monotonic() - lost_at > GONE_S or not last_id
                if failure.exit_code != UNREACHABLE or is_gone:
                    raise
            deadline.check()
            time.sleep(min(RETRY_S, deadline.left_s()))

    def _events(self, job_id: int, last_id: str, deadline: Deadline) -> Iterator[ServerEvent]:
        """Yield “open” when the stream is there, then what it tells until it ends."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        connection = self._connection(min(ANSWER_S, deadline.left_s() or RETRY_S))
        try:
            connection.connect()
            # http.client lets go of it as soon as the answer has begun.
            wire = connection.sock
            answer = self._send(connection, "GET", f"/jobs/{job_id}/events", None, headers)
            yield ServerEvent("open", "", last_id)
            yield from parse(_lines(wire, answer, deadline), last_id)
        except (OSError, http.client.HTTPException) as error:
            deadline.check()
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _ask(
        self, method: str, path: str, kind: type[Type], body: dict[str, Any] | None = None
    ) -> Type:
        connection = self._connection(ANSWER_S)
        try:
            return _decode(self._send(connection, method, path, body, {}).read(), kind)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        kind = (
            http.client.HTTPSConnection
            if self._url.scheme == "https"
            else http.client.HTTPConnection
        )
        return kind(self._url.hostname or "", self._url.port, timeout=timeout_s)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        headers: dict[str, str],
    ) -> http.client.HTTPResponse:
        headers = headers | {"Authorization": f"Bearer {self._access.token}"}
        encoded = None
        if body is not None:
            encoded = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        connection.request(method, f"{self._url.path}/api/v1{path}", encoded, headers)
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise _refusal(answer.status, answer.read())
        return answer

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"devmode can't be reached at {self._access.url}: {error}")


def _lines(
    wire: socket.socket, answer: http.client.HTTPResponse, deadline: Deadline
) -> Iterator[bytes]:
    while True:
        deadline.check()
        wire.settimeout(min(SILENCE_S, deadline.left_s()) or RETRY_S)
        line = answer.readline()
        if not line:
            return
        yield line


def _decode(text: bytes, kind: type[Type]) -> Type:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise Failure(f"The server speaks another version of the API: {error}", FAILED) from error


def _refusal(status: int, body: bytes) -> Failure:
    try:
        problem = msgspec.json.decode(body, type=schemas.Problem)
    except msgspec.DecodeError:
        if status in BETWEEN:
            return Unreachable(f"devmode can't be reached: HTTP status {status}.")
        return Failure(f"What answers is no devmode: HTTP status {status}.", FAILED)
    return Refused(problem.code, problem.detail)
