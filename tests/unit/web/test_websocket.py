"""A websocket of a browser, with a real client at the other end of a pair of sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import RemoteProtocolError

from devmode.web import websocket as websockets
from devmode.web.websocket import LARGEST_MESSAGE, Gone, Websocket
from tests.waiting import LIMIT_S

HEADERS = [
    (b"Host", b"here"),
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]


class Client:
    """A browser after its handshake, the key of which is that of RFC 6455's example."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.connection.settimeout(LIMIT_S)
        self.frames = Connection(ConnectionType.CLIENT)
        self.answer = b""

    def hear_the_handshake(self) -> None:
        while not self.answer.endswith(b"\r\n\r\n"):
            self.answer += self.connection.recv(1)

    def send(self, event: Event) -> None:
        self.connection.sendall(self.frames.send(event))

    def hear(self) -> Event:
        for event in self.frames.events():
            return event
        data = self.connection.recv(65536)
        assert data, "gone"
        self.frames.receive_data(data)
        return self.hear()


Pair = tuple[Websocket, Client]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    client = Client(theirs)
    websocket = Websocket(ours, HEADERS, "/")
    websocket.accept()
    client.hear_the_handshake()
    yield websocket, client
    ours.close()
    theirs.close()


def test_a_handshake_is_answered(pair: Pair) -> None:
    _websocket, client = pair
    assert client.answer.startswith(b"HTTP/1.1 101 ")
    # The answer to this key in RFC 6455, section 1.3.
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in client.answer


def test_a_request_that_is_no_handshake_is_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(RemoteProtocolError):
        Websocket(ours, HEADERS[:1], "/")


def test_messages_arrive_whole_both_ways(pair: Pair) -> None:
    websocket, client = pair
    messages = websocket.messages()
    client.send(TextMessage("one", message_finished=False))
    client.send(TextMessage(" piece"))
    client.send(BytesMessage(b"\xc3\xa9\xff"))
    assert [next(messages), next(messages)] == ["one piece", "é�"]
    websocket.send("answer")
    heard = client.hear()
    assert isinstance(heard, TextMessage)
    assert heard.data == "answer"


def test_pings_are_answered_between_messages(pair: Pair) -> None:
    websocket, client = pair
    client.send(Ping(b"there?"))
    client.send(TextMessage("next"))
    assert next(websocket.messages()) == "next"
    assert client.hear() == Pong(b"there?")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets, "SILENCE_S", 0.05)


@contextmanager
def received(websocket: Websocket) -> Iterator[list[str]]:
    """Receives in the background; in the end the other side has to be gone."""
    messages: list[str] = []
    receiving = threading.Thread(target=lambda: messages.extend(websocket.messages()))
    receiving.start()
    yield messages
    receiving.join(LIMIT_S)
    assert not receiving.is_alive()


@pytest.mark.usefixtures("impatient")
def test_who_only_listens_is_pinged_and_stays(pair: Pair) -> None:
    websocket, client = pair
    with received(websocket) as messages:
        for _ in range(3):
            ping = client.hear()
            assert isinstance(ping, Ping)
            client.send(ping.response())
        client.send(TextMessage("still here"))
        client.send(CloseConnection(1000))
    assert messages == ["still here"]


@pytest.mark.usefixtures("impatient")
def test_who_does_not_answer_a_ping_is_gone(pair: Pair) -> None:
    websocket, client = pair
    with received(websocket):
        assert isinstance(client.hear(), Ping)


def test_a_large_message_is_sent_whole(pair: Pair) -> None:
    websocket, client = pair
    text = "x" * (4 << 20)
    sending = threading.Thread(target=websocket.send, args=[text])
    sending.start()
    read = 0
    while read < len(text):
        event = client.hear()
        assert isinstance(event, TextMessage)
        read += len(event.data)
    sending.join()
    assert read == len(text)


def test_what_is_too_large_ends_the_websocket(pair: Pair) -> None:
    websocket, client = pair
    for _part in range(2):
        client.send(TextMessage("x" * (LARGEST_MESSAGE // 2 + 1), message_finished=False))
    assert list(websocket.messages()) == []
    assert client.hear() == CloseConnection(1009, "")


def test_nonsense_ends_the_websocket(pair: Pair) -> None:
    websocket, client = pair
    client.connection.sendall(b"\xff" * 10)
    assert list(websocket.messages()) == []
    with pytest.raises(Gone):
        websocket.send("too late")


def test_a_goodbye_is_answered(pair: Pair) -> None:
    websocket, client = pair
    client.send(CloseConnection(1000))
    assert list(websocket.messages()) == []
    assert isinstance(client.hear(), CloseConnection)


def test_who_is_gone_hears_nothing_more(pair: Pair) -> None:
    websocket, client = pair
    client.connection.close()
    assert list(websocket.messages()) == []
    with pytest.raises(Gone):
        websocket.send("too late")
    websocket.close(1000)
