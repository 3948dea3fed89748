"""Transactions on the one database that all processes share: SQLite or PostgreSQL.

A database that can't be reached is a state, not an accident: whoever wants something of it gets
`DatabaseAway`, those who listen are told, and the lease, renewed every second, finds out when it
is back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import structlog
from sqlalchemy import Connection, Engine, Executable
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, TimeoutError
from sqlalchemy.orm import DeclarativeBase, Session

from devmode.cluster import postgresql, sqlite
from devmode.errors import ChangeUnknown, DatabaseAway, InvalidCommand

PATIENCE_S = 12.0
"""How long a database that keeps the connection but does not answer is waited for."""
AWAY = "The database can't be reached just now. Nothing was changed; try again in a few seconds."
UNKNOWN = (
    "The database was lost in this very moment. Whether that was done is unknown: look what is true"
    " once it is back, before you try again."
)
_AFTER_COMMIT = "after_commit"
_IF_UNHEARD = "if_unheard"

log = structlog.stdlib.get_logger(__name__)


class Base(DeclarativeBase):
    """The base of every table of devmode."""


class Database:
    """Short transactions that either read or write."""

    def __init__(self, engine: Engine) -> None:
        """Prepare `engine`: each kind of database has its own needs under gevent."""
        self.engine = engine
        self.is_away = False
        self._listeners: list[Callable[[], None]] = []
        self._writers = engine.execution_options(writes=True)
        self._kind = sqlite if engine.dialect.name == "sqlite" else postgresql
        self._readers, self._single_writers = self._kind.prepare(engine)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `is_away` has changed; it must neither block nor raise."""
        self._listeners.append(listener)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for looking: rows, which cost half of what objects do.

        A change is thrown away, or refused. Raises `DatabaseAway`.
        """
        with self._reaching(), self._readers.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session whose changes are committed at the end, or not at all.

        What is done often goes by its connection: objects cost twice as much.

        Raises `DatabaseAway` when nothing was changed, and `ChangeUnknown`.
        """
        is_unheard = False
        try:
            with self._reaching(), Session(self._writers, expire_on_commit=False) as session:
                yield session
                session.flush()
                # SQLite itself says that a commit failed; of a server the answer may be lost.
                is_unheard = self._kind is postgresql
                session.commit()
        except DatabaseAway as away:
            if not is_unheard:
                raise
            _call(session, _IF_UNHEARD)
            raise ChangeUnknown(UNKNOWN) from away
        # A disk that is full can be read from: only a write proves that all is well.
        self._note(None)
        _call(session, _AFTER_COMMIT)

    def write_one(self, statement: Executable, parameters: dict[str, Any]) -> Any:
        """Execute a statement that is a transaction of its own, and return what it returns first.

        Half of what `write` has to wait for. Raises `DatabaseAway`, as that does.
        """
        with self._reaching(), self._single_writers.connect() as connection:
            value = connection.scalar(statement, parameters)
            connection.commit()
        self._note(None)
        return value

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        patience = gevent.Timeout.start_new(PATIENCE_S)
        try:
            yield
        except gevent.Timeout as timeout:
            if timeout is not patience:
                raise
            self.engine.dispose()
            raise self._lost("no answer") from timeout
        except Exception as error:
            # A connection whose waiting was ended complains in many ways, and for ever.
            if not patience.pending:
                self.engine.dispose()
                raise self._lost("no answer") from error
            if isinstance(error, IntegrityError | ProgrammingError):
                raise
            if isinstance(error, DataError):
                sentence = "That holds characters that devmode can't keep."
                raise InvalidCommand(sentence) from error
            if isinstance(error, DBAPIError | TimeoutError):
                raise self._lost(type(error).__name__) from error
            raise
        finally:
            patience.close()

    def _lost(self, trouble: str) -> DatabaseAway:
        self._note(trouble)
        return DatabaseAway(AWAY)

    def _note(self, trouble: str | None) -> None:
        away = trouble is not None
        if self.is_away != away:
            self.is_away = away
            log.warning("database away" if away else "database back", trouble=trouble)
            for listener in self._listeners:
                listener()


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Call `callback` once the transaction of `session` (from `Database.write`) is committed."""
    session.info.setdefault(_AFTER_COMMIT, []).append(callback)


def if_unheard(session: Session, callback: Callable[[], None]) -> None:
    """Call `callback` if nothing is heard of the commit: it may be done, or be done yet."""
    session.info.setdefault(_IF_UNHEARD, []).append(callback)


def _call(session: Session, which: str) -> None:
    for callback in session.info.pop(which, ()):
        callback()


def changed_rows(session: Session, statement: Executable) -> int:
    """Execute an update or a delete and return how many rows it met: the swap's success."""
    return session.connection().execute(statement).rowcount
