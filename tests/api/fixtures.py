"""A program that uses the API."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from devmode.sessions.users import Role
from tests.null.fixtures import Watched

API = "/api/v1"


class Program:
    """Something with a token, and without cookies."""

    def __init__(self, app: Flask, name: str, role: str = "operator") -> None:
        known = Role.named(role)
        assert known is not None
        self.name = name
        self.token = app.extensions["devmode"].tokens.create(name, known, None)
        self.headers = {"Authorization": f"Bearer {self.token}"}
        self.client = app.test_client(use_cookies=False)

    def ask(self, method: str, path: str, **options: Any) -> TestResponse:
        options["headers"] = self.headers | options.get("headers", {})
        return self.client.open(f"{API}{path}", method=method, **options)

    def get(self, path: str, **options: Any) -> Any:
        answer = self.ask("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json

    def tries(self, method: str, job: Watched, path: str, **body: Any) -> TestResponse:
        content = {"json": body} if body else {}
        return self.ask(method, f"/jobs/{job.id}/{path}", **content)

    def does(self, method: str, job: Watched, path: str, **body: Any) -> Any:
        """Does something that works, and returns the answer."""
        answer = self.tries(method, job, path, **body)
        assert answer.status_code == 200, answer.text
        return answer.json

    def is_refused(self, method: str, job: Watched, path: str, **body: Any) -> tuple[int, str]:
        """Tries something that doesn't work, and returns the status and the code."""
        answer = self.tries(method, job, path, **body)
        assert answer.mimetype == "application/problem+json", answer.text
        assert answer.json is not None
        assert answer.json["status"] == answer.status_code
        return answer.status_code, answer.json["code"]

    def follow(self, job: Watched, last_id: str = "") -> "Stream":
        headers = {"Last-Event-ID": last_id} if last_id else {}
        return Stream(self.ask("GET", f"/jobs/{job.id}/events", headers=headers))


class Stream:
    """A stream of the API, read event by event."""

    def __init__(self, answer: TestResponse) -> None:
        assert answer.status_code == 200, answer.text
        self.answer = answer
        self._parts: Iterator[bytes] = iter(answer.response)
        self._waiting: list[str] = []
        self.id = ""

    def read(self) -> str:
        """Returns the next block, a comment or an event, as it is."""
        while not self._waiting:
            self._waiting = [block for block in next(self._parts).decode().split("\n\n") if block]
        return self._waiting.pop(0)

    def next(self) -> Any:
        """Returns the next snapshot."""
        while True:
            fields = dict(line.split(": ", 1) for line in self.read().splitlines() if ": " in line)
            if "id" in fields:
                self.id = fields["id"]
                return json.loads(fields["data"])

    def until(self, condition: Callable[[Any], Any]) -> Any:
        """Returns the first snapshot that fulfils a condition."""
        while not condition(snapshot := self.next()):
            pass
        return snapshot

    def close(self) -> None:
        self.answer.close()


NewProgram = Callable[..., Program]
