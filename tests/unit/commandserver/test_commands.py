import json

import pytest
from msgspec import UNSET

from devmode.commandserver.broadcasts import Broadcast, decode
from devmode.commandserver.commands import (
    LONGEST_VALUE,
    Command,
    PauseNow,
    Resume,
    ResumeGivingUp,
    ResumeIgnoringFailure,
    SetAssertScreenTimeout,
    SetPauseAtTest,
    SetPauseOnFailure,
    SetPauseOnNextCommand,
    SetPauseOnScreenMismatch,
    Status,
)
from devmode.commandserver.execution import ExecutionState, Mismatch, Pause

ALLOWED = {
    "status",
    "set_pause_at_test",
    "set_pause_on_screen_mismatch",
    "set_pause_on_next_command",
    "set_pause_on_failure",
    "set_assert_screen_timeout",
    "resume_test_execution",
    "pause_test_execution",
}
EXAMPLES = [
    (Status(), {"cmd": "status"}),
    (SetPauseAtTest("a-ü"), {"cmd": "set_pause_at_test", "name": "a-ü"}),
    (SetPauseAtTest(None), {"cmd": "set_pause_at_test", "name": None}),
    (
        SetPauseOnScreenMismatch(Mismatch.OFF),
        {"cmd": "set_pause_on_screen_mismatch", "pause_on": None},
    ),
    (
        SetPauseOnScreenMismatch(Mismatch.CHECK_SCREEN),
        {"cmd": "set_pause_on_screen_mismatch", "pause_on": "check_screen"},
    ),
    (SetPauseOnNextCommand(True), {"cmd": "set_pause_on_next_command", "flag": 1}),
    (SetPauseOnFailure(False), {"cmd": "set_pause_on_failure", "flag": 0}),
    (SetAssertScreenTimeout(0), {"cmd": "set_assert_screen_timeout", "timeout": 0}),
    (Resume(), {"cmd": "resume_test_execution"}),
    (
        ResumeIgnoringFailure(),
        {"cmd": "resume_test_execution", "options": {"ignore_failure": True}},
    ),
    (ResumeGivingUp(), {"cmd": "resume_test_execution", "options": 0}),
    (PauseNow("“why”"), {"cmd": "pause_test_execution", "reason": "“why”"}),
]
PAUSED = ExecutionState(known=True, pause=Pause("reached module x"))
RUNNING = ExecutionState(known=True)
CHECKING = ExecutionState(known=True, tags=("tag",))


def subclasses(of: type) -> set[type]:
    return {c for direct in of.__subclasses__() for c in {direct, *subclasses(direct)}}


def test_every_command_has_an_example_here() -> None:
    ours = {c for c in subclasses(Command) if c.__module__.startswith("devmode.")}
    assert ours == {type(command) for command, _ in EXAMPLES}


@pytest.mark.parametrize(("command", "message"), EXAMPLES)
def test_a_command_becomes_an_ascii_object_of_the_closed_set(
    command: Command, message: dict
) -> None:
    frame = command.encode()
    assert frame.isascii()
    assert json.loads(frame) == message
    assert message["cmd"] in ALLOWED


def test_values_are_limited() -> None:
    assert len(PauseNow("x" * 999_999).encode()) < LONGEST_VALUE + 100
    with pytest.raises(ValueError, match="too long"):
        SetPauseAtTest("x" * (LONGEST_VALUE + 1)).encode()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (Status(), '{"running": null}'),
        (SetPauseAtTest("a"), '{"set_pause_at_test": null}'),
        (SetPauseOnScreenMismatch(Mismatch.OFF), '{"set_pause_on_screen_mismatch": false}'),
        (SetPauseOnNextCommand(True), '{"set_pause_on_next_command": 1}'),
        (SetPauseOnFailure(True), '{"set_pause_on_failure": 1}'),
        (SetAssertScreenTimeout(0), '{"set_assert_screen_timeout": 0}'),
        (Resume(), '{"resume_test_execution": null}'),
        (PauseNow("r"), '{"paused": 1, "reason": "r"}'),
    ],
)
def test_a_command_is_confirmed_by_its_own_broadcast_alone(command: Command, answer: str) -> None:
    assert command.confirmed_by(decode(answer.encode()))
    assert not command.confirmed_by(decode(b'{"ret": 1}'))


@pytest.mark.parametrize(
    "command",
    [
        SetPauseAtTest(None),
        SetPauseOnScreenMismatch(Mismatch.OFF),
        SetPauseOnNextCommand(False),
        SetPauseOnFailure(False),
    ],
)
def test_a_setting_that_the_server_did_not_tell_is_left_alone(command: Command) -> None:
    told = ExecutionState().apply(
        Broadcast(
            running=None,
            pause_test_name=None,
            pause_on_screen_mismatch=False,
            pause_on_next_command=0,
            pause_on_failure=0,
            tags=UNSET,
        )
    )
    assert command.allowed_in(ExecutionState()) is not None
    assert command.allowed_in(told) is None


@pytest.mark.parametrize("command", [Resume(), ResumeGivingUp(), ResumeIgnoringFailure()])
def test_only_a_paused_test_is_resumed(command: Command) -> None:
    assert command.allowed_in(PAUSED) is None
    assert command.allowed_in(RUNNING) is not None


def test_the_timeout_is_only_touched_during_a_screen_check() -> None:
    command = SetAssertScreenTimeout(0)
    assert command.allowed_in(CHECKING) is None
    assert command.allowed_in(RUNNING) is not None
    assert command.allowed_in(ExecutionState(tags=("t",), pause=PAUSED.pause)) is not None


def test_only_a_running_test_is_paused_and_only_where_that_exists() -> None:
    command = PauseNow("r")
    assert command.allowed_in(RUNNING) is not None
    assert command.allowed_in(ExecutionState(supports_pausing=True)) is None
    assert command.allowed_in(ExecutionState(supports_pausing=True, pause=PAUSED.pause))


def test_the_status_may_always_be_asked() -> None:
    assert Status().allowed_in(ExecutionState()) is None
