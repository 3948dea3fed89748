"""Following a job through what happens to servers and to the way to them."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from devmode import schemas
from devmode.cli import client as client_module
from devmode.cli import exits
from devmode.cli.access import Access
from devmode.cli.client import Client, Deadline
from devmode.cli.exits import Failure

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def snapshot(name: str) -> bytes:
    job = schemas.Job(
        id=1,
        name=name,
        state="running",
        origin=schemas.Origin(kind="pool_directory", openqa_id=None, openqa_page=None),
        started_at=NOW,
        ended_at=None,
        deadline=None,
        result=None,
        modules=(),
        execution=schemas.Execution(
            known=False,
            module=None,
            api_function=None,
            paused=False,
            pause_reason=None,
            pause_at=None,
            pause_on_mismatch=None,
            pause_on_next_command=None,
            pause_on_failure=None,
        ),
        link="connected",
        session=None,
        headline=schemas.Headline(kind="running", title="Running", detail=""),
        revision="",
    )
    return b"id: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(job))


def problem(status: int, code: str) -> tuple[int, str, bytes]:
    told = schemas.Problem(type="", title="", status=status, detail="Sorry.", code=code)
    return status, "application/problem+json", msgspec.json.encode(told)


def stream(*blocks: bytes) -> tuple[int, str, bytes]:
    return 200, "text/event-stream", b"retry: 1000\n\n" + b"".join(blocks)


class Script(BaseHTTPRequestHandler):
    """Answers one request after the other as it was told."""

    answers: list[Any]
    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers["Last-Event-ID"])
        status, media_type, body = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[type[Script], Client]]:
    monkeypatch.setattr(client_module, "RETRY_S", 0.01)
    mine = type("Mine", (Script,), {"answers": [], "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), mine)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield mine, Client(Access(url=url, token="t"))
    server.shutdown()
    server.server_close()


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
    assert names(client.follow(1, Deadline(30)), 3) == ["a", "b", "c"]
    assert server.asked == [None, "b", "b", "b", "b", "b"]


def test_a_token_that_is_not_valid_any_more_is_told(script: tuple[type[Script], Client]) -> None:
    server, client = script
    signed_out = b"event: signed-out\ndata: \n\n"
    server.answers += [stream(snapshot("a"), signed_out), problem(401, "not_signed_in")]
    jobs = client.follow(1, Deadline(30))
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
    jobs = client.follow(1, Deadline(30))
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
        next(client.follow(1, Deadline(30)))
    assert failure.value.exit_code == exits.UNREACHABLE
    assert len(server.asked) == 1


def test_the_time_is_up_while_nothing_is_said(script: tuple[type[Script], Client]) -> None:
    server, client = script
    server.answers += [stream()] * 10_000
    with pytest.raises(Failure) as failure:
        next(client.follow(1, Deadline(0.3)))
    assert failure.value.exit_code == exits.TIMED_OUT


def test_what_is_no_devmode_is_told(script: tuple[type[Script], Client]) -> None:
    server, client = script
    server.answers += [(404, "text/html", b"<h1>Not here</h1>"), (200, "text/html", b"<h1>Hi</h1>")]
    for sentence in ("no devmode: HTTP status 404", "another version of the API"):
        with pytest.raises(Failure, match=sentence) as failure:
            client.jobs()
        assert failure.value.exit_code == exits.FAILED
