"""SQLite under gevent.

A `busy_timeout` would block the whole hub while another process writes, so it is 0, what writes
begins with `BEGIN IMMEDIATE`, and waiting for the write lock is a sleep that lets other greenlets
run.
"""

import random
import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

WRITE_LOCK_TIMEOUT_S = 10.0
"""How long a writer waits for the others: far longer than any transaction of devmode takes."""


def prepare(engine: Engine) -> tuple[Engine, Engine]:
    """Give every connection of `engine` WAL, foreign keys and explicit transactions.

    Return what is for those who read: the same; and for those who write one statement, who wait for
    the lock as all who write.
    """
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begin)
    return engine, engine.execution_options(writes=True)


def is_locked(error: OperationalError) -> bool:
    """Tell whether SQLite refused because somebody else writes just now."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _connected(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        "busy_timeout = 0",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get("writes"):
        connection.exec_driver_sql("BEGIN")
        return
    deadline = time.monotonic() + WRITE_LOCK_TIMEOUT_S
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if not is_locked(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 - spreads writers, no secret
        else:
            return
