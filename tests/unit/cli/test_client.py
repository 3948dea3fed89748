"""Following a job through what happens to servers and to the way to them."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from devmode import schemas
from devmode.cli import client as client_module
from devmode.cli import exits
from devmode.cli.access import Access
from devmode.cli.client import Client, Onlooker
from devmode.cli.exits import Failure, Unreachable
from tests.unit.cli.made import job


def snapshot(name: str) -> bytes:
    return b"id: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(job(name)))


def problem(status: int, code: str) -> tuple[int, str, bytes]:
    told = schemas.Problem(type="", title="", status=status, detail="Sorry.", code=code)
    return status, "application/problem+json", msgspec.json.encode(told)


def stream(*blocks: bytes) -> tuple[int, str, bytes]:
    return 200, "text/event-stream", b"retry: 1000\n\n" + b"".join(blocks)


class Script(BaseHTTPRequestHandler):
    """Answers one request after the other as it was told."""

    answers: list[Any]
    asked: list[str | None]
    paths: list[str]
    retry_after: str | None = None
    length: int | None = None

    def do_GET(self) -> None:
        self.asked.append(self.headers["Last-Event-ID"])
        self.paths.append(self.path)
        status, media_type, body = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        if status != 200 and self.retry_after is not None:
            self.send_header("Retry-After", self.retry_after)
        if self.length is not None:
            self.send_header("Content-Length", str(self.length))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[type[Script], Client]]:
    monkeypatch.setattr(client_module, "RETRY_S", 0.01)
    mine = type("Mine", (Script,), {"answers": [], "asked": [], "paths": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), mine)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield mine, Client(Access(url=url, token="t"))
    server.shutdown()
    server.server_close()


@pytest.fixture
def hanging() -> Iterator[Client]:
    """A client of a server that takes every connection and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Client(Access(url=f"http://127.0.0.1:{server.getsockname()[1]}", token="t"))


class Notes(Onlooker):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def lost(self) -> None:
        self.heard.append("lost")

    def back(self) -> None:
        self.heard.append("back")


def names(jobs: Iterator[schemas.Job], most: int) -> list[str]:
    return [next(jobs).name for _ in range(most)]


def test_a_job_is_followed_from_stream_to_stream(script: tuple[type[Script], Client]) -> None:
    server, client = script
    farewell = b"event: farewell\ndata: \n\n"
    proxy = (502, "text/html", b"<h1>Bad Gateway</h1>")
    server.answers += [
        stream(snapshot("a"), snapshot("b"), farewell),
        proxy,
        problem(503, "database_away"),
        stream(b": \n\n"),
        stream(snapshot("c")[:50]),
        stream(snapshot("c")),
    ]
    assert names(client.within(30).follow(1), 3) == ["a", "b", "c"]
    assert server.asked == [None, "b", "b", "b", "b", "b"]


def test_a_token_that_is_not_valid_any_more_is_told(script: tuple[type[Script], Client]) -> None:
    server, client = script
    signed_out = b"event: signed-out\ndata: \n\n"
    server.answers += [stream(snapshot("a"), signed_out), problem(401, "not_signed_in")]
    jobs = client.within(30).follow(1)
    assert names(jobs, 1) == ["a"]
    with pytest.raises(Failure, match="Sorry") as failure:
        next(jobs)
    assert failure.value.exit_code == exits.NOT_PERMITTED


