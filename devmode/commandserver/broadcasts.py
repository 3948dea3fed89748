"""What the os-autoinst command server says.

There is no message type: a broadcast is a bag of keys, and a key that is absent means "unchanged"
while one that is null means "cleared"; `UNSET` keeps the two apart. Nothing but the keys below
leaves this module: text that a test types may be a password, so only its length does.

Pure module: no sockets, no Flask, no database, no clock.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

LONGEST_TEXT = 4000
"""Characters of a text that are kept: a `die` message can be hundreds of kilobytes."""
MOST_TAGS = 100

Flag = int | str | bool | None


class UnreadableBroadcast(ValueError):
    """Not a JSON object."""


class Postponed(Struct, frozen=True):
    """The backend command that a pause holds back."""

    cmd: str | None = None


class ScreenCheck(Struct, frozen=True):
    """An assert_screen or check_screen that begins."""

    mustmatch: str | list[str] = ""
    timeout: float = 0


class Typed(Struct, frozen=True):
    """Typed text, of which only the length is kept."""

    text: str = ""


class Broadcast(Struct, frozen=True, kw_only=True):
    """One message, as sent; keys that it lacks are `UNSET`."""

    running: str | UnsetType | None = UNSET
    current_test_full_name: str | UnsetType | None = UNSET
    set_current_test: str | UnsetType | None = UNSET
    current_api_function: str | UnsetType | None = UNSET
    tags: list[str] | str | UnsetType | None = UNSET
    pause_test_name: str | UnsetType | None = UNSET
    pause_on_screen_mismatch: Flag | UnsetType = UNSET
    pause_on_next_command: Flag | UnsetType = UNSET
    pause_on_failure: Flag | UnsetType = UNSET
    test_execution_paused: Flag | UnsetType = UNSET
    devel_mode_major_version: int | str | UnsetType | None = UNSET
    devel_mode_minor_version: int | str | UnsetType | None = UNSET
    set_pause_at_test: str | UnsetType | None = UNSET
    set_pause_on_screen_mismatch: Flag | UnsetType = UNSET
    set_pause_on_next_command: Flag | UnsetType = UNSET
    set_pause_on_failure: Flag | UnsetType = UNSET
    set_assert_screen_timeout: Any = UNSET
    paused: Postponed | Flag | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    resume_test_execution: Postponed | Flag | UnsetType = UNSET
    check_screen: ScreenCheck | UnsetType = UNSET
    type_string: Typed | UnsetType = UNSET
    stop_processing_isotovideo_commands: Flag | UnsetType = UNSET
    stopping_test_execution: str | UnsetType | None = UNSET
    malformed: tuple[str, ...] = ()
    """Known keys whose value had a type that os-autoinst never sends; they count as absent."""

    @property
    def is_status(self) -> bool:
        """Whether this is the answer to `status`: only that tells what runs and the version."""
        return self.running is not UNSET or self.devel_mode_major_version is not UNSET


_FIELDS = {f.name: f.type for f in msgspec.structs.fields(Broadcast) if f.name != "malformed"}
_whole = msgspec.json.Decoder(Broadcast)
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode(frame: bytes) -> Broadcast:
    """Decode one frame; raise `UnreadableBroadcast` when it is not a JSON object.

    A NUL, which no database keeps, becomes the symbol for it.
    """
    frame = frame.replace(rb"\u0000", rb"\u2400")
    try:
        broadcast = _whole.decode(frame)
    except msgspec.ValidationError:
        broadcast = _salvage(frame)
    except _UNREADABLE as error:
        raise UnreadableBroadcast("the command server sent something that is not JSON") from error
    else:
        # What is malformed is not for a message to say.
        broadcast = replace(broadcast, malformed=()) if broadcast.malformed else broadcast
    if isinstance(broadcast.type_string, Typed):
        masked = Typed("•" * len(broadcast.type_string.text))
        broadcast = replace(broadcast, type_string=masked)
    return _cut(broadcast) if len(frame) > LONGEST_TEXT else broadcast


def _salvage(frame: bytes) -> Broadcast:
    """Keep what is well-formed of a message in which something is not."""
    try:
        parts = _parts.decode(frame)
    except _UNREADABLE as error:
        raise UnreadableBroadcast("the command server sent JSON that is no object") from error
    values: dict[str, Any] = {}
    malformed = []
    for name in _FIELDS.keys() & parts.keys():
        try:
            values[name] = msgspec.json.decode(parts[name], type=_FIELDS[name])
        except _UNREADABLE:
            malformed.append(name)
    return Broadcast(**values, malformed=tuple(sorted(malformed)))


def _cut(value: Any) -> Any:
    """Return the same with its texts cut to what is kept of them."""
    match value:
        case Typed():
            return value
        case str() if len(value) > LONGEST_TEXT:
            return value[: LONGEST_TEXT - 1] + "…"
        case list():
            return [_cut(each) for each in value[:MOST_TAGS]]
        case Struct():
            fields = value.__struct_fields__
            return replace(value, **{name: _cut(getattr(value, name)) for name in fields})
        case _:
            return value
