import pytest
from hypothesis import given
from hypothesis import strategies as st

from devmode.cli.events import ServerEvent, parse


def events(text: str) -> list[ServerEvent]:
    return list(parse(text.encode().splitlines(keepends=True)))


def test_an_event_is_its_lines_up_to_an_empty_one() -> None:
    assert events("id: 7\nevent: farewell\ndata: a\ndata: b\n\n") == [
        ServerEvent("farewell", "a\nb", "7")
    ]


def test_an_event_without_a_name_is_a_message_and_keeps_the_last_id() -> None:
    assert events("id: 7\ndata: a\n\ndata: b\n\n") == [
        ServerEvent("message", "a", "7"),
        ServerEvent("message", "b", "7"),
    ]


@pytest.mark.parametrize(
    "text", ["", ": a heartbeat\n\n", "retry: 1000\n\n", "event: x\n\n", "data: cut off\n"]
)
def test_what_has_no_data_or_no_end_is_no_event(text: str) -> None:
    assert events(text) == []


def test_one_space_belongs_to_the_colon_and_line_ends_to_nobody() -> None:
    assert events("data:a\r\n\r\ndata:  b\n\n") == [
        ServerEvent("message", "a", ""),
        ServerEvent("message", " b", ""),
    ]


def test_an_empty_data_line_is_data() -> None:
    assert events("event: signed-out\ndata: \n\n") == [ServerEvent("signed-out", "", "")]


@given(st.lists(st.binary(max_size=40)))
def test_anything_can_come(lines: list[bytes]) -> None:
    list(parse(lines))
