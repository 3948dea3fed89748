import json
from typing import Any

import pytest

from devmode.commandserver.broadcasts import decode
from devmode.commandserver.execution import UNKNOWN, ExecutionState, Mismatch, Pause, PauseKind

STATUS = {
    "running": "a",
    "current_test_full_name": "shell-a",
    "current_api_function": "type_string",
    "tags": None,
    "pause_test_name": None,
    "pause_on_screen_mismatch": False,
    "pause_on_next_command": 0,
    "pause_on_failure": 0,
    "test_execution_paused": 0,
    "devel_mode_major_version": 1,
    "devel_mode_minor_version": 1,
}


def after(*bags: dict[str, Any]) -> ExecutionState:
    state = ExecutionState()
    for bag in bags:
        state = state.apply(decode(json.dumps(bag).encode()))
    return state


def test_nothing_is_known_before_a_status() -> None:
    state = after({"set_pause_at_test": "a-b"})
    assert not state.known
    assert state.pause_at == "a-b"
    assert state.pause_on_failure is UNKNOWN


def test_a_status_tells_everything() -> None:
    state = after(STATUS)
    assert state.known
    assert (state.module, state.api_version) == ("shell-a", (1, 1))
    assert (state.pause_at, state.pause_on_mismatch) == (None, Mismatch.OFF)
    assert (state.pause_on_next_command, state.pause_on_failure) == (False, False)
    assert state.pause is None
    assert state.supports_pausing


def test_features_are_told_by_the_keys_and_not_by_the_version() -> None:
    old = {key: value for key, value in STATUS.items() if key != "pause_on_failure"}
    assert not after(old).supports_pausing
    assert after(old).pause_on_failure is UNKNOWN


@pytest.mark.parametrize("version", [None, "", "²", "9" * 5000, "x", -1])
def test_an_odd_version_is_survived(version: Any) -> None:
    state = after(STATUS | {"devel_mode_major_version": version})
    assert state.api_version == (-1 if version == -1 else 0, 1)


@pytest.mark.parametrize(
    ("value", "truth"), [(1, True), ("1", True), ("x", True), (0, False), ("0", False), ("", False)]
)
def test_flags_are_true_as_perl_has_it(value: Any, truth: bool) -> None:
    assert after(STATUS | {"pause_on_next_command": value}).pause_on_next_command is truth


def test_a_mismatch_setting_that_never_matches_is_shown_as_it_is() -> None:
    assert after({"set_pause_on_screen_mismatch": "nonsense"}).pause_on_mismatch == "nonsense"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("reached module shell-a", PauseKind.MODULE),
        ("match=a,b timed out after 300 (assert_screen)", PauseKind.MISMATCH),
        ("match=a\nb timed out after 3 (check_screen)", PauseKind.MISMATCH),
        ("reached backend_x and pause on next command enabled", PauseKind.NEXT_COMMAND),
        ("test died: no\n", PauseKind.FAILURE),
        ("assert_script_run failed: no", PauseKind.FAILED_FUNCTION),
        ("<b>manually</b> paused", PauseKind.OTHER),
    ],
)
def test_the_kind_of_a_pause_is_told_by_its_reason(reason: str, kind: PauseKind) -> None:
    assert Pause(reason).kind is kind


def test_each_pause_and_each_resumption_is_a_turn() -> None:
    paused = {"paused": 1, "reason": "r"}
    resumed = {"resume_test_execution": None}
    assert [after(*(paused, resumed)[:n]).turn for n in range(3)] == [0, 1, 2]
    assert after(paused, paused, resumed, resumed).turn == 2


def test_a_command_that_gets_held_back_later_is_the_same_pause() -> None:
    state = after(
        {"paused": 1, "reason": "r"}, {"paused": {"cmd": "backend_send_key"}, "reason": "r"}
    )
    assert (state.turn, state.pause) == (1, Pause("r", "backend_send_key"))


@pytest.mark.parametrize(
    "before", [{"paused": 1, "reason": "r"}, STATUS | {"test_execution_paused": "r"}]
)
def test_a_resumption_tells_what_was_held_back_though_the_pause_had_not(
    before: dict[str, Any],
) -> None:
    held = {"resume_test_execution": {"cmd": "backend_send_key"}}
    assert after(before, held).resumed_with == "backend_send_key"
    assert after(before, held, before, {"resume_test_execution": None}).resumed_with is None


def test_a_status_does_not_forget_what_is_held_back() -> None:
    held = {"paused": {"cmd": "backend_send_key"}, "reason": "r"}
    state = after(held, STATUS | {"test_execution_paused": "r"})
    assert state.pause == Pause("r", "backend_send_key")


def test_a_status_tells_of_a_resumption_that_was_missed() -> None:
    assert after({"paused": 1, "reason": "r"}, STATUS).pause is None


def test_a_screen_check_lasts_until_the_next_command() -> None:
    check = {"check_screen": {"mustmatch": ["a", "b"]}, "current_api_function": "assert_screen"}
    state = after(check)
    assert (state.tags, state.api_detail) == (("a", "b"), "match=a,b")
    assert after(check, {"current_api_function": "send_key"}).tags is None
    assert after(check, {"paused": 1, "reason": "test died: x"}).tags is None
    assert after(check, {"set_current_test": None, "current_test_full_name": None}).tags is None


def test_a_screen_check_goes_on_when_the_test_is_paused_by_hand() -> None:
    check = {"check_screen": {"mustmatch": "a"}, "current_api_function": "assert_screen"}
    by_hand = {"paused": 1, "reason": "r"}
    assert after(check, by_hand).tags == ("a",)
    status = STATUS | {"test_execution_paused": "r", "tags": ["a"]}
    assert after(status).tags == ("a",)
    held = {"paused": {"cmd": "backend_send_key"}, "reason": "r"}
    assert after(check, by_hand, held).tags is None


def test_commands_are_counted_but_a_status_is_none() -> None:
    assert after({"current_api_function": "send_key"}, STATUS).commands_seen == 1


def test_of_typed_text_only_the_length_is_shown() -> None:
    typed = {"type_string": {"text": "hunter2"}, "current_api_function": "type_string"}
    assert after(typed).api_detail == "7 characters"


def test_the_reason_of_the_end_is_not_forgotten() -> None:
    ending = {"stop_processing_isotovideo_commands": 1}
    assert after(ending).stopping
    assert after({"stopping_test_execution": "why"}, ending).stopping == "why"
