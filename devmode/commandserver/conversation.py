"""One link's talk with a command server: at most one command in flight.

isotovideo reads everything that has arrived but handles only the first message, so a second
command in flight may lie there until the end of the job; a `status` gets it going again.

Pure module: no sockets, no Flask, no database; the clock is handed in, in seconds.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum

from devmode.commandserver.broadcasts import Broadcast
from devmode.commandserver.commands import Command, Status

KICK_S = 1.0
"""Unconfirmed for this long, a command is followed by a `status`, which gets it going."""
CONFIRMATION_S = 5.0
"""Unconfirmed for this long, a command has failed, and an answerless server is unresponsive."""
SILENCE_S = 15.0
"""After this much silence the server is asked whether it is still there: an open websocket
proves nothing, as it outlives an isotovideo that was killed."""
HUSHED_SILENCE_S = SILENCE_S + 2 * CONFIRMATION_S
"""After this much silence, too, when others do the asking: they must have asked in vain."""


class Outcome(Enum):
    """What became of a command."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not confirmed"
    UNSENT = "unsent"
    ABANDONED = "abandoned"
    """The link was lost while it was on its way: nobody knows."""


@dataclass(frozen=True)
class Send:
    """Send this command now."""

    command: Command


@dataclass(frozen=True)
class Answer:
    """This became of the command that was said under this reference."""

    reference: Hashable
    outcome: Outcome


@dataclass(frozen=True)
class Responsive:
    """Whether the server answers changed."""

    now: bool


Output = Send | Answer | Responsive


@dataclass
class _InFlight:
    command: Command
    reference: Hashable
    sent_at: float
    kicked_at: float
    kicks: int = 0
    """How many statuses that were sent after it are unanswered."""


class Conversation:
    """Says commands one after the other and notices silence."""

    def __init__(self) -> None:
        """Begin unconnected."""
        self._waiting: deque[tuple[Command, Hashable]] = deque()
        self._in_flight: _InFlight | None = None
        self._connected = False
        self._responsive = True
        self._hushed = False
        self._heard_at = 0.0

    def connected(self, now: float) -> list[Output]:
        """The websocket is open: ask for the state before anything else."""
        self._connected = self._responsive = True
        self._heard_at = now
        return self.ask(now)

    def hush(self) -> list[Output]:
        """Listen only: somebody else speaks to this command server."""
        self._hushed = True
        return self._forget()

    def speak(self) -> None:
        """Speak again."""
        self._hushed = False

    def ask(self, now: float) -> list[Output]:
        """Ask for the whole state, unless that has been asked already."""
        asked = [command for command, _reference in self._waiting]
        if self._in_flight is not None:
            asked.append(self._in_flight.command)
        if self._hushed or not self._connected or Status() in asked:
            return []
        self._waiting.appendleft((Status(), None))
        return self._next(now)

    def withhold(self, command: Command) -> list[Output]:
        """Take that a command to send may not be sent, nor any other."""
        flying = self._in_flight
        outputs: list[Output] = []
        if flying is not None and flying.command is command:
            self._in_flight = None
            outputs = _answer(flying.reference, Outcome.UNSENT)
        return [*outputs, *self.hush()]

    def say(self, command: Command, reference: Hashable, now: float) -> list[Output]:
        """Say a command as soon as the ones before it are answered."""
        if self._hushed or not (self._connected and self._responsive):
            return [Answer(reference, Outcome.UNSENT)]
        self._waiting.append((command, reference))
        return self._next(now)

    def heard(self, broadcast: Broadcast, now: float) -> list[Output]:
        """Take what the server says, to us or to anybody."""
        self._heard_at = now
        outputs: list[Output] = []
        if not self._responsive:
            self._responsive = True
            outputs.append(Responsive(now=True))
        flying = self._in_flight
        if flying is None:
            return outputs
        if flying.command.confirmed_by(broadcast):
            return outputs + self._confirm(flying, now)
        if broadcast.is_status and flying.kicks:
            flying.kicks -= 1
        return outputs

    def tick(self, now: float) -> list[Output]:
        """Let time pass; to be called about every quarter of a second."""
        if not self._connected:
            return []
        if self._hushed:
            return self._doubt_after_silence(now)
        if self._in_flight is None:
            return self._ask_after_silence(now)
        if now - self._in_flight.sent_at >= CONFIRMATION_S:
            return self._give_up(self._in_flight, now)
        if now - self._in_flight.kicked_at >= KICK_S:
            self._in_flight.kicked_at = now
            self._in_flight.kicks += 1
            return [Send(Status())]
        return []

    def lost(self) -> list[Output]:
        """The websocket is gone."""
        self._connected = False
        return self._forget()

    def _confirm(self, flying: _InFlight, now: float) -> list[Output]:
        """Go on with what waits, or first with the status that got an answer going."""
        kicks = flying.kicks
        self._in_flight = _InFlight(Status(), None, now, now, kicks - 1) if kicks else None
        return _answer(flying.reference, Outcome.CONFIRMED) + self._next(now)

    def _forget(self) -> list[Output]:
        outputs: list[Output] = []
        if self._in_flight is not None:
            outputs += _answer(self._in_flight.reference, Outcome.ABANDONED)
            self._in_flight = None
        return outputs + self._drop_waiting()

    def _drop_waiting(self) -> list[Output]:
        """What waits behind an unanswered command must not go out whenever it is answered."""
        dropped = [
            answer
            for _command, reference in self._waiting
            for answer in _answer(reference, Outcome.UNSENT)
        ]
        self._waiting.clear()
        return dropped

    def _next(self, now: float) -> list[Output]:
        if self._in_flight is not None or not self._waiting:
            return []
        command, reference = self._waiting.popleft()
        self._in_flight = _InFlight(command, reference, now, now)
        return [Send(command)]

    def _ask_after_silence(self, now: float) -> list[Output]:
        if now - self._heard_at < SILENCE_S:
            return []
        return self.ask(now)

    def _doubt_after_silence(self, now: float) -> list[Output]:
        if not self._responsive or now - self._heard_at < HUSHED_SILENCE_S:
            return []
        self._responsive = False
        return [Responsive(now=False)]

    def _give_up(self, flying: _InFlight, now: float) -> list[Output]:
        self._in_flight = None
        outputs = _answer(flying.reference, Outcome.NOT_CONFIRMED)
        if self._responsive and now - self._heard_at >= CONFIRMATION_S:
            self._responsive = False
            outputs.append(Responsive(now=False))
            outputs += self._drop_waiting()
        self._waiting.appendleft((Status(), None))
        return [*outputs, *self._next(now)]


def _answer(reference: Hashable, outcome: Outcome) -> list[Output]:
    return [] if reference is None else [Answer(reference, outcome)]
