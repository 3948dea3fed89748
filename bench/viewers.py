"""A process with many viewers that note when what was said reaches them.

    python -m bench.viewers

Each line of the standard input is a request: `{"open": ["HOST:PORT", "GET …"], "times": N}` opens
connections and answers when each has heard something; `{"listen": SECONDS}` hears until nothing has
come for a moment and answers with the delays in milliseconds; `{"close": true}` closes them all.
Reads bytes and looks for moments in them, whatever the protocol around: an event stream and the
websocket of a command server are measured by the same code.
"""

import json
import re
import selectors
import socket
import sys
import time
from typing import Any

MOMENT = re.compile(rb"at(\d{10,})")
KEPT = 64
"""Bytes kept from one read to the next: a moment may be cut."""
QUIET_S = 0.5
OPENING_S = 60.0


class Viewer:
    """One connection and the newest moment that it heard of."""

    def __init__(self, address: str, request: str) -> None:
        """Connect and ask."""
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request.encode())
        self.heard_at = 0.0
        self._newest = 0
        self._rest = b""

    def read(self) -> list[float]:
        """Read what is there; return the delays of the moments that are new, in milliseconds."""
        data = self.socket.recv(1 << 20)
        now = time.monotonic_ns()
        if not data:
            raise ConnectionError("a stream ended")
        self.heard_at = self.heard_at or now / 1e9
        text = self._rest + data
        self._rest = text[-KEPT:]
        # One at the very end may be cut.
        found = {int(match[1]) for match in MOMENT.finditer(text) if match.end() < len(text)}
        new = sorted(moment for moment in found if moment > self._newest)
        if new:
            self._newest = new[-1]
        return [(now - moment) / 1e6 for moment in new]


class Audience:
    """All viewers."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._selector = selectors.DefaultSelector()
        self._viewers: list[Viewer] = []

    def open(self, address: str, request: str, times: int) -> list[float]:
        """Open viewers one after the other; return how long each took to hear content, in ms."""
        taken = []
        for _ in range(times):
            began = time.monotonic()
            viewer = Viewer(address, request)
            self._viewers.append(viewer)
            self._selector.register(viewer.socket, selectors.EVENT_READ, viewer)
            content = b""
            while b"data: " not in content and b"101 Switching" not in content:
                content += viewer.socket.recv(1 << 20)
            taken.append((time.monotonic() - began) * 1e3)
        return taken

    def listen(self, seconds: float) -> list[float]:
        """Hear for so long and until it is quiet; return the delays, in milliseconds."""
        delays: list[float] = []
        ends_at = time.monotonic() + seconds
        heard_at = time.monotonic()
        while time.monotonic() < max(ends_at, heard_at + QUIET_S):
            for key, _ in self._selector.select(0.1):
                new = key.data.read()
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
        case {"open": [str(address), str(text)], "times": int(times)}:
            return audience.open(address, text, times)
        case {"listen": float() | int() as seconds}:
            return audience.listen(seconds)
        case {"close": True}:
            audience.close()
            return None
    raise ValueError(f"unknown request {request}")


def main() -> None:
    """See the module."""
    audience = Audience()
    for line in sys.stdin:
        print(json.dumps(answer(audience, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
