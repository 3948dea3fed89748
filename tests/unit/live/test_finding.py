"""Words are found in a whole text, wherever it is cut."""

import pytest

from devmode.live.finding import LONGEST, lines_with
from devmode.live.lines import Line

TEXT = "eins\nZwei Wörter\r\n\x1b[31mZWEI\x1b[0m\ndrei, zwei".encode()


def shown(line: Line) -> str:
    return "".join(text for text, _classes in line.spans)


def found(words: str, *pieces: bytes) -> list[tuple[int, str]]:
    return [(line.start, shown(line)) for lines in lines_with(words, pieces) for line in lines]


@pytest.mark.parametrize("cut", range(len(TEXT) + 1))
def test_lines_are_found_whatever_their_letters_and_wherever_the_text_is_cut(cut: int) -> None:
    expected = [(5, "Zwei Wörter"), (19, "ZWEI"), (33, "drei, zwei")]
    assert found("zwei", TEXT[:cut], TEXT[cut:]) == expected
    assert found("WÖRTER", TEXT[:cut], TEXT[cut:]) == expected[:1]


def test_what_no_line_holds_is_not_found() -> None:
    assert found("vier", TEXT) == []
    assert found("eins\nzwei", TEXT) == []


def test_of_a_line_without_an_end_no_more_is_kept_than_is_looked_into() -> None:
    piece = b"x" * (LONGEST + 1)
    found_lines = found("needle", piece, piece, b" needle", b"\n")
    assert [start for start, _text in found_lines] == [2 * (LONGEST + 1)]
