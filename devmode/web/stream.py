"""The stream of server-sent events: one per browser, shared by its tabs."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import gevent
from flask import Blueprint, Response, request

from devmode.errors import InvalidCommand
from devmode.live.frame import Frame
from devmode.live.subscription import DASHBOARD, News, Subscription
from devmode.live.texts import Wanted, Watching
from devmode.live.view import Audience
from devmode.sessions.users import Visitor
from devmode.web import Devmode, admission, devmode
from devmode.web.security import visitor
from devmode.web.texts import sight_on, text_events, wanted_texts
from devmode.web.wire import Wire

blueprint = Blueprint("stream", __name__)

HEARTBEAT_S = 10.0
"""Nobody tells that a browser has gone; only a write that fails does."""
AUTHORISED_FOR_S = 30.0
HELD_BACK_S = 0.05
"""How soon to look again whether a slow browser has room for a picture or a text."""
RETRY_MS = (500, 1500)
"""When a browser comes back whose connection was lost: not all in the same moment."""
RETURNS_PER_S = 200
"""How many of the streams that this process ends when it ends come back within a second."""
KEPT_BYTES = 2048
"""What may be held in memory of the last event of each stream."""
STALLED_S = 30.0
"""How long a browser may take no byte of what waits for it."""
MOST_JOBS = 100
WHO = b"event: who\ndata: \n\n"
"""Has a browser show its cookies again: a stream sees only those it was opened with."""

Encode = Callable[[News], bytes]
"""Turns what changed about a subject into events; empty where that is no news."""
Show = Callable[[Frame], bytes]
"""Turns a picture into an event."""

_streams: dict[int, "_Stream"] = {}
_sweeper: "gevent.Greenlet[..., None]" = gevent.Greenlet()


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
    feed = devmode().feed
    subscription = feed.subscribe(watcher, subjects, audience)
    texts = devmode().texts.watch(wanted, sight_on(subscription, wanted), subscription.ready.set)
    stream = _Stream(subscription, texts, Wire(request.environ), encode, show or _picture)
    stream.begin()

    def close() -> None:
        stream.end()
        texts.close()
        feed.unsubscribe(subscription)

    response = event_stream(stream.events(devmode()))
    # Not at the end of the generator: one that was never begun, as for HEAD, has no end either.
    response.call_on_close(close)
    return response


def event_stream(events: Iterable[bytes]) -> Response:
    """Answer with events that no proxy holds back."""
    return Response(events, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})


def cut_stalled() -> None:
    """End the streams whose browsers are there but take nothing."""
    for stream in tuple(_streams.values()):
        if stream.wire.is_stalled(STALLED_S):
            stream.wire.cut()


def _sweep() -> None:
    while _streams:
        gevent.sleep(STALLED_S / 4)
        cut_stalled()


def _subjects(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    if len(parts) > MOST_JOBS or not all(map(_is_number, parts)):
        raise InvalidCommand(f"“jobs” is a list of up to {MOST_JOBS} numbers.")
    return [int(part) for part in parts]


def _is_number(text: str) -> bool:
    """`isdigit` alone lets digits pass that `int` does not take, such as “²”."""
    return text.isascii() and text.isdigit() and len(text) < 16


@dataclass(frozen=True)
class _Stream:
    """What waits to be told to a browser, and over which connection."""

    subscription: Subscription
    texts: Watching
    wire: Wire
    encode: Encode
    show: Show

    def begin(self) -> None:
        """Count it, and notice at once when the browser has gone."""
        global _sweeper
        admission.enter(self.subscription)
        _streams[id(self)] = self
        self.subscription.deliver = self._deliver
        self.wire.watch(self._gone)
        if not _sweeper:
            _sweeper = gevent.spawn(_sweep)

    def end(self) -> None:
        """Count it no longer."""
        self.wire.close()
        admission.leave(self.subscription)
        del _streams[id(self)]

    def events(self, parts: Devmode) -> Iterator[bytes]:
        """Yield the events that gunicorn has to write: those that may have to wait."""
        authorised_at = time.monotonic()
        yield b"retry: %d\n\n" % random.randint(*RETRY_MS)  # noqa: S311 - spreads, no secret
        self.wire.idle()
        while not admission.draining.is_set():
            self.subscription.ready.wait(HELD_BACK_S if self._is_held_back else HEARTBEAT_S)
            if self.subscription.gone:
                return
            self.wire.flush()
            if time.monotonic() - authorised_at > AUTHORISED_FOR_S:
                authorised_at = time.monotonic()
                watcher = self.subscription.visitor
                self.subscription.signed_out |= admission.is_over(parts, watcher)
                if watcher.signed_in_at is not None:
                    yield from self._written(WHO)
            if self.subscription.signed_out:
                yield b"event: signed-out\ndata: \n\n"
                return
            events = self._take()
            if events or not self._is_held_back:
                yield from self._written(events or b": \n\n")
                if len(events) > KEPT_BYTES:
                    # Whoever passed it on holds it until the next one comes: in hours, perhaps.
                    events = b""
                    yield events
        yield _farewell()

    def _written(self, events: bytes) -> Iterator[bytes]:
        """Have gunicorn write, and nobody else meanwhile."""
        self.wire.busy()
        yield events
        self.wire.idle()

    def _deliver(self, news: News) -> bool:
        """Tell news at once; False where they have to wait."""
        if not self.wire.is_free or self.subscription.signed_out or admission.draining.is_set():
            return False
        event = self.encode(news)
        if event:
            self.wire.send(event)
        if self.wire.has_rest:
            self.subscription.ready.set()
        return True

    def _gone(self) -> None:
        self.subscription.gone = True
        self.subscription.ready.set()

    @property
    def _is_held_back(self) -> bool:
        """Whether pictures or texts wait until a slow browser has room for them."""
        return bool(self.subscription.frames) or self.texts.has_news

    def _take(self) -> bytes:
        """Take what can be told now, as events."""
        events = [self.encode(news) for news in self.subscription.take()]
        if self._is_held_back and self.wire.has_room:
            frames = self.subscription.take_frames()
            events += map(self.show, frames)
            events.append(text_events(self.texts))
        return b"".join(events)


def _event(news: News) -> bytes:
    return b"data: %b\n\n" % news.message


def _picture(frame: Frame) -> bytes:
    return b"data: %b\n\n" % frame.message


def _farewell() -> bytes:
    """Say when to come back: not all the browsers of this process in the same second."""
    spread_ms = max(1000, 1000 * admission.served() // RETURNS_PER_S)
    return_ms = random.randint(100, spread_ms)  # noqa: S311 - no secret
    return b"retry: %d\nevent: farewell\ndata: \n\n" % return_ms
