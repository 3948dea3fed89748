"""A websocket of a browser, on the connection that gunicorn hands out."""

from collections.abc import Iterator
from socket import SHUT_RDWR
from typing import Any, NoReturn

from flask import Request
from gevent.lock import RLock
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

SILENCE_S = 25.0
"""How long a browser may take no byte; who has sent none for so long is pinged, and after as long
again is gone. A page that only watches never speaks, and proxies cut what is silent for 60 s."""
LARGEST_MESSAGE = 64 << 10
TOO_BIG, PROTOCOL_ERROR = 1009, 1002


class Gone(Exception):
    """The other side is no longer there."""


class Websocket:
    """One websocket; several greenlets may send, one receives."""

    def __init__(self, connection: Any, headers: list[tuple[bytes, bytes]], path: str) -> None:
        """Take over a connection whose request was read; `accept` answers it."""
        self._connection = connection
        self._connection.settimeout(SILENCE_S)
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._sending = RLock()
        self._protocol.initiate_upgrade_connection(headers, path)

    def accept(self) -> None:
        """Answer the handshake; raise `Gone`."""
        self._say(AcceptConnection())

    def send(self, text: str) -> None:
        """Send a text frame; raise `Gone`."""
        self._say(TextMessage(text))

    def messages(self) -> Iterator[str]:
        """Return the other side's messages, until it closes or is gone; may raise `Gone`."""
        parts: list[str | bytes | bytearray] = []
        size = 0
        for event in self._events():
            match event:
                case Ping():
                    self._say(event.response())
                case CloseConnection():
                    self._say(event.response())
                    return
                case TextMessage() | BytesMessage():
                    size += len(event.data)
                    if size > LARGEST_MESSAGE:
                        self.close(TOO_BIG)
                        return
                    parts.append(event.data)
                    if event.message_finished:
                        yield "".join(map(_text, parts))
                        parts, size = [], 0

    def close(self, code: int) -> None:
        """Say goodbye and end the connection; doing so twice is harmless."""
        try:
            self._say(CloseConnection(code))
        except Gone:
            return
        self.cut()

    def cut(self) -> None:
        """End the connection without a word."""
        try:
            self._connection.shutdown(SHUT_RDWR)
        except OSError:
            return

    def _say(self, event: Event) -> None:
        with self._sending:
            try:
                self._connection.sendall(self._protocol.send(event))
            except (OSError, LocalProtocolError) as error:
                self.cut()
                raise Gone from error

    def _events(self) -> Iterator[Event]:
        pinged = False
        while True:
            try:
                data = self._connection.recv(LARGEST_MESSAGE)
            except TimeoutError:
                if pinged:
                    return
                pinged = True
                self._say(Ping())
                continue
            except OSError:
                return
            if not data:
                return
            pinged = False
            try:
                self._protocol.receive_data(data)
                yield from self._protocol.events()
            except RemoteProtocolError:
                self.close(PROTOCOL_ERROR)
                return


class Taken(Response):
    """Stands for the answer to a request whose connection became a websocket."""

    def __call__(self, environ: Any, start_response: Any) -> NoReturn:
        """Have gunicorn close the connection without another word: so it takes this exception."""
        raise StopIteration


def websocket_of(request: Request) -> Websocket:
    """Return the websocket that a request asks for; raise `BadRequest`."""
    connection = request.environ.get("gunicorn.socket")
    if connection is None:
        raise BadRequest("This server offers no websockets: serve devmode by gunicorn.")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
    try:
        return Websocket(connection, headers, request.full_path)
    except RemoteProtocolError as error:
        raise BadRequest("The handshake of the websocket can't be understood.") from error


def _text(part: str | bytes | bytearray) -> str:
    return part if isinstance(part, str) else bytes(part).decode(errors="replace")
