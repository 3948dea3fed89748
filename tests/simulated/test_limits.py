"""What one browser can hold up: nothing but itself."""

import io
from collections import Counter
from typing import Any

import gevent
import pytest
from gevent import socket

from devmode.live.subscription import Subscription
from devmode.sessions.users import Role, Visitor
from devmode.web import patience, stream
from devmode.web.patience import Patience


class Endless(io.RawIOBase):
    def read(self, _size: int = -1) -> bytes:
        gevent.sleep(60)
        return b""


def answered(body: Any, **environ: str) -> tuple[str, list[bytes]]:
    """Sends a body through; the application tells what it read."""
    statuses: list[str] = []

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [])
        return [environ["wsgi.input"].read()]

    answer = Patience(app, longest=10)(
        {"wsgi.input": body, **environ}, lambda status, _headers: statuses.append(status)
    )
    return statuses[0], list(answer)


@pytest.mark.parametrize("length", [{"CONTENT_LENGTH": "4"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_a_body_is_read_before_the_application_is_called(length: dict[str, str]) -> None:
    assert answered(io.BytesIO(b"body"), **length) == ("200 OK", [b"body"])


def test_a_body_that_is_too_long_is_left_to_be_refused() -> None:
    long = io.BytesIO(b"x" * 100)
    assert answered(long, CONTENT_LENGTH="100") == ("200 OK", [b"x" * 100])
    long.seek(0)
    assert answered(long, HTTP_TRANSFER_ENCODING="chunked") == ("200 OK", [b"x" * 11])


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BODY_S", 0.05)
    status, _body = answered(Endless(), CONTENT_LENGTH="5")
    assert status.startswith("408")


def watched() -> tuple[Any, Any, Subscription]:
    ours, theirs = socket.socketpair()
    visitor = Visitor(1, "olivia", Role.VIEWER, "login")
    return ours, theirs, Subscription(visitor, Counter())


def test_a_browser_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STALLED_S", 0.05)
    ours, theirs, subscription = watched()
    sending = gevent.spawn(ours.sendall, b"x" * (16 << 20))
    subscription.sending_since = 0.0
    stream._watch_connection(ours, subscription)
    with pytest.raises(OSError, match="pipe"):
        sending.get(timeout=10)
    assert not subscription.gone
    theirs.close()


def test_a_browser_that_has_gone_is_noticed_at_once() -> None:
    ours, theirs, subscription = watched()
    watching = gevent.spawn(stream._watch_connection, ours, subscription)
    theirs.close()
    watching.get(timeout=10)
    assert subscription.gone
    assert subscription.ready.is_set()
