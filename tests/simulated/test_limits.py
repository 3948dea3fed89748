"""What one browser can hold up: nothing but itself."""

import io
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from devmode.errors import DatabaseAway, Overloaded
from devmode.live.subscription import Subscription
from devmode.sessions.users import Role, Visitor
from devmode.web import admission, eventstream, livehandler, patience, stream
from devmode.web.patience import TROUBLE, Patience
from devmode.web.wire import Wire
from tests.waiting import until

GUEST = Visitor(1, "olivia", Role.OPERATOR, "login", signed_in_at="http://openqa")


class Endless(io.RawIOBase):
    def read(self, _size: int = -1) -> bytes:
        gevent.sleep(60)
        return b""


def arrived(body: Any, **environ: str) -> tuple[str | None, bytes]:
    """Sends a body through; tells the trouble that it comes with, and what of it can be read."""

    def app(environ: dict[str, Any], _start: Any) -> list[bytes]:
        trouble = environ.get(TROUBLE)
        return [trouble.code.encode() if trouble else b"", environ["wsgi.input"].read()]

    trouble, read = Patience(app, longest=10)({"wsgi.input": body, **environ}, None)  # type: ignore[arg-type]
    return trouble.decode() or None, read


@pytest.mark.parametrize("length", [{"CONTENT_LENGTH": "4"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_a_body_is_read_before_the_application_is_called(length: dict[str, str]) -> None:
    assert arrived(io.BytesIO(b"body"), **length) == (None, b"body")


@pytest.mark.parametrize("half", [b"", b"bod"])
def test_half_a_body_reaches_no_route(half: bytes) -> None:
    assert arrived(io.BytesIO(half), CONTENT_LENGTH="4") == ("cut_short", b"")


@pytest.mark.parametrize(
    "length", [{"CONTENT_LENGTH": "100"}, {"HTTP_TRANSFER_ENCODING": "chunked"}]
)
def test_a_body_that_is_too_long_is_read_to_its_end_and_left_to_be_refused(
    length: dict[str, str],
) -> None:
    long = io.BytesIO(b"x" * 100)
    assert arrived(long, **length) == (None, b"x" * 11)
    assert not long.read()


def test_a_body_without_an_end_is_refused_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WASTED", 1 << 20)
    endless = io.BytesIO(b"x" * (2 << 20))
    assert arrived(endless, HTTP_TRANSFER_ENCODING="chunked") == (None, b"x" * 11)
    assert endless.tell() < 1.2 * (1 << 20)


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BODY_S", 0.05)
    assert arrived(Endless(), CONTENT_LENGTH="5") == ("too_slow", b"")


def watching(visitor: Visitor, visitor_of: Callable[[str], object]) -> eventstream.EventStream:
    """Return the stream of a visitor; `visitor_of` is asked for what a login is good for."""
    parts: Any = SimpleNamespace(
        visitor_of=visitor_of, feed=SimpleNamespace(unsubscribe=lambda _subscription: None)
    )
    texts: Any = SimpleNamespace(has_news=False, close=lambda: None)
    subscription = Subscription(visitor, Counter())
    return eventstream.EventStream(parts, subscription, texts, stream._event, stream._picture)


@pytest.fixture
def events(found: Visitor) -> Iterator[Iterator[bytes]]:
    """The stream of a guest, of whose login `found` is found when it is looked at again."""
    told = watching(GUEST, lambda _login_id: found)
    yield told.events()
    told.close()


@pytest.mark.parametrize("found", [GUEST])
def test_a_guest_of_openqa_is_asked_to_show_itself(events: Iterator[bytes]) -> None:
    assert next(events).startswith(b"retry: ")
    eventstream.authorise_all()
    assert next(events) == eventstream.WHO


def test_who_can_not_be_shown_the_texts_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Subscription] = []
    watched = Subscription(GUEST, Counter())

    def away(*_arguments: object) -> None:
        raise DatabaseAway("away")

    feed = SimpleNamespace(subscribe=lambda *_arguments: watched, unsubscribe=left.append)
    parts = SimpleNamespace(
        feed=feed,
        texts=SimpleNamespace(watch=away),
        settings=SimpleNamespace(streams=1, streams_per_login=1),
    )
    monkeypatch.setattr(stream, "devmode", lambda: parts)
    monkeypatch.setattr(stream, "sight_on", lambda *_arguments: None)
    with pytest.raises(DatabaseAway):
        stream.follow(GUEST, [], stream._event)
    assert left == [watched]


def test_of_who_is_served_no_longer_nothing_is_kept() -> None:
    first, second = Subscription(GUEST, Counter()), Subscription(GUEST, Counter())
    admission.enter(first)
    admission.enter(second)
    admission.leave(first)
    assert admission._open[GUEST.login_id] == 1
    admission.leave(second)
    assert GUEST.login_id not in admission._open


def test_a_page_of_openqa_that_can_not_be_served_gets_no_control(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = MagicMock(settings=SimpleNamespace(streams=0, streams_per_login=1))
    monkeypatch.setattr(livehandler, "devmode", lambda: parts)
    monkeypatch.setattr(livehandler, "visitor", lambda: GUEST)
    with pytest.raises(Overloaded):
        livehandler._taken_control(MagicMock(), MagicMock())
    parts.sessions.start.assert_not_called()


def test_nobody_waits_for_the_openqa_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Event()

    def visitor_of(login_id: str) -> Visitor | None:
        return slow.wait() if login_id != "token" else None

    logins = [GUEST] * 3 + [replace(GUEST, login_id="token", signed_in_at=None)]
    logins = [replace(login, id=number) for number, login in enumerate(logins)]
    monkeypatch.setattr(eventstream, "ASKED_AT_ONCE", 2)
    streams = [watching(login, visitor_of) for login in logins]
    authorising = gevent.spawn(eventstream.authorise_all)
    assert eventstream.SIGNED_OUT in list(streams[-1].events())
    authorising.kill()
    for each in streams:
        each.close()


@pytest.mark.parametrize("found", [replace(GUEST, role=Role.VIEWER)])
def test_whose_role_has_changed_is_signed_out(events: Iterator[bytes]) -> None:
    next(events)
    eventstream.authorise_all()
    assert list(events) == [eventstream.SIGNED_OUT]


def test_a_stream_that_is_over_is_gone_without_garbage_collection(uncollected: None) -> None:
    ours, theirs = socket.socketpair()
    told = watching(GUEST, lambda _login_id: GUEST)
    told.go_on_over(Wire(ours, chunked=True))
    subscription = weakref.ref(told._subscription)
    theirs.close()
    del told, ours
    until(lambda: subscription() is None, "nothing to know the stream")
