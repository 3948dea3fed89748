"""The connection under an event stream: written to at once, by whoever has news.

To wake a greenlet for each of many viewers takes longer than to write to their connections, and to
have one asleep for each takes more memory than all else of a stream (docs/performance.md).
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from socket import MSG_MORE, SHUT_RDWR

import gevent
from gevent.socket import socket

READABLE = 1
"""libev's EV_READ."""
UNSENT = 0x894B
"""SIOCOUTQNSD of Linux' sockios.h: how much of what was written has not been sent yet."""
END = b"0\r\n\r\n"
"""The last chunk of an answer."""


class Wire:
    """A connection without TLS that gunicorn has let go of; what is written goes out in order."""

    def __init__(self, connection: socket, *, chunked: bool) -> None:
        """Own a connection on which the head of an answer has been sent, `chunked` or not."""
        self._connection = connection
        self._number = connection.fileno()
        self._is_chunked = chunked
        self._busy_since: float | None = None
        self._rest = b""
        self._watcher = gevent.get_hub().loop.io(self._number, READABLE)

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` once when the browser has: it sends nothing, so only its end can be read."""

        def tell() -> None:
            self._watcher.stop()
            gone()

        self._watcher.start(tell)

    @property
    def is_free(self) -> bool:
        """Whether `send` may be called."""
        return self._busy_since is None

    def send(self, event: bytes) -> None:
        """Write an event without waiting; `flush` writes what doesn't fit, before anything else."""
        data = self._chunk(event)
        rest = data[self._sent(data) :]
        if rest:
            self._busy_since = time.monotonic()
            self._rest = rest

    @property
    def has_rest(self) -> bool:
        """Whether there is something for `flush` to write."""
        return bool(self._rest)

    def flush(self) -> None:
        """Write what `send` could not, however long that takes. Raises `OSError`."""
        if self._rest:
            self._wait_for(self._rest)
            self._rest = b""

    def write(self, events: bytes) -> None:
        """Write events, however long that takes, and nothing else meanwhile. Raises `OSError`."""
        self._wait_for(self._chunk(events))

    @property
    def has_room(self) -> bool:
        """Whether all that was written is on its way."""
        unsent = fcntl.ioctl(self._number, UNSENT, b"\0" * 4)
        return not any(unsent)

    def is_stalled(self, seconds: float) -> bool:
        """Whether the browser has not taken what it was sent for so long."""
        return self._busy_since is not None and time.monotonic() - self._busy_since > seconds

    def cut(self) -> None:
        """End the connection; whoever writes sees it as if the browser had gone."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(SHUT_RDWR)

    def close(self) -> None:
        """End the answer, unless it was cut or stands still, and let go of the connection."""
        self._watcher.stop()
        self._watcher.close()
        if self.is_free and self._is_chunked:
            # Together with the end of the connection: a proxy must not take it for another request.
            self._connection.setblocking(False)
            with contextlib.suppress(OSError):
                self._connection.send(END, MSG_MORE)
        # It may soon be another connection's.
        self._number = -1
        self._connection.close()

    def _chunk(self, event: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(event), event) if self._is_chunked else event

    def _sent(self, data: bytes) -> int:
        # A connection that is broken is left to `flush`, which its stream calls.
        try:
            return os.write(self._number, data)
        except OSError:
            return 0

    def _wait_for(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._busy_since = time.monotonic()
            rest = rest[self._connection.send(rest) :]
        self._busy_since = None
