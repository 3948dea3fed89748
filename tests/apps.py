"""devmode in the process of its test."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import gevent
from flask import Flask

from app import create_app
from devmode.config import Settings
from devmode.extensions import db

START_CODE = "sesame"


def app_on(database_url: str, **settings: Any) -> Flask:
    """Build it; nothing of it runs, and it has no tables."""
    given: dict[str, Any] = {
        "secret_key": "only for tests",
        "start_code": START_CODE,
        "host": "here",
    }
    return create_app(Settings(database_url=database_url, **(given | settings)))


def app_in(folder: Path, **settings: Any) -> Flask:
    """Build it with tables, in a file of this folder; nothing of it runs."""
    return with_tables(app_on(f"sqlite:///{folder / 'devmode.sqlite'}", **settings))


def with_tables(app: Flask) -> Flask:
    """Make its tables."""
    with app.app_context():
        db.create_all()
    return app


def running(app: Flask) -> Iterator[Flask]:
    """Have all of it run; it has its turn before each request, as where these come by a socket.

    A test that sends one after the other would else let its lease lapse on a machine that is busy.
    """
    answer = app.wsgi_app

    def answer_in_turn(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        gevent.idle()
        return answer(environ, start)

    app.wsgi_app = answer_in_turn  # type: ignore[method-assign]
    app.extensions["devmode"].start()
    yield app
    app.extensions["devmode"].stop()
