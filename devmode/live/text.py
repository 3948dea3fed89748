"""One text of a job as it is shown: masked, cut into lines, and growing.

Everyone who may see the same of it shares one reader, which keeps nothing but the newest end. A
viewer is a cursor: whoever reads slowly, or comes back late, gets the newest end and the gap.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from devmode.commandserver.address import JobToken
from devmode.digits import number_of
from devmode.errors import DevmodeError
from devmode.jobs.texts import GrowingText
from devmode.live.lines import Line, Lines, gap
from devmode.live.masking import Masker
from devmode.live.questions import Grown

KEPT: Final = 256 << 10
"""How many bytes of the end a reader keeps for those who come back."""
SHOWN: Final = 64 << 10
"""How many bytes a viewer gets at once."""
MOST_LINES: Final = 1000
"""How many lines are cut, and given, at once."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far somebody has read: an offset in one generation of the file."""

    generation: str
    offset: int

    def __str__(self) -> str:
        """Return what `read_cursor` reads."""
        return f"{self.generation}-{self.offset}"


def read_cursor(text: str) -> Cursor | None:
    """Return the cursor that was written so; None if it is none."""
    generation, dash, digits = text.rpartition("-")
    offset = number_of(digits)
    if not dash or offset is None or len(text) > 80:
        return None
    return Cursor(generation, offset)


class Text:
    """The newest end of a text, as it is shown."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self.problem = ""
        """Why there is nothing more to read, as a sentence."""
        self.version = 0
        """Rises with everything that a viewer should know."""
        self.generation = ""
        self.is_flooded = False
        """Whether the last reading had to leave bytes out: more is written than anybody reads."""
        self._lines: list[Line] = []
        self._unfinished: Line | None = None
        self._messages: dict[Cursor | None, tuple[bytes, Cursor]] = {}

    @property
    def end(self) -> Cursor:
        """Where who has read everything goes on."""
        last = self._unfinished.start if self._unfinished else self._shown_to
        return Cursor(self.generation, last)

    def poll(self) -> bool:
        """Take what is new, in one go; return whether there may be more."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of whatever it is read from."""
        raise NotImplementedError

    def message(self, cursor: Cursor | None) -> tuple[bytes, Cursor]:
        """Return what is behind `cursor` as JSON, and the cursor behind it.

        Made once for all who are equally far.
        """
        if cursor not in self._messages:
            # Who comes back before the file was found stays where they are.
            end = self.end if self.generation or not cursor else cursor
            content = {
                "generation": self.generation,
                "cursor": str(end),
                "lines": [(line.start, line.spans, line.omitted) for line in self.since(cursor)],
                "problem": self.problem,
            }
            self._messages[cursor] = msgspec.json.encode(content), end
        return self._messages[cursor]

    def since(self, cursor: Cursor | None) -> list[Line]:
        """Return the lines behind `cursor`, or those of the end that are not too many."""
        lines = [*self._lines, *([self._unfinished] if self._unfinished else [])]
        known = self._known(cursor)
        enough = bisect_left(lines, self.end.offset - SHOWN, key=_start)
        first = max(bisect_left(lines, known, key=_start), enough, len(lines) - MOST_LINES)
        lines = lines[first:]
        if lines and lines[0].start > known:
            lines.insert(0, gap(known, lines[0].start))
        return lines

    def grown(self, cursor: Cursor | None) -> Grown:
        """Return what is behind `cursor`, for another host to `grow` by."""
        lines = [line for line in self.since(cursor) if line is not self._unfinished]
        state = self.problem, self.is_flooded
        return Grown(self.generation, self._known(cursor), lines, self._unfinished, *state)

    def grow(self, grown: Grown) -> None:
        """Take over what the reader of another host has."""
        self.problem, self.is_flooded = grown.problem, grown.is_flooded
        if grown.generation:
            begin = grown.begin if grown.generation == self.generation else 0
            self.generation = grown.generation
            del self._lines[bisect_left(self._lines, begin, key=_start) :]
            self._lines += grown.lines
            self._unfinished = grown.unfinished
            self._trim()
        self._changed()

    def tell_problem(self, problem: str) -> None:
        """Say why there is nothing more to read; empty once there is."""
        if problem != self.problem:
            self.problem = problem
            self._changed()

    def _known(self, cursor: Cursor | None) -> int:
        return cursor.offset if cursor and cursor.generation == self.generation else 0

    @property
    def _shown_to(self) -> int:
        return self._lines[-1].end if self._lines else 0

    def _trim(self) -> None:
        read_to = self._unfinished.end if self._unfinished else self._shown_to
        del self._lines[: bisect_left(self._lines, read_to - KEPT, key=_start)]
        del self._lines[: -4 * MOST_LINES]

    def _changed(self) -> None:
        self.version += 1
        self._messages.clear()


class ReadText(Text):
    """A text that is read from its file while it grows, masked and cut."""

    def __init__(self, growing: GrowingText, masker: Callable[[JobToken], Masker]) -> None:
        """Show what `poll` reads; `masker` makes one for what begins with a line."""
        super().__init__()
        self._growing = growing
        self._masker = masker
        self._cutter: tuple[Masker, Lines] | None = None
        """None while the end of a line is looked for whose beginning is not known."""
        self._read_to = 0

    def poll(self) -> bool:
        """Read what is there, in one go; return whether there may be more."""
        try:
            chunk = self._growing.read()
        except DevmodeError as error:
            # There is no file, or not now; or nobody can tell whose it is.
            self.tell_problem(error.sentence)
            return False
        self.tell_problem("")
        self.is_flooded = False
        if chunk is None:
            return False
        if chunk.generation != self.generation:
            self._begin(chunk.generation)
        if chunk.offset != self._read_to:
            self.is_flooded = True
            self._lose_line()
            self._read_to = chunk.offset
        self._take(chunk.data)
        return True

    def close(self) -> None:
        """Let go of the file."""
        self._growing.close()

    def _begin(self, generation: str) -> None:
        self.generation = generation
        self._lines.clear()
        self._unfinished = None
        self._read_to = 0
        self._begin_line(0)

    def _begin_line(self, offset: int) -> None:
        if offset > self._shown_to:
            self._lines.append(gap(self._shown_to, offset))
        self._cutter = self._masker(self._growing.token), Lines(offset)

    def _lose_line(self) -> None:
        """Pass over to the next line: bytes were left out."""
        if self._unfinished:
            self._lines.append(self._unfinished)
            self._unfinished = None
        self._cutter = None

    def _take(self, data: bytes) -> None:
        self._read_to += len(data)
        too_much = _before_last_lines(data)
        if too_much:
            self._lose_line()
            data = data[too_much - 1 :]
        if self._cutter is None:
            _lost, newline, data = data.partition(b"\n")
            if not newline:
                return
            self._begin_line(self._read_to - len(data))
        self._cut(data)

    def _cut(self, data: bytes) -> None:
        if self._cutter is None:
            return
        masker, cutter = self._cutter
        complete = cutter.feed(masker.feed(data))
        unfinished = cutter.unfinished()
        if complete or _looks(unfinished) != _looks(self._unfinished):
            self._changed()
        self._lines += complete
        self._unfinished = unfinished
        self._trim()


def _start(line: Line) -> int:
    return line.start


def _looks(line: Line | None) -> object:
    return (line.start, line.spans) if line else None


def _before_last_lines(data: bytes) -> int:
    """Return where the last `MOST_LINES` lines begin, 0 if there are no more."""
    at = len(data)
    for _ in range(MOST_LINES + 1):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            return 0
    return at + 1
