"""What the life of a session is told, and what it wants done about it.

Pure module: no sockets, no Flask, no database, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devmode.commandserver.commands import Command
from devmode.commandserver.execution import ExecutionState
from devmode.errors import DevmodeError

OPENING_S = 10.0
"""How long the link may take to come up before a session is given back."""
REQUEST_S = 8.0
"""How long one request, however many commands it is, may take."""


@dataclass(frozen=True)
class Request:
    """What a developer asks for; `revision` names the state that it answers, if any."""

    id: int
    by: str
    action: str
    arguments: Mapping[str, Any]
    revision: str | None = None


@dataclass(frozen=True)
class LinkUp:
    """The command server told its state."""

    state: ExecutionState


@dataclass(frozen=True)
class LinkDown:
    """The link was lost, or can't be had so far."""

    trouble: str


@dataclass(frozen=True)
class Incompatible:
    """The command server speaks another major version."""

    trouble: str


@dataclass(frozen=True)
class Heard:
    """The state changed, whoever caused it."""

    state: ExecutionState


@dataclass(frozen=True)
class Confirmed:
    """The command server confirmed the command of this number."""

    number: int
    state: ExecutionState


@dataclass(frozen=True)
class Failed:
    """The command of this number was not confirmed, or its outcome is unknown."""

    number: int
    error: DevmodeError


@dataclass(frozen=True)
class Expired:
    """The time of the request of this id is up."""

    request_id: int


@dataclass(frozen=True)
class OpeningExpired:
    """The time to come up is up."""


@dataclass(frozen=True)
class JobOver:
    """The job has ended."""


@dataclass(frozen=True)
class Retire:
    """This process ends: another one shall keep the session."""


Event = (
    Request | LinkUp | LinkDown | Incompatible | Heard | Confirmed | Failed | Expired
    | OpeningExpired | JobOver | Retire
)  # fmt: skip


@dataclass(frozen=True)
class Say:
    """Send this command and report its fate under this number."""

    number: int
    command: Command


@dataclass(frozen=True)
class Watch:
    """Report `Expired` for this request when `REQUEST_S` have passed."""

    request_id: int


@dataclass(frozen=True)
class Settle:
    """The request ended: with a sentence, or with an error."""

    request: Request
    sentence: str
    error: DevmodeError | None = None


@dataclass(frozen=True)
class Record:
    """Something for the timeline; `turn` is the execution's at that moment."""

    kind: str
    text: str
    who: str | None = None
    turn: int = 0


@dataclass(frozen=True)
class Opened:
    """The session is open; the test is in this turn."""

    turn: int


@dataclass(frozen=True)
class End:
    """The session is over; with `error` it never came to be."""

    reason: str
    error: DevmodeError | None = None


@dataclass(frozen=True)
class Orphan:
    """The session goes on without this keeper."""


Effect = Say | Watch | Settle | Record | Opened | End | Orphan
