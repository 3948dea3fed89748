"""A simulated openQA: as much of it as devmode asks, and every way to fail that tests need.

What it answers is what a real one answered (Debian's 4.6 of January 2023).
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from html import escape
from typing import Any
from urllib.parse import parse_qs

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Responder = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class SimulatedOpenQA:
    """Serves users and jobs; `broken` answers instead of everything while it is set."""

    def __init__(self) -> None:
        self.users: dict[str, tuple[str, str, str]] = {}
        """By cookie: username, name and role."""
        self.workers: list[Any] = []
        self.jobs: dict[int, Any] = {}
        self.done: list[tuple[str, int, dict[str, str]]] = []
        """What it was told to do: what, with which job, and how."""
        self.broken: Responder | None = None
        self.asked: list[str] = []
        """Every request, as “METHOD PATH”."""
        self.requests: list[dict[str, Any]] = []
        # A pool, so that connections end when the server stops.
        self._server = WSGIServer(("127.0.0.1", 0), self._answer, log=None, spawn=Pool(100))
        self._server.start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(timeout=0)

    def runs(self, number: int, *, host: str, port: int, token: str, **job: Any) -> None:
        """Have a worker run a job, which tells of its command server."""
        settings = {"NAME": f"{number:08}-a-job", "MAX_JOB_TIME": "900", **job.pop("settings", {})}
        self.workers.append(
            {
                "id": number,
                "host": "worker",
                "instance": number,
                "jobid": number,
                "properties": {
                    "CMD_SRV_URL": f"http://localhost:{port}/{token}",
                    "JOBTOKEN": token,
                    "WORKER_HOSTNAME": host,
                },
            }
        )
        self.jobs[number] = {
            "id": number,
            "state": "running",
            "name": "a-job",
            "group": "A group",
            "t_started": "2026-11-24T17:35:10",
            "settings": settings,
            "modules": [{"name": "boot", "category": "first", "result": "passed", "flags": []}],
            **job,
        }

    def ends(self, number: int) -> None:
        self.workers = [worker for worker in self.workers if worker["jobid"] != number]
        self.jobs[number]["state"] = "done"

    def count(self, path: str) -> int:
        return sum(asked.endswith(f" {path}") for asked in self.asked)

    def _answer(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        self.asked.append(f"{environ['REQUEST_METHOD']} {path_of(environ)}")
        self.requests.append(environ)
        return (self.broken or self.answer_soundly)(environ, start)

    def answer_soundly(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        """What `broken` may hand on that it doesn't break."""
        path = path_of(environ)
        cookie = environ.get("HTTP_COOKIE", "").removeprefix("mojolicious=")
        username, name, role = self.users.get(cookie, ("", "", ""))
        needed = {
            "/session/test": ("operator", "administrator"),
            "/admin/auditlog": ("administrator",),
        }
        if path in needed and not username:
            start("302 Found", [("Location", f"/login?return_page={path}")])
            return [b""]
        if path in needed and role not in needed[path]:
            return answer(start, "403 Forbidden", "Forbidden")
        if path == "/session/test":
            return answer(start, "200 OK", f"You can see this because you are {username}")
        if path in ("/admin/auditlog", "/search"):
            return answer(start, "200 OK", page(name))
        if path == "/api/v1/workers":
            return answer(start, "200 OK", json.dumps({"workers": self.workers}))
        if path.startswith("/api/v1/jobs?ids="):
            wanted = path.partition("=")[2].split(",")
            jobs = [self.jobs[int(number)] for number in wanted if int(number) in self.jobs]
            return answer(start, "200 OK", json.dumps({"jobs": jobs}))
        if environ["REQUEST_METHOD"] == "POST":
            return self._do(path, environ, start)
        return answer(start, "404 Not Found", "nothing here")

    def _do(self, path: str, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        form = parse_qs(environ["wsgi.input"].read().decode())
        number, what = path.removeprefix("/api/v1/jobs/").split("/")
        at, key = environ.get("HTTP_X_API_MICROTIME", ""), environ.get("HTTP_X_API_KEY")
        digest = hmac.new(b"SECRET", f"{path}{at}".encode(), hashlib.sha1).hexdigest()
        if key != "KEY" or environ.get("HTTP_X_API_HASH") != digest:
            return answer(start, "403 Forbidden", json.dumps({"error": "Not authorized"}))
        if int(number) not in self.jobs:
            return answer(start, "404 Not Found", json.dumps({"error": "Job does not exist"}))
        self.done.append((what, int(number), {name: said[0] for name, said in form.items()}))
        if what == "restart":
            told = {"result": [{number: int(number) + 100}], "test_url": [{number: "/tests/107"}]}
            return answer(start, "200 OK", json.dumps(told))
        if what == "cancel":
            self.ends(int(number))
        return answer(start, "200 OK", json.dumps({"result": None}))


def path_of(environ: dict[str, Any]) -> str:
    """With its query, if there is one."""
    query = environ["QUERY_STRING"]
    return f"{environ['PATH_INFO']}?{query}" if query else str(environ["PATH_INFO"])


def answer(start: StartResponse, status: str, text: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/html; charset=utf-8")])
    return [text.encode()]


def page(name: str) -> str:
    """A page with openQA's navigation bar."""
    greeting = f"Logged in as {escape(name)}" if name else "Login"
    return f'<nav><li id="user-action"><a href="#">{greeting}<span></span></a></li></nav>'


def always(status: str, text: str = "") -> Responder:
    return lambda _environ, start: answer(start, status, text)


def silent(_environ: dict[str, Any], _start: StartResponse) -> Iterable[bytes]:
    gevent.sleep(600)
    return []


def half(_environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
    """Ends in the middle of what it announced."""
    start("200 OK", [("Content-Type", "text/html"), ("Content-Length", "1000")])
    return [b"You can see this"]


def endless(_environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "application/json")])
    while True:
        yield b"[" * 65536
