import pytest
from hypothesis import given
from hypothesis import strategies as st

from devmode.live.ansi import MOST_CELLS, Span, Style, spans

CONTROLS = [*"\x1b\r\b\t\0\x9b\u202e\x7f[3;mHaé<&", "\x1b[", "\x1b[31m", "\x1b[9;7H", "\x1b[K"]
PIECES = st.sampled_from([*CONTROLS, "\x1b[999C", "\x1b]0;title\x07", "\x1b(B"])


def plain(text: str) -> str:
    return "".join(part for part, _ in spans(text, Style())[0])


def shown(text: str) -> tuple[Span, ...]:
    return spans(text, Style())[0]


@given(st.lists(PIECES).map("".join) | st.text())
def test_nothing_that_could_harm_or_mislead_is_shown(text: str) -> None:
    found, _style = spans(text.replace("\n", ""), Style())
    for part, classes in found:
        assert part
        assert not [c for c in part if (ord(c) < 32 and c not in "\t\n") or 0x7F <= ord(c) < 0xA0]
        assert not set(part) & {"\u202e", "\u2066", "\u2028"}
        assert all(name.replace("-", "").isalnum() for name in classes.split())
    assert sum(len(part) for part, _ in found) <= len(text) + MOST_CELLS + 500


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=50))
def test_a_text_without_controls_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_colours_and_attributes_become_classes() -> None:
    assert shown("\x1b[1;34mblue\x1b[0m no \x1b[97;41mbright\x1b[39m back") == (
        ("blue", "fg-4 bold"),
        (" no ", ""),
        ("bright", "fg-15 bg-1"),
        (" back", "bg-1"),
    )


def test_a_style_lasts_over_the_end_of_a_line() -> None:
    _, style = spans("\x1b[32mgreen", Style())
    assert spans("still", style)[0] == (("still", "fg-2"),)


@pytest.mark.parametrize(
    ("code", "classes"),
    [
        ("38;5;1", "fg-1"),
        ("38;5;196", "fg-9"),
        ("38;5;244", "fg-7"),
        ("38;5;232", "fg-0"),
        ("38;2;0;0;200", "fg-12"),
        ("38:2:0:120:0", "fg-2"),
        ("48;5;21", "bg-12"),
        ("38", ""),
        ("38;5", "fg-0"),
        ("99999;;4", "underline"),
        ("98;108;5;6", ""),
        ("1;3;9;22;23;29", ""),
    ],
)
def test_other_colours_become_the_nearest_of_sixteen(code: str, classes: str) -> None:
    assert shown(f"\x1b[{code}mx") == (("x", classes),)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (" 10 %\r 20 %\r100 %", "100 %"),
        ("\rline of GRUB\r", "line of GRUB"),
        ("abc\b\bX", "aXc"),
        ("abc\r\x1b[Kx", "x"),
        ("abc\x1b[2Kx", "   x"),
        ("abcd\x1b[2D\x1b[1Kx", "  xd"),
        ("a\x1b[3Cb\x1b[2Gc", "ac  b"),
        ("a\x1b]0;a title\x07b\x1b(Bc\x1b[?25ld", "abcd"),
        ("grub> \x1b[9;7Hl\x1b[9;8H\x1b[9;8Hs", "grub> ls"),
        ("\x1b[1;1Hone\x1b[2;1Htwo", "one\ntwo"),
        ("menu\x1b[H\x1b[Jnext", "menu\nnext"),
        ("a\0b\x7fc\x1b", "a\u2400b\u2421c\u241b"),
    ],
)
def test_a_line_looks_as_on_a_terminal(text: str, seen: str) -> None:
    assert plain(text) == seen
