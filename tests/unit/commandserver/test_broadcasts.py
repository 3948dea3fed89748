import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from devmode.commandserver.broadcasts import (
    LONGEST_TEXT,
    MOST_TAGS,
    Broadcast,
    Postponed,
    Typed,
    UnreadableBroadcast,
    decode,
)
from devmode.commandserver.execution import ExecutionState

KEYS = [name for name in Broadcast.__struct_fields__ if name != "malformed"]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
bags = st.dictionaries(st.sampled_from(KEYS) | st.text(), anything)


def test_absent_means_unchanged_and_null_means_cleared() -> None:
    broadcast = decode(b'{"tags": null}')
    assert broadcast.tags is None
    assert broadcast.reason is UNSET


def test_unknown_keys_are_ignored() -> None:
    assert decode(b'{"what": {"ever": [1]}, "reason": "r"}').reason == "r"


@given(st.text().map(str.encode) | st.binary())
def test_any_frame_is_decoded_or_unreadable(frame: bytes) -> None:
    with contextlib.suppress(UnreadableBroadcast):
        decode(frame)


@given(bags)
def test_any_object_is_decoded_and_can_be_applied(bag: dict) -> None:
    ExecutionState().apply(decode(json.dumps(bag).encode()))


@pytest.mark.parametrize(
    "frame", [b"", b"{", b"[]", b"5", b"null", b'"x"', b"\xff", b"{}{}", b"[" * 9999]
)
def test_what_is_no_object_is_unreadable(frame: bytes) -> None:
    with pytest.raises(UnreadableBroadcast):
        decode(frame)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"running": 5, "reason": "\xff"}',
        b'{"running": 5, "reason": "\\ud800"}',
        b'{"x": ' + b"[" * 9999 + b"]" * 9999 + b"}",
        b'{"set_assert_screen_timeout": ' + b"[" * 9999 + b"]" * 9999 + b"}",
    ],
)
def test_broken_text_and_deep_nesting_do_no_harm(frame: bytes) -> None:
    with contextlib.suppress(UnreadableBroadcast):
        decode(frame)


def test_malformed_keys_are_named_and_the_others_kept() -> None:
    broadcast = decode(b'{"running": 5, "tags": {"a": 1}, "reason": "fine"}')
    assert broadcast.malformed == ("running", "tags")
    assert broadcast.running is UNSET
    assert broadcast.reason == "fine"


def test_a_frame_can_not_claim_malformed_keys() -> None:
    assert decode(b'{"malformed": ["hunter2"]}').malformed == ()
    assert decode(b'{"malformed": ["hunter2"], "tags": 5}').malformed == ("tags",)


@given(
    st.text(st.characters(categories=["L", "N"]), min_size=8).map(lambda text: "Secret" + text),
    st.sampled_from(["type_string", "send_key", "paused", "resume_test_execution", "ret"]),
    st.booleans(),
)
def test_typed_text_never_survives(secret: str, key: str, malformed: bool) -> None:
    bag = {key: {"cmd": "backend_type_string", "text": secret}, "current_api_function": "f"}
    if malformed:
        bag["running"] = 5
    broadcast = decode(json.dumps(bag).encode())
    assert secret not in repr(broadcast)
    assert secret not in repr(ExecutionState().apply(broadcast))


def test_the_length_of_typed_text_is_kept() -> None:
    assert decode(b'{"type_string": {"text": "hunter2"}}').type_string == Typed("•••••••")


def test_of_a_held_back_command_only_its_name_is_kept() -> None:
    frame = b'{"paused": {"cmd": "backend_type_string", "text": "hunter2"}}'
    assert decode(frame).paused == Postponed("backend_type_string")


def test_of_a_null_character_its_picture_is_shown() -> None:
    broadcast = decode(b'{"reason": "a\\u0000b", "current_test_full_name": "m-\\u0000", "tags": 1}')
    assert (broadcast.reason, broadcast.current_test_full_name) == ("a␀b", "m-␀")


def test_a_long_reason_is_cut() -> None:
    reason = decode(json.dumps({"reason": "x" * 400_000}).encode()).reason
    assert isinstance(reason, str)
    assert len(reason) == LONGEST_TEXT
    assert reason.endswith("…")


@pytest.mark.parametrize("also", [{}, {"pause_on_failure": []}])
def test_so_is_every_text_that_no_os_autoinst_makes_as_long(also: dict[str, Any]) -> None:
    long = "x" * 400_000
    values: dict[str, Any] = {key: long for key in KEYS if key != "set_assert_screen_timeout"}
    values |= {"tags": [long] * 400, "check_screen": {"mustmatch": [long]}, "paused": {"cmd": long}}
    # For each by itself is well-formed.
    for key, value in values.items():
        cut = decode(json.dumps({key: value} | also).encode())
        assert len(repr(cut)) < MOST_TAGS * (LONGEST_TEXT + 10) + 5000, key


def test_typed_text_keeps_its_length() -> None:
    frame = json.dumps({"type_string": {"text": "x" * 5000}, "reason": "x" * 5000}).encode()
    assert decode(frame).type_string == Typed("•" * 5000)


@pytest.mark.parametrize("key", ["running", "devel_mode_major_version"])
def test_a_status_is_known_by_its_keys(key: str) -> None:
    assert decode(json.dumps({key: None}).encode()).is_status
    assert not decode(b'{"current_test_full_name": "a-b"}').is_status
