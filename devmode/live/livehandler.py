"""What openQA's own live view is told and may ask, as openQA's livehandler puts it.

openQA's page hears messages of the form `{"type", "what", "data"}` and knows a job by what
os-autoinst broadcasts, which livehandler completes by who controls the job. devmode tells the same
in the same words, made from the state that it has: the whole state to who comes, after that what
differs. So a reader that is slow hears less, never late.

Source of the words: LiveViewHandler.pm and running.js of openQA.

Pure module: no sockets, no Flask, no database, no clock.
"""

from datetime import datetime
from functools import lru_cache
from html import escape
from typing import Any, Literal

import msgspec
from msgspec import Struct

from devmode import errors
from devmode.commandserver.execution import ExecutionState, Mismatch
from devmode.errors import DevmodeError

NORMAL, GOING_AWAY, POLICY, TOO_BIG, FAILED = 1000, 1001, 1008, 1009, 1011
"""Close codes of RFC 6455; openQA's livehandler knows the first and the last."""
CONNECTION = "cmdsrv-connection"
"""Category of errors that the page ignores while no module runs, or the test is stopping."""
CONFIGURATION = "bad-configuration"
"""Category of errors after which the page gives up to connect again."""
OWN_API = "1.0"
NOBODY = 0
"""No user of openQA has this number; the numbers of those who have, only openQA knows."""

Data = dict[str, Any]


class Message(Struct, frozen=True):
    """One message, in livehandler's envelope; `what` is taken as HTML by the page."""

    type: Literal["info", "warning", "error"]
    what: str
    data: Data | None = None

    def encode(self) -> str:
        """Return the text frame."""
        return msgspec.json.encode(self).decode()


class Told(Struct, frozen=True):
    """Everything that openQA's page knows of a job; the same for all who watch it."""

    status: Data
    """As in os-autoinst's answer to `status`; empty until that is known."""
    session: Data
    uploads: Data
    connected: bool
    address: str
    vnc: str | None = None
    check: tuple[str, ...] | None = None
    """The tags of the screen check in progress."""
    turn: int = 0
    """Rises with every pause and every resumption."""
    stopping: str | None = None
    ended: bool = False
    incompatible: str | None = None
    """The version of the developer mode that devmode does not speak."""


def status_of(state: ExecutionState) -> Data:
    """Return os-autoinst's status message; a setting that it does not tell is no key of it.

    openQA's page then leaves the setting alone, as devmode does: os-autoinst dies of what it does
    not know.
    """
    if not state.known:
        return {}
    major, minor = state.api_version or (0, 0)
    status = {
        "running": _short(state.module),
        "current_test_full_name": state.module,
        "current_api_function": state.api_function,
        "tags": list(state.tags) if state.tags is not None else None,
        "test_execution_paused": state.pause.reason if state.pause else 0,
        "devel_mode_major_version": major,
        "devel_mode_minor_version": minor,
    }
    return status | {name: _plain(value) for name, value in _settings(state) if _is_told(value)}


def session_of(
    developer: str | None = None, started_at: datetime | None = None, tabs: int = 0
) -> Data:
    """Return who controls the job, if anybody does, as livehandler merges it into the status."""
    return {
        "developer_name": developer,
        # As openQA writes times: UTC, and without saying so.
        "developer_session_started_at": (
            started_at.strftime("%Y-%m-%dT%H:%M:%S") if started_at else None
        ),
        "developer_session_tab_count": tabs,
    }


def uploads_of(progress: Data | None) -> Data:
    """Return how far the worker's uploads are, as livehandler merges it into the status."""
    told = progress or {}
    names = ("outstanding_images", "outstanding_files", "upload_up_to_current_module")
    return {name: told.get(name) for name in names}


def news(before: Told | None, after: Told) -> list[Message]:
    """Return what to tell somebody who was told `before`, None if nothing, in order."""
    if before is None:
        return [*greeting(after), *whole(after)]
    messages = _connection(before, after)
    if before.status.keys() != after.status.keys():
        return [*messages, *whole(after)]
    if after.status:
        messages += [Message("info", "cmdsrvmsg", data) for data in _differences(before, after)]
    if before.session != after.session:
        messages.append(Message("info", "cmdsrvmsg", after.session | uploads_of(after.uploads)))
    if before.uploads != after.uploads:
        messages.append(Message("info", "upload progress", after.uploads))
    return messages


def greeting(told: Told) -> list[Message]:
    """Return the first messages, before anything is known."""
    data = {"vnc_arg": told.vnc} if told.vnc else None
    command_server = f"os-autoinst command server at {told.address}"
    messages = [Message("info", f"connecting to {command_server}", data)]
    if told.connected:
        messages.append(Message("info", f"reusing previous connection to {command_server}"))
    return messages


def whole(told: Told) -> list[Message]:
    """Return the whole state: the answer to the command `status`."""
    data = told.status | told.session | uploads_of(told.uploads)
    return [Message("info", "cmdsrvmsg", data), *_stopping(told)]


def farewell(told: Told) -> Message | None:
    """Return why there is nothing more to come, None while there is; it is closed with `FAILED`."""
    if told.incompatible:
        sentence = (
            f'os-autoinst version "{told.incompatible}" is incompatible,'
            f' version "{OWN_API}" is required'
        )
        return Message("error", sentence, {"code": FAILED, "category": CONFIGURATION})
    if told.ended:
        reason = {"reason": "The job has ended.", "code": 1006, "category": CONNECTION}
        return Message("error", "connection to os-autoinst command server lost", reason)
    return None


