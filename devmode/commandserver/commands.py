"""The closed set of what may be said to a command server.

An unknown or malformed command ends the job (CommandHandler.pm dies of it), so a frame can only
be made of one of these. Frames are ASCII: text frames with other characters are dropped silently.

Pure module: no sockets, no Flask, no database, no clock.
"""

import json
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from devmode.commandserver.broadcasts import Broadcast
from devmode.commandserver.execution import UNKNOWN, ExecutionState, Mismatch

LONGEST_VALUE = 1000
"""Characters of any value: the command server refuses frames of 256 kB."""


@dataclass(frozen=True)
class Command:
    """One command; the subclasses are all there are."""

    def encode(self) -> str:
        """Return the frame to send; raise `ValueError` on a value that may not be sent."""
        return json.dumps(self._message())

    def confirmed_by(self, broadcast: Broadcast) -> bool:
        """Tell whether `broadcast` is what the command server says to this command.

        Recognised by shape alone: answers carry no reference to their command.
        """
        raise NotImplementedError

    def allowed_in(self, _state: ExecutionState) -> str | None:
        """Return why the command must not be sent in this state, None if it may."""
        return None

    def _message(self) -> dict[str, Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class Status(Command):
    """Ask for the whole state."""

    def confirmed_by(self, broadcast: Broadcast) -> bool:
        """See `Command`."""
        return broadcast.is_status

    def _message(self) -> dict[str, Any]:
        return {"cmd": "status"}


@dataclass(frozen=True)
class SetPauseAtTest(Command):
    """Pause when a module is reached, by its full name; None switches it off."""

    name: str | None

    def confirmed_by(self, broadcast: Broadcast) -> bool:
        """See `Command`."""
        return broadcast.set_pause_at_test is not UNSET

    def allowed_in(self, state: ExecutionState) -> str | None:
        """See `Command`."""
        return _only_if_known(state.pause_at)

    def _message(self) -> dict[str, Any]:
        if self.name is not None and len(self.name) > LONGEST_VALUE:
            raise ValueError("the name of the test module is too long")
        return {"cmd": "set_pause_at_test", "name": self.name}


@dataclass(frozen=True)
class SetPauseOnScreenMismatch(Command):
    """Pause when a screen check times out."""

    kind: Mismatch

    def confirmed_by(self, broadcast: Broadcast) -> bool:
        """See `Command`."""
        return broadcast.set_pause_on_screen_mismatch is not UNSET

    def allowed_in(self, state: ExecutionState) -> str | None:
        """See `Command`."""
        return _only_if_known(state.pause_on_mismatch)

    def _message(self) -> dict[str, Any]:
        pause_on = None if self.kind is Mismatch.OFF else self.kind.value
        return {"cmd": "set_pause_on_screen_mismatch", "pause_on": pause_on}


@dataclass(frozen=True)
class SetPauseOnNextCommand(Command):
    """Pause before the next backend command."""

    on: bool

    def confirmed_by(self, broadcast: Broadcast) -> bool:
        """See `Command`."""
        return broadcast.set_pause_on_next_command is not UNSET

    def allowed_in(self, state: ExecutionState) -> str | None:
        """See `Command`."""
        return _only_if_known(state.pause_on_next_command)

    def _message(self) -> dict[str, Any]:
        return {"cmd": "set_pause_on_next_command", "flag": int(self.on)}


@dataclass(frozen=True)
class SetPauseOnFailure(Command):
    """Pause when a module dies or an API function fails."""

    on: bool

    def confirmed_by(self, broadcast: Broadcast) -> bool:
        """See `Command`."""
        return broadcast.set_pause_on_failure is not UNSET

    def allowed_in(self, state: ExecutionState) -> str | None:
        """See `Command`: an os-autoinst that does not tell this setting dies of the command."""
        return _only_if_known(state.pause_on_failure)

    def _message(self) -> dict[str, Any]:
        return {"cmd": "set_pause_on_failure", "flag": int(self.on)}


@dataclass(frozen=True)
class SetAssertScreenTimeout(Command):
    """Let the screen check in progress time out `seconds` from now."""

    seconds: int

    def confirmed_by(self, broadcast: Broadcast) -> bool:
        """See `Command`."""
        return broadcast.set_assert_screen_timeout is not UNSET

    def allowed_in(self, state: ExecutionState) -> str | None:
        """See `Command`: at any other time it ends the job (os-autoinst of 2023)."""
        if state.pause is not None or state.tags is None:
            return "No screen check is in progress just now, so there is no timeout to skip."
        return None

    def _message(self) -> dict[str, Any]:
        return {"cmd": "set_assert_screen_timeout", "timeout": self.seconds}


@dataclass(frozen=True)
class Resume(Command):
    """Let a paused test go on."""

    def confirmed_by(self, broadcast: Broadcast) -> bool:
        """See `Command`."""
        return broadcast.resume_test_execution is not UNSET

    def allowed_in(self, state: ExecutionState) -> str | None:
        """See `Command`."""
        return None if state.pause is not None else "The test is not paused."

    def _message(self) -> dict[str, Any]:
        return {"cmd": "resume_test_execution"}


@dataclass(frozen=True)
class ResumeIgnoringFailure(Resume):
    """Let a test that is paused at a failure go on as if it had not failed."""

    def _message(self) -> dict[str, Any]:
        return {"cmd": "resume_test_execution", "options": {"ignore_failure": True}}


@dataclass(frozen=True)
class ResumeGivingUp(Resume):
    """Let the screen check that the test is paused at fail: options that Perl takes as false."""

    def _message(self) -> dict[str, Any]:
        return {"cmd": "resume_test_execution", "options": 0}


@dataclass(frozen=True)
class PauseNow(Command):
    """Hold the test before its next backend command."""

    reason: str

    def confirmed_by(self, broadcast: Broadcast) -> bool:
        """See `Command`."""
        return broadcast.paused is not UNSET

    def allowed_in(self, state: ExecutionState) -> str | None:
        """See `Command`: only where the status tells `pause_on_failure` does it exist."""
        if not state.supports_pausing:
            return "This os-autoinst is too old to be paused at any moment."
        return None if state.pause is None else "The test is paused already."

    def _message(self) -> dict[str, Any]:
        return {"cmd": "pause_test_execution", "reason": self.reason[:LONGEST_VALUE]}


def _only_if_known(value: object) -> str | None:
    if value is UNKNOWN:
        return "The command server has not told its value of this setting, so it is left alone."
    return None
