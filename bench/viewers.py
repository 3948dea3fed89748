"""A process with many viewers that note when what was said reaches them.

    python -m bench.viewers

Each line of the standard input is a request: `{"open": [["HOST:PORT", "GET …", "data: "], …],
"at_once": N}` opens connections, so many at the same time, and answers with how many milliseconds
each took until it heard the words that come third (see `viewing.py`); `{"listen": SECONDS}` hears
until nothing has come for a moment and answers with the delays in milliseconds; `{"close": true}`
closes them all.
Reads bytes and looks for moments in them, whatever the protocol around: an event stream and the
websocket of a command server are measured by the same code. When bytes reached a viewer is told by
the kernel: to read for a hundred viewers takes this one process longer than to write to them did.
"""

import json
import os
import re
import selectors
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.viewing import Request

MOMENT = re.compile(rb"at(\d{10,})")
TIMESTAMPS = 35
"""SO_TIMESTAMPNS of Linux' asm-generic/socket.h: when the last of what is read arrived."""
TIMESTAMP = struct.Struct("@qq")
"""Seconds and nanoseconds, since 1970."""
KEPT = 64
"""Bytes kept from one read to the next: a moment may be cut."""
QUIET_S = 0.5
OPENING_S = 60.0


class Viewer:
    """One connection and the newest moment that it heard of."""

    def __init__(self, request: Request) -> None:
        """Connect, ask and wait for content; `opened_in_ms` is how long that took."""
        began = time.monotonic()
        host, _, port = request.address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), OPENING_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, TIMESTAMPS, 1)
        self.socket.sendall(request.text.encode())
        self._newest = 0
        self._rest = b""
        heard, content = request.heard.encode(), b""
        while heard not in content:
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionError(f"{request.address} ended after {content[-1000:]!r}")
            content += data
        self.opened_in_ms = (time.monotonic() - began) * 1e3

    def read(self) -> tuple[int, bytes]:
        """Read what is there; return when it came, in ns of the monotonic clock, and what."""
        data, ancillary, *_ = self.socket.recvmsg(1 << 16, socket.CMSG_SPACE(TIMESTAMP.size))
        if not data:
            raise ConnectionError("a stream ended")
        [(_level, _type, timestamp)] = ancillary
        seconds, nanoseconds = TIMESTAMP.unpack(timestamp)
        ago = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
        return time.monotonic_ns() - ago, data

    def delays(self, at: int, data: bytes) -> list[float]:
        """Return the delays of the moments that are new in what was read, in milliseconds."""
        text = self._rest + data
        self._rest = text[-KEPT:]
        # One at the very end may be cut.
        found = {int(match[1]) for match in MOMENT.finditer(text) if match.end() < len(text)}
        new = sorted(moment for moment in found if moment > self._newest)
        if new:
            self._newest = new[-1]
        return [(at - moment) / 1e6 for moment in new]


class Audience:
    """All viewers."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._selector = selectors.DefaultSelector()
        self._viewers: list[Viewer] = []

    def open(self, requests: list[Request], at_once: int) -> list[float]:
        """Open viewers, so many at the same time; return how long each took, in ms."""
        taken = []
        with ThreadPoolExecutor(at_once) as opening:
            for viewer in opening.map(Viewer, requests):
                self._viewers.append(viewer)
                self._selector.register(viewer.socket, selectors.EVENT_READ, viewer)
                taken.append(viewer.opened_in_ms)
                # What earlier viewers are told of later ones is read, and forgotten.
                for key, _ in self._selector.select(0):
                    key.data.read()
        return taken

    def listen(self, seconds: float) -> list[float]:
        """Hear for so long and until it is quiet; return the delays, in milliseconds."""
        delays: list[float] = []
        unread: list[tuple[Viewer, int, bytes]] = []
        ends_at = time.monotonic() + seconds
        heard_at = time.monotonic()
        while unread or time.monotonic() < max(ends_at, heard_at + QUIET_S):
            ready = [key.data for key, _ in self._selector.select(0 if unread else 0.1)]
            unread += [(viewer, *viewer.read()) for viewer in ready]
            # To look into what one was sent while others wait would make those seem late.
            if ready or not unread:
                continue
            new = [delay for viewer, at, data in unread for delay in viewer.delays(at, data)]
            unread.clear()
            delays += new
            if new:
                heard_at = time.monotonic()
        return delays

    def close(self) -> None:
        """Let everybody go."""
        for viewer in self._viewers:
            self._selector.unregister(viewer.socket)
            viewer.socket.close()
        self._viewers.clear()


def answer(audience: Audience, request: dict[str, Any]) -> object:
    """Do what one line asks for."""
    match request:
        case {"open": [*requests], "at_once": int(at_once)}:
            return audience.open([Request(*request) for request in requests], at_once)
        case {"listen": float() | int() as seconds}:
            return audience.listen(seconds)
        case {"close": True}:
            audience.close()
            return None
    raise ValueError(f"unknown request {request}")


def main() -> None:
    """See the module."""
    # Browsers are other machines: who reads here must not take the core from who writes.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    audience = Audience()
    for line in sys.stdin:
        print(json.dumps(answer(audience, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
