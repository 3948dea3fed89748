"""Somebody with a browser, as far as HTTP goes: cookies, forms and an event stream."""

import http.client
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any, Protocol
from urllib.parse import urlencode

from tests.processes.world import START_CODE, SimulatedJob, World
from tests.waiting import LIMIT_S


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 stands for a connection that was lost."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)


class Door(Protocol):
    """Where devmode can be reached: a gunicorn, or the proxy before all of them."""

    def connect(self) -> http.client.HTTPConnection: ...


@dataclass
class Person:
    """Signs in once; may then talk to any process, as the cookie is good everywhere."""

    world: World
    name: str
    role: str = "operator"
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def __post_init__(self) -> None:
        door = self.world.gunicorns[0]
        form = {"name": self.name, "role": self.role, "code": START_CODE}
        self._read_token(self.ask(door, "GET", "/sign-in"))
        assert self.ask(door, "POST", "/sign-in", form).status == 303
        self._read_token(self.ask(door, "GET", "/"))

    def ask(self, door: Door, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        connection = door.connect()
        secured = isinstance(connection, http.client.HTTPSConnection)
        site = f"{'https' if secured else 'http'}://{connection.host}:{connection.port}/"
        headers = {"Cookie": self.cookie_header, "HX-Request": "true", "Referer": site}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            body = None if form is None else urlencode(form | {"csrf_token": self.token})
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            self._keep_cookies(response)
            return Answer(response.status, response.read().decode(), dict(response.headers))
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, repr(error))
        finally:
            connection.close()

    def does(self, job: SimulatedJob, action: str, *, at: int | Door = 0, **form: str) -> Answer:
        """Sends a form about a job to a door, or to the gunicorn of this number."""
        path = f"/jobs/{self.world.number_of(job)}/{action}"
        return self.ask(self._door(at), "POST", path, form)

    def sets_pause_at(self, job: SimulatedJob, module: str, *, at: int | Door = 0) -> Answer:
        answer = self.does(job, "settings", at=at, pause_at=module, was_pause_at="another")
        if answer.status == 200:
            self.world.confirmed[job.name].append(module)
        return answer

    def takes_control(self, job: SimulatedJob, *, at: int | Door = 0) -> None:
        answer = self.does(job, "session", at=at)
        assert answer.status == 200, answer

    def controls(self, job: SimulatedJob, *, at: int | Door = 0) -> "Stream":
        """Takes control and watches, until the stream says so."""
        self.takes_control(job, at=at)
        watching = self.watches(job, at=at)
        watching.until("You control this job")
        return watching

    def watches(self, job: SimulatedJob, text: str = "", *, at: int | Door = 0) -> "Stream":
        number = self.world.number_of(job)
        path = f"/events?jobs={number}" + (f"&texts={number}:{text}" if text else "")
        return Stream(self._door(at).connect(), path, self.cookie_header)

    def _door(self, at: int | Door) -> Door:
        return self.world.gunicorns[at] if isinstance(at, int) else at

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _keep_cookies(self, response: http.client.HTTPResponse) -> None:
        for header in response.headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name] = morsel.value

    def _read_token(self, page: Answer) -> None:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        assert found, page
        self.token = found[1]


class Stream:
    """An event stream that is read on demand."""

    def __init__(self, connection: http.client.HTTPConnection, path: str, cookies: str) -> None:
        self._connection = connection
        self._connection.request("GET", path, headers={"Cookie": cookies})
        self._response = self._connection.getresponse()
        self.retries_ms: list[int] = []
        self.farewell = False
        assert self._response.status == 200

    def until(self, words: str, limit_s: float = LIMIT_S) -> str:
        """Reads until a region says `words`, and returns it."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            for said in self.next_regions():
                if words in said:
                    return said
        raise AssertionError(f"{words!r} was not told within {limit_s} s")

    def next_regions(self) -> list[str]:
        line = self._response.readline().decode()
        assert line, "the stream has ended"
        if line.startswith("retry: "):
            self.retries_ms.append(int(line.removeprefix("retry: ")))
        if line.startswith("event: farewell"):
            self.farewell = True
        if not line.startswith("data: {"):
            return []
        regions = json.loads(line.removeprefix("data: ")).get("regions", {}).values()
        return [" ".join(re.sub("<[^>]*>", " ", str(html)).split()) for html in regions]

    def until_data(self, said: Callable[[dict[str, Any]], object]) -> None:
        """Reads until some JSON is what `said` looks for."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            line = self._response.readline()
            assert line, "the stream has ended"
            if line.startswith(b"data: {") and said(json.loads(line.removeprefix(b"data: "))):
                return
        raise AssertionError(f"it was not told within {LIMIT_S} s")

    def first(self) -> str:
        """Everything there is to see at the beginning; empty if the stream ends at once."""
        while line := self._response.readline():
            if line.startswith(b"data: {"):
                self.close()
                return " ".join(re.sub("<[^>]*>", " ", line.decode()).split())
        return ""

    def read_to_the_end(self) -> None:
        while not self._response.closed and (line := self._response.readline()):
            if line.startswith(b"retry: "):
                self.retries_ms.append(int(line.removeprefix(b"retry: ")))
            self.farewell |= line.startswith(b"event: farewell")
        self.close()

    def close(self) -> None:
        self._connection.close()
