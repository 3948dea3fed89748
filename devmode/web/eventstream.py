"""An event stream that is open: what waits to be told to a browser, and over which connection."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import gevent
import structlog
from gevent.pool import Pool

from devmode.beat import is_due, to_beat_s
from devmode.jobs.breath import in_breaths
from devmode.live.frame import Frame
from devmode.live.subscription import News, Subscription
from devmode.live.texts import Watching
from devmode.sessions.users import Visitor
from devmode.web import Devmode, admission
from devmode.web.texts import text_events
from devmode.web.wire import Wire

HEARTBEAT_S = 10.0
"""How long a stream may say nothing: of a browser that has lost its way, only writing tells."""
SWEEP_S = HEARTBEAT_S / 4
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
WHO = b"event: who\ndata: \n\n"
"""Has a browser show its cookies again: a stream sees only those it was opened with."""
SIGNED_OUT = b"event: signed-out\ndata: \n\n"
HEARTBEAT = b": \n\n"
SHOWN_HEARTBEAT = b"event: heartbeat\ndata: \n\n"
"""For scripts of pages, which a browser tells of no comment: they watch for silence."""

Encode = Callable[[News], bytes]
"""Turns what changed about a subject into events; empty where that is no news."""
Show = Callable[[Frame], bytes]
"""Turns a picture into an event."""

log = structlog.stdlib.get_logger(__name__)
_streams: dict[int, "EventStream"] = {}
_sweeping: "gevent.Greenlet[..., None]" = gevent.Greenlet()


class EventStream:
    """One browser's stream.

    While nothing waits there is no greenlet, which would take as much memory as all else.
    """

    __slots__ = (
        "_encode", "_has_to_show_itself", "_heartbeat", "_is_attended", "_is_over", "_parts",
        "_show", "_subscription", "_texts", "_told_at", "_wire",
    )  # fmt: skip

    def __init__(
        self,
        parts: Devmode,
        subscription: Subscription,
        texts: Watching,
        encode: Encode,
        show: Show,
        heartbeat: bytes = HEARTBEAT,
    ) -> None:
        """Count it."""
        global _sweeping
        self._parts = parts
        self._subscription = subscription
        self._texts = texts
        self._encode = encode
        self._show = show
        self._heartbeat = heartbeat
        self._wire: Wire | None = None
        self._told_at = time.monotonic()
        self._is_attended = self._is_over = self._has_to_show_itself = False
        admission.enter(subscription)
        _streams[id(self)] = self
        if not _sweeping:
            _sweeping = gevent.spawn(_sweep)

    def events(self) -> Iterator[bytes]:
        """Yield events for whoever serves the connection."""
        yield retry()
        while not self._is_over:
            self._subscription.ready.wait(HELD_BACK_S if self._is_held_back else HEARTBEAT_S)
            yield self._take() or (b"" if self._is_held_back else self._heartbeat)

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
        self._subscription.part()

    def beat(self) -> None:
        """Tell that it is still there, where nothing else does; cut it where nothing is taken."""
        wire = self._wire
        if wire is None:
            return
        if wire.is_stalled(STALLED_S):
            wire.cut()
        elif wire.is_free and is_due(time.monotonic() - self._told_at, HEARTBEAT_S, SWEEP_S):
            self._send(wire, self._heartbeat)

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
        """End it if its login has ended; have a browser that another site signed in show itself."""
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
            log.exception("a stream failed", jobs=list(self._subscription.tabs))
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
        return SIGNED_OUT if self._subscription.signed_out else farewell()


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


def _authorise(streams: list[EventStream]) -> None:
    is_over = streams[0].has_lost_its_login
    for stream in streams:
        stream.authorised(is_over=is_over)


def _sweep() -> None:
    """Look after all streams, as long as there are any."""
    authorised_at = time.monotonic()
    authorising = gevent.Greenlet()
    while _streams:
        gevent.sleep(to_beat_s(SWEEP_S))
        for stream in in_breaths(tuple(_streams.values()), SWEPT_AT_ONCE):
            stream.beat()
        age_s = time.monotonic() - authorised_at
        if is_due(age_s, AUTHORISED_FOR_S, SWEEP_S) and not authorising:
            authorised_at = time.monotonic()
            authorising = gevent.spawn(authorise_all)


def retry() -> bytes:
    """Say when to come back after the connection was lost."""
    return b"retry: %d\n\n" % random.randint(*RETRY_MS)  # noqa: S311 - spreads, no secret


def farewell() -> bytes:
    """Say when to come back: not all the browsers of this process in the same second."""
    spread_ms = max(1000, 1000 * admission.served() // RETURNS_PER_S)
    return_ms = random.randint(100, spread_ms)  # noqa: S311 - no secret
    return b"retry: %d\nevent: farewell\ndata: \n\n" % return_ms
