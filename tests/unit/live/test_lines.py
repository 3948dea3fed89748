from hypothesis import given
from hypothesis import strategies as st

from devmode.live.lines import LONGEST, Lines


def text_of(lines: list[tuple[tuple[str, str], ...]]) -> list[str]:
    return ["".join(text for text, _ in spans) for spans in lines]


@given(st.lists(st.sampled_from([b"a", b"\n", b"\xc3", b"\xa9", b"\x1b[3", b"1m", b"bc\nd"])))
def test_lines_are_the_same_however_the_text_comes(pieces: list[bytes]) -> None:
    one, other = Lines(5), Lines(5)
    lines = [line for piece in pieces for line in one.feed(piece)]
    assert lines == other.feed(b"".join(pieces))
    assert one.unfinished() == other.unfinished()
    assert one.end == 5 + len(b"".join(pieces))


def test_a_line_is_known_by_its_offset() -> None:
    lines = Lines(100)
    found = lines.feed(b"first\nsecond\nth")
    assert [(line.start, line.end) for line in found] == [(100, 106), (106, 113)]
    rest = lines.unfinished()
    assert rest
    assert (rest.start, rest.end, rest.spans) == (113, 115, (("th", ""),))


def test_there_is_no_unfinished_line_behind_a_newline() -> None:
    lines = Lines(0)
    lines.feed(b"first\n")
    assert lines.unfinished() is None


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    (line,) = Lines(0).feed(b"a\xffb\xc3\n")
    assert line.spans == (("a\ufffdb\ufffd", ""),)


def test_of_a_line_of_ten_megabytes_the_beginning_is_kept_and_the_rest_is_counted() -> None:
    lines = Lines(0)
    for _ in range(160):
        lines.feed(b"x" * 65536)
    unfinished = lines.unfinished()
    assert unfinished
    assert len(unfinished.spans[0][0]) == LONGEST
    (line,) = lines.feed(b"\n")
    assert (line.omitted, line.end) == (160 * 65536 - LONGEST, 160 * 65536 + 1)
    (after,) = lines.feed(b"after\n")
    assert after.spans == (("after", ""),)
