"""The composition root: builds devmode from its parts."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gevent
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from devmode import logs, metrics
from devmode.cluster.boards import board_of
from devmode.cluster.database import Database
from devmode.cluster.leases import Lease, NameTaken
from devmode.cluster.notices import Notices
from devmode.cluster.peers import Peers
from devmode.cluster.postgresql import engine_options
from devmode.cluster.seals import Seals
from devmode.config import Settings, WrongSetting, load
from devmode.errors import DatabaseAway
from devmode.extensions import csrf, db, migrate
from devmode.jobs.absences import Absences
from devmode.jobs.archive import Archive
from devmode.jobs.elsewhere import Elsewhere
from devmode.jobs.needlefolder import NeedleFolders
from devmode.jobs.openqa import Instance, Poller
from devmode.jobs.registry import Registry
from devmode.jobs.remote import RemoteJobs
from devmode.jobs.screenshots import request_mark
from devmode.jobs.sealing import Seal
from devmode.jobs.uploads import Uploads
from devmode.jobs.worker import WorkerNotice
from devmode.live.answers import Answers
from devmode.live.drafts import Drafts
from devmode.live.feed import Feed
from devmode.live.lookers import Lookers
from devmode.live.presence import Attendance
from devmode.live.recorded import Recorded
from devmode.live.screens import Screens
from devmode.live.texts import Texts
from devmode.openqa.api import Api
from devmode.openqa.clientconf import UnreadableClientConf, credentials_for, places
from devmode.openqa.developers import Developers
from devmode.openqa.hosts import HostRule
from devmode.openqa.server import Server
from devmode.openqa.signing import Credentials
from devmode.sessions.doctor import Doctor
from devmode.sessions.errands import Errands
from devmode.sessions.guests import Guests
from devmode.sessions.keeping import Keeping
from devmode.sessions.links import Links
from devmode.sessions.needles import Needles
from devmode.sessions.service import Sessions
from devmode.sessions.store import Store
from devmode.sessions.tokens import Tokens
from devmode.sessions.users import Logins
from devmode.web import Devmode, register
from devmode.web.admission import served
from devmode.web.cookies import Cookies
from devmode.web.internal import Doors, Internal
from devmode.web.limits import limits
from devmode.web.patience import Patience
from devmode.web.rendering import Fragments, job_regions, list_regions
from devmode.web.templates import Templates

ROOT = Path(__file__).parent
INSTANCE = ROOT / "instance"
LARGEST_BODY = 64 << 10
AGAIN_S = 0.5
HOUR_S = 3600.0

log = logging.getLogger("devmode")

Task = Callable[[], None]


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
        "MAX_CONTENT_LENGTH": LARGEST_BODY,
        "MAX_FORM_PARTS": 100,
        "SESSION_COOKIE_NAME": "devmode",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SECURE": settings.https,
        "SESSION_COOKIE_SAMESITE": "Lax",
        # A form lives as long as the sign-in: people keep the live view open all day.
        "WTF_CSRF_TIME_LIMIT": None,
    }
    app.session_interface = Cookies()
    app.jinja_loader = Templates(ROOT / "templates")
    db.init_app(app)
    csrf.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"))
    with app.app_context():
        database = Database(db.engine)
    parts = _compose(app, database, settings)
    register(app, parts)
    if settings.https:
        # Whose address counts is then the browser's, as the proxy tells it.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)  # type: ignore[method-assign]
    if settings.internal_address:
        doors = Doors(app.wsgi_app, parts.internal, settings.internal_address)
        app.wsgi_app = doors  # type: ignore[method-assign]
    app.wsgi_app = Patience(app.wsgi_app, LARGEST_BODY)  # type: ignore[method-assign]
    return app


def _compose(app: Flask, database: Database, settings: Settings) -> Devmode:
    lease = Lease(database, settings.host, settings.internal_address or None)
    seals = Seals(settings.secret_key)
    peers = Peers(lease, seals, settings.host)
    notices = Notices(board_of(database), lease)
    seal = Seal(settings.secret_key)
    remote = RemoteJobs(database, seal)
    registry = Registry(database, notices, remote, settings.pool_globs, settings.host)
    elsewhere = Elsewhere(peers, registry)
    store = Store(database, notices, lease)
    links = Links(settings.link_linger_s)
    keeping = Keeping(registry, store, links, notices, lease)
    servers = tuple(Server(url) for url in settings.openqa_urls)
    apis = _apis(settings, servers)
    errands = Errands(registry, store, apis)
    sessions = Sessions(
        registry, store, keeping, notices, elsewhere, errands, away_after_s=settings.away_after_s
    )
    folders = NeedleFolders(registry, settings.needle_globs)
    needles = Needles(sessions, store, registry, elsewhere, folders)
    # Before the feed, which is to hear of a change after what has changed is known.
    uploads = Uploads(database, notices)
    attendance = Attendance(database, notices, lease)
    kept = Path(settings.kept_directory) if settings.kept_directory else None
    archive = Archive(database, kept, settings.kept_days, settings.kept_megabytes)
    lookers = Lookers(database, lease)
    screens = Screens(
        registry,
        elsewhere,
        lookers,
        archive,
        request_mark(settings.secret_key),
        settings.link_linger_s,
    )
    texts = Texts(registry, elsewhere, archive)
    recorded = Recorded(registry, elsewhere, archive)
    fragments = Fragments(app)
    feed = Feed(
        registry,
        sessions,
        store,
        links,
        attendance,
        screens,
        archive,
        uploads,
        Developers(servers),
        partial(job_regions, fragments),
        partial(list_regions, fragments),
    )
    feed.listen_to(notices)
    screens.listen(feed.show, feed.touch)
    registry.listen(keeping.job_changed)
    registry.listen(feed.job_changed)
    registry.listen(texts.job_changed)
    registry.listen(recorded.job_changed)
    database.listen(feed.anything_changed)
    logins = Logins(database, notices, settings.login_lifetime_s)
    tokens = Tokens(database, notices)
    rules = (HostRule(api.url, settings.host_patterns) for api in apis)
    poller = Poller(database, notices, lease, seal)
    instances = map(Instance, apis, rules)
    patience_s = settings.host_away_hours * HOUR_S
    life = _Life(
        database=database,
        lease=lease,
        notices=notices,
        registry=registry,
        elsewhere=elsewhere,
        links=links,
        keeping=keeping,
        attendance=attendance,
        lookers=lookers,
        screens=screens,
        absences=Absences(database, notices, registry, links.answering, patience_s),
        archive=archive,
        recorded=recorded,
        polling=tuple(partial(poller.follow, instance) for instance in instances),
    )
    answers = Answers(registry, screens, texts, recorded, folders, lambda: keeping.is_retiring)
    return Devmode(
        settings=settings,
        sessions=sessions,
        errands=errands,
        feed=feed,
        texts=texts,
        uploads=uploads,
        workers=WorkerNotice(settings.openqa_websockets_url),
        recorded=recorded,
        drafts=Drafts(recorded, screens),
        needles=needles,
        logins=logins,
        tokens=tokens,
        guests=Guests(database, servers if settings.openqa_sign_in else ()),
        doctor=Doctor(registry, links),
        limits=limits(settings),
        notices=notices,
        start=life.start,
        problem=life.problem,
        internal=Internal(settings.host, lease, seals, answers),
        stop=life.stop,
    )


@dataclass(frozen=True)
class _Life:
    """What this process does besides answering, from its start to its end."""

    database: Database
    lease: Lease
    notices: Notices
    registry: Registry
    elsewhere: Elsewhere
    links: Links
    keeping: Keeping
    attendance: Attendance
    lookers: Lookers
    screens: Screens
    absences: Absences
    archive: Archive
    recorded: Recorded
    polling: tuple[Task, ...]
    """Each follows an openQA."""

    def start(self) -> None:
        """Take a lease, and begin with what goes on for ever."""
        self._take_up()
        self.recorded.resume()
        for task in self._tasks():
            gevent.spawn(_run_for_ever, task)

    def stop(self) -> None:
        """Withdraw what this process asked for and give the lease back."""
        # First what somebody waits for: another process takes the sessions up at once.
        self.keeping.retire()
        self.screens.stop()
        # With the lease the rows go, and nobody is told of that.
        self.attendance.rows.write()
        with contextlib.suppress(DatabaseAway):  # then it lapses by itself
            self.lease.give_back()
        self.recorded.finish()

    def problem(self) -> str | None:
        """Say why this process should not be sent people just now, None if it may."""
        if self.keeping.is_retiring:
            return "ending"
        if self.database.is_away:
            return "the database can't be reached"
        return None if self.lease.is_held else "the lease has lapsed"

    def _take_up(self) -> None:
        """Wait for the database: a worker that gave up now would end its whole gunicorn."""
        while True:
            try:
                self.lease.take()
                self.registry.end_forgotten()
            except DatabaseAway:
                gevent.sleep(AGAIN_S)
            except NameTaken as error:
                sys.exit(str(error))
            else:
                return

    def _tasks(self) -> tuple[Task, ...]:
        gauges: metrics.Gauges = {
            metrics.SESSIONS: self.keeping.count,
            metrics.LINKS: lambda: len(self.links.every()),
            metrics.VIEWERS: served,
            metrics.DATABASE_AWAY: lambda: self.database.is_away,
        }
        return (
            partial(self.lease.run, self._let_go),
            self.notices.run,
            self.registry.run,
            *self.polling,
            self.elsewhere.run,
            self.keeping.run,
            self.attendance.run,
            self.attendance.rows.run,
            self.lookers.rows.run,
            self.screens.run,
            self.absences.run,
            self.archive.run,
            self.recorded.run,
            partial(metrics.gauge, gauges),
        )

    def _let_go(self) -> None:
        """After a lapse of the lease: what others took over is theirs."""
        self.keeping.let_go()
        self.registry.take_back()
        self.attendance.rows.write_again()
        self.lookers.rows.write_again()


def _apis(settings: Settings, servers: tuple[Server, ...]) -> tuple[Api, ...]:
    """Each with the key for it: the first with that of the settings, if they have one."""
    files = places(dict(os.environ))
    try:
        found = [credentials_for(server.url, files) for server in servers]
    except UnreadableClientConf as error:
        sys.exit(str(error))
    if settings.openqa_key and found:
        found[0] = Credentials(settings.openqa_key, settings.openqa_secret)
    return tuple(map(Api, servers, found))


def _run_for_ever(task: Task) -> None:
    """Begin a background task anew if it fails: without it, a process would seem to serve."""
    while True:
        try:
            task()
        except Exception:
            log.exception("a background task of devmode failed")
        gevent.sleep(AGAIN_S)
