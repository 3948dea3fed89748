"""The websocket to a command server as websocket-client has it, and the socket below it."""

import socket
from ipaddress import AddressValueError, IPv4Address
from typing import cast

import gevent.socket
import websocket

from devmode.commandserver.address import Address

HANDSHAKE_S = 5.0
LARGEST_MESSAGE = 8 << 20
"""Bytes; a long `die` message comes in every status, hundreds of kilobytes were seen."""
READ_AT_ONCE = 4096
"""Bytes; more than nearly every message has."""

OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""Commands go out at once, and a host that vanished is noticed: as websocket-client has it."""


class TooLong(websocket.WebSocketException):
    """A message was larger than any that os-autoinst sends."""


class Connection(websocket.WebSocket):
    """A websocket that gives up on a message while it is read, before it fills the memory."""

    _read = 0

    def message_ended(self) -> None:
        """Note that what is read from now on belongs to another message."""
        self._read = 0

    def shutdown(self) -> None:
        """Close at once, and refer to itself no longer: cycles stay for long (gunicorn.conf.py)."""
        super().shutdown()  # type: ignore[no-untyped-call]  # not typed there
        self.frame_buffer.recv = _refuse

    def _recv(self, bufsize: int) -> bytes:
        data: bytes = super()._recv(bufsize)  # type: ignore[no-untyped-call]  # not typed there
        self._read += len(data)
        if self._read > LARGEST_MESSAGE:
            raise TooLong
        return data


def _refuse(_bufsize: int) -> bytes:
    raise websocket.WebSocketConnectionClosedException


def connect(address: Address) -> Connection:
    """Open the websocket; raise `OSError` or `WebSocketException`."""
    connection = websocket.create_connection(
        address.url(),
        class_=Connection,
        socket=_reach(address.host, address.port),
        enable_multithread=True,
        skip_utf8_validation=True,
        suppress_origin=True,
        # Whoever listens on that port must not send devmode elsewhere.
        redirect_limit=0,
    )
    connection.settimeout(None)
    return cast("Connection", connection)


class _Socket(gevent.socket.socket):
    """A socket that reads all there is, once there is something.

    websocket-client asks for each byte of the handshake, and for a message in three parts, with a
    call of the kernel for each; gevent has one more answered with EAGAIN before it waits.
    """

    __slots__ = ("_ahead",)

    def recv(self, bufsize: int, *_flags: int) -> bytes:
        """Return some bytes, none at the end; wait for them as long as `settimeout` says."""
        ahead: bytes = getattr(self, "_ahead", b"")
        if not ahead:
            self._wait(self._read_event)  # type: ignore[attr-defined]  # a part of gevent's own recv
            ahead = super().recv(max(bufsize, READ_AT_ONCE))
        self._ahead = ahead[bufsize:]
        return ahead[:bufsize]


def _reach(host: str, port: int) -> _Socket:
    try:
        place = str(IPv4Address(host)), port
    except AddressValueError:
        found = gevent.socket.create_connection((host, port), HANDSHAKE_S)
        reached = _Socket(fileno=found.detach())
        reached.settimeout(HANDSHAKE_S)
    else:
        # A number needs no resolver, which gevent has in threads.
        reached = _Socket(socket.AF_INET, socket.SOCK_STREAM)
        reached.settimeout(HANDSHAKE_S)
        try:
            reached.connect(place)
        except OSError:
            reached.close()
            raise
    for option in OPTIONS:
        reached.setsockopt(*option)
    return reached
