"""Who is being served for long: how many may be, and when they are sent away."""

from collections import Counter

import gevent
from gevent.event import Event

from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway, Overloaded, TooMany
from devmode.live.subscription import Subscription
from devmode.sessions.users import LOGIN, Visitor
from devmode.web import Devmode

LEFT_S = 0.02
"""How often to look whether everyone has left."""

draining = Event()
"""Set when this process shuts down: all say farewell and end."""
_open: Counter[str] = Counter()
_subscriptions: dict[int, Subscription] = {}


def admit(parts: Devmode, login_id: str) -> None:
    """Let one more be served; raise `Overloaded` or `TooMany`."""
    if len(_subscriptions) >= parts.settings.streams:
        raise Overloaded("devmode has as many event streams as it can serve. Try again later.")
    if _open[login_id] >= parts.settings.streams_per_login:
        raise TooMany("Too many event streams of this sign-in or token are open. Close some.")


def enter(subscription: Subscription) -> None:
    """Count a subscription that is being served."""
    _open[subscription.visitor.login_id] += 1
    _subscriptions[id(subscription)] = subscription


def leave(subscription: Subscription) -> None:
    """Count it no more."""
    login_id = subscription.visitor.login_id
    _open[login_id] -= 1
    if not _open[login_id]:
        del _open[login_id]
    del _subscriptions[id(subscription)]


def drain() -> None:
    """Let everyone go: this process shuts down."""
    draining.set()
    for subscription in tuple(_subscriptions.values()):
        subscription.wake()


def wait_until_all_left() -> None:
    """Return when nobody is served any more; for how long that may take, the caller decides."""
    while _subscriptions:
        gevent.sleep(LEFT_S)


def served() -> int:
    """Return how many this process serves."""
    return len(_subscriptions)


def listen_to(notices: Notices) -> None:
    """Wake those of a login or a token that is over."""
    notices.listen(LOGIN, _wake)


def is_over(parts: Devmode, visitor: Visitor) -> bool:
    """Tell whether a login or a token has ended, or is good for something else by now.

    While the database is away it goes on.
    """
    try:
        return parts.visitor_of(visitor.login_id) != visitor
    except DatabaseAway:
        return False


def _wake(login_id: str) -> None:
    for subscription in tuple(_subscriptions.values()):
        if subscription.visitor.login_id == login_id:
            subscription.signed_out = True
            subscription.wake()