def test_a_server_that_stays_away_is_given_up(
    script: tuple[type[Script], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = script
    monkeypatch.setattr(client_module, "GONE_S", 0.05)
    server.answers += [stream(snapshot("a")), *[(503, "text/plain", b"")] * 1000]
    jobs = client.within(30).follow(1)
    assert names(jobs, 1) == ["a"]
    with pytest.raises(Failure) as failure:
        next(jobs)
    assert failure.value.exit_code == exits.UNREACHABLE


def test_a_server_that_was_never_there_is_told_at_once(
    script: tuple[type[Script], Client],
) -> None:
    server, client = script
    server.answers += [(502, "text/plain", b"")]
    with pytest.raises(Failure) as failure:
        next(client.within(30).follow(1))
    assert failure.value.exit_code == exits.UNREACHABLE
    assert len(server.asked) == 1


def test_the_time_is_up_while_nothing_is_said(script: tuple[type[Script], Client]) -> None:
    server, client = script
    server.answers += [stream()] * 10_000
    with pytest.raises(Failure) as failure:
        next(client.within(0.3).follow(1))
    assert failure.value.exit_code == exits.TIMED_OUT


def test_what_is_no_devmode_is_told(script: tuple[type[Script], Client]) -> None:
    server, client = script
    server.answers += [(404, "text/html", b"<h1>Not here</h1>"), (200, "text/html", b"<h1>Hi</h1>")]
    for sentence in ("no devmode: HTTP status 404", "another version of the API"):
        with pytest.raises(Failure, match=sentence) as failure:
            client.jobs()
        assert failure.value.exit_code == exits.FAILED


def test_a_server_that_hangs_gets_no_more_than_the_time_there_is(
    hanging: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "LEAST_S", 0.1)
    began = time.monotonic()
    for ask in (Client.jobs, lambda client: next(client.follow(1))):
        with pytest.raises(Failure, match="time is up") as failure:
            ask(hanging.within(client_module.LEAST_S))
        assert failure.value.exit_code == exits.TIMED_OUT
    assert time.monotonic() - began < client_module.ANSWER_S


def test_a_name_that_nobody_looks_up_in_time_is_told_as_a_server_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait(60) and [])
    monkeypatch.setattr(client_module, "ANSWER_S", 0.1)
    client = Client(Access(url="http://devmode.example", token="t"))
    with pytest.raises(Unreachable, match=r"at http://devmode\.example: timed out"):
        client.jobs()
    with pytest.raises(Failure, match="time is up") as failure:
        client.within(0.1).jobs()
    assert failure.value.exit_code == exits.TIMED_OUT
    never.set()


def test_even_no_time_at_all_asks_once(script: tuple[type[Script], Client]) -> None:
    server, client = script
    server.answers += [(200, "application/json", b'{"jobs": []}')]
    assert client.within(0).jobs() == ()


@pytest.mark.parametrize(
    ("answer", "length"),
    [
        ((200, "application/json", b'{"message": "Stepped.", "na'), 1000),
        ((502, "text/html", b"<h1>Bad Gateway</h1>"), None),
        ((504, "text/html", b"<h1>Gateway Time-out</h1>"), None),
    ],
)
def test_of_a_change_whose_answer_is_lost_nobody_says_that_it_was_not_made(
    script: tuple[type[Script], Client], answer: tuple[int, str, bytes], length: int | None
) -> None:
    server, client = script
    server.answers.append(answer)
    server.length = length
    with pytest.raises(Failure, match="is unknown: look at the job") as failure:
        client.do("POST", 1, "step")
    assert failure.value.exit_code == exits.FAILED


def test_a_change_that_does_not_even_come_to_a_devmode_is_not_made(
    script: tuple[type[Script], Client],
) -> None:
    server, client = script
    server.answers.append((503, "text/html", b"<h1>Service Unavailable</h1>"))
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    for away in (client, Client(Access(url=url, token="t"))):
        with pytest.raises(Unreachable, match="can't be reached") as failure:
            away.do("POST", 1, "step")
        assert failure.value.exit_code == exits.UNREACHABLE


def test_a_file_is_read_from_where_its_name_leads_and_no_further(
    script: tuple[type[Script], Client],
) -> None:
    server, client = script
    server.answers += [(200, "text/plain", b"x" * client_module.PIECE + b"y")]
    assert [len(piece) for piece in client.read(1, "texts", "../a b?")] == [client_module.PIECE, 1]
    assert server.paths == ["/api/v1/jobs/1/texts/..%2Fa%20b%3F"]


def test_a_file_that_breaks_off_is_told(script: tuple[type[Script], Client]) -> None:
    server, client = script
    server.length = 9
    server.answers += [(200, "text/plain", b"half")]
    pieces = client.read(1, "texts", "log")
    assert next(pieces) == b"half"
    with pytest.raises(Failure, match="can't be reached") as failure:
        next(pieces)
    assert failure.value.exit_code == exits.UNREACHABLE


@pytest.mark.parametrize("code", ["overloaded", "too_many"])
def test_a_refusal_that_passes_is_waited_for(
    script: tuple[type[Script], Client], code: str
) -> None:
    server, client = script
    server.retry_after = "0"
    refusal = problem(429, code)
    server.answers += [stream(snapshot("a")), refusal, refusal, stream(snapshot("b"))]
    assert names(client.follow(1), 2) == ["a", "b"]


def test_it_is_waited_for_from_the_beginning_where_the_server_says_how_long(
    script: tuple[type[Script], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = script
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    server.retry_after = "7"
    proxy = (429, "text/html", b"<h1>Too Many Requests</h1>")
    server.answers += [problem(503, "overloaded"), proxy, stream(snapshot("a"))]
    assert names(client.follow(1), 1) == ["a"]
    assert slept == [7, 7]


def test_who_follows_is_told_once_that_the_server_is_lost_and_once_that_it_is_back(
    script: tuple[type[Script], Client],
) -> None:
    server, client = script
    away = (502, "text/plain", b"")
    # The end of a stream alone is nothing to be told of.
    again = [stream(), away, away, stream(snapshot("c"))]
    server.answers += [stream(snapshot("a")), stream(snapshot("b")), *again]
    notes = Notes()
    assert names(client.follow(1, notes), 3) == ["a", "b", "c"]
    assert notes.heard == ["lost", "back"]
