"""The life of one developer session, as seen by its keeper: events in, effects out.

    opening ──link up──▶ active ◀──▶ reconnecting ◀── adopted
       │                   │              │
       └────────▶ ended ◀──┴──────────────┘

Pure module: no sockets, no Flask, no database, no clock. The keeper feeds events and carries the
effects out, in order.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial

from msgspec.structs import replace

from devmode.commandserver.commands import Command
from devmode.commandserver.execution import ExecutionState
from devmode.errors import (
    CommandNotConfirmed,
    CommandServerUnreachable,
    DevmodeError,
    IncompatibleCommandServer,
    JobNotRunning,
    OutcomeUnknown,
    StateChanged,
)
from devmode.sessions.actions import ACTIONS, SETTING_NAMES, Conversation, shown_setting
from devmode.sessions.events import (
    REQUEST_S,
    Confirmed,
    Effect,
    End,
    Event,
    Expired,
    Failed,
    Heard,
    Incompatible,
    JobOver,
    LinkDown,
    LinkUp,
    Opened,
    OpeningExpired,
    Orphan,
    Record,
    Request,
    Retire,
    Say,
    Settle,
    Watch,
)

LETTING_GO = {"release": "Let go (continue).", "leave": "Let go (stay)."}
"""The actions that end a session, as the timeline has them."""
DECISIONS = {
    "skip_timeout": ("skipped", "Let the screen check time out."),
    "give_up": ("gave_up", "Let the screen check fail."),
}
"""The actions that may fail a module, as the timeline has them: what is heard names nobody."""
_SPOKEN = {None: "not known", "": "off", "0": "off", "1": "on"}


class Phase(Enum):
    """Where a session is in its life."""

    OPENING = "opening"
    ADOPTED = "adopted"
    """The link is about to come up: what is asked meanwhile is not taken yet."""
    ACTIVE = "active"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


class Lifecycle:
    """One session's life; `receive` is its only way forward."""

    def __init__(self, term: int, remembered: ExecutionState | None = None) -> None:
        """Begin with a reserved session, or with an adopted one as the timeline remembers it."""
        self.phase = Phase.OPENING if remembered is None else Phase.ADOPTED
        self.state = remembered or ExecutionState()
        self._term = term
        self._request: Request | None = None
        self._conversation: Conversation | None = None
        self._number = 0
        self._retiring = False
        self._trouble = "The command server has not answered yet."

    @classmethod
    def opened(cls, term: int, state: ExecutionState) -> "Lifecycle":
        """Begin with a session over a link that is up, and has told this state."""
        lifecycle = cls(term)
        lifecycle.phase, lifecycle.state = Phase.ACTIVE, state
        return lifecycle

    @property
    def revision(self) -> str:
        """Names the present pause or run of the test, for forms to answer."""
        return f"{self._term}.{self.state.turn}"

    @property
    def is_ready(self) -> bool:
        """Whether it may be given a request: one at a time, so none has to wait here.

        Who controls the job, and what its developer has stopped waiting for, may change meanwhile.
        """
        is_free = self._conversation is None and not self._retiring
        return is_free and self.phase not in (Phase.ADOPTED, Phase.ENDED)

    def receive(self, event: Event) -> list[Effect]:
        """Take one event, a `Request` only when ready; return what has to be done, in order."""
        if self.phase is Phase.ENDED:
            return []
        return [*self._receive(event), *self._retire()]

    def _receive(self, event: Event) -> list[Effect]:  # noqa: C901 - one line per kind of event
        match event:
            case Request():
                return self._begin(event)
            case LinkUp(state):
                return self._link_up(state)
            case LinkDown(trouble):
                return self._link_down(trouble)
            case Incompatible(trouble):
                return self._end(trouble, IncompatibleCommandServer(trouble))
            case Heard(state):
                return self._now(state)
            case Confirmed(number, state):
                return [*self._now(state), *self._answered(number, None)]
            case Failed(number, error):
                return self._answered(number, error)
            case Expired(request_id):
                return self._expired(request_id)
            case OpeningExpired():
                return self._opening_expired()
            case JobOver():
                return self._end("The job has ended.", JobNotRunning("The job has ended."))
            case Retire():
                self._retiring = True
                return []

    def _link_up(self, state: ExecutionState) -> list[Effect]:
        before, self.state = self.state, state
        if self.phase is Phase.OPENING:
            self.phase = Phase.ACTIVE
            return [Opened(state.turn)]
        if self.phase is not Phase.ACTIVE:
            self.phase = Phase.ACTIVE
            back = Record(
                "connection_back", "Connected to the command server again.", turn=state.turn
            )
            return [back, *self._what_happened(before, state)]
        return self._what_happened(before, state)

    def _link_down(self, trouble: str) -> list[Effect]:
        self._trouble = trouble
        if self.phase is Phase.ADOPTED:
            self.phase = Phase.RECONNECTING
        if self.phase is not Phase.ACTIVE:
            return []
        self.phase = Phase.RECONNECTING
        return [
            Record("connection_lost", trouble, turn=self.state.turn),
            *self._finish_with(
                OutcomeUnknown(f"{trouble} Whether the command arrived is unknown.")
            ),
        ]

    def _opening_expired(self) -> list[Effect]:
        if self.phase is not Phase.OPENING:
            return []
        return self._end(
            self._trouble,
            CommandServerUnreachable(f"The command server can't be reached. {self._trouble}"),
        )

    def _now(self, state: ExecutionState) -> list[Effect]:
        """Take a state, and what was not told of the way to it."""
        before, self.state = self.state, state
        return self._what_happened(before, state)

    def _what_happened(self, before: ExecutionState, after: ExecutionState) -> list[Effect]:
        effects: list[Effect] = []
        who = self._request.by if self._request else None
        before = before if before.known else _in_turn(before, after)
        if after.module and after.module != before.module:
            effects.append(Record("module", after.module, turn=after.turn))
        if before.known:
            for name, label in SETTING_NAMES.items():
                value = shown_setting(after, name)
                if value != shown_setting(before, name):
                    text = f"{label}: {_SPOKEN.get(value, value)}"
                    effects.append(Record("setting", text, who, after.turn))
        if after.pause and after.turn != before.turn:
            effects.append(Record("paused", after.pause.reason, turn=after.turn))
        if before.pause and not after.pause:
            effects.append(Record("resumed", "The test goes on.", who, after.turn))
        return effects

    def _retire(self) -> list[Effect]:
        if not self._retiring or self._conversation is not None or self.phase is Phase.ENDED:
            return []
        self.phase = Phase.ENDED
        return [Orphan()]

    def _begin(self, request: Request) -> list[Effect]:
        if self.phase is not Phase.ACTIVE and request.action != "leave":
            error = CommandServerUnreachable(
                f"Nothing was sent: {self._trouble} Try again shortly."
            )
            return [Settle(request, "", error)]
        if request.revision is not None and request.revision != self.revision:
            changed = "The job went on meanwhile. Nothing was done: see what is true now."
            return [Settle(request, "", StateChanged(changed))]
        self._request = request
        self._conversation = ACTIONS[request.action](self.state, request.arguments)
        return [Watch(request.id), *self._converse(self._conversation.__next__)]

    def _answered(self, number: int, error: DevmodeError | None) -> list[Effect]:
        if self._conversation is None or number != self._number:
            return []
        conversation = self._conversation
        move = (
            partial(conversation.throw, error) if error else partial(conversation.send, self.state)
        )
        return self._converse(move)

    def _expired(self, request_id: int) -> list[Effect]:
        if self._request is None or self._request.id != request_id:
            return []
        late = CommandNotConfirmed(
            f"The command server did not confirm within {REQUEST_S:.0f} s."
            " The page shows what it really has; try again."
        )
        return self._finish_with(late)

    def _finish_with(self, error: DevmodeError) -> list[Effect]:
        """Raise `error` in the conversation until it ends: nothing more of it is sent."""
        effects: list[Effect] = []
        while self._conversation is not None:
            move = partial(self._conversation.throw, error)
            effects = [e for e in self._converse(move) if not isinstance(e, Say)]
        return effects

    def _converse(self, move: Callable[[], Command]) -> list[Effect]:
        """Let the conversation make one move: its next command, or its end."""
        request = self._request
        # A conversation belongs to a request.
        assert request is not None  # noqa: S101
        assert self._conversation is not None  # noqa: S101
        self._number += 1
        try:
            command = move()
            while (refusal := command.allowed_in(self.state)) is not None:
                command = self._conversation.throw(StateChanged(refusal))
        except StopIteration as end:
            self._request = self._conversation = None
            told = [*_decided(request, self.state), *self._let_go(request)]
            return [*told, Settle(request, str(end.value))]
        except DevmodeError as failure:
            self._request = self._conversation = None
            return [Settle(request, "", failure)]
        return [Say(self._number, command)]

    def _let_go(self, request: Request) -> list[Effect]:
        text = LETTING_GO.get(request.action)
        if text is None:
            return []
        gone = self._end(f"{request.by} let go.", StateChanged("The session has ended."))
        return [Record("released", text, request.by, self.state.turn), *gone]

    def _end(self, reason: str, error: DevmodeError) -> list[Effect]:
        effects = self._finish_with(error)
        opening = self.phase is Phase.OPENING
        self.phase = Phase.ENDED
        return [*effects, End(reason, error if opening else None)]


def _decided(request: Request, state: ExecutionState) -> list[Effect]:
    if request.action not in DECISIONS:
        return []
    kind, text = DECISIONS[request.action]
    return [Record(kind, text, request.by, state.turn)]


def _in_turn(remembered: ExecutionState, after: ExecutionState) -> ExecutionState:
    """The timeline remembers no turns: the same pause is the same turn."""
    then, now = (state.pause and state.pause.reason for state in (remembered, after))
    return replace(remembered, turn=after.turn if then == now else after.turn - 1)
