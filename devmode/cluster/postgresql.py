"""PostgreSQL under gevent, by psycopg 3.

What costs is not the query but each answer that is waited for, by way of the hub. So nothing is
asked before the first statement, and whoever reads waits for nothing but the rows.
"""

from select import POLLIN
from typing import Any, Final

from gevent import monkey
from psycopg import Connection
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

_poll: Final = monkey.get_original("select", "poll")
"""Gevent's takes its way through the hub."""
_FRESH: Final = "fresh"
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
_READING: Final = CONNECTION | {
    "options": f"{CONNECTION['options']} -c default_transaction_read_only=on"
}
_DISCREET: Final = {"hide_parameters": True}
"""Tracebacks go into logs: what a statement was about, as tokens and typed text, does not."""
_WRITERS: Final = {"pool_size": 12, "max_overflow": 8, "pool_timeout": 5}
"""Some wait for what a stopped process has locked."""
_SINGLE_WRITERS: Final = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 5}
"""The lease, which must not wait for those."""
_READERS: Final = {"pool_size": 10, "max_overflow": 0, "pool_timeout": 5}


def engine_options(database_url: str) -> dict[str, Any]:
    """Return what SQLAlchemy's engine needs beside the URL, for SQLite too."""
    if not make_url(database_url).drivername.startswith("postgresql"):
        return dict(_DISCREET)
    return _DISCREET | _WRITERS | {"connect_args": CONNECTION}


def prepare(engine: Engine) -> tuple[Engine, Engine]:
    """Prepare `engine` for those who write; return one to read, and one to write one statement.

    Each statement of those is a transaction of its own. For readers READ COMMITTED, PostgreSQL's
    default, shows no more with one around several; the database refuses them any change.
    """
    _check_patching()
    alone = _DISCREET | {"isolation_level": "AUTOCOMMIT"}
    readers = create_engine(engine.url, connect_args=_READING, **alone, **_READERS)
    single = create_engine(engine.url, connect_args=CONNECTION, **alone, **_SINGLE_WRITERS)
    for each in (engine, readers, single):
        event.listen(each, "connect", _note_fresh)
        event.listen(each, "checkout", _refuse_cut_off)
    for each in (readers, single):
        event.listen(engine, "engine_disposed", lambda _engine, other=each: other.dispose())
    return readers, single


def _note_fresh(_connection: Connection[Any], record: ConnectionPoolEntry) -> None:
    record.info[_FRESH] = True


def _refuse_cut_off(
    connection: Connection[Any], record: ConnectionPoolEntry, _fairy: object
) -> None:
    """Have SQLAlchemy connect anew where the database has ended a connection meanwhile.

    It says so on it when it shuts down; nothing else comes on one that nobody uses. One that died
    without a word fails when it is used.
    """
    if record.info.pop(_FRESH, False):
        return
    if connection.closed or _has_something_to_read(connection.fileno()):
        # Those beside it were ended, too.
        raise InvalidatePoolError


def _has_something_to_read(descriptor: int) -> bool:
    ready = _poll()
    ready.register(descriptor, POLLIN)
    return bool(ready.poll(0))


def _check_patching() -> None:
    """Refuse to go on with a psycopg that was imported before gevent's patches.

    It chooses how to wait when it is imported, and would stop every greenlet for every query.
    """
    from psycopg import waiting

    blocking = waiting.wait is getattr(waiting, "wait_c", None)
    if monkey.is_module_patched("select") and blocking:
        raise RuntimeError("psycopg was imported before gevent.monkey.patch_all()")
