"""The stream of server-sent events: one per browser, shared by its tabs."""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import gevent
from flask import Blueprint, Response, request
from gevent.pool import Pool
from gevent.socket import socket
from gevent.ssl import SSLSocket

from devmode.errors import InvalidCommand
from devmode.jobs.breath import in_breaths
from devmode.live.frame import Frame
from devmode.live.subscription import DASHBOARD, News, Subscription
from devmode.live.texts import Wanted, Watching
from devmode.live.view import Audience
from devmode.sessions.users import Visitor
from devmode.web import Devmode, admission, devmode
from devmode.web.operations import EVENTS
from devmode.web.security import visitor
from devmode.web.texts import sight_on, text_events, wanted_texts
from devmode.web.wire import Wire

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

blueprint = Blueprint("stream", __name__)

HEARTBEAT_S = 10.0
"""How long a stream may say nothing: of a browser that has lost its way, only writing tells."""
AUTHORISED_FOR_S = 30.0
HELD_BACK_S = 0.05
"""How soon to look again whether a slow browser has room for a picture or a text."""
RETRY_MS = (500, 1500)
"""When a browser comes back whose connection was lost: not all in the same moment."""
RETURNS_PER_S = 200
"""How many of the streams that this process ends when it ends come back within a second."""
STALLED_S = 30.0
"""How long a browser may take no byte of what waits for it."""
SWEPT_AT_ONCE = 100
ASKED_AT_ONCE = 10
MOST_JOBS = 100
WHO = b"event: who\ndata: \n\n"
"""Has a browser show its cookies again: a stream sees only those it was opened with."""
SIGNED_OUT = b"event: signed-out\ndata: \n\n"
HEARTBEAT = b": \n\n"
UNBUFFERED = {"X-Accel-Buffering": "no"}

Encode = Callable[[News], bytes]
"""Turns what changed about a subject into events; empty where that is no news."""
Show = Callable[[Frame], bytes]
"""Turns a picture into an event."""

log = logging.getLogger(__name__)
_streams: dict[int, "_Stream"] = {}
_sweeping: "gevent.Greenlet[..., None]" = gevent.Greenlet()


@blueprint.get("/events")
def events() -> Response:
    """Stream what happens; `jobs` names each job once per tab that shows it."""
    subjects = _subjects(request.args.get("jobs", ""))
    if request.args.get("dashboard"):
        subjects.append(DASHBOARD)
    return follow(visitor(), subjects, _event, wanted=wanted_texts(request, subjects))


def follow(
    watcher: Visitor,
    subjects: list[int],
    encode: Encode,
    audience: Audience | None = None,
    wanted: Sequence[Wanted] = (),
    show: Show | None = None,
) -> Response:
    """Answer with a stream of these subjects and texts; raise `JobNotFound` or `TooMany`."""
    if admission.draining.is_set():
        return event_stream([_farewell()])
    admission.admit(devmode(), watcher.login_id)
    subscription = devmode().feed.subscribe(watcher, subjects, audience)
    try:
        texts = devmode().texts.watch(wanted, sight_on(subscription, wanted), subscription.wake)
    except BaseException:
        devmode().feed.unsubscribe(subscription)
        raise
    return _Answer(_Stream(devmode(), subscription, texts, encode, show or _picture))


def event_stream(events: Iterable[bytes]) -> Response:
    """Answer with events that no proxy holds back."""
    return Response(events, mimetype=EVENTS, headers=UNBUFFERED)


class _Answer(Response):
    """An answer that goes on when its request has ended, without a greenlet that waits for news."""

    def __init__(self, stream: "_Stream") -> None:
        super().__init__(stream.events(), mimetype=EVENTS, headers=UNBUFFERED)
        # Not at the end of the generator: one that was never begun, as for HEAD, has no end either.
        self.call_on_close(stream.close)
        self._stream = stream

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        connection, protocol = environ.get("gunicorn.socket"), environ["SERVER_PROTOCOL"]
        # TLS, HTTP/2 and other servers are left to whoever serves them.
        if (
            not isinstance(connection, socket)
            or isinstance(connection, SSLSocket)
            or protocol not in ("HTTP/1.0", "HTTP/1.1")
            or environ["REQUEST_METHOD"] != "GET"
        ):
            return super().__call__(environ, start_response)
        try:
            write = start_response(self.status, self.get_wsgi_headers(environ).to_wsgi_list())
            write(_retry())
            taken = socket(connection.family, connection.type, fileno=connection.detach())
        except BaseException:
            self.close()
            raise
        # As gunicorn decides it for an answer without a length.
        self._stream.go_on_over(Wire(taken, chunked=protocol != "HTTP/1.0"))
        # Gunicorn takes it that the connection has been seen to; flask-sock ends so, too.
        raise StopIteration


