"""PostgreSQL under gevent, by psycopg 3."""

from typing import Any, Final

from gevent import monkey
from sqlalchemy import make_url

STATEMENT_MS: Final = 5000
IDLE_MS: Final = 2000

CONNECTION: Final[dict[str, Any]] = {
    # A host that has gone, or a network between, says nothing: don't wait for its answer.
    "connect_timeout": 3,
    "tcp_user_timeout": 3000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    # A process that was stopped in the middle of a transaction holds locks that others need to
    # take over what it kept.
    "options": f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS}"
    f" -c idle_in_transaction_session_timeout={IDLE_MS} -c application_name=devmode",
}


def engine_options(database_url: str) -> dict[str, Any]:
    """Return what SQLAlchemy's engine needs beside the URL; nothing for SQLite."""
    if not make_url(database_url).drivername.startswith("postgresql"):
        return {}
    return {
        # What was opened before the database restarted is noticed before it is used.
        "pool_pre_ping": True,
        "pool_size": 10,
        "max_overflow": 20,
        "pool_timeout": 5,
        "connect_args": CONNECTION,
    }


def check_patching() -> None:
    """Refuse to go on with a psycopg that was imported before gevent's patches.

    It chooses how to wait when it is imported, and would stop every greenlet for every query.
    """
    from psycopg import waiting

    blocking = waiting.wait is getattr(waiting, "wait_c", None)
    if monkey.is_module_patched("select") and blocking:
        raise RuntimeError("psycopg was imported before gevent.monkey.patch_all()")
