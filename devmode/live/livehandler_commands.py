"""What openQA's page asks of livehandler, as an action of a developer session.

Nothing of what a browser sends reaches a command server: it is taken to mean one of the actions
that there are, or it is refused in livehandler's words. Only who sent it is told, unlike in openQA,
where everybody is shown the raw text of what was refused.

Source of the commands: LiveViewHandler.pm (ALLOWED_OS_AUTOINST_COMMANDS) and running.js of openQA.

Pure module: no sockets, no Flask, no database, no clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from devmode.live.livehandler import Data, Message

LONGEST_ECHO = 200
"""Characters of a refused message that are told back."""


@dataclass(frozen=True)
class Asked:
    """An action of `devmode/sessions/actions.py`, or `status` or `quit`."""

    action: str
    arguments: Data = field(default_factory=dict)


def asked(frame: str) -> Asked | Message:
    """Return what a text frame asks for, or the warning that it deserves."""
    try:
        command = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Message("warning", "ignoring invalid json", {"msg": frame[:LONGEST_ECHO]})
    name = command.get("cmd") if isinstance(command, dict) else None
    if not name:
        return Message("warning", "ignoring invalid command")
    means = _MEANINGS.get(name) if isinstance(name, str) else None
    try:
        found = means(command) if means else None
    except KeyError:
        found = None
    if found is None:
        return Message("warning", "ignoring invalid command", {"cmd": str(name)[:LONGEST_ECHO]})
    return found


Meaning = Callable[[Data], Asked | None]
"""What a command means, None where it means nothing; raises `KeyError` where a value is missing."""


def _pause_at(command: Data) -> Asked | None:
    match command["name"]:
        case None:
            return _setting("pause_at", "")
        case str(name):
            return _setting("pause_at", name)
    return None


def _pause_on_mismatch(command: Data) -> Asked | None:
    match command["pause_on"]:
        case None | False:
            return _setting("pause_on_mismatch", "off")
        case "assert_screen" | "check_screen" as kind:
            return _setting("pause_on_mismatch", kind)
    return None


def _flag(setting: str) -> Meaning:
    def switch(command: Data) -> Asked | None:
        flag = command["flag"]
        if flag is not None and not isinstance(flag, bool | int):
            return None
        return _setting(setting, "1" if flag else "0")

    return switch


def _timeout(command: Data) -> Asked | None:
    """The page sends nothing but 0; at most other times other values end the job."""
    return Asked("skip_timeout") if command["timeout"] == 0 else None


def _resume(command: Data) -> Asked | None:
    options = command.get("options") or {}
    if not isinstance(options, dict):
        return None
    return Asked("resume", {"ignore_failure": True} if options.get("ignore_failure") else {})


def _setting(name: str, value: str) -> Asked:
    return Asked("settings", {name: value})


_MEANINGS: dict[str, Meaning] = {
    "set_pause_at_test": _pause_at,
    "set_pause_on_screen_mismatch": _pause_on_mismatch,
    "set_pause_on_next_command": _flag("pause_on_next_command"),
    "set_pause_on_failure": _flag("pause_on_failure"),
    "set_assert_screen_timeout": _timeout,
    "resume_test_execution": _resume,
    "status": lambda _command: Asked("status"),
    "quit_development_session": lambda _command: Asked("quit"),
}
