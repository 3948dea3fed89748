"""Talks to the API of a devmode over HTTP."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from devmode import schemas
from devmode.cli.access import Access
from devmode.cli.deadlines import Deadline, in_time
from devmode.cli.events import ServerEvent, parse
from devmode.cli.exits import FAILED, UNREACHABLE, Failure, Lost, Refused, Unreachable
from devmode.digits import number_of

ANSWER_S = 40.0
"""Longer than devmode lets any request wait for a command server."""
LEAST_S = 0.5
"""What a server gets for an answer although the time is up: no time at all asks once."""
SILENCE_S = 30.0
"""A stream says something every ten seconds."""
RETRY_S = 1.0
GONE_S = 60.0
"""How long a server may be away, to be restarted say, before one stops trying."""
PIECE = 64 << 10
BETWEEN = {429: Unreachable, 502: Lost, 503: Unreachable, 504: Lost}
"""What a proxy answers while the server behind it is away, or while it has enough to do itself."""

Type = TypeVar("Type")


class Onlooker:
    """Is told how it goes with the way to the server; this one keeps it to itself."""

    def lost(self) -> None:
        """Hear that the server is away and is tried again."""

    def back(self) -> None:
        """Hear that it is there again."""


NOBODY = Onlooker()


class Absence:
    """A server that is away, or not."""

    def __init__(self, onlooker: Onlooker) -> None:
        """Tell `onlooker` of its beginning and its end."""
        self._onlooker = onlooker
        self._since: float | None = None

    def bear(self, failure: Failure) -> None:
        """Let it begin or last; raise `failure` when it lasts for too long."""
        if self._since is None:
            self._since = time.monotonic()
            self._onlooker.lost()
        if time.monotonic() - self._since > GONE_S:
            raise failure

    def end(self) -> None:
        """Let it end, if there is one."""
        if self._since is not None:
            self._since = None
            self._onlooker.back()


class Client:
    """One server, one token, and until when it may take."""

    def __init__(self, access: Access, deadline: Deadline | None = None) -> None:
        """Connect to nothing yet."""
        self._access = access
        self._url = urlsplit(access.url)
        self._deadline = deadline or Deadline(None)

    def within(self, seconds: float | None) -> "Client":
        """Return a client of the same server for which time is up after `seconds` from now."""
        return Client(self._access, Deadline(seconds))

    def jobs(self) -> tuple[schemas.Job, ...]:
        """Return the jobs that the server lists."""
        return self._ask("GET", "/jobs", schemas.Jobs).jobs

    def job(self, job_id: int) -> schemas.Job:
        """Return one job; raise `Refused`."""
        return self._ask("GET", f"/jobs/{job_id}", schemas.Job)

    def examine(self, job_id: int) -> schemas.Examination:
        """Have the way to a job's command server examined; raise `Refused`."""
        return self._ask("GET", f"/jobs/{job_id}/doctor", schemas.Examination)

    def texts(self, job_id: int) -> tuple[str, ...]:
        """Return the names of the texts of a job; raise `Refused`."""
        return self._ask("GET", _address(job_id, "texts"), schemas.Texts).names

    def timeline(self, job_id: int, only: str | None) -> tuple[schemas.Event, ...]:
        """Return what happened in a job, or what of it is about `only`; raise `Refused`."""
        query = f"?only={only}" if only else ""
        return self._ask("GET", f"/jobs/{job_id}/timeline{query}", schemas.Timeline).events

    def steps(self, job_id: int, module: str) -> schemas.Steps:
        """Return what a module, by its name without the category, recorded; raise `Refused`."""
        return self._ask("GET", _address(job_id, "modules", module), schemas.Steps)

    def read(self, job_id: int, *path: str) -> Iterator[bytes]:
        """Yield a picture or a text of a job in pieces; raise `Refused`, `Unreachable`."""
        with self._connected() as connection:
            answer = self._send(connection, "GET", _address(job_id, *path), None, {})
            while piece := answer.read(PIECE):
                yield piece
            # http.client itself says so only where an answer is read in one go.
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)

    def do(
        self, method: str, job_id: int, path: str, body: dict[str, Any] | None = None
    ) -> schemas.Answer:
        """Have something done about a job; raise `Refused`, and `Failure` if that is unknown."""
        try:
            return self._ask(method, f"/jobs/{job_id}/{path}", schemas.Answer, body)
        except Lost as lost:
            unknown = "Whether that was done is unknown: look at the job before you try again."
            raise Failure(f"{lost.message} {unknown}", FAILED) from lost

    def follow(self, job_id: int, onlooker: Onlooker = NOBODY) -> Iterator[schemas.Job]:
        """Yield a job now and at each change, also across restarts of the server.

        Raises `Refused`, `Unreachable`, and `Failure` when the time is up.
        """
        last_id, absence = "", Absence(onlooker)
        while True:
            pause_s = RETRY_S
            try:
                for event in self._events(job_id, last_id):
                    absence.end()
                    last_id = event.id
                    if event.name == "message":
                        yield _decode(event.data.encode(), schemas.Job)
            except Failure as failure:
                was_there = last_id or failure.retry_after_s
                if failure.exit_code != UNREACHABLE or not was_there:
                    raise
                absence.bear(failure)
                pause_s = min(failure.retry_after_s or RETRY_S, GONE_S)
            self._deadline.check()
            time.sleep(min(pause_s, self._deadline.left_s()))

    def _events(self, job_id: int, last_id: str) -> Iterator[ServerEvent]:
        """Yield “open” when the stream is there, then what it tells until it ends."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        with self._connected() as connection:
            # http.client lets go of it as soon as the answer has begun.
            wire = connection.sock
            answer = self._send(connection, "GET", f"/jobs/{job_id}/events", None, headers)
            yield ServerEvent("open", "", last_id)
            yield from parse(self._lines(wire, answer), last_id)

    def _ask(
        self, method: str, path: str, kind: type[Type], body: dict[str, Any] | None = None
    ) -> Type:
        with self._connected() as connection:
            return _decode(self._send(connection, method, path, body, {}).read(), kind)

    @contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        """Connect; raise `Unreachable`, also later, or `Failure` when the time is up."""
        kind = (
            http.client.HTTPSConnection
            if self._url.scheme == "https"
            else http.client.HTTPConnection
        )
        connection = kind(self._url.hostname or "", self._url.port, timeout=self._patience_s())
        trouble: type[Unreachable] = Unreachable
        try:
            in_time(connection.connect, self._patience_s())
            trouble = Lost
            connection.sock.settimeout(self._patience_s())
            yield connection
        except (OSError, http.client.HTTPException) as error:
            self._deadline.check()
            raise trouble(f"devmode can't be reached at {self._access.url}: {error}.") from error
        finally:
            connection.close()

    def _patience_s(self) -> float:
        return max(LEAST_S, min(ANSWER_S, self._deadline.left_s()))

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
            raise _refusal(answer)
        return answer

    def _lines(self, wire: socket.socket, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        while True:
            self._deadline.check()
            wire.settimeout(min(SILENCE_S, self._deadline.left_s()) or RETRY_S)
            line = answer.readline()
            if not line:
                return
            yield line


def _address(job_id: int, *path: str) -> str:
    return "/".join((f"/jobs/{job_id}", *(quote(part, safe="") for part in path)))


def _decode(text: bytes, kind: type[Type]) -> Type:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise Failure(f"The server speaks another version of the API: {error}", FAILED) from error


def _refusal(answer: http.client.HTTPResponse) -> Failure:
    # The other form of it, a date, is nothing that devmode says.
    retry_after_s = number_of(answer.headers.get("Retry-After", ""))
    try:
        problem = msgspec.json.decode(answer.read(), type=schemas.Problem)
    except msgspec.DecodeError:
        sentence = f"HTTP status {answer.status}."
        if answer.status in BETWEEN:
            return BETWEEN[answer.status](f"devmode can't be reached: {sentence}", retry_after_s)
        return Failure(f"What answers is no devmode: {sentence}", FAILED)
    return Refused(problem.code, problem.detail, retry_after_s)
