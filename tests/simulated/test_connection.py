"""The websocket to a command server, against servers that say what they like."""

import base64
import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import SHUT_RDWR, SO_LINGER, SOL_SOCKET

import gevent
import pytest
import websocket
from gevent.event import Event
from gevent.server import StreamServer
from gevent.socket import create_connection, socket

from devmode.commandserver.address import Address, JobToken
from devmode.commandserver.commands import Resume
from devmode.commandserver.connection import Connection, connect
from devmode.commandserver.link import Link, LinkEvent, LinkState, Lost
from devmode.commandserver.simulator import Simulator
from tests.waiting import LIMIT_S, until

MESSAGE = b"\x81\x02{}"
STATUS = json.dumps(
    {
        "running": "module",
        "current_test_full_name": "shell-module",
        "current_api_function": "type_string",
        "test_execution_paused": 0,
        "devel_mode_major_version": 1,
        "devel_mode_minor_version": 1,
    }
).encode()
"""Longer than a message that tells its length in one byte may be."""
Talk = Callable[[socket, bytes], None]


@contextmanager
def server(talk: Talk, host: str = "127.0.0.1") -> Iterator[Address]:
    """Let `talk` answer the handshakes that it is handed."""

    def serve(connection: socket, _place: object) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += connection.recv(4096)
        talk(connection, request)

    listening = StreamServer(("127.0.0.1", 0), serve)
    listening.start()
    try:
        yield Address(host, listening.server_port, JobToken("token"))
    finally:
        listening.stop()


def upgrade(request: bytes) -> bytes:
    key = next(
        line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.split()[1] + guid).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def message(content: bytes) -> bytes:
    return b"\x81\x7e" + struct.pack(">H", len(content)) + content


def hear(connection: Connection) -> bytes:
    _opcode, data = connection.recv_data()
    connection.message_ended()
    return data


def in_one_go(connection: socket, request: bytes) -> None:
    connection.sendall(upgrade(request) + MESSAGE + MESSAGE)


def byte_by_byte(connection: socket, request: bytes) -> None:
    for byte in upgrade(request) + MESSAGE + MESSAGE:
        connection.sendall(bytes([byte]))
        gevent.sleep(0)


@pytest.mark.parametrize("talk", [in_one_go, byte_by_byte])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_messages_are_heard_however_they_are_cut(talk: Talk, host: str) -> None:
    with server(talk, host) as address:
        connection = connect(address)
        assert [hear(connection), hear(connection)] == [b"{}", b"{}"]
        with pytest.raises(websocket.WebSocketConnectionClosedException):
            hear(connection)


def test_whoever_listens_there_sends_devmode_nowhere_else() -> None:
    came = []

    def elsewhere(connection: socket, request: bytes) -> None:
        came.append(request)
        connection.sendall(upgrade(request))

    with server(elsewhere) as there:

        def send_there(connection: socket, _request: bytes) -> None:
            connection.sendall(
                b"HTTP/1.1 302 Found\r\nLocation: " + there.url().encode() + b"\r\n\r\n"
            )

        with server(send_there) as address, pytest.raises(websocket.WebSocketException):
            connect(address)
    assert came == []


def say_nothing_more(connection: socket, request: bytes) -> None:
    connection.sendall(upgrade(request))
    Event().wait()


def test_who_waits_is_told_when_another_closes_the_websocket() -> None:
    with server(say_nothing_more) as address:
        connection = connect(address)
        waiting = gevent.spawn(hear, connection)
        gevent.sleep(0)
        connection.shutdown()
        waiting.join(LIMIT_S)
        assert isinstance(waiting.exception, (OSError, websocket.WebSocketException))


def test_a_link_comes_back_when_an_answer_finds_the_connection_broken() -> None:
    handshakes = []

    def answer_and_reset(connection: socket, request: bytes) -> None:
        handshakes.append(request)
        connection.sendall(upgrade(request))
        connection.recv(1000)
        waiting.wait()
        connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(message(STATUS))
        connection.close()

    waiting = Event()
    with server(answer_and_reset) as address:
        link = Link(address, job_id=1, hear=lambda _event: None)
        link.start()
        until(lambda: link.state is LinkState.CONNECTED, "the connection")
        link.say(Resume(), "what waits for the status")
        waiting.set()
        until(lambda: len(handshakes) > 1, "another connection")
        link.close()


def test_a_link_that_is_lost_before_its_first_word_says_so_and_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect_and_lose(address: Address) -> Connection:
        connection = connect(address)
        if not troubles:
            connection.sock.shutdown(SHUT_RDWR)
        return connection

    def note(event: LinkEvent) -> None:
        if isinstance(event, Lost):
            troubles.append(event.trouble)

    monkeypatch.setattr("devmode.commandserver.link.connect", connect_and_lose)
    troubles: list[str] = []
    with server(say_nothing_more) as address:
        link = Link(address, job_id=1, hear=note)
        link.start()
        until(lambda: troubles, "the loss")
        until(lambda: link.state is LinkState.CONNECTED, "another connection")
        link.close()
    assert troubles == ["The command server closed the connection."]


def test_a_link_that_is_closed_as_it_comes_up_says_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect_in_time(address: Address) -> Connection:
        connections.append(connect(address))
        coming_up.set()
        go_on.wait()
        return connections[0]

    def permit() -> bool:
        asked.append(True)
        return True

    monkeypatch.setattr("devmode.commandserver.link.connect", connect_in_time)
    coming_up, go_on = Event(), Event()
    connections: list[Connection] = []
    asked: list[bool] = []
    with server(say_nothing_more) as address:
        link = Link(address, job_id=1, hear=lambda _event: None)
        link.speak(permit)
        link.start()
        coming_up.wait(LIMIT_S)
        # Woken first, killed afterwards.
        go_on.set()
        link.close()
        until(lambda: not connections[0].connected, "the connection to be closed")
    assert link.state is LinkState.CLOSED
    assert not asked


def test_a_simulator_that_ends_leaves_nobody_behind_who_is_yet_to_shake_hands() -> None:
    simulator = Simulator()
    simulator.start()
    with create_connection(("127.0.0.1", simulator.port), LIMIT_S) as early:
        early.sendall(b"GET ")
        until(lambda: simulator._clients, "the connection to be accepted")
        simulator.stop()
        assert early.recv(1) == b""


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devmode.commandserver.connection.HANDSHAKE_S", 0.2)
    with (
        server(lambda _connection, _request: Event().wait()) as address,
        pytest.raises((OSError, websocket.WebSocketTimeoutException)),
    ):
        connect(address)
