"""Finds words in a whole text, however long it is.

Pure module.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Final

from devmode.live.lines import Line, lines_of

LONGEST: Final = 64 << 10
"""A line is looked into in parts of this many bytes, so that one without an end fills no memory."""


def lines_with(words: str, pieces: Iterable[bytes]) -> Iterator[list[Line]]:
    """Yield the lines that hold the words, in small or capital letters: those of each piece."""
    wanted = words.lower()
    start, rest = 0, b""
    for piece in pieces:
        text = rest + piece
        end = text.rfind(b"\n") + 1 or (len(text) if len(text) > LONGEST else 0)
        yield _found(wanted, start, text[:end])
        start, rest = start + end, text[end:]
    yield _found(wanted, start, rest)


def _found(wanted: str, start: int, text: bytes) -> list[Line]:
    if not _holds(text, wanted):
        return []
    found = []
    for line in BytesIO(text):
        if _holds(line, wanted):
            found += lines_of(line, start)
        start += len(line)
    return found


def _holds(text: bytes, wanted: str) -> bool:
    return wanted in text.decode(errors="replace").lower()
