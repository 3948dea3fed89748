"""The boards that notices are left on: one kind for each kind of database."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import gevent
import msgspec
import psycopg
from gevent.socket import wait_read
from sqlalchemy import Row, delete, func, insert, select, text
from sqlalchemy.orm import Session

from devmode.beat import to_beat_s
from devmode.cluster import postgresql
from devmode.cluster.clock import now
from devmode.cluster.database import AWAY, Database
from devmode.cluster.models import Change
from devmode.cluster.notices import Board, Notice
from devmode.cluster.walwatch import looks
from devmode.errors import DatabaseAway

KEPT_S = 60.0
CLEANED_EVERY_S = 10.0
CHANNEL = "devmode"
QUIET_S = 2.0
"""After this long without a notice the connection is tried: it may be dead without a word."""

# Put together once: that takes longer than the database needs to answer.
_POST = insert(Change).values(at=now())
_NOTIFY = text("SELECT pg_notify(:channel, :payload)").bindparams(channel=CHANNEL)


def board_of(database: Database) -> Board:
    """Return the board that suits the database."""
    if database.engine.dialect.name == "sqlite":
        return SqliteBoard(database)
    return PostgresqlBoard(database)


class SqliteBoard:
    """A table, looked at whenever `PRAGMA data_version` says that another one has written.

    That is asked when something was written (`devmode/cluster/walwatch.py`), on a connection of its
    own, as it is blind to its own connection's commits and inside an open read transaction: in
    autocommit, and never written to.
    """

    def __init__(self, database: Database) -> None:
        """Use the table of `database`."""
        self._database = database

    def post(self, session: Session, notice: Notice) -> None:
        """See `Board`."""
        session.connection().execute(_POST, asdict(notice))

    def watch(self) -> Iterator[Notice | None]:
        """See `Board`."""
        watch = self._database.engine.raw_connection()
        watch.detach()
        try:
            cursor = watch.cursor()
            version = None
            heard = self._newest()
            yield None
            looked_at = cleaned_at = time.monotonic()
            (_number, _name, file) = cursor.execute("PRAGMA database_list").fetchone()
            for _look in looks(file):
                # Whoever was stopped for so long may find that what was left has been cleaned away.
                if time.monotonic() - looked_at > KEPT_S / 2:
                    return
                looked_at = time.monotonic()
                (seen,) = cursor.execute("PRAGMA data_version").fetchone()
                if seen != version:
                    version = seen
                    for change in self._after(heard):
                        heard = change.sequence
                        yield Notice(change.process_id, change.topic, change.subject)
                if looked_at - cleaned_at > CLEANED_EVERY_S:
                    cleaned_at = looked_at
                    self._forget_old()
        except sqlite3.Error as error:
            raise DatabaseAway(AWAY) from error
        finally:
            watch.close()

    def _newest(self) -> int:
        with self._database.read() as connection:
            return connection.scalar(select(func.max(Change.sequence))) or 0

    def _after(self, heard: int) -> Sequence[Row[Any]]:
        query = select(Change).where(Change.sequence > heard).order_by(Change.sequence)
        with self._database.read() as connection:
            return connection.execute(query).all()

    def _forget_old(self) -> None:
        with self._database.write() as session:
            session.execute(delete(Change).where(Change.at < now() - KEPT_S))


class PostgresqlBoard:
    """`LISTEN` and `NOTIFY`: the database delivers what was posted when its transaction commits."""

    def __init__(self, database: Database) -> None:
        """Listen on a connection beside those of `database`."""
        self._database = database

    def post(self, session: Session, notice: Notice) -> None:
        """See `Board`."""
        payload = msgspec.json.encode([notice.process_id, notice.topic, notice.subject]).decode()
        session.connection().execute(_NOTIFY, {"payload": payload})

    def watch(self) -> Iterator[Notice | None]:
        """See `Board`."""
        try:
            with self._connect() as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                yield None
                while True:
                    for notify in connection.notifies(timeout=0):
                        yield Notice(*msgspec.json.decode(notify.payload, type=list[str]))
                    if not _hears_more(connection):
                        with gevent.Timeout(QUIET_S, DatabaseAway(AWAY)):
                            connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise DatabaseAway(AWAY) from error

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        engine = self._database.engine
        arguments, options = engine.dialect.create_connect_args(engine.url)
        options = {**options, **postgresql.CONNECTION, "autocommit": True}
        return psycopg.connect(*arguments, **options)


def _hears_more(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Wait until something comes, `QUIET_S` at most: psycopg would wake ten times a second."""
    try:
        wait_read(connection.fileno(), to_beat_s(QUIET_S))
    except TimeoutError:
        return False
    return True
