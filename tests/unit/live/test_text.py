import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devmode.commandserver.address import JobToken
from devmode.jobs.texts import Chunk, GrowingText
from devmode.live.excerpts import AROUND, MaskedText, lines_around
from devmode.live.lines import Line
from devmode.live.masking import Masker
from devmode.live.text import KEPT, MOST_LINES, SHOWN, Cursor, ReadText, Text, read_cursor

TOKEN = JobToken("tOkEn")


class Scripted(GrowingText):
    """Gives the chunks that a test wants."""

    def __init__(self) -> None:
        super().__init__(Path(), "log", lambda: TOKEN)
        self.token = TOKEN
        self.chunks: list[Chunk] = []

    def read(self) -> Chunk | None:
        return self.chunks.pop(0) if self.chunks else None


class Written(ReadText):
    """A text that a test writes."""

    def __init__(self) -> None:
        self.growing = Scripted()
        super().__init__(self.growing, lambda token: Masker(token.reveal().encode()))
        self.size = 0

    def write(self, data: bytes, generation: str = "1.1", offset: int | None = None) -> None:
        at = self.size if offset is None else offset
        self.growing.chunks.append(Chunk(generation, at, data))
        self.size = at + len(data)
        while self.poll():
            pass


def shown(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line.spans) or f"({line.omitted})" for line in lines]


def told(text: Text, cursor: Cursor | None) -> tuple[dict[str, Any], Cursor]:
    content, end = text.message(cursor)
    return json.loads(content), end


@given(st.lists(st.tuples(st.sampled_from([b"a\n", b"b", b"\n", b"tOk", b"En"]), st.booleans())))
def test_a_viewer_who_comes_back_gets_every_byte_once(script: list[tuple[bytes, bool]]) -> None:
    text, cursor = Written(), None
    seen: dict[int, tuple[Any, ...]] = {}
    for data, comes in [*script, (b"\n", True)]:
        text.write(data)
        if comes:
            content, cursor = told(text, cursor)
            for start, spans, omitted in content["lines"]:
                assert omitted == 0
                assert start not in seen or start == max(seen), "only the last line may grow"
                seen[start] = tuple(part for part, _ in spans)
    whole = b"".join(data for data, _ in script) + b"\n"
    masked = whole.replace(b"tOkEn", b"*****").decode()
    assert "".join("".join(seen[start]) + "\n" for start in sorted(seen)) == masked


@given(st.lists(st.tuples(st.sampled_from([b"a\n", b"b", b"\n", b"tOk", b"En"]), st.booleans())))
def test_another_host_shows_the_same_however_often_it_is_told(
    script: list[tuple[bytes, bool]],
) -> None:
    text, elsewhere = Written(), Text()
    for data, tells in [*script, (b"c", True)]:
        text.write(data)
        if tells:
            elsewhere.grow(text.grown(elsewhere.end))
            assert elsewhere.since(None) == text.since(None)
            assert elsewhere.end == text.end


def test_another_host_shows_a_text_that_was_written_anew_from_its_beginning() -> None:
    text, elsewhere = Written(), Text()
    text.write(b"old\nnot finish")
    elsewhere.grow(text.grown(None))
    text.write(b"new\n", generation="1.2", offset=0)
    elsewhere.grow(text.grown(elsewhere.end))
    assert shown(elsewhere.since(None)) == ["new"]


def test_another_host_that_comes_back_too_early_keeps_what_it_has() -> None:
    text, elsewhere = Written(), Text()
    text.write(b"line\n")
    elsewhere.grow(text.grown(None))
    begun_anew = Written()
    begun_anew.tell_problem("There is no such file yet, or no longer.")
    elsewhere.grow(begun_anew.grown(elsewhere.end))
    assert shown(elsewhere.since(None)) == ["line"]
    assert elsewhere.problem


