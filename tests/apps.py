"""devmode in the process of its test."""

from pathlib import Path
from typing import Any

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
