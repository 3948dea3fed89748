"""What each action of a developer says to the command server.

An action is a conversation: a generator that yields one command at a time and gets back the state
of the execution once the command server has confirmed it, or an error raised at the `yield`. Its
return value is the sentence that the developer reads.

Pure module: no sockets, no Flask, no database, no clock.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Any

from devmode.commandserver.commands import (
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
from devmode.commandserver.execution import UNKNOWN, ExecutionState, Mismatch, Pause, PauseKind
from devmode.errors import CommandNotConfirmed, InvalidCommand, StateChanged

Conversation = Generator[Command, ExecutionState, str]
Arguments = Mapping[str, Any]

SETTING_NAMES = {
    "pause_at": "Pause at module",
    "pause_on_mismatch": "Pause on mismatch",
    "pause_on_next_command": "Pause on next command",
    "pause_on_failure": "Pause on failure",
}


def pause(_state: ExecutionState, _arguments: Arguments) -> Conversation:
    """Hold the test before its next command; a screen check in progress goes on."""
    yield PauseNow("paused by the developer")
    return "The test pauses before its next command."


def resume(state: ExecutionState, arguments: Arguments) -> Conversation:
    """Let the test go on; with `ignore_failure` as if the failure had not happened.

    With "pause on next command" set, a resumption stops at the very same command again
    (CommandHandler.pm resubmits it through the same check), so the flag goes off first.
    """
    if state.pause_on_next_command is True:
        yield SetPauseOnNextCommand(on=False)
    if arguments.get("ignore_failure"):
        yield ResumeIgnoringFailure()
        return "The failure is ignored, the test goes on."
    yield Resume()
    return "The test goes on."


def step(state: ExecutionState, _arguments: Arguments) -> Conversation:
    """Execute exactly the next command and pause before the one after it.

    A held back command is only executed with the flag off, so it is switched on again right
    behind; what a fast test did in between is counted and told.
    """
    if not _holds_a_command(state.pause):
        was_paused = state.pause is not None
        state = yield from _step_onto_next_command(state)
        # Of a pause by hand no status tells that it holds a command back, but the resumption does:
        # with the flag on the test is back at that command.
        if not was_paused or state.resumed_with is None:
            return "Stepping to the next command."
    if state.pause_on_next_command is True:
        state = yield SetPauseOnNextCommand(on=False)
    before = state.commands_seen
    yield Resume()
    state = yield SetPauseOnNextCommand(on=True)
    slipped = state.commands_seen - before - 1
    if slipped > 0:
        return f"Stepped, but {slipped} more commands ran before the pause took hold."
    return "Stepped by one command."


def skip_timeout(_state: ExecutionState, _arguments: Arguments) -> Conversation:
    """Let the screen check in progress time out now.

    That a needle has matched is told by nothing but a status: by the one that is asked for here,
    the command is refused where there is no check any more (`SetAssertScreenTimeout`).
    """
    yield Status()
    yield SetAssertScreenTimeout(0)
    return "The screen check times out within a second."


def give_up(_state: ExecutionState, _arguments: Arguments) -> Conversation:
    """Let the screen check that the test is paused at fail, instead of trying it again."""
    yield ResumeGivingUp()
    return "The screen check is given up, the test goes on with its failure."


def clear_and_resume(state: ExecutionState, _arguments: Arguments) -> Conversation:
    """Switch every pause setting off and resume: how a session is let go."""
    for command in _clearing(state):
        state = yield command
    if state.pause is not None:
        yield Resume()
    return "You let go, the test continues."


def leave(_state: ExecutionState, _arguments: Arguments) -> Conversation:
    """Say nothing: the session is let go, and everything stays as it is."""
    yield from ()
    return "You let go, the job stays as it is."


def change_settings(state: ExecutionState, arguments: Arguments) -> Conversation:
    """Send each setting that differs, and tell of each that was not confirmed."""
    unconfirmed = []
    for name, value in arguments.items():
        if shown_setting(state, name) == value:
            continue
        try:
            state = yield setting_command(name, value)
        except (CommandNotConfirmed, StateChanged):
            unconfirmed.append(SETTING_NAMES[name])
    if unconfirmed:
        raise CommandNotConfirmed(
            f"Not confirmed by the command server: {', '.join(unconfirmed)}."
            " The page shows what it really has; try again."
        )
    return "Saved."


ACTIONS: dict[str, Callable[[ExecutionState, Arguments], Conversation]] = {
    "pause": pause,
    "resume": resume,
    "step": step,
    "skip_timeout": skip_timeout,
    "give_up": give_up,
    "settings": change_settings,
    "release": clear_and_resume,
    "leave": leave,
}
"""Everything that a developer can have done; there is no other way to a command server."""


def setting_command(name: str, value: str) -> Command:
    """Turn a setting as forms send it into its command; raise `InvalidCommand`."""
    match name, value:
        case "pause_at", module:
            return SetPauseAtTest(module or None)
        case "pause_on_mismatch", ("off" | "assert_screen" | "check_screen"):
            return SetPauseOnScreenMismatch(Mismatch(value))
        case "pause_on_next_command", ("0" | "1"):
            return SetPauseOnNextCommand(on=value == "1")
        case "pause_on_failure", ("0" | "1"):
            return SetPauseOnFailure(on=value == "1")
    raise InvalidCommand(f"{value!r} is not a value of “{SETTING_NAMES.get(name, name)}”.")


def shown_setting(state: ExecutionState, name: str) -> str | None:
    """Return a setting as forms show it, None while the command server has not told it."""
    match name:
        case "pause_at":
            value: object = state.pause_at
        case "pause_on_mismatch":
            value = state.pause_on_mismatch
        case "pause_on_next_command":
            value = state.pause_on_next_command
        case "pause_on_failure":
            value = state.pause_on_failure
        case _:
            raise InvalidCommand(f"There is no setting “{name}”.")
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Mismatch):
        return value.value
    if value is None:
        return ""
    return value if isinstance(value, str) else None


def _clearing(state: ExecutionState) -> list[Command]:
    """A setting that the command server does not tell is left alone."""
    commands: list[Command] = []
    if state.pause_at and state.pause_at is not UNKNOWN:
        commands.append(SetPauseAtTest(None))
    if state.pause_on_mismatch not in (Mismatch.OFF, UNKNOWN):
        commands.append(SetPauseOnScreenMismatch(Mismatch.OFF))
    if state.pause_on_next_command is True:
        commands.append(SetPauseOnNextCommand(on=False))
    if state.pause_on_failure is True:
        commands.append(SetPauseOnFailure(on=False))
    return commands


def _holds_a_command(pause: Pause | None) -> bool:
    """Tell whether the next command waits in the pause; what a mismatch holds back is its result.

    A status tells of no command that is held back, but of what kind the pause is.
    """
    if pause is None or pause.kind is PauseKind.MISMATCH:
        return False
    return pause.postponed is not None or pause.kind is PauseKind.NEXT_COMMAND


def _step_onto_next_command(
    state: ExecutionState,
) -> Generator[Command, ExecutionState, ExecutionState]:
    if state.pause_on_next_command is not True:
        state = yield SetPauseOnNextCommand(on=True)
    if state.pause is not None:
        state = yield Resume()
    return state
