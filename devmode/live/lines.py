"""Cuts a text that comes in pieces into lines that can be shown.

Pure module. A line is known by the offset of its first byte in the file, which stays the same for
everyone and for ever.
"""

from dataclasses import dataclass, replace
from typing import Final

from devmode.live.ansi import Span, Style, spans

LONGEST: Final = 16 << 10
"""Of a longer line only this many bytes are shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it is shown, or without spans: a gap."""

    start: int
    end: int
    """The offset behind its last byte, the newline included."""
    spans: tuple[Span, ...]
    omitted: int = 0
    """How many of its bytes are not shown."""


def gap(start: int, end: int) -> Line:
    """Return the line that stands for bytes that are not shown."""
    return Line(start, end, (), end - start)


def lines_of(text: bytes, start: int = 0) -> list[Line]:
    """Return the lines of a text that is there as a whole; its last one needs no newline."""
    cutter = Lines(start)
    lines = cutter.feed(text)
    unfinished = cutter.unfinished()
    return [*lines, unfinished] if unfinished else lines


class Lines:
    """Cuts from the beginning of a line on."""

    def __init__(self, start: int) -> None:
        """Begin at the offset `start`."""
        self._start = start
        self._end = start
        self._text = bytearray()
        self._style = Style()

    @property
    def end(self) -> int:
        """The offset behind everything that was fed."""
        return self._end

    def feed(self, text: bytes) -> list[Line]:
        """Return the lines that are complete now."""
        *whole, rest = text.split(b"\n")
        complete = [self._complete(piece) for piece in whole]
        self._add(rest)
        return complete

    def unfinished(self) -> Line | None:
        """Return the line that has yet to end, as far as it is known."""
        return self._line()[0] if self._start < self._end else None

    def _complete(self, piece: bytes) -> Line:
        self._add(piece)
        line, self._style = self._line()
        self._end += 1
        self._start = self._end
        self._text.clear()
        return replace(line, end=self._end)

    def _add(self, piece: bytes) -> None:
        self._end += len(piece)
        self._text += piece[: LONGEST - len(self._text)]

    def _line(self) -> tuple[Line, Style]:
        shown, style = spans(self._text.decode(errors="replace"), self._style)
        omitted = self._end - self._start - len(self._text)
        return Line(self._start, self._end, shown, omitted), style