def authorise_all() -> None:
    """End the streams of those who may not watch any more, of which no notice told."""
    by_login = defaultdict(list)
    # An openQA that is asked may take seconds to answer: nobody else is to wait for it.
    for stream in sorted(_streams.values(), key=lambda stream: stream.is_of_a_guest):
        by_login[stream.login].append(stream)
    asking = Pool(ASKED_AT_ONCE)
    for streams in in_breaths(by_login.values(), SWEPT_AT_ONCE):
        asking.spawn(_authorise, streams)
    asking.join()


def _authorise(streams: list["_Stream"]) -> None:
    is_over = streams[0].has_lost_its_login
    for stream in streams:
        stream.authorised(is_over=is_over)


def _sweep() -> None:
    """Look after all streams, as long as there are any."""
    authorised_at = time.monotonic()
    authorising = gevent.Greenlet()
    while _streams:
        gevent.sleep(HEARTBEAT_S / 4)
        for stream in in_breaths(tuple(_streams.values()), SWEPT_AT_ONCE):
            stream.beat()
        if time.monotonic() - authorised_at >= AUTHORISED_FOR_S and not authorising:
            authorised_at = time.monotonic()
            authorising = gevent.spawn(authorise_all)


def _subjects(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    if len(parts) > MOST_JOBS or not all(map(_is_number, parts)):
        raise InvalidCommand(f"“jobs” is a list of up to {MOST_JOBS} numbers.")
    return [int(part) for part in parts]


def _is_number(text: str) -> bool:
    """`isdigit` alone lets digits pass that `int` does not take, such as “²”."""
    return text.isascii() and text.isdigit() and len(text) < 16


class _Stream:
    """What waits to be told to a browser, and over which connection.

    While nothing waits there is no greenlet: that would be a third of the memory of a job.
    """

    __slots__ = (
        "_encode", "_has_to_show_itself", "_is_attended", "_is_over", "_parts", "_show",
        "_subscription", "_texts", "_told_at", "_wire",
    )  # fmt: skip

    def __init__(
        self,
        parts: Devmode,
        subscription: Subscription,
        texts: Watching,
        encode: Encode,
        show: Show,
    ) -> None:
        """Count it."""
        global _sweeping
        self._parts = parts
        self._subscription = subscription
        self._texts = texts
        self._encode = encode
        self._show = show
        self._wire: Wire | None = None
        self._told_at = time.monotonic()
        self._is_attended = self._is_over = self._has_to_show_itself = False
        admission.enter(subscription)
        _streams[id(self)] = self
        if not _sweeping:
            _sweeping = gevent.spawn(_sweep)

    def events(self) -> Iterator[bytes]:
        """Yield events for whoever serves the connection."""
        yield _retry()
        while not self._is_over:
            self._subscription.ready.wait(HELD_BACK_S if self._is_held_back else HEARTBEAT_S)
            yield self._take() or (b"" if self._is_held_back else HEARTBEAT)

    def go_on_over(self, wire: Wire) -> None:
        """Tell events over a connection from now on, until either side ends it."""
        self._wire = wire
        self._subscription.deliver = self._deliver
        self._subscription.woken = self._attend_soon
        wire.watch(self._gone)
        self._attend(wire)

    def close(self) -> None:
        """End it and count it no longer."""
        if _streams.pop(id(self), None) is None:
            return
        self._is_over = True
        if self._wire is not None:
            self._wire.close()
        admission.leave(self._subscription)
        self._texts.close()
        self._parts.feed.unsubscribe(self._subscription)

    def beat(self) -> None:
        """Tell that it is still there, where nothing else does; cut it where nothing is taken."""
        wire = self._wire
        if wire is None:
            return
        if wire.is_stalled(STALLED_S):
            wire.cut()
        elif wire.is_free and time.monotonic() - self._told_at >= HEARTBEAT_S:
            self._send(wire, HEARTBEAT)

    @property
    def login(self) -> tuple[int, Visitor]:
        """The visitor, in the devmode that let them in."""
        return id(self._parts), self._subscription.visitor

    @property
    def is_of_a_guest(self) -> bool:
        """Whether another site keeps the visitor signed in."""
        return self._subscription.visitor.signed_in_at is not None

    @property
    def has_lost_its_login(self) -> bool:
        """Whether the visitor may not watch any more; who signed them in may be asked."""
        return admission.is_over(self._parts, self._subscription.visitor)

    def authorised(self, *, is_over: bool) -> None:
        """End it if its login has ended; have a browser show itself whom another site signed in."""
        self._subscription.signed_out |= is_over
        self._has_to_show_itself = self.is_of_a_guest
        if self._subscription.signed_out or self._has_to_show_itself:
            self._subscription.wake()

    def _attend_soon(self) -> None:
        """Have what waits told: whoever has it must not wait for that."""
        if self._wire is not None and not self._is_attended:
            self._is_attended = True
            gevent.spawn(self._attend, self._wire)

    def _attend(self, wire: Wire) -> None:
        """Write what has to wait, until nothing does."""
        self._is_attended = True
        try:
            while not self._is_over and (self._subscription.ready.is_set() or self._is_held_back):
                wire.flush()
                events = self._take()
                if events:
                    self._told_at = time.monotonic()
                    wire.write(events)
                if self._is_held_back and not self._is_over:
                    self._subscription.ready.wait(HELD_BACK_S)
        except OSError:
            self._is_over = True
        except Exception:
            log.exception("a stream failed")
            self._is_over = True
        self._is_attended = False
        if self._is_over:
            self.close()

    def _deliver(self, news: News) -> bool:
        """Tell news at once; False where they have to wait."""
        if self._wire is None or not self._wire.is_free or self._ends:
            return False
        event = self._encode(news)
        if event:
            self._send(self._wire, event)
        return True

    def _send(self, wire: Wire, event: bytes) -> None:
        self._told_at = time.monotonic()
        wire.send(event)
        if wire.has_rest:
            self._subscription.wake()

    def _gone(self) -> None:
        self._subscription.gone = True
        self._subscription.wake()

    @property
    def _ends(self) -> bool:
        who = self._subscription
        return who.gone or who.signed_out or admission.draining.is_set()

    @property
    def _is_held_back(self) -> bool:
        """Whether pictures or texts wait until a slow browser has room for them."""
        return bool(self._subscription.frames) or self._texts.has_news

    def _take(self) -> bytes:
        """Take what can be told now, as events; after those that end the stream it is over."""
        self._is_over = self._ends
        if self._is_over:
            return self._last_words()
        events = [self._encode(news) for news in self._subscription.take()]
        if self._has_to_show_itself:
            self._has_to_show_itself = False
            events.append(WHO)
        if self._is_held_back and (self._wire is None or self._wire.has_room):
            events += map(self._show, self._subscription.take_frames())
            events.append(text_events(self._texts))
        return b"".join(events)

    def _last_words(self) -> bytes:
        if self._subscription.gone:
            return b""
        return SIGNED_OUT if self._subscription.signed_out else _farewell()


def _event(news: News) -> bytes:
    return b"data: %b\n\n" % news.message


def _picture(frame: Frame) -> bytes:
    return b"data: %b\n\n" % frame.message


def _retry() -> bytes:
    return b"retry: %d\n\n" % random.randint(*RETRY_MS)  # noqa: S311 - spreads, no secret


def _farewell() -> bytes:
    """Say when to come back: not all the browsers of this process in the same second."""
    spread_ms = max(1000, 1000 * admission.served() // RETURNS_PER_S)
    return_ms = random.randint(100, spread_ms)  # noqa: S311 - no secret
    return b"retry: %d\nevent: farewell\ndata: \n\n" % return_ms
