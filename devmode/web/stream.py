"""The stream of server-sent events: one per browser, shared by its tabs."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from gevent.socket import socket
from gevent.ssl import SSLSocket

from devmode.digits import number_of
from devmode.errors import InvalidCommand
from devmode.live.audience import Audience
from devmode.live.frame import Frame
from devmode.live.subscription import DASHBOARD, News
from devmode.live.texts import Wanted
from devmode.sessions.users import Visitor
from devmode.web import admission, devmode
from devmode.web.eventstream import (
    HEARTBEAT,
    SHOWN_HEARTBEAT,
    Encode,
    EventStream,
    Show,
    farewell,
    retry,
)
from devmode.web.operations import EVENTS
from devmode.web.security import visitor
from devmode.web.texts import sight_on, wanted_texts
from devmode.web.wire import Wire

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

blueprint = Blueprint("stream", __name__)

MOST_JOBS = 100
UNBUFFERED = {"X-Accel-Buffering": "no"}


@blueprint.get("/events")
def events() -> Response:
    """Stream what happens; `jobs` names each job once per tab that shows it."""
    subjects = _subjects(request.args.get("jobs", ""))
    if request.args.get("dashboard"):
        subjects.append(DASHBOARD)
    wanted = wanted_texts(request, subjects)
    return follow(visitor(), subjects, _event, wanted=wanted, heartbeat=SHOWN_HEARTBEAT)


def follow(
    watcher: Visitor,
    subjects: list[int],
    encode: Encode,
    audience: Audience | None = None,
    wanted: Sequence[Wanted] = (),
    show: Show | None = None,
    heartbeat: bytes = HEARTBEAT,
) -> Response:
    """Answer with a stream of these subjects and texts; raise `JobNotFound` or `TooMany`."""
    if admission.draining.is_set():
        return event_stream([farewell()])
    admission.admit(devmode(), watcher.login_id)
    subscription = devmode().feed.subscribe(watcher, subjects, audience)
    try:
        texts = devmode().texts.watch(wanted, sight_on(subscription, wanted), subscription.wake)
    except BaseException:
        devmode().feed.unsubscribe(subscription)
        raise
    stream = EventStream(devmode(), subscription, texts, encode, show or _picture, heartbeat)
    return _Answer(stream)


def event_stream(events: Iterable[bytes]) -> Response:
    """Answer with events that no proxy holds back."""
    return Response(events, mimetype=EVENTS, headers=UNBUFFERED)


class _Answer(Response):
    """An answer that goes on when its request has ended, without a greenlet that waits for news."""

    def __init__(self, stream: EventStream) -> None:
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
            write(retry())
            taken = socket(connection.family, connection.type, fileno=connection.detach())
        except BaseException:
            self.close()
            raise
        # As gunicorn decides it for an answer without a length.
        self._stream.go_on_over(Wire(taken, chunked=protocol != "HTTP/1.0"))
        # Gunicorn takes it that the connection has been seen to; flask-sock ends so, too.
        raise StopIteration


def _subjects(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    numbers = [number for part in parts if (number := number_of(part)) is not None]
    if len(numbers) < len(parts) or len(parts) > MOST_JOBS:
        raise InvalidCommand(f"“jobs” is a list of up to {MOST_JOBS} numbers.")
    return numbers


def _event(news: News) -> bytes:
    return news.event


def _picture(frame: Frame) -> bytes:
    return frame.event
