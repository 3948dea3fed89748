"""Which process has which connection, and a way to openQA on which that can be seen."""

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
from gevent import socket
from gevent.server import StreamServer


def owner_of(here: int, there: int, pids: Iterable[int]) -> int | None:
    """Return which process has the connection from one port of the loopback to another."""
    inode = next((row[9] for row in _rows() if _ports(row) == (here, there)), None)
    return next((pid for pid in pids if f"socket:[{inode}]" in _files(pid)), None)


def listener_at(port: int) -> int:
    """Return the process that listens at a port."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    found = owner_of(port, 0, pids)
    assert found is not None, f"nobody listens at {port}"
    return found


class Relay:
    """Stands before an openQA and notes from which port its API was asked."""

    def __init__(self, port: int) -> None:
        """Begin to listen, for the openQA at `port`."""
        self._openqa = port
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked_from: list[int] = []

    def stop(self) -> None:
        self._server.stop(timeout=0)

    def _serve(self, browser: Any, address: tuple[str, int]) -> None:
        def note(data: bytes) -> None:
            if data.startswith(b"GET /api/v1/"):
                self.asked_from.append(address[1])

        openqa = socket.create_connection(("127.0.0.1", self._openqa))
        there = gevent.spawn(_copy, browser, openqa, note)
        back = gevent.spawn(_copy, openqa, browser, lambda _data: None)
        gevent.joinall([there, back])
        openqa.close()


def _copy(source: Any, target: Any, note: Callable[[bytes], None]) -> None:
    # Whoever is killed ends its connections in whatever way.
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            note(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _rows() -> list[list[str]]:
    tables = (Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    return [line.split() for table in tables for line in table.splitlines()[1:]]


def _ports(row: list[str]) -> tuple[int, int]:
    here, there = (int(end.rpartition(":")[2], 16) for end in row[1:3])
    return here, there


def _files(pid: int) -> set[str]:
    try:
        return {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:  # it has just ended, or closed one, or is somebody else's
        return set()
