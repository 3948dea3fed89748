"""Transactions on the one database that all processes share.

SQLite under gevent: a `busy_timeout` would block the whole hub while another process writes, so
it is 0, what writes begins with `BEGIN IMMEDIATE`, and waiting for the write lock is a sleep that
lets other greenlets run.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Engine, Executable, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

WRITE_LOCK_TIMEOUT_S = 10.0
"""How long a writer waits for the others: far longer than any transaction of devmode takes."""


class Base(DeclarativeBase):
    """The base of every table of devmode."""


class Database:
    """Short transactions that either read or write."""

    def __init__(self, engine: Engine) -> None:
        """Prepare `engine`; SQLite gets WAL, foreign keys and explicit transactions."""
        self.engine = engine
        self._writers = engine.execution_options(writes=True)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for looking; what it changes is thrown away."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session whose changes are committed at the end, or not at all."""
        with Session(self._writers, expire_on_commit=False) as session:
            with session.begin():
                yield session
            for callback in session.info.pop("after_commit", ()):
                callback()


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Call `callback` once the transaction of `session` (from `Database.write`) is committed."""
    session.info.setdefault("after_commit", []).append(callback)


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        "busy_timeout = 0",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
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


def changed_rows(session: Session, statement: Executable) -> int:
    """Execute an update or a delete and return how many rows it met: the swap's success."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def is_locked(error: OperationalError) -> bool:
    """Tell whether SQLite refused because somebody else writes just now."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
