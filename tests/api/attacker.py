"""Somebody who asks every route, as it takes it or not."""

from typing import Any

from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.api.fixtures import Program
from tests.null.fixtures import Person

UNKNOWN_JOB = 999_999
STREAMS = {"stream.events", "api.events", "livehandler.streaming"}
WEBSOCKETS = {"livehandler.control", "livehandler.watch"}
"""Attacked in tests/openqa, through gunicorn; without a handshake there is nothing to them."""


class Attacker:
    """Somebody with a browser or with a token, or with neither."""

    def __init__(self, app: Flask, person: Person | None, program: Program | None) -> None:
        self.app = app
        self.person = person
        self.program = program

    def send(self, rule: Rule, method: str, job_id: int | str, **request: Any) -> TestResponse:
        """Sends a request as this route takes it, apart from what `request` changes."""
        path = url(rule, job_id) + request.pop("suffix", "")
        headers = dict(request.pop("headers", {}))
        if path.startswith("/api/"):
            client = self.app.test_client(use_cookies=False)
            headers |= self.program.headers if self.program else {}
        elif self.person:
            client = self.person.client
            headers |= {"X-CSRFToken": self.person.token["csrf_token"]}
        else:
            client = self.app.test_client(use_cookies=False)
        answer = client.open(path, method=method, headers=headers, buffered=False, **request)
        if answer.mimetype != "text/event-stream":
            answer.get_data()
        answer.close()
        return answer


def url(rule: Rule, job_id: int | str) -> str:
    path = rule.rule.replace("<int:job_id>", str(job_id)).replace("<path:filename>", "live.js")
    path = path.replace("<int:openqa_id>", str(job_id))
    path = path.replace("<module>", "menu_visible").replace("<name>", "log")
    assert "<" not in path, f"{rule} takes an argument that this file doesn't know"
    return path


def rules(app: Flask) -> list[Rule]:
    asked = (rule for rule in app.url_map.iter_rules() if rule.endpoint not in WEBSOCKETS)
    return sorted(asked, key=lambda rule: rule.rule)


def methods(rule: Rule) -> set[str]:
    return (rule.methods or set()) - {"OPTIONS", "HEAD"}
