"""What is known of a job's test execution, folded from broadcasts.

Pure module: no sockets, no Flask, no database, no clock.
"""

import re
from enum import Enum
from typing import Any, Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from devmode.commandserver.broadcasts import Broadcast, Postponed, ScreenCheck, Typed
from devmode.commandserver.perl import is_true


class Unknown(Enum):
    """The value of a setting that the command server has not told yet."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


class Mismatch(Enum):
    """At which kind of screen mismatch the test pauses."""

    OFF = "off"
    ASSERT_SCREEN = "assert_screen"
    CHECK_SCREEN = "check_screen"
    """Both kinds (CommandHandler.pm)."""


class PauseKind(Enum):
    """Why the test is paused, told from the reason's wording."""

    MODULE = "module"
    MISMATCH = "mismatch"
    NEXT_COMMAND = "next command"
    FAILURE = "failure"
    FAILED_FUNCTION = "failed function"
    OTHER = "other"


_KINDS = (
    (re.compile(r"reached module "), PauseKind.MODULE),
    (
        re.compile(r"match=.* timed out after .* \((assert|check)_screen\)", re.S),
        PauseKind.MISMATCH,
    ),
    (re.compile(r"reached \S+ and pause on next command enabled"), PauseKind.NEXT_COMMAND),
    (re.compile(r"test died: "), PauseKind.FAILURE),
    (re.compile(r"\S+ failed: "), PauseKind.FAILED_FUNCTION),
)


class Pause(Struct, frozen=True):
    """One pause of the test."""

    reason: str
    postponed: str | None = None
    """The backend command that is held back, without its arguments."""

    @property
    def kind(self) -> PauseKind:
        """Why the test is paused."""
        for pattern, kind in _KINDS:
            if pattern.match(self.reason):
                return kind
        return PauseKind.OTHER

    @property
    def stands_still(self) -> bool:
        """Whether nothing goes on: a pause by hand lets a screen check run to its end."""
        return self.postponed is not None or self.kind is not PauseKind.OTHER


class ExecutionState(Struct, frozen=True, kw_only=True):
    """The state of one job's execution, as far as the command server told it."""

    known: bool = False
    """Whether a status has been heard since this state began."""
    module: str | None = None
    """Full name of the test module that runs."""
    api_function: str | None = None
    """The last function that the test handed to the backend; not reset when it is done."""
    api_detail: str = ""
    tags: tuple[str, ...] | None = None
    """The tags of the screen check in progress."""
    pause: Pause | None = None
    turn: int = 0
    """Rises with every pause and every resumption."""
    resumed_with: str | None = None
    """The backend command that was held back until the last resumption, if one was."""
    pause_at: str | Unknown | None = UNKNOWN
    pause_on_mismatch: Mismatch | str | Unknown = UNKNOWN
    """A string where somebody set one that os-autoinst never matches."""
    pause_on_next_command: bool | Unknown = UNKNOWN
    pause_on_failure: bool | Unknown = UNKNOWN
    supports_pausing: bool = False
    """Whether `pause_test_execution` and `set_pause_on_failure` exist: told by the status' keys,
    since the version was not raised for them."""
    api_version: tuple[int, int] | None = None
    stopping: str | None = None
    commands_seen: int = 0
    """Counts backend commands."""

    @property
    def settings(self) -> tuple[object, ...]:
        """The four pause settings."""
        return (
            self.pause_at,
            self.pause_on_mismatch,
            self.pause_on_next_command,
            self.pause_on_failure,
        )

    def apply(self, broadcast: Broadcast) -> "ExecutionState":
        """Return the state after `broadcast`; keys that it lacks stay as they are."""
        changes: dict[str, Any] = {}
        if broadcast.is_status:
            changes |= _from_status(broadcast)
        changes |= _from_settings(broadcast)
        changes |= self._from_progress(broadcast)
        changes |= self._from_pause(broadcast)
        return replace(self, **changes) if changes else self

    def _from_progress(self, broadcast: Broadcast) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if broadcast.current_test_full_name is not UNSET:
            changes["module"] = broadcast.current_test_full_name
        if broadcast.set_current_test is not UNSET:
            changes |= {"api_function": None, "api_detail": "", "tags": None}
        if broadcast.current_api_function is not UNSET:
            changes |= {"api_function": broadcast.current_api_function}
            if not broadcast.is_status:
                changes["commands_seen"] = self.commands_seen + 1
                changes |= {"api_detail": _detail(broadcast), "tags": _tags_of_check(broadcast)}
        if isinstance(broadcast.stopping_test_execution, str):
            changes["stopping"] = broadcast.stopping_test_execution
        elif broadcast.stop_processing_isotovideo_commands is not UNSET and not self.stopping:
            changes["stopping"] = "the test is about to stop"
        return changes

    def _from_pause(self, broadcast: Broadcast) -> dict[str, Any]:
        pause = self.pause
        changes: dict[str, Any] = {}
        if broadcast.paused is not UNSET and broadcast.paused is not None:
            pause = Pause(broadcast.reason or "no reason given", _held(broadcast.paused))
        elif broadcast.resume_test_execution is not UNSET:
            pause = None
            changes["resumed_with"] = _held(broadcast.resume_test_execution)
        elif broadcast.test_execution_paused is not UNSET:
            pause = self._pause_by_status(broadcast.test_execution_paused)
        if pause == self.pause:
            return changes
        same = (pause is None) == (self.pause is None)
        changes |= {"pause": pause, "turn": self.turn if same else self.turn + 1}
        if pause is not None and pause.stands_still:
            changes["tags"] = None
        return changes

    def _pause_by_status(self, value: Any) -> Pause | None:
        """A status tells the reason, or 0, but not what is held back."""
        if not is_true(value):
            return None
        if self.pause is not None and self.pause.reason == str(value):
            return self.pause
        return Pause(str(value))


