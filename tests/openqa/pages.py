"""openQA's page without a browser: its websockets, its picture stream, and who opens them."""

import copy
import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Protocol

import websocket

from tests.waiting import LIMIT_S

ABNORMAL = 1006
"""What a websocket that just broke has as its code (RFC 6455)."""
Data = dict[str, Any]


class Server(Protocol):
    """Where a devmode is reached."""

    @property
    def url(self) -> str: ...

    start_code: str


class Developer:
    """Somebody who is signed in to devmode."""

    def __init__(self, server: Server, name: str, role: str = "operator") -> None:
        self.name = name
        self._server = server
        self._cookies = http.cookiejar.CookieJar()
        self._browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies)
        )
        form = {"name": name, "role": role, "code": server.start_code}
        self.post("/sign-in", **form)

    @property
    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)

    def get(self, path: str) -> str:
        with self._browser.open(f"{self._server.url}{path}", timeout=LIMIT_S) as answer:
            text: str = answer.read().decode()
            return text

    def at(self, server: Server) -> "Developer":
        """The same person with the same cookie, who comes to another server of that devmode."""
        same = copy.copy(self)
        same._server = server
        return same

    def post(self, path: str, **form: str) -> None:
        page = self.get("/sign-in" if path == "/sign-in" else "/")
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found, page
        body = urllib.parse.urlencode(form | {"csrf_token": found[1]}).encode()
        self._browser.open(f"{self._server.url}{path}", body, timeout=LIMIT_S).close()

    def opens(self, url: str) -> Any:
        """The answer of a site that gets this person's cookies."""
        request = urllib.request.Request(url, headers={"Cookie": self.cookie})
        return urllib.request.urlopen(request, timeout=LIMIT_S)

    def sees_pause(self, number: int) -> bool:
        """Whether the page tells that the job is paused, before it tells no more."""
        tab = self.watches(number)
        while (message := tab.hear()) is not None:
            told = message["data"] or {}
            if told.get("test_execution_paused") or told.get("paused"):
                tab.close()
                return True
        return False

    def watches(self, job: int, **options: Any) -> "Tab":
        return Tab(self._server, f"{job}/developer/ws-proxy/status", self.cookie, **options)

    def controls(self, job: int, **options: Any) -> "Tab":
        return Tab(self._server, f"{job}/developer/ws-proxy", self.cookie, **options)


class Tab:
    """One websocket, with all that it was told."""

    def __init__(self, server: Server, path: str, cookie: str, **options: Any) -> None:
        url = f"ws{server.url.removeprefix('http')}/liveviewhandler/tests/{path}"
        self._websocket = websocket.create_connection(
            url, timeout=LIMIT_S, cookie=cookie, **options
        )
        self.heard: list[Data] = []
        self.closed: int | None = None

    @property
    def port(self) -> int:
        """Of this side's end."""
        port: int = self._websocket.sock.getsockname()[1]
        return port

    def send(self, **command: Any) -> None:
        self.send_text(json.dumps(command))

    def send_text(self, text: str) -> None:
        self._websocket.send(text)

    def hear(self) -> Data | None:
        """Returns the next message, None once the other side closed; then `closed` is its code."""
        try:
            opcode, data = self._websocket.recv_data()
        except websocket.WebSocketTimeoutException:
            raise AssertionError(f"nothing came any more after {self.heard}") from None
        except (OSError, websocket.WebSocketConnectionClosedException):
            self.closed = ABNORMAL
            return None
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.closed = int.from_bytes(data[:2], "big")
            self._websocket.shutdown()
            return None
        message: Data = json.loads(data)
        assert message.keys() == {"type", "what", "data"}
        self.heard.append(message)
        return message

    def hear_until(self, condition: Callable[[Data], object]) -> Data:
        """Returns the first message of which something is true."""
        while (message := self.hear()) is not None:
            if condition(message):
                return message
        raise AssertionError(f"closed with {self.closed} after {self.heard}")

    def hear_data(self, **expected: Any) -> Data:
        """Returns the first data in which these values are."""
        message = self.hear_until(
            lambda m: m["data"] is not None and expected.items() <= m["data"].items()
        )
        data: Data = message["data"]
        return data

    def hear_the_end(self) -> int:
        """Returns the code that it was closed with."""
        while self.hear() is not None:
            continue
        assert self.closed is not None
        return self.closed

    def close(self) -> None:
        self._websocket.close()


def refused(open_: Callable[[], object]) -> tuple[int, str]:
    """Returns the status and the text with which a handshake was refused."""
    try:
        open_()
    except websocket.WebSocketBadStatusException as error:
        return error.status_code, (error.resp_body or b"").decode()
    raise AssertionError("it was not refused")


def answer_to(request: urllib.request.Request) -> tuple[int, Any]:
    """Returns status and JSON of an answer, of a refusal too."""
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")
