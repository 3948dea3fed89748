"""The simulated command server: websockets around a simulated job."""

import contextlib
import json
import secrets
from collections import deque
from socket import IPPROTO_TCP, SHUT_RDWR, TCP_NODELAY
from typing import Any

import gevent
from gevent import Greenlet
from gevent.event import Event
from gevent.queue import Queue
from gevent.server import StreamServer
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from devmode.commandserver.address import Address, JobToken
from devmode.commandserver.simulator.behaviours import WellBehaved
from devmode.commandserver.simulator.job import Job, JobKilled, Message
from devmode.commandserver.simulator.schedule import DEMO, Module

HOST = "127.0.0.1"
LARGEST_MESSAGE = 256 << 10


class Simulator:
    """A command server with one job, which begins with `start`."""

    def __init__(
        self,
        schedule: tuple[Module, ...] = DEMO,
        port: int = 0,
        token: str | None = None,
        *,
        pace_s: float = 0.5,
        behaviour: WellBehaved | None = None,
    ) -> None:
        self.received: list[Message] = []
        """The commands of all clients, in order."""
        self.senders: list[int] = []
        """Which connection, numbered from 1, each of them came from."""
        self.most_in_flight = 0
        """How many commands were on their way to the job at the same time, at most."""
        self.connections = 0
        self.ended = Event()
        self.job = Job(schedule, pace_s, self.broadcast)
        self._token = token or secrets.token_urlsafe(12)
        self._behaviour = behaviour or WellBehaved()
        self._clients: set[_Client] = set()
        self._backlog: deque[Message] = deque()
        self._busy = False
        self._server = StreamServer((HOST, port), self._serve)
        self._running: Greenlet[..., None] = Greenlet(self._run)

    @property
    def port(self) -> int:
        """Where it listens, once it was started."""
        port = self._server.server_port
        assert port is not None  # noqa: S101 - it was started
        return port

    @property
    def address(self) -> Address:
        """Where and with which token a link finds it."""
        return Address(HOST, self.port, JobToken(self._token))

    def start(self) -> None:
        """Listen and let the job begin."""
        self._server.start()
        self._running.start()

    def stop(self) -> None:
        """End at once, without a goodbye."""
        gevent.kill(self._running)
        self._end()

    def terminate(self) -> None:
        """End as isotovideo does on SIGTERM: with a goodbye."""
        gevent.kill(self._running)
        if not self.ended.is_set():
            self.job.say_goodbye()
        self._end()

    def _run(self) -> None:
        self.job.run()
        self._end()

    def _end(self) -> None:
        self.ended.set()
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """End all connections without a close frame, those too that are yet to shake hands."""
        for client in tuple(self._clients):
            client.close()

    def broadcast(self, message: Message) -> None:
        """Tell every client, as POST /TOKEN/broadcast does."""
        for altered in self._behaviour.alters(message):
            text = altered if isinstance(altered, str) else json.dumps(altered, sort_keys=True)
            for client in self._clients:
                client.send(text)

    def _serve(self, socket: Any, _address: object) -> None:
        if not self._server.started:
            return  # it was accepted, and listened to no more
        if not self._behaviour.shakes_hands():
            self.ended.wait()
            return
        client = _Client(socket, self)
        self._clients.add(client)
        try:
            client.serve()
        except OSError:
            pass  # it went away without a word, as clients do
        finally:
            self._clients.discard(client)
            client.close()

    def welcomes(self, path: str) -> bool:
        """Tell whether that is the path of the websocket."""
        return path.rstrip("/") == f"/{self._token}/ws"

    def join(self) -> int:
        """Count a connection that has shaken hands; return its number."""
        self.connections += 1
        return self.connections

    def closes(self, connection: int, sent: int) -> bool:
        """Tell whether a connection ends after so many messages."""
        return self._behaviour.closes(connection, sent)

    def take(self, frame: str | bytes, sender: int) -> None:
        """Take what a client says; what is no JSON object is ignored."""
        try:
            command = json.loads(frame)
        except ValueError:
            return
        if not isinstance(command, dict):
            return
        self.received.append(command)
        self.senders.append(sender)
        self._backlog.append(command)
        self.most_in_flight = max(self.most_in_flight, len(self._backlog) + int(self._busy))
        # isotovideo handles what came in meanwhile only when something new comes in.
        if not self._busy:
            self._busy = True
            gevent.spawn(self._handle_backlog, len(self._backlog))

    def _handle_backlog(self, count: int) -> None:
        for _ in range(count):
            command = self._backlog.popleft()
            if self._behaviour.takes(command) and not self.ended.is_set():
                self._obey(command)
        self._busy = False

    def _obey(self, command: Message) -> None:
        try:
            self.job.obey(command)
        except JobKilled:
            self.stop()


class _Client:
    """One connection; what it is sent waits in memory, so that a slow one hinders nobody."""

    def __init__(self, socket: Any, simulator: Simulator) -> None:
        self._socket = socket
        socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._simulator = simulator
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._number = 0
        """Which connection it is, once it has shaken hands."""
        self._sent = 0
        self._parts: list[Any] = []
        self._outgoing: Queue[bytes | None] = Queue()
        self._writer = gevent.spawn(self._write)

    def send(self, text: str) -> None:
        """Send a text frame, once hands are shaken."""
        if not self._number or self._simulator.closes(self._number, self._sent):
            return
        self._sent += 1
        self._outgoing.put(self._protocol.send(TextMessage(text)))
        if self._simulator.closes(self._number, self._sent):
            self.close()

    def close(self) -> None:
        """End the connection without a close frame, after what waits was sent."""
        self._outgoing.put(None)

    def serve(self) -> None:
        """Read until the other side or the job ends."""
        while data := self._socket.recv(65536):
            try:
                self._protocol.receive_data(data)
            except RemoteProtocolError:
                break
            for event in self._protocol.events():
                if not self._goes_on_after(event):
                    self.close()
                    self._writer.join(1)
                    return

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            for data in iter(self._outgoing.get, None):
                self._socket.sendall(data)
        with contextlib.suppress(OSError):
            self._socket.shutdown(SHUT_RDWR)

    def _goes_on_after(self, event: object) -> bool:
        match event:
            case Request(target=target):
                return self._greet(target)
            case TextMessage() | BytesMessage():
                return self._take(event)
            case Ping():
                self._outgoing.put(self._protocol.send(event.response()))
            case CloseConnection():
                self._outgoing.put(self._protocol.send(event.response()))
                return False
        return True

    def _greet(self, target: str) -> bool:
        if not self._simulator.welcomes(target):
            self._outgoing.put(self._protocol.send(RejectConnection(status_code=404)))
            return False
        self._outgoing.put(self._protocol.send(AcceptConnection()))
        self._number = self._simulator.join()
        return not self._simulator.closes(self._number, 0)

    def _take(self, event: TextMessage | BytesMessage) -> bool:
        self._parts.append(event.data)
        if sum(map(len, self._parts)) > LARGEST_MESSAGE:
            self._outgoing.put(self._protocol.send(CloseConnection(code=1009)))
            return False
        if event.message_finished:
            frame = self._parts[0][:0].join(self._parts)
            self._parts.clear()
            # os-autoinst mixes up bytes and characters, and drops such a text silently.
            if not isinstance(frame, str) or frame.isascii():
                content = bytes(frame) if not isinstance(frame, str) else frame
                self._simulator.take(content, self._number)
        return True
