"""Server-sent events, as they come in lines (HTML standard, section 9.2).

Pure module: no sockets, no Flask, no database, no clock.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ServerEvent:
    """One event; `id` is the last one that was told, also by an earlier event."""

    name: str
    data: str
    id: str


def parse(lines: Iterable[bytes], last_id: str = "") -> Iterator[ServerEvent]:
    """Turn lines into events; one that is cut off by the end of the stream is none.

    `last_id` is where an earlier stream ended, if this one goes on from there.
    """
    name = ""
    data: list[str] = []
    for raw in lines:
        line = raw.decode(errors="replace").rstrip("\r\n")
        if not line:
            if data:
                yield ServerEvent(name or "message", "\n".join(data), last_id)
            name, data = "", []
            continue
        field, _colon, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "data":
                data.append(value)
            case "id":
                last_id = value
