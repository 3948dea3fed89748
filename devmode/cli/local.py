"""The commands that start something on this machine: serve, simulate."""

import os
import sys
from pathlib import Path

import click
from flask import Flask
from flask_migrate import upgrade

from app import INSTANCE, ROOT, create_app


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
    type=click.Path(file_okay=False, path_type=Path),
    default=INSTANCE / "demo" / "simulated",
    help="Pool directory; devmode has to watch it. Without this instance/demo/simulated.",
)
def simulate(pool: Path) -> None:
    """Play simulated jobs until Ctrl-C.

    One after the other, in a pool directory.
    """
    _become("devmode.commandserver.simulator", "--pool", str(pool))


def application() -> Flask:
    """Build devmode, which does not serve yet, on a database that is up to date."""
    app = create_app()
    with app.app_context():
        upgrade()
    return app


def _become(module: str, *arguments: str) -> None:
    """Let this process go on as another program of the same Python: signals reach it directly."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our own
