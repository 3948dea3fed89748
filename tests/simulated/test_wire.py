"""The connection under an event stream: what is written arrives once, whole and in order."""

import os
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from devmode.web.wire import Wire
from tests.waiting import LIMIT_S, until

EVENT = b"data: news\n\n"
LONG = b"data: " + b"x" * (16 << 20) + b"\n\n"


@pytest.fixture
def ends() -> Iterator[tuple[Any, Any]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def wire_on(connection: Any, *, chunked: bool = True) -> Wire:
    return Wire(connection, chunked=chunked)


def read(connection: Any, most: int) -> bytes:
    """Return what comes until the end, or so many bytes."""
    data = b""
    with gevent.Timeout(LIMIT_S):
        while len(data) < most and (more := connection.recv(most - len(data))):
            data += more
    return data


def test_an_event_is_one_chunk_of_the_answer(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire_on(ours).send(EVENT)
    assert theirs.recv(100) == b"c\r\n" + EVENT + b"\r\n"


def test_an_old_client_gets_no_chunks(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire_on(ours, chunked=False).send(EVENT)
    assert theirs.recv(100) == EVENT


def test_what_does_not_fit_is_written_before_anything_else(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire = wire_on(ours)
    wire.send(LONG)
    assert wire.has_rest
    assert not wire.is_free
    flushing = gevent.spawn(wire.flush)
    length = len(LONG) + len(b"1000008\r\n\r\n")
    read(theirs, length)
    flushing.get(timeout=LIMIT_S)
    assert wire.is_free
    wire.send(EVENT)
    assert theirs.recv(100) == b"c\r\n" + EVENT + b"\r\n"


def test_events_that_may_take_long_are_written_before_anything_else(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire = wire_on(ours)
    writing = gevent.spawn(wire.write, LONG)
    gevent.sleep(0)
    assert not wire.is_free
    read(theirs, len(b"1000008\r\n\r\n" + LONG))
    writing.get(timeout=LIMIT_S)
    assert wire.is_free


def test_an_answer_ends_together_with_its_connection(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire = wire_on(ours)
    wire.send(EVENT)
    wire.close()
    assert read(theirs, 1000) == b"c\r\n" + EVENT + b"\r\n0\r\n\r\n"


def test_an_answer_ends_without_waiting_for_who_reads_nothing(ends: tuple[Any, Any]) -> None:
    ours, _theirs = ends
    wire = wire_on(ours)
    with suppress(BlockingIOError):
        while True:
            os.write(ours.fileno(), b"x")
    with gevent.Timeout(LIMIT_S):
        wire.close()


def test_who_reads_slowly_is_not_taken_for_stalled(
    ends: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("devmode.web.wire.time", SimpleNamespace(monotonic=lambda: clock[0]))
    ours, theirs = ends
    wire = wire_on(ours)
    writing = gevent.spawn(wire.write, LONG)
    while not writing.ready():
        clock[0] += 20
        theirs.recv(1 << 20)
        until(lambda: writing.ready() or wire._busy_since == clock[0], "the next piece")
        assert not wire.is_stalled(30)
    assert clock[0] > 30


def test_an_answer_that_was_cut_short_does_not_look_like_a_whole_one(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    wire = wire_on(ours)
    wire.send(LONG)
    wire.close()
    assert not read(theirs, len(LONG) + 100).endswith(b"0\r\n\r\n")


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
    with pytest.raises(OSError, match="closed"):
        flushing.get(timeout=LIMIT_S)