def _from_status(broadcast: Broadcast) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "known": True,
        "api_version": (
            _number(broadcast.devel_mode_major_version),
            _number(broadcast.devel_mode_minor_version),
        ),
        "supports_pausing": broadcast.pause_on_failure is not UNSET,
    }
    if broadcast.pause_test_name is not UNSET:
        changes["pause_at"] = broadcast.pause_test_name or None
    if broadcast.pause_on_screen_mismatch is not UNSET:
        changes["pause_on_mismatch"] = _mismatch(broadcast.pause_on_screen_mismatch)
    if broadcast.pause_on_next_command is not UNSET:
        changes["pause_on_next_command"] = is_true(broadcast.pause_on_next_command)
    if broadcast.pause_on_failure is not UNSET:
        changes["pause_on_failure"] = is_true(broadcast.pause_on_failure)
    if broadcast.tags is not UNSET:
        changes["tags"] = None if broadcast.tags is None else _tags(broadcast.tags)
    return changes


def _from_settings(broadcast: Broadcast) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if broadcast.set_pause_at_test is not UNSET:
        changes["pause_at"] = broadcast.set_pause_at_test or None
    if broadcast.set_pause_on_screen_mismatch is not UNSET:
        changes["pause_on_mismatch"] = _mismatch(broadcast.set_pause_on_screen_mismatch)
    if broadcast.set_pause_on_next_command is not UNSET:
        changes["pause_on_next_command"] = is_true(broadcast.set_pause_on_next_command)
    if broadcast.set_pause_on_failure is not UNSET:
        changes["pause_on_failure"] = is_true(broadcast.set_pause_on_failure)
    return changes


def _held(told: object) -> str | None:
    return told.cmd if isinstance(told, Postponed) else None


def _number(value: Any) -> int:
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else 0
    return value if isinstance(value, int) else 0


def _mismatch(value: Any) -> Mismatch | str:
    if not is_true(value):
        return Mismatch.OFF
    try:
        return Mismatch(value)
    except ValueError:
        return str(value)


def _tags(value: list[str] | str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _tags_of_check(broadcast: Broadcast) -> tuple[str, ...] | None:
    check = broadcast.check_screen
    return _tags(check.mustmatch) if isinstance(check, ScreenCheck) else None


def _detail(broadcast: Broadcast) -> str:
    if isinstance(broadcast.check_screen, ScreenCheck):
        return "match=" + ",".join(_tags(broadcast.check_screen.mustmatch))
    if isinstance(broadcast.type_string, Typed):
        return f"{len(broadcast.type_string.text)} characters"
    return ""
