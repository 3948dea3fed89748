"""Hosts that say nothing, too little at a time, or what no devmode says."""

import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer
from gevent.socket import socket

from devmode import logs
from devmode.cluster import peers
from devmode.cluster.leases import Holder
from devmode.cluster.peers import Peers
from devmode.cluster.seals import Seals
from devmode.errors import HostAway
from tests.waiting import LIMIT_S


class Stranger:
    """Somebody at the address of a host, and who asks there."""

    def __init__(self, speak: Callable[[socket], None]) -> None:
        self.asked = 0
        self._speak = speak
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        holder = Holder("1", "there", f"127.0.0.1:{self._server.server_port}", None)
        lease: Any = SimpleNamespace(holders=(holder,), database_time=0.0)
        self._peers = Peers(lease, Seals("only for tests"), "here")

    def is_away(self) -> bool:
        with gevent.Timeout(LIMIT_S), pytest.raises(HostAway):
            list(self._peers.ask("there", b"a question"))
        return True

    def end(self) -> None:
        self._server.stop(0)

    def _serve(self, connection: socket, _address: object) -> None:
        self.asked += 1
        connection.recv(65536)
        self._speak(connection)


@pytest.fixture
def meets() -> Iterator[Callable[[Callable[[socket], None]], Stranger]]:
    strangers: list[Stranger] = []

    def meet(speak: Callable[[socket], None]) -> Stranger:
        strangers.append(Stranger(speak))
        return strangers[-1]

    yield meet
    for stranger in strangers:
        stranger.end()


def hold_the_line(_connection: socket) -> None:
    gevent.sleep(LIMIT_S)


def drip(connection: socket, beginning: bytes) -> None:
    connection.sendall(beginning)
    while True:
        connection.sendall(b"x")
        gevent.sleep(0.05)


@pytest.mark.parametrize(
    "beginning",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n\0\0\xff\xff"],
    ids=["head", "part"],
)
def test_a_host_that_says_a_byte_now_and_then_is_away(
    meets: Any, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr(peers, "PART_S", 0.5)
    assert meets(lambda connection: drip(connection, beginning)).is_away()


def test_who_was_silent_is_not_waited_for_again_at_once(
    meets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "SILENCE_S", 0.2)
    silent = meets(hold_the_line)
    for _question in range(3):
        assert silent.is_away()
    assert silent.asked == 1
    monkeypatch.setattr(peers, "LEFT_ALONE_S", 0)
    assert silent.is_away()
    assert silent.asked == 2


def test_who_refuses_is_asked_again_at_once(meets: Any) -> None:
    refusing = meets(lambda connection: connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n"))
    for _question in range(3):
        assert refusing.is_away()
    assert refusing.asked == 3


def test_of_what_a_stranger_says_little_is_logged(
    meets: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # As in a devmode: this file may be run alone.
    logs.through_logging()
    caplog.set_level(logging.INFO)
    assert meets(lambda connection: connection.sendall(b"x" * 60_000 + b"\n")).is_away()
    assert max(len(record.getMessage()) for record in caplog.records) < 500
