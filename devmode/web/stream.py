"""The stream of server-sent events: one per browser, shared by its tabs."""

import fcntl
import time
from collections import Counter
from collections.abc import Iterator

import gevent
from flask import Blueprint, Response, request
from gevent import Greenlet
from gevent.event import Event
from gevent.socket import socket, wait_read

from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway, InvalidCommand, TooMany
from devmode.live.feed import DASHBOARD, Feed, Subscription
from devmode.sessions.users import LOGIN, Logins
from devmode.web import devmode
from devmode.web.security import visitor

blueprint = Blueprint("stream", __name__)

HEARTBEAT_S = 10.0
"""Nobody tells that a browser has gone; only a write that fails does."""
AUTHORISED_FOR_S = 30.0
HELD_BACK_S = 0.05
"""How soon to look again whether a slow browser has room for a picture."""
UNSENT = 0x894B
"""SIOCOUTQNSD of Linux' sockios.h: how much of what was written has not been sent yet."""
RETRY_MS = 1000
MOST_JOBS = 100

_draining = Event()
"""Set when this process shuts down: streams say farewell and end."""
_open: Counter[str] = Counter()
_subscriptions: dict[int, Subscription] = {}


@blueprint.get("/events")
def events() -> Response:
    """Stream what happens; `jobs` names each job once per tab that shows it."""
    watcher = visitor()
    subjects = _subjects(request.args.get("jobs", ""))
    if request.args.get("dashboard"):
        subjects.append(DASHBOARD)
    if _open[watcher.login_id] >= devmode().settings.streams_per_login:
        raise TooMany("This browser has too many event streams open. Close some tabs.")
    subscription = devmode().feed.subscribe(watcher, subjects)
    connection = request.environ.get("gunicorn.socket")
    watch = gevent.spawn(_watch_connection, connection, subscription)
    stream = _stream(devmode().feed, devmode().logins, subscription, watch, connection)
    return Response(stream, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})


def drain() -> None:
    """Let every stream end: this process shuts down."""
    _draining.set()
    for subscription in tuple(_subscriptions.values()):
        subscription.ready.set()


def listen_to(notices: Notices) -> None:
    """Wake the streams of a login that is over."""
    notices.listen(LOGIN, _wake)


def _watch_connection(connection: socket | None, subscription: Subscription) -> None:
    """Notice at once that a browser has gone: it sends nothing, so only its end can be read."""
    if connection is not None:
        wait_read(connection.fileno())
        subscription.gone = True
        subscription.ready.set()


def _wake(login_id: str) -> None:
    for subscription in tuple(_subscriptions.values()):
        if subscription.visitor.login_id == login_id:
            subscription.signed_out = True
            subscription.ready.set()


def _subjects(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    if len(parts) > MOST_JOBS or not all(part.isdigit() and len(part) < 16 for part in parts):
        raise InvalidCommand(f"“jobs” is a list of up to {MOST_JOBS} numbers.")
    return [int(part) for part in parts]


def _has_room(connection: socket | None) -> bool:
    """Whether all that was written is on its way: pictures wait, and are replaced, until then."""
    if connection is None:
        return True
    unsent = fcntl.ioctl(connection.fileno(), UNSENT, b"\0" * 4)
    return not any(unsent)


def _stream(
    feed: Feed,
    logins: Logins,
    subscription: Subscription,
    watch: "Greenlet[..., None]",
    connection: socket | None,
) -> Iterator[bytes]:
    login_id = subscription.visitor.login_id
    _open[login_id] += 1
    _subscriptions[id(subscription)] = subscription
    authorised_at = time.monotonic()
    try:
        yield b"retry: %d\n\n" % RETRY_MS
        while not _draining.is_set():
            subscription.ready.wait(HELD_BACK_S if subscription.frames else HEARTBEAT_S)
            if subscription.gone:
                return
            if time.monotonic() - authorised_at > AUTHORISED_FOR_S:
                authorised_at = time.monotonic()
                subscription.signed_out |= _is_over(logins, login_id)
            if subscription.signed_out:
                yield b"event: signed-out\ndata: \n\n"
                return
            events = _events(subscription, connection)
            if events or not subscription.frames:
                yield events or b": \n\n"
        yield b"event: farewell\ndata: \n\n"
    finally:
        watch.kill(block=False)
        _open[login_id] -= 1
        del _subscriptions[id(subscription)]
        feed.unsubscribe(subscription)


def _events(subscription: Subscription, connection: socket | None) -> bytes:
    messages = [news.message for news in subscription.take()]
    if subscription.frames and _has_room(connection):
        messages += [frame.message for frame in subscription.take_frames()]
    return b"".join(b"data: %b\n\n" % message for message in messages)


def _is_over(logins: Logins, login_id: str) -> bool:
    """Tell whether a login has ended; while the database is away it goes on."""
    try:
        return logins.visitor_of(login_id) is None
    except DatabaseAway:
        return False
