"""What a viewer sends to watch a job, and by what it knows that it sees something."""

from typing import NamedTuple

HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Request(NamedTuple):
    """Sent to an address as it is; the first words that are `heard` end the wait for content."""

    address: str
    text: str
    heard: str


def stream(address: str, cookie: str, job: int) -> Request:
    """Ask devmode for the events of a job, and wait until they tell that the test runs."""
    text = f"GET /events?jobs={job} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n"
    return Request(address, text, "headline running")


def websocket(address: str, path: str, heard: str, cookie: str = "") -> Request:
    """Ask for a websocket, without compression."""
    identity = f"Cookie: {cookie}\r\n" if cookie else ""
    text = f"GET {path} HTTP/1.1\r\nHost: {address}\r\n{identity}{HANDSHAKE}"
    return Request(address, text, heard)
