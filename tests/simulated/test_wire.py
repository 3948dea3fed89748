"""The connection under an event stream: what is written arrives once, whole and in order."""

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from devmode.web.wire import Wire

EVENT = b"data: news\n\n"
LONG = b"data: " + b"x" * (16 << 20) + b"\n\n"
LIMIT_S = 10


@pytest.fixture
def ends() -> Iterator[tuple[Any, Any]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def wire_on(connection: Any, protocol: str = "HTTP/1.1") -> Wire:
    wire = Wire({"gunicorn.socket": connection, "SERVER_PROTOCOL": protocol})
    wire.idle()
    return wire


def test_an_event_is_one_chunk_of_the_answer(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire_on(ours).send(EVENT)
    assert theirs.recv(100) == b"c\r\n" + EVENT + b"\r\n"


def test_an_old_client_gets_no_chunks(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire_on(ours, "HTTP/1.0").send(EVENT)
    assert theirs.recv(100) == EVENT


def test_nothing_is_written_into_what_gunicorn_is_writing(ends: tuple[Any, Any]) -> None:
    wire = wire_on(ends[0])
    wire.busy()
    assert not wire.is_free
    wire.idle()
    assert wire.is_free


def test_what_does_not_fit_is_written_before_anything_else(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire = wire_on(ours)
    wire.send(LONG)
    assert wire.has_rest
    assert not wire.is_free
    flushing = gevent.spawn(wire.flush)
    length = len(LONG) + len(b"1000008\r\n\r\n")
    with gevent.Timeout(LIMIT_S):
        while length:
            length -= len(theirs.recv(length))
    flushing.get(timeout=LIMIT_S)
    assert wire.is_free
    wire.send(EVENT)
    assert theirs.recv(100) == b"c\r\n" + EVENT + b"\r\n"


def test_a_connection_of_tls_is_left_to_gunicorn() -> None:
    assert not wire_on(object()).is_free


def test_a_browser_that_has_gone_is_noticed_at_once(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    gone = Event()
    wire = wire_on(ours)
    wire.watch(gone.set)
    theirs.close()
    assert gone.wait(LIMIT_S)
    wire.close()


def test_a_connection_that_is_broken_ends_its_stream(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire = wire_on(ours)
    theirs.close()
    wire.send(EVENT)
    with pytest.raises(OSError, match="pipe"):
        wire.flush()


def test_a_browser_that_takes_nothing_can_be_cut_off(ends: tuple[Any, Any]) -> None:
    ours, _theirs = ends
    wire = wire_on(ours)
    wire.send(LONG)
    flushing = gevent.spawn(wire.flush)
    with gevent.Timeout(LIMIT_S):
        while not wire.is_stalled(0.05):
            gevent.sleep(0.01)
    wire.cut()
    with pytest.raises(OSError, match="pipe"):
        flushing.get(timeout=LIMIT_S)