def test_who_is_far_behind_gets_the_newest_end_and_the_gap() -> None:
    text = Written()
    text.write(b"first\n")
    _content, cursor = told(text, None)
    for _ in range(20):
        text.write(b"%s\n" % (b"x" * 9999))
    content, end = told(text, cursor)
    (start, spans, omitted), *lines = content["lines"]
    assert (start, spans, start + omitted) == (6, [], lines[0][0])
    assert text.size - lines[0][0] <= SHOWN
    assert end == Cursor("1.1", text.size)


def test_bytes_that_were_not_read_are_a_gap_from_line_to_line() -> None:
    text = Written()
    text.write(b"first\nsecond is lon")
    text.write(b"the end of a line\nlast\n", offset=1000)
    assert shown(text.since(None)) == ["first", "second is lon", "(999)", "last"]
    assert [line.start for line in text.since(None)] == [0, 6, 19, 1018]


def test_a_flood_of_short_lines_is_cut_before_it_costs() -> None:
    text = Written()
    text.write(b"first\n")
    text.write(b"\n" * 60_000 + b"last\n")
    lines = text.since(None)
    assert len(lines) <= MOST_LINES + 1
    assert shown(lines)[-1] == "last"
    assert lines[0].omitted > 50_000


def test_memory_is_bounded() -> None:
    text = Written()
    for _ in range(100):
        text.write(b"y" * 60_000 + b"\n" * 4000)
    kept = text.since(Cursor("1.1", 0))
    assert kept[1].start > text.size - KEPT
    assert len(kept) <= MOST_LINES + 1


def test_a_file_that_was_written_anew_is_told_from_its_beginning() -> None:
    text = Written()
    text.write(b"old\n" * 10)
    _content, cursor = told(text, None)
    text.write(b"new\n", "1.2", 0)
    content, end = told(text, cursor)
    assert [line[0] for line in content["lines"]] == [0]
    assert (content["generation"], end) == ("1.2", Cursor("1.2", 4))


def test_viewers_who_are_equally_far_get_the_same_bytes() -> None:
    text = Written()
    text.write(b"one\n")
    assert text.message(None)[0] is text.message(None)[0]


def test_who_comes_back_before_the_file_is_found_stays_where_they_are(tmp_path: Path) -> None:
    text = ReadText(GrowingText(tmp_path / "gone", "log", lambda: TOKEN), lambda _: Masker(b"x"))
    assert text.poll() is False
    content, cursor = told(text, Cursor("1.1", 7))
    assert cursor == Cursor("1.1", 7)
    assert content["problem"].startswith("There is no such file")


def test_a_line_of_ten_megabytes_is_told_once_while_it_grows() -> None:
    text = Written()
    text.write(b"x" * 60_000)
    version = text.version
    for _ in range(170):
        text.write(b"x" * 60_000)
    assert text.version == version
    text.write(b"\nnext\n")
    assert shown(text.since(None)[-1:]) == ["next"]


@pytest.mark.parametrize("text", ["", "x", "-", "1.1-", "1.1-x", "1.1-²", "9" * 99 + "-1"])
def test_what_is_no_cursor_is_none(text: str) -> None:
    assert read_cursor(text) is None
    assert read_cursor(str(Cursor("1.1", 5))) == Cursor("1.1", 5)


def file_with(path: Path, data: bytes) -> int:
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_around_an_offset_everything_is_shown_or_counted(
    tmp_path_factory: pytest.TempPathFactory, at: int, count: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "text"
    data = b"".join(b"line %d tOkEn\n" % n for n in range(count))
    lines = lines_around(at * 20, Masker(b"tOkEn"), file_with(path, data))
    ends = 0
    for line in lines:
        assert line.start == ends
        ends = line.end
    assert ends == len(data)
    assert sum(line.end - line.start for line in lines if line.spans) <= AROUND
    assert "tOkEn" not in "".join(shown(lines))


def test_what_is_saved_is_masked_across_its_pieces(tmp_path: Path) -> None:
    data = b"tOkEn " * 50_000 + b"tOk"
    pieces = MaskedText(Masker(b"tOkEn"), file_with(tmp_path / "text", data))
    whole = b"".join(pieces)
    pieces.close()
    assert whole == b"***** " * 50_000 + b"***"
