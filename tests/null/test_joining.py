"""Who comes is told everything at once, and only once, whatever happens while they do."""

from typing import Any

import gevent
import pytest
from flask import Flask
from gevent.event import Event

from devmode.errors import DatabaseAway
from devmode.live.audience import Audience
from devmode.live.feed import Feed
from devmode.live.subscription import News, Subscription
from devmode.sessions.users import Visitor
from tests.null.fixtures import Person, Watched
from tests.waiting import LIMIT_S, until


@pytest.fixture
def feed(app: Flask) -> Feed:
    feed: Feed = app.extensions["devmode"].feed
    return feed


@pytest.fixture
def olivia(owner: Person, app: Flask) -> Visitor:
    return seen_as(app, owner)


@pytest.fixture
def welcomed(monkeypatch: pytest.MonkeyPatch) -> list[Audience]:
    """As whom somebody was told everything, one after the other."""
    found: list[Audience] = []
    offer = Subscription.offer

    def noted(subscription: Subscription, news: News) -> None:
        if news.subject and "schedule" in news.regions and "release" in news.regions:
            found.append(subscription.audiences[news.subject])
        offer(subscription, news)

    monkeypatch.setattr(Subscription, "offer", noted)
    return found


def seen_as(app: Flask, person: Person) -> Visitor:
    with person.client.session_transaction() as cookie:
        secret = cookie["login"]
    visitor: Visitor | None = app.extensions["devmode"].logins.visitor(secret)
    assert visitor is not None
    return visitor


def test_who_is_served_while_they_join_is_not_told_everything_again(
    feed: Feed,
    olivia: Visitor,
    shared_job: Watched,
    welcomed: list[Audience],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enter = feed._sources._attendance.enter

    def slow(job_id: int, user_id: int, tabs: int) -> None:
        enter(job_id, user_id, tabs)
        feed.touch(job_id)
        until(lambda: welcomed, "the feed to serve whoever joins")

    monkeypatch.setattr(feed._sources._attendance, "enter", slow)
    subscription = feed.subscribe(olivia, [shared_job.id])
    feed.unsubscribe(subscription)
    assert len(welcomed) == 1


def test_who_could_not_be_shown_everything_while_they_join_is_shown_it_then(
    feed: Feed,
    olivia: Visitor,
    shared_job: Watched,
    welcomed: list[Audience],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = Event()
    enter, whole = feed._sources._attendance.enter, feed._whole

    def slow(job_id: int, user_id: int, tabs: int) -> None:
        enter(job_id, user_id, tabs)
        feed.touch(job_id)
        assert failed.wait(LIMIT_S)

    def fail_once(*what: Any) -> Any:
        if failed.is_set():
            return whole(*what)
        failed.set()
        raise DatabaseAway("gone")

    monkeypatch.setattr(feed._sources._attendance, "enter", slow)
    monkeypatch.setattr(feed, "_whole", fail_once)
    feed.unsubscribe(feed.subscribe(olivia, [shared_job.id]))
    assert len(welcomed) == 1


def test_who_comes_while_the_database_is_read_sees_what_it_says(
    feed: Feed,
    olivia: Visitor,
    owner: Person,
    shared_job: Watched,
    welcomed: list[Audience],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner.takes_control(shared_job)
    gate, reading = Event(), Event()
    read = feed._store.recorded_of

    def slow(job_id: int) -> object:
        reading.set()
        gate.wait(LIMIT_S)
        return read(job_id)

    monkeypatch.setattr(feed._store, "recorded_of", slow)
    first = gevent.spawn(feed.subscribe, olivia, [shared_job.id])
    assert reading.wait(LIMIT_S)
    second = gevent.spawn(feed.subscribe, olivia, [shared_job.id])
    until(lambda: len(feed._channels[shared_job.id].subscribers) == 2, "the second to join")
    gate.set()
    for joining in (first, second):
        feed.unsubscribe(joining.get(timeout=LIMIT_S))
    owner.does(shared_job, "session/release", then="stay")
    assert set(welcomed) == {Audience.OWNER}
