"""One websocket to a command server: reads, keeps alive, reconnects.

A thin shell around the conversation and the execution state. What it hears it hands on in the
greenlet that reads; who listens must not block or raise.
"""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from functools import partial

import gevent
import structlog
import websocket
from gevent import Greenlet

from devmode import metrics
from devmode.background import in_background
from devmode.beat import to_beat_s
from devmode.commandserver.address import Address
from devmode.commandserver.broadcasts import Broadcast, UnreadableBroadcast, decode
from devmode.commandserver.commands import Command
from devmode.commandserver.connection import Connection, TooLong, connect
from devmode.commandserver.conversation import (
    Answer,
    Conversation,
    Outcome,
    Output,
    Responsive,
    Send,
)
from devmode.commandserver.execution import ExecutionState
from devmode.retries import rest

API_MAJOR = 1
"""The developer mode API that devmode speaks (Interface.pm of os-autoinst)."""
PING_S = 30.0
"""The command server drops a connection after 300 s without traffic (commands.pm)."""
TICK_S = 0.25
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0

log = structlog.stdlib.get_logger(__name__)


class LinkState(Enum):
    """How a link is doing."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    UNRESPONSIVE = "unresponsive"
    CLOSED = "closed"


@dataclass(frozen=True)
class Heard:
    """A broadcast came in; `before` is `after` when it changed nothing."""

    broadcast: Broadcast
    before: ExecutionState
    after: ExecutionState


@dataclass(frozen=True)
class Lost:
    """The link is down, or did not come up; `incompatible` for good."""

    trouble: str
    incompatible: bool = False


@dataclass(frozen=True)
class Answered:
    """This became of the command that was said under this reference."""

    reference: Hashable
    outcome: Outcome


@dataclass(frozen=True)
class ResponsivenessChanged:
    """The server stopped or began to answer; the websocket is open all the while."""

    responsive: bool


@dataclass(frozen=True)
class Joined:
    """The websocket is open, but somebody else speaks: they have to be asked for the state."""


LinkEvent = Heard | Lost | Answered | ResponsivenessChanged | Joined


def always() -> bool:
    """Permit everything."""
    return True


class Link:
    """A link that comes up by itself and stays up until it is closed.

    Only one of all links to a command server may speak while a session is kept; the others are
    hushed, and hear the same.
    """

    def __init__(self, address: Address, *, job_id: int, hear: Callable[[LinkEvent], None]) -> None:
        """Prepare; `start` connects. The job's number is for the log."""
        self.state = LinkState.CONNECTING
        self.execution = ExecutionState()
        self.trouble: str | None = None
        """Why there is no connection, as a sentence without address and token."""
        self._job_id = job_id
        self._address = address
        self._hear = hear
        self._conversation = Conversation()
        self._permitted: Callable[[], bool] | None = always
        self._said_at: dict[Hashable, float] = {}
        self._websocket: Connection | None = None
        self._has_told = False
        """Whether the server has told its state since this link connected: what was known before
        may have changed while it was not."""
        self._pinged_at = time.monotonic()
        self._reader: Greenlet[..., object] | None = None

    def start(self) -> None:
        """Connect, and connect again whenever that is needed, in the background."""
        _pulse.let_time_pass_for(self)
        self._reader = self._in_background(self._stay_connected)

    def say(self, command: Command, reference: Hashable) -> None:
        """Say a command when its turn comes; `Answered` tells what became of it."""
        self._said_at[reference] = time.monotonic()
        self._carry_out(self._conversation.say(command, reference, time.monotonic()))

    def speak(self, permitted: Callable[[], bool] = always) -> None:
        """Say commands; `permitted` is asked right before each is sent."""
        self._permitted = permitted
        self._conversation.speak()
        if self.state is LinkState.CONNECTED and not self._has_told:
            self.refresh()

    def hush(self) -> None:
        """Listen only, until `speak` is called."""
        self._permitted = None
        self._carry_out(self._conversation.hush())

    @property
    def is_up(self) -> bool:
        """Whether the server answers and has told its state, over this connection."""
        return self.state is LinkState.CONNECTED and self._has_told

    @property
    def is_hushed(self) -> bool:
        """Whether somebody else speaks to this command server."""
        return self._permitted is None

    def refresh(self) -> None:
        """Ask for the state, if this link speaks."""
        self._carry_out(self._conversation.ask(time.monotonic()))

    def close(self) -> None:
        """Close for good; what was on its way is abandoned."""
        if self.state is LinkState.CLOSED:
            return
        self.state = LinkState.CLOSED
        self._carry_out(self._conversation.lost())
        _pulse.forget(self)
        self._drop_websocket()
        # Cycles stay for long (gunicorn.conf.py), and the tracebacks of a reader lead everywhere.
        self._hear = _nobody_hears
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.kill(block=False)

    def _stay_connected(self) -> None:
        pause_s = SHORTEST_PAUSE_S
        while self.state is not LinkState.CLOSED:
            try:
                connection = self._connect()
                pause_s = SHORTEST_PAUSE_S
                self._read(connection)
            except (OSError, websocket.WebSocketException) as error:
                self._lose(_sentence_for(error))
            except Exception as error:
                # Whatever it was, a link that is dead and looks alive is worse.
                log.exception("a link failed", job=self._job_id)
                self._lose(_sentence_for(error))
            rest(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _connect(self) -> Connection:
        """Come up, and return the connection: the first word may find it broken, and drop it."""
        connection = connect(self._address)
        if self.state is LinkState.CLOSED:
            # In that very moment: what kills this greenlet comes only after what woke it.
            connection.shutdown()
            raise websocket.WebSocketConnectionClosedException
        self._websocket = connection
        self._has_told = False
        self._set_state(LinkState.CONNECTED, None)
        self._carry_out(self._conversation.connected(time.monotonic()))
        if self.is_hushed:
            self._hear(Joined())
        return connection

    def _read(self, connection: Connection) -> None:
        while True:
            opcode, data = connection.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                raise websocket.WebSocketConnectionClosedException
            connection.message_ended()
            self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            broadcast = decode(data)
        except UnreadableBroadcast as error:
            log.warning("a broadcast can't be read", job=self._job_id, trouble=str(error))
            return
        if broadcast.malformed:
            log.warning("a broadcast had odd values", job=self._job_id, fields=broadcast.malformed)
        before, self.execution = self.execution, self.execution.apply(broadcast)
        self._has_told |= broadcast.is_status
        version = self.execution.api_version
        if version is not None and version[0] != API_MAJOR:
            self._refuse(version)
            return
        self._hear(Heard(broadcast, before, self.execution))
        self._carry_out(self._conversation.heard(broadcast, time.monotonic()))

    def _refuse(self, version: tuple[int, int]) -> None:
        self.trouble = (
            f"os-autoinst speaks version {version[0]}.{version[1]} of the developer mode,"
            f" devmode speaks {API_MAJOR}.x."
        )
        self._hear(Lost(self.trouble, incompatible=True))
        self.close()

    def _lose(self, trouble: str) -> None:
        self._drop_websocket()
        self._carry_out(self._conversation.lost())
        if self.state is not LinkState.CLOSED:
            came_up = self.execution.known
            if self.state is LinkState.CONNECTED:
                metrics.LOST_LINKS.inc()
            self._set_state(LinkState.RECONNECTING if came_up else LinkState.CONNECTING, trouble)
            self._hear(Lost(trouble))

    def _drop_websocket(self) -> None:
        dropped, self._websocket = self._websocket, None
        if dropped is not None:
            dropped.shutdown()

    def pass_time(self, now: float) -> None:
        """Notice what did not happen by `now`, in seconds; never blocks."""
        outputs = self._conversation.tick(now)
        if outputs:
            self._in_background(self._carry_out, outputs)
        if now - self._pinged_at >= PING_S and self._websocket is not None:
            self._pinged_at = now
            self._in_background(self._transmit, self._websocket.ping)

    def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(command):
                    self._send(command)
                case Answer(reference, outcome):
                    self._count(reference, outcome)
                    self._hear(Answered(reference, outcome))
                case Responsive(now):
                    self._responsiveness_changed(responsive=now)

    def _send(self, command: Command) -> None:
        frame = command.encode()
        # The receiver knows no fencing token: between this question and the send nothing waits.
        if self._permitted is None or not self._permitted():
            self._permitted = None
            self._carry_out(self._conversation.withhold(command))
        elif self._websocket is not None:
            self._transmit(partial(self._websocket.send, frame))

    def _transmit(self, send: Callable[[], object]) -> None:
        try:
            send()
        except (OSError, websocket.WebSocketException):
            # The reader notices too, and it alone decides what follows.
            self._drop_websocket()

    def _count(self, reference: Hashable, outcome: Outcome) -> None:
        metrics.COMMANDS.labels(outcome.value).inc()
        said_at = self._said_at.pop(reference, None)
        if said_at is not None:
            metrics.COMMAND_SECONDS.observe(time.monotonic() - said_at)

    def _responsiveness_changed(self, *, responsive: bool) -> None:
        if responsive:
            self._set_state(LinkState.CONNECTED, None)
        else:
            silent = "The command server accepts the connection but does not answer."
            self._set_state(LinkState.UNRESPONSIVE, silent)
        self._hear(ResponsivenessChanged(responsive))

    def _set_state(self, state: LinkState, trouble: str | None) -> None:
        self.state = state
        self.trouble = trouble

    def _in_background(
        self, do: Callable[..., object], *arguments: object
    ) -> "Greenlet[..., object]":
        return in_background("a greenlet of a link failed", do, *arguments, job=self._job_id)


def _nobody_hears(_event: LinkEvent) -> None:
    pass


class _Pulse:
    """Lets time pass for all links: a greenlet for each would cost more than the link itself."""

    def __init__(self) -> None:
        self._links: set[Link] = set()
        self._beating = False

    def let_time_pass_for(self, link: Link) -> None:
        self._links.add(link)
        if not self._beating:
            self._beating = True
            in_background("time stands still for links", self._beat)

    def forget(self, link: Link) -> None:
        self._links.discard(link)

    def _beat(self) -> None:
        while self._links:
            gevent.sleep(to_beat_s(TICK_S))
            now = time.monotonic()
            for link in tuple(self._links):
                link.pass_time(now)
        self._beating = False


_pulse = _Pulse()


def _sentence_for(error: Exception) -> str:
    """Say what went wrong; texts of exceptions may hold the URL, and with it the token."""
    match error:
        case TooLong():
            return "The command server sent a message that is too long, more than 8 MB."
        case websocket.WebSocketBadStatusException():
            return (
                f"The command server refused the connection (HTTP {error.status_code}):"
                " the job token is not the one of the job on that port."
            )
        case websocket.WebSocketTimeoutException() | TimeoutError():
            return "The command server accepted the connection but did not answer."
        case ConnectionRefusedError():
            return "Nothing listens on the command server's port yet, or any more."
        case websocket.WebSocketConnectionClosedException() | ConnectionResetError():
            return "The command server closed the connection."
        case _:
            return f"The connection to the command server failed ({type(error).__name__})."
