"""The connection under an event stream: written to at once, by whoever has news.

To wake a greenlet for each of many viewers takes longer than to write to their connections
(docs/performance.md), so a stream's greenlet only does what has to wait.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Mapping
from socket import SHUT_RDWR
from typing import Any

import gevent
from gevent.socket import fromfd, socket

READABLE = 1
"""libev's EV_READ."""
UNSENT = 0x894B
"""SIOCOUTQNSD of Linux' sockios.h: how much of what was written has not been sent yet."""


class Wire:
    """What is written goes out in order: by gunicorn, or here while that has nothing to write."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        """Take over the connection of a request, if gunicorn tells it."""
        self._connection: Any = environ.get("gunicorn.socket")
        # What TLS sends is not what is written.
        self._is_plain = type(self._connection) is socket
        # As gunicorn decides it for an answer without a length.
        self._is_chunked = environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
        self._busy_since: float | None = time.monotonic()
        self._rest = b""
        self._watcher: Any = None

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` when the browser has: it sends nothing, so only its end can be read."""
        if self._connection is not None:
            self._watcher = gevent.get_hub().loop.io(self._connection.fileno(), READABLE)
            self._watcher.start(gone)

    def close(self) -> None:
        """Write nothing and watch nothing any more."""
        self.busy()
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()

    def busy(self) -> None:
        """Note that gunicorn begins to write."""
        self._busy_since = time.monotonic()

    def idle(self) -> None:
        """Note that gunicorn has written everything."""
        self._busy_since = None

    @property
    def is_free(self) -> bool:
        """Whether `send` may be called."""
        return self._busy_since is None and self._is_plain

    def send(self, event: bytes) -> None:
        """Write an event without waiting; `flush` writes what doesn't fit, before anything else."""
        data = b"%x\r\n%b\r\n" % (len(event), event) if self._is_chunked else event
        rest = data[self._write(data) :]
        if rest:
            self.busy()
            self._rest = rest

    def _write(self, data: bytes) -> int:
        # A connection that is broken is left to `flush`, which its stream calls.
        with contextlib.suppress(OSError):
            return os.write(self._connection.fileno(), data)
        return 0

    @property
    def has_rest(self) -> bool:
        """Whether there is something for `flush` to write."""
        return bool(self._rest)

    def flush(self) -> None:
        """Write what `send` could not, however long that takes. Raises `OSError`."""
        if self._rest:
            self._connection.sendall(self._rest)
            self._rest = b""
            self.idle()

    @property
    def has_room(self) -> bool:
        """Whether all that was written is on its way."""
        if self._connection is None:
            return True
        unsent = fcntl.ioctl(self._connection.fileno(), UNSENT, b"\0" * 4)
        return not any(unsent)

    def is_stalled(self, seconds: float) -> bool:
        """Whether the browser has not taken what it was sent for so long."""
        return self._busy_since is not None and time.monotonic() - self._busy_since > seconds

    def cut(self) -> None:
        """End the connection: what it holds is needed for others."""
        if self._connection is None:
            return
        # By another name: to whoever writes it looks as if the browser had gone.
        with contextlib.suppress(OSError), _twin(self._connection) as twin:
            twin.shutdown(SHUT_RDWR)


def _twin(connection: socket) -> socket:
    twin: socket = fromfd(connection.fileno(), connection.family, connection.type)
    return twin
