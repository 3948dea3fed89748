"""The stream of server-sent events: one per browser, shared by its tabs."""

import contextlib
import fcntl
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from socket import SHUT_RDWR

import gevent
from flask import Blueprint, Response, request
from gevent.event import Event
from gevent.socket import socket, wait_read

from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway, InvalidCommand, Overloaded, TooMany
from devmode.live.subscription import DASHBOARD, News, Subscription
from devmode.live.texts import Wanted, Watching
from devmode.live.view import Audience
from devmode.sessions.users import LOGIN, Visitor
from devmode.web import devmode
from devmode.web.security import visitor
from devmode.web.texts import sight_on, text_events, wanted_texts

blueprint = Blueprint("stream", __name__)

HEARTBEAT_S = 10.0
"""Nobody tells that a browser has gone; only a write that fails does."""
AUTHORISED_FOR_S = 30.0
HELD_BACK_S = 0.05
"""How soon to look again whether a slow browser has room for a picture or a text."""
UNSENT = 0x894B
"""SIOCOUTQNSD of Linux' sockios.h: how much of what was written has not been sent yet."""
RETRY_MS = (500, 1500)
"""When a browser comes back whose connection was lost: not all in the same moment."""
RETURNS_PER_S = 200
"""How many of the streams that this process ends when it ends come back within a second."""
KEPT_BYTES = 2048
"""What may be held in memory of the last event of each stream."""
STALLED_S = 30.0
"""How long a browser may take no byte of what waits for it."""
MOST_JOBS = 100

Encode = Callable[[News], bytes]
"""Turns what changed about a subject into events; empty where that is no news."""
VisitorOf = Callable[[str], Visitor | None]

_draining = Event()
"""Set when this process shuts down: streams say farewell and end."""
_open: Counter[str] = Counter()
_subscriptions: dict[int, Subscription] = {}


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
) -> Response:
    """Answer with a stream of these subjects and texts; raise `JobNotFound` or `TooMany`."""
    login_id = watcher.login_id
    if _draining.is_set():
        return Response(_farewell(), mimetype="text/event-stream")
    if len(_subscriptions) >= devmode().settings.streams:
        raise Overloaded("devmode has as many event streams as it can serve. Try again later.")
    if _open[login_id] >= devmode().settings.streams_per_login:
        raise TooMany("Too many event streams of this sign-in or token are open. Close some.")
    feed = devmode().feed
    subscription = feed.subscribe(watcher, subjects, audience)
    texts = devmode().texts.watch(wanted, sight_on(subscription, wanted), subscription.ready.set)
    connection = request.environ.get("gunicorn.socket")
    watch = gevent.spawn(_watch_connection, connection, subscription)
    _open[login_id] += 1
    _subscriptions[id(subscription)] = subscription

    def close() -> None:
        watch.kill(block=False)
        texts.close()
        _open[login_id] -= 1
        del _subscriptions[id(subscription)]
        feed.unsubscribe(subscription)

    waiting = _Waiting(subscription, texts, connection, encode)
    stream = _stream(devmode().visitor_of, subscription, waiting)
    response = Response(stream, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
    # Not at the end of the generator: one that was never begun, as for HEAD, has no end either.
    response.call_on_close(close)
    return response


def drain() -> None:
    """Let every stream end: this process shuts down."""
    _draining.set()
    for subscription in tuple(_subscriptions.values()):
        subscription.ready.set()


def open_streams() -> int:
    """Return how many streams this process serves."""
    return len(_subscriptions)


def listen_to(notices: Notices) -> None:
    """Wake the streams of a login or a token that is over."""
    notices.listen(LOGIN, _wake)


def _watch_connection(connection: socket | None, subscription: Subscription) -> None:
    """Notice at once that a browser has gone: it sends nothing, so only its end can be read.

    One that is there but takes nothing is cut off: what it holds is needed for others.
    """
    if connection is None:
        return
    while not subscription.is_stalled(STALLED_S):
        with contextlib.suppress(TimeoutError):
            wait_read(connection.fileno(), STALLED_S / 4)
            subscription.gone = True
            subscription.ready.set()
            return
    with contextlib.suppress(OSError):
        connection.shutdown(SHUT_RDWR)


def _wake(login_id: str) -> None:
    for subscription in tuple(_subscriptions.values()):
        if subscription.visitor.login_id == login_id:
            subscription.signed_out = True
            subscription.ready.set()


def _subjects(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    if len(parts) > MOST_JOBS or not all(map(_is_number, parts)):
        raise InvalidCommand(f"“jobs” is a list of up to {MOST_JOBS} numbers.")
    return [int(part) for part in parts]


def _is_number(text: str) -> bool:
    """`isdigit` alone lets digits pass that `int` does not take, such as “²”."""
    return text.isascii() and text.isdigit() and len(text) < 16


def _has_room(connection: socket | None) -> bool:
    """Whether all that was written is on its way: pictures and texts wait until then."""
    if connection is None:
        return True
    unsent = fcntl.ioctl(connection.fileno(), UNSENT, b"\0" * 4)
    return not any(unsent)


@dataclass(frozen=True)
class _Waiting:
    """What waits to be told by a stream, and over which connection."""

    subscription: Subscription
    texts: Watching
    connection: socket | None
    encode: Encode

    @property
    def are_held_back(self) -> bool:
        """Whether pictures or texts wait until a slow browser has room for them."""
        return bool(self.subscription.frames) or self.texts.has_news

    def take(self) -> bytes:
        """Take what can be told now, as events."""
        events = [self.encode(news) for news in self.subscription.take()]
        if self.are_held_back and _has_room(self.connection):
            frames = self.subscription.take_frames()
            events += [b"data: %b\n\n" % frame.message for frame in frames]
            events.append(text_events(self.texts))
        return b"".join(events)


def _stream(
    visitor_of: VisitorOf, subscription: Subscription, waiting: _Waiting
) -> Iterator[bytes]:
    authorised_at = time.monotonic()
    yield b"retry: %d\n\n" % random.randint(*RETRY_MS)  # noqa: S311 - spreads, no secret
    while not _draining.is_set():
        subscription.ready.wait(HELD_BACK_S if waiting.are_held_back else HEARTBEAT_S)
        if subscription.gone:
            return
        if time.monotonic() - authorised_at > AUTHORISED_FOR_S:
            authorised_at = time.monotonic()
            subscription.signed_out |= _is_over(visitor_of, subscription.visitor.login_id)
        if subscription.signed_out:
            yield b"event: signed-out\ndata: \n\n"
            return
        events = waiting.take()
        if events or not waiting.are_held_back:
            subscription.sending_since = time.monotonic()
            yield events or b": \n\n"
            subscription.sending_since = None
            if len(events) > KEPT_BYTES:
                # Whoever passed it on holds it until the next one comes, which may take hours.
                events = b""
                yield events
    yield _farewell()


def _event(news: News) -> bytes:
    return b"data: %b\n\n" % news.message


def _farewell() -> bytes:
    """Say when to come back: not all the browsers of this process in the same second."""
    spread_ms = max(1000, 1000 * len(_subscriptions) // RETURNS_PER_S)
    return_ms = random.randint(100, spread_ms)  # noqa: S311 - no secret
    return b"retry: %d\nevent: farewell\ndata: \n\n" % return_ms


def _is_over(visitor_of: VisitorOf, login_id: str) -> bool:
    """Tell whether a login or a token has ended; while the database is away it goes on."""
    try:
        return visitor_of(login_id) is None
    except DatabaseAway:
        return False
