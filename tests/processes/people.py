"""Somebody with a browser, as far as HTTP goes: cookies, forms and an event stream."""

import http.client
import json
import re
import time
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from tests.processes.world import START_CODE, SimulatedJob, World


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 stands for a connection that was lost."""

    status: int
    text: str


@dataclass
class Person:
    """Signs in once; may then talk to any process, as the cookie is good everywhere."""

    world: World
    name: str
    role: str = "operator"
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def __post_init__(self) -> None:
        port = self.world.gunicorns[0].port
        form = {"name": self.name, "role": self.role, "code": START_CODE}
        self._read_token(self.ask(port, "GET", "/sign-in"))
        assert self.ask(port, "POST", "/sign-in", form).status == 303
        self._read_token(self.ask(port, "GET", "/"))

    def ask(self, port: int, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Cookie": self._cookie_header(), "HX-Request": "true"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            body = None if form is None else urlencode(form | {"csrf_token": self.token})
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            self._keep_cookies(response)
            return Answer(response.status, response.read().decode())
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, repr(error))
        finally:
            connection.close()

    def does(self, job: SimulatedJob, action: str, *, at: int = 0, **form: str) -> Answer:
        """Sends a form about a job to the gunicorn `at`."""
        number = self.world.number_of(job)
        port = self.world.gunicorns[at].port
        return self.ask(port, "POST", f"/jobs/{number}/{action}", form)

    def sets_pause_at(self, job: SimulatedJob, module: str, *, at: int = 0) -> Answer:
        return self.does(job, "settings", at=at, pause_at=module, was_pause_at="another")

    def takes_control(self, job: SimulatedJob, *, at: int = 0) -> None:
        answer = self.does(job, "session", at=at)
        assert answer.status == 200, answer

    def watches(self, job: SimulatedJob, *, at: int = 0) -> "Stream":
        port = self.world.gunicorns[at].port
        return Stream(port, f"/events?jobs={self.world.number_of(job)}", self._cookie_header())

    def _cookie_header(self) -> str:
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

    def __init__(self, port: int, path: str, cookies: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.request("GET", path, headers={"Cookie": cookies})
        self._response = self._connection.getresponse()
        self.retries_ms: list[int] = []
        self.farewell = False
        assert self._response.status == 200

    def until(self, words: str, limit_s: float = 30) -> str:
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
        regions = json.loads(line.removeprefix("data: "))["regions"].values()
        return [" ".join(re.sub("<[^>]*>", " ", html).split()) for html in regions]

    def read_to_the_end(self) -> None:
        while not self._response.closed and (line := self._response.readline()):
            if line.startswith(b"retry: "):
                self.retries_ms.append(int(line.removeprefix(b"retry: ")))
            self.farewell |= line.startswith(b"event: farewell")
        self.close()

    def close(self) -> None:
        self._connection.close()