def personal(message: Message, *, is_owner: bool) -> Message:
    """Complete what is told about the session for one who is, or is not, its developer.

    Which number the developer has among openQA's users nobody told devmode. The page goes by
    `developer_session_is_yours` as well, and leaves its mind as it is where there is no number.
    """
    if message.data is None or "developer_name" not in message.data:
        return message
    mine: Data = {"developer_session_is_yours": is_owner}
    if not is_owner:
        mine["developer_id"] = None if message.data["developer_name"] is None else NOBODY
    return Message(message.type, message.what, message.data | mine)


@lru_cache(maxsize=256)
def encoded_news(before: str, after: str, *, is_owner: bool) -> tuple[str, ...]:
    """Return `news` as frames, from and to what is told as JSON: once for all who are told it."""
    known = msgspec.json.decode(before, type=Told) if before else None
    told = msgspec.json.decode(after, type=Told)
    return tuple(personal(m, is_owner=is_owner).encode() for m in news(known, told))


JOB_NOT_FOUND = Message("error", "job not found")
USER_NOT_FOUND = Message(
    "error",
    "user not found: sign in, reload this page, and you see how the test is doing",
    {"category": CONFIGURATION},
)


def refusal(error: DevmodeError) -> Message:
    """Return why somebody gets no session; it is closed with `FAILED`."""
    match error:
        case errors.JobNotFound():
            return JOB_NOT_FOUND
        case errors.SessionLocked() | errors.NotPermitted():
            return Message("error", "unable to create (further) development session")
        case errors.JobNotRunning():
            sentence = "os-autoinst command server not available, job is likely not running"
            reason = "URL to command server unknown"
            return Message("error", sentence, {"reason": reason, "category": CONNECTION})
        case errors.CommandServerUnreachable():
            where: Data = {"reason": error.sentence, "category": CONNECTION}
            return Message("error", "unable to upgrade ws to command server", where)
        case errors.IncompatibleCommandServer():
            data: Data = {"code": FAILED, "category": CONFIGURATION}
            return Message("error", escape(error.sentence, quote=False), data)
    return complaint(error)


def complaint(error: DevmodeError) -> Message:
    """Return why a command was not carried out."""
    if isinstance(error, errors.CommandServerUnreachable):
        sentence = "failed to pass message to os-autoinst command server because not connected yet"
        return Message("error", sentence, {"reason": error.sentence, "category": CONNECTION})
    return Message("error", escape(error.sentence, quote=False), {"category": error.code})


def _connection(before: Told, after: Told) -> list[Message]:
    if after.connected == before.connected:
        return []
    if after.connected:
        return [Message("info", "connected to os-autoinst command server")]
    return [Message("info", f"connecting to os-autoinst command server at {after.address}")]


def _stopping(told: Told) -> list[Message]:
    """A status does not say that the test is about to stop."""
    if not told.stopping:
        return []
    return [Message("info", "cmdsrvmsg", {"stopping_test_execution": told.stopping})]


def _differences(before: Told, after: Told) -> list[Data]:
    """Return what differs in the words of os-autoinst's broadcasts, a pause last."""
    was, now = before.status, after.status
    changed = {name for name in now if now[name] != was[name]}
    told: list[Data] = [{f"set_{name}": now[name]} for name in _SETTINGS if name in changed]
    if "pause_test_name" in changed:
        told.append({"set_pause_at_test": now["pause_test_name"]})
    if "current_test_full_name" in changed:
        full_name = now["current_test_full_name"]
        told.append({"set_current_test": now["running"], "current_test_full_name": full_name})
    if "current_api_function" in changed or before.check != after.check:
        told.append(_api_function(after))
    if before.turn != after.turn:
        told += _turns(was["test_execution_paused"], now["test_execution_paused"])
    if after.stopping and not before.stopping:
        told.append({"stopping_test_execution": after.stopping})
    return told


def _api_function(told: Told) -> Data:
    function = told.status["current_api_function"]
    data: Data = {"current_api_function": function}
    if told.check is not None:
        data["check_screen"] = {
            "mustmatch": list(told.check),
            "check": int(function == "check_screen"),
        }
    return data


def _turns(was: str | int, now: str | int) -> list[Data]:
    """Two pauses have a resumption between them."""
    told: list[Data] = [{"resume_test_execution": None}] if was or not now else []
    return [*told, {"paused": 1, "reason": now}] if now else told


_SETTINGS = ("pause_on_screen_mismatch", "pause_on_next_command", "pause_on_failure")


def _settings(state: ExecutionState) -> list[tuple[str, object]]:
    return [
        ("pause_test_name", state.pause_at),
        ("pause_on_screen_mismatch", state.pause_on_mismatch),
        ("pause_on_next_command", state.pause_on_next_command),
        ("pause_on_failure", state.pause_on_failure),
    ]


def _is_told(value: object) -> bool:
    return value is None or isinstance(value, str | bool | Mismatch)


def _plain(value: object) -> object:
    match value:
        case Mismatch.OFF:
            return False
        case Mismatch():
            return value.value
        case bool():
            return int(value)
    return value


def _short(module: str | None) -> str | None:
    """The name without its category, the folder that the module is in."""
    return module.partition("-")[2] if module else None
