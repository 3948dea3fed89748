"""Parts of a text that are looked at once, and the whole of it: masked like its end."""

import os
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from devmode.live.lines import Line, gap, lines_of
from devmode.live.masking import Masker

BEFORE: Final = 24 << 10
AROUND: Final = 48 << 10
"""How much is shown before an offset, and in all, in bytes."""
MOST_LINES: Final = 500
"""How many lines are shown before an offset, and behind it."""
PIECE: Final = 64 << 10


def lines_around(offset: int, masker: Masker, file: int) -> list[Line]:
    """Return the lines around an offset, with a gap for all that is not shown; closes `file`."""
    with os.fdopen(file, "rb") as opened:
        size = os.fstat(file).st_size
        start = max(0, min(offset, size) - BEFORE)
        opened.seek(start)
        data = opened.read(AROUND)
    if start:
        rest = data.partition(b"\n")[2]
        start, data = start + len(data) - len(rest), rest
    lines = lines_of(masker.feed(data), start)
    here = bisect_left(lines, offset, key=lambda line: line.start)
    return _with_gaps(lines[max(0, here - MOST_LINES) : here + MOST_LINES], start, size)


class MaskedText:
    """A text as it is now, in masked pieces; whoever gets it closes it."""

    def __init__(self, masker: Masker, file: int) -> None:
        """Take over the descriptor `file`."""
        self._masker = masker
        self._file = os.fdopen(file, "rb")

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces; what is written meanwhile is not among them."""
        left = os.fstat(self._file.fileno()).st_size
        while left > 0 and (piece := self._file.read(min(left, PIECE))):
            left -= len(piece)
            yield self._masker.feed(piece)
        yield self._masker.finish()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _with_gaps(lines: list[Line], start: int, size: int) -> list[Line]:
    if not lines:
        return [gap(0, size)] if size else []
    first, last = lines[0].start, lines[-1].end
    before = [gap(0, first)] if first else []
    behind = [gap(last, size)] if last < size else []
    return [*before, *lines, *behind]
