"""The web: parse, authorise, call, render. No rule of the domain lives here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from devmode.cluster.notices import Notices
from devmode.config import Settings
from devmode.extensions import csrf
from devmode.jobs.uploads import Uploads
from devmode.jobs.worker import WorkerNotice
from devmode.live.drafts import Drafts
from devmode.live.feed import Feed
from devmode.live.recorded import Recorded
from devmode.live.texts import Texts
from devmode.sessions.doctor import Doctor
from devmode.sessions.errands import Errands
from devmode.sessions.guests import Guests
from devmode.sessions.needles import Needles
from devmode.sessions.service import Sessions
from devmode.sessions.tokens import Tokens
from devmode.sessions.users import Logins, Visitor
from devmode.web.internal import Internal
from devmode.web.limits import Limits


@dataclass(frozen=True)
class Devmode:
    """What the routes call."""

    settings: Settings
    sessions: Sessions
    errands: Errands
    feed: Feed
    texts: Texts
    uploads: Uploads
    workers: WorkerNotice
    recorded: Recorded
    drafts: Drafts
    needles: Needles
    logins: Logins
    tokens: Tokens
    guests: Guests
    doctor: Doctor
    limits: Limits
    notices: Notices
    start: Callable[[], None]
    """Begin to keep, scan and renew: to be called once, by the process that serves."""
    problem: Callable[[], str | None]
    """Why this process should not be sent people just now, None if it may."""
    internal: Internal
    """What other hosts are answered."""
    stop: Callable[[], None]
    """Withdraw what this process asked for and give the lease back."""

    def visitor_of(self, login_id: str) -> Visitor | None:
        """Return whose login or token this is, None when it is over."""
        return (
            self.guests.visitor_of(login_id)
            or self.logins.visitor_of(login_id)
            or self.tokens.visitor_of(login_id)
        )


def devmode() -> Devmode:
    """Return the parts of the application that serves this request."""
    return cast("Devmode", current_app.extensions["devmode"])


def register(app: Flask, parts: Devmode) -> None:
    """Add every route, error page and header to the application."""
    from devmode.web import (
        accounts,
        addresses,
        admission,
        api,
        errors,
        health,
        jobs,
        livehandler,
        needles,
        openapi,
        results,
        screen,
        security,
        steering,
        stream,
        texts,
        timeline,
    )

    app.extensions["devmode"] = parts
    app.url_map.converters["int"] = addresses.Digits
    security.register(app)
    errors.register(app)
    for module in (
        accounts,
        api,
        jobs,
        openapi,
        health,
        livehandler,
        needles,
        results,
        screen,
        steering,
        stream,
        texts,
        timeline,
    ):
        app.register_blueprint(module.blueprint)
    # A token stands in a header that no form of another site can send.
    csrf.exempt(api.blueprint)
    # What changes something there is signed by a key, or a websocket of our own page.
    csrf.exempt(livehandler.blueprint)
    admission.listen_to(parts.notices)
