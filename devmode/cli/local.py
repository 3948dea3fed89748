"""The commands that start something on this machine: serve, simulate."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryFile

import click
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import OperationalError

from app import INSTANCE, ROOT, create_app
from devmode.cli.exits import UNREACHABLE, Failure
from devmode.extensions import db


@click.command()
@click.option("--bind", metavar="HOST:PORT", help="Instead of what DEVMODE_BIND says.")
def serve(bind: str | None) -> None:
    """Serve devmode until Ctrl-C.

    Brings the database up to date first.

    The settings are those of README.md, DEVMODE_POOL_DIRECTORIES and so on.

    \b
    Example:
      DEVMODE_POOL_DIRECTORIES='/var/lib/openqa/pool/*' devmode serve --bind 127.0.0.1:8001
    """
    if bind is not None:
        os.environ["DEVMODE_BIND"] = bind
    settings = application().extensions["devmode"].settings
    # gunicorn knows the environment alone, and the start code has to be the one that is printed.
    os.environ |= {"DEVMODE_BIND": settings.bind, "DEVMODE_START_CODE": settings.start_code}
    click.echo(f"Sign in at http://{settings.bind}/sign-in#code={settings.start_code}")
    os.chdir(ROOT)
    _become("gunicorn", "--config", "gunicorn.conf.py", "app:create_app()")


@click.command()
@click.option(
    "--pool",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    default=INSTANCE / "demo" / "simulated",
    help="Pool directory; devmode has to watch it. Without this instance/demo/simulated.",
)
def simulate(pool: Path) -> None:
    """Play simulated jobs until Ctrl-C.

    One after the other, in a pool directory.

    \b
    Example:
      devmode simulate --pool /tmp/pool
    """
    pool.mkdir(mode=0o700, parents=True, exist_ok=True)
    # What the simulator could not write would be told in a traceback, and in its log.
    TemporaryFile(dir=pool).close()
    _become("devmode.commandserver.simulator", "--pool", str(pool))


def application() -> Flask:
    """Build devmode, which does not serve yet, on a database that is up to date.

    Raises `Failure` when the database can't be reached.
    """
    app = create_app()
    with app.app_context():
        _reach_database()
        upgrade()
    return app


def _reach_database() -> None:
    """Raise `Failure` with an exit code of its own; Alembic would end with any."""
    try:
        db.engine.connect().close()
    except OperationalError as error:
        told = f"The database of DEVMODE_DATABASE_URL can't be reached: {error.orig}"
        raise Failure(told, UNREACHABLE) from error


def _become(module: str, *arguments: str) -> None:
    """Let this process go on as another program of the same Python: signals reach it directly."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our own
