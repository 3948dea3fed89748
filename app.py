"""The composition root: builds devmode from its parts."""

import contextlib
import logging
import os
import sys
from functools import partial
from pathlib import Path

import gevent
from flask import Flask
from gevent import Greenlet
from werkzeug.middleware.proxy_fix import ProxyFix

from devmode import logs, metrics
from devmode.cluster.boards import board_of
from devmode.cluster.database import Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.cluster.postgresql import engine_options
from devmode.config import Settings, WrongSetting, load
from devmode.errors import DatabaseAway
from devmode.extensions import csrf, db, migrate
from devmode.jobs.archive import Archive
from devmode.jobs.registry import Registry
from devmode.jobs.screenshots import request_mark
from devmode.live.feed import Feed
from devmode.live.lookers import Lookers
from devmode.live.presence import Attendance
from devmode.live.screens import Screens
from devmode.live.texts import Texts
from devmode.sessions.keeping import Keeping
from devmode.sessions.links import Links
from devmode.sessions.service import Sessions
from devmode.sessions.store import Store
from devmode.sessions.tokens import Tokens
from devmode.sessions.users import Logins
from devmode.web import Devmode, register
from devmode.web.limits import limits
from devmode.web.patience import Patience
from devmode.web.rendering import Fragments, job_regions, list_regions
from devmode.web.stream import open_streams

ROOT = Path(__file__).parent
INSTANCE = ROOT / "instance"
LARGEST_BODY = 64 << 10

log = logging.getLogger("devmode")


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application; `start` must have been called before it can serve jobs."""
    try:
        settings = settings or load(os.environ, INSTANCE)
    except WrongSetting as error:
        sys.exit(str(error))
    logs.through_logging()
    app = Flask("devmode", root_path=str(ROOT), instance_path=str(INSTANCE))
    app.config |= {
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(settings.database_url),
        "TRUSTED_HOSTS": settings.trusted_hosts,
        "MAX_CONTENT_LENGTH": LARGEST_BODY,
        "MAX_FORM_PARTS": 100,
        "SESSION_COOKIE_NAME": "devmode",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SECURE": settings.https,
        "SESSION_COOKIE_SAMESITE": "Lax",
        # A form lives as long as the sign-in: people keep the live view open all day.
        "WTF_CSRF_TIME_LIMIT": None,
    }
    db.init_app(app)
    csrf.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"))
    with app.app_context():
        database = Database(db.engine)
    register(app, _compose(app, database, settings))
    if settings.https:
        # Whose address counts is then the browser's, as the proxy tells it.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)  # type: ignore[method-assign]
    app.wsgi_app = Patience(app.wsgi_app, LARGEST_BODY)  # type: ignore[method-assign]
    return app


def _compose(app: Flask, database: Database, settings: Settings) -> Devmode:
    lease = Lease(database, settings.host)
    notices = Notices(board_of(database), lease)
    registry = Registry(database, notices, settings.pool_globs, settings.host)
    store = Store(database, notices, lease)
    links = Links(settings.link_linger_s)
    keeping = Keeping(registry, store, links, notices, lease)
    sessions = Sessions(registry, store, keeping, notices, away_after_s=settings.away_after_s)
    attendance = Attendance(database, notices, lease)
    kept = Path(settings.kept_directory) if settings.kept_directory else None
    archive = Archive(database, kept, settings.kept_days)
    screens = Screens(
        registry,
        Lookers(database, lease),
        archive,
        request_mark(settings.secret_key),
        settings.link_linger_s,
    )
    fragments = Fragments(app)
    feed = Feed(
        registry,
        sessions,
        store,
        links,
        attendance,
        screens,
        archive,
        partial(job_regions, fragments),
        partial(list_regions, fragments),
    )
    feed.listen_to(notices)
    screens.listen(feed.show, feed.touch)
    registry.listen(keeping.job_changed)
    registry.listen(feed.job_changed)
    database.listen(feed.anything_changed)
    logins = Logins(database, notices, settings.login_lifetime_s)
    tokens = Tokens(database, notices)

    def let_go() -> None:
        """After a lapse of the lease: what others took over is theirs."""
        keeping.let_go()
        attendance.enter_again()
        screens.enter_again()

    gauges: metrics.Gauges = {
        metrics.SESSIONS: keeping.count,
        metrics.LINKS: lambda: len(links.every()),
        metrics.VIEWERS: open_streams,
        metrics.DATABASE_AWAY: lambda: database.is_away,
    }

    def problem() -> str | None:
        if keeping.is_retiring:
            return "ending"
        if database.is_away:
            return "the database can't be reached"
        return None if lease.is_held else "the lease has lapsed"

    def start() -> None:
        lease.take()
        registry.end_forgotten()
        for run in (
            lambda: lease.run(let_go),
            notices.run,
            registry.run,
            keeping.run,
            screens.run,
            archive.run,
            lambda: metrics.gauge(gauges),
        ):
            gevent.spawn(run).link_exception(_log_failure)

    def stop() -> None:
        screens.stop()
        keeping.retire()
        with contextlib.suppress(DatabaseAway):  # then it lapses by itself
            lease.give_back()

    texts = Texts(registry, archive)
    registry.listen(texts.job_changed)
    return Devmode(
        settings,
        sessions,
        feed,
        texts,
        logins,
        tokens,
        limits(settings),
        notices,
        start,
        problem,
        stop,
    )


def _log_failure(greenlet: "Greenlet[..., None]") -> None:
    log.error("a background task of devmode failed", exc_info=greenlet.exc_info)
