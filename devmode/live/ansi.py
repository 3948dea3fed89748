"""Turns a line that was meant for a terminal into spans of text with classes.

Pure module: text in, spans out, never HTML. Colours become classes, cursor movements within the
line are followed, a movement to another row begins a new one, and characters that could harm or
mislead are shown by a symbol.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

Span = tuple[str, str]
"""A text without control characters but tab and newline, and its classes."""

MOST_CELLS: Final = 20_000
"""A few bytes can ask for many spaces: a line that has got this long gets no more of them."""
WIDEST: Final = 500
"""The last column that the cursor can be sent to beyond the text."""

_SEQUENCE = re.compile(
    r"\x1b\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # the title of a window and the like
    r"|\x1b[ -/]+[0-~]|\x1b[0-Z\\^-~]"  # character sets, modes of the keypad
    r"|(?P<control>[\r\b])"
)
_MOVES = re.compile(r"[\r\b]|\x1b\[[0-?]*[ -/]*[@-ln-~]")
_BEGINS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck"}
_ENDS: Final[dict[int, set[str]]] = {
    22: {"bold", "dim"},
    23: {"italic"},
    24: {"underline"},
    27: {"inverse"},
    29: {"struck"},
}
_SYMBOLS: Final[dict[int, int]] = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"},
    127: 0x2421,
    # Further controls, and what turns the direction of reading around.
    **dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD),
    **dict.fromkeys([0x2028, 0x2029, 0x200E, 0x200F], 0xFFFD),
}


@dataclass(frozen=True)
class Style:
    """How the terminal writes at the moment; colours are 0 to 15."""

    foreground: int | None = None
    background: int | None = None
    attributes: frozenset[str] = frozenset()

    @property
    def classes(self) -> str:
        """The classes of a span in this style."""
        colours = (("fg", self.foreground), ("bg", self.background))
        named = [f"{ground}-{number}" for ground, number in colours if number is not None]
        return " ".join([*named, *sorted(self.attributes)])

    def apply(self, parameters: str) -> "Style":
        """Return the style after a sequence that selects colours and attributes."""
        style, numbers = self, iter(_numbers(parameters))
        for number in numbers:
            if number == 0:
                style = Style()
            elif number in _BEGINS:
                style = replace(style, attributes=style.attributes | {_BEGINS[number]})
            elif number in _ENDS:
                style = replace(style, attributes=style.attributes - _ENDS[number])
            else:
                style = _coloured(style, number, numbers)
        return style


def spans(text: str, style: Style) -> tuple[tuple[Span, ...], Style]:
    """Return the spans of a line without its newline, and the style that the next one begins in."""
    text = text.strip("\r")
    if not _MOVES.search(text):
        return _without_movements(text, style)
    paper = _Paper(style)
    at = 0
    for match in _SEQUENCE.finditer(text):
        paper.write(text[at : match.start()])
        at = match.end()
        if match["control"]:
            paper.column = 0 if match["control"] == "\r" else max(0, paper.column - 1)
        elif match["final"]:
            paper.obey(match["final"], match["parameters"])
    paper.write(text[at:])
    return paper.spans(), paper.style


def _without_movements(text: str, style: Style) -> tuple[tuple[Span, ...], Style]:
    found: list[Span] = []
    at = 0
    for match in _SEQUENCE.finditer(text):
        found.append((text[at : match.start()], style.classes))
        at = match.end()
        if match["final"] == "m":
            style = style.apply(match["parameters"])
    found.append((text[at:], style.classes))
    return _joined(found), style


def _joined(found: list[Span]) -> tuple[Span, ...]:
    """Join neighbours of the same classes, and show by symbols what must not be shown itself."""
    groups = groupby((span for span in found if span[0]), key=lambda span: span[1])
    return tuple(
        ("".join(text for text, _ in group).translate(_SYMBOLS), classes)
        for classes, group in groups
    )


class _Paper:
    """What a terminal would show of one line: rows of cells, and where the cursor is."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.column = 0
        self._row: list[Span] = []
        self._done: list[Span] = []
        self._number: int | None = None
        """Of the terminal's row, once the line has told it."""

    def write(self, text: str) -> None:
        """Write over what is there, or behind it."""
        classes = self.style.classes
        if self.column > len(self._row):
            self._row += [(" ", "")] * (self.column - len(self._row))
        for character in text:
            self._row[self.column : self.column + 1] = [(character, classes)]
            self.column += 1

    def obey(self, final: str, parameters: str) -> None:
        """Do what a control sequence says; those that mean nothing here are dropped."""
        numbers = _numbers(parameters)
        many = max(1, numbers[0])
        match final:
            case "m":
                self.style = self.style.apply(parameters)
            case "C" | "D":
                self._move(self.column + (many if final == "C" else -many))
            case "G" | "`":
                self._move(many - 1)
            case "H" | "f":
                self._enter_row(many)
                self._move(max(1, numbers[1] if len(numbers) > 1 else 1) - 1)
            case "A" | "B" | "E" | "F" | "J":
                self._new_row()
            case "K":
                self._erase(numbers[0])

    def spans(self) -> tuple[Span, ...]:
        """Return everything that is to be seen."""
        return _joined([*self._done, *self._row])

    def _move(self, column: int) -> None:
        room = WIDEST if len(self._done) + len(self._row) < MOST_CELLS else len(self._row)
        self.column = max(0, min(column, max(room, len(self._row))))

    def _enter_row(self, number: int) -> None:
        if self._number not in (None, number):
            self._new_row()
        self._number = number

    def _new_row(self) -> None:
        """Keep what was written, where a terminal would let it be overwritten."""
        column = self.column
        if self._row:
            self._done += [*self._row, ("\n", "")]
            self._row = []
        self._move(column)

    def _erase(self, which: int) -> None:
        if which == 0:
            del self._row[self.column :]
        elif which == 2:
            self._row.clear()
        else:
            self._row[: self.column] = [(" ", "")] * min(self.column, len(self._row))


def _coloured(style: Style, number: int, following: Iterator[int]) -> Style:
    tens, colour = divmod(number, 10)
    bright = tens in (9, 10)
    if tens not in (3, 4, 9, 10) or (bright and colour > 7):
        return style
    chosen: int | None = colour + 8 * bright
    if colour == 8:
        chosen = _extended(following)
    if colour == 9:
        chosen = None
    if tens in (3, 9):
        return replace(style, foreground=chosen)
    return replace(style, background=chosen)


def _numbers(parameters: str) -> list[int]:
    parts = parameters.replace(":", ";").split(";")
    return [int(part) if part.isdecimal() and len(part) < 5 else 0 for part in parts]


def _extended(following: Iterator[int]) -> int | None:
    """Reduce one of 256 colours, or of millions, to the sixteen that are legible on any ground."""
    kind = next(following, None)
    if kind == 2:
        red, green, blue = (next(following, 0) for _ in range(3))
        return _nearest(red, green, blue)
    if kind != 5:
        return None
    number = next(following, 0)
    if number < 16:
        return number
    if number >= 232:
        return _nearest(*[8 + 10 * (min(number, 255) - 232)] * 3)
    red, green, blue = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
    return _nearest(red * 51, green * 51, blue * 51)


def _nearest(red: int, green: int, blue: int) -> int:
    bright = max(red, green, blue)
    if bright < 64:
        return 0
    parts = (red, green, blue)
    hue = sum(1 << bit for bit, part in enumerate(parts) if part > bright // 2)
    return hue + (8 if bright > 191 else 0)
