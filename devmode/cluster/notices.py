"""Notices between processes: "something about this subject changed, look again".

A notice is published inside the transaction that made the change, so it is heard after the
commit or not at all. Within the process it is heard at once; other processes sharing the SQLite
file see it by polling `PRAGMA data_version` on a connection of its own (it is blind to its own
connection's commits and inside an open read transaction, so: autocommit, and never written to).
A notice may be heard twice and says nothing but where to look; who hears it reads the truth.
"""

import logging
from collections import defaultdict
from collections.abc import Callable

import gevent
from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from devmode.cluster.clock import now
from devmode.cluster.database import Database, after_commit
from devmode.cluster.leases import Lease
from devmode.cluster.models import Change

POLL_S = 0.05
KEPT_S = 60.0
CLEANED_EVERY_S = 10.0

log = logging.getLogger(__name__)

Listener = Callable[[str], None]


class Notices:
    """Publishes and hears changes, by topic and subject."""

    def __init__(self, database: Database, lease: Lease) -> None:
        """Hear nothing yet; `run` hears the other processes."""
        self._database = database
        self._lease = lease
        self._listeners: dict[str, list[Listener]] = defaultdict(list)
        self._heard = 0

    def listen(self, topic: str, listener: Listener) -> None:
        """Call `listener` with the subject of every notice on `topic`; it must not block."""
        self._listeners[topic].append(listener)

    def publish(self, session: Session, topic: str, subject: object) -> None:
        """Let everyone know, once `session` has committed, that `subject` changed."""
        session.execute(
            insert(Change).values(
                process_id=self._lease.process_id, topic=topic, subject=str(subject), at=now()
            )
        )
        after_commit(session, lambda: self._tell(topic, str(subject)))

    def run(self) -> None:
        """Hear what other processes publish, for ever (run in a greenlet)."""
        with self._database.read() as session:
            self._heard = session.scalar(select(func.max(Change.sequence))) or 0
        watch = self._database.engine.raw_connection()
        watch.detach()
        version = None
        until_cleaning = CLEANED_EVERY_S
        while True:
            (seen,) = watch.cursor().execute("PRAGMA data_version").fetchone()
            if seen != version:
                version = seen
                self._hear_others()
            gevent.sleep(POLL_S)
            until_cleaning -= POLL_S
            if until_cleaning < 0:
                until_cleaning = CLEANED_EVERY_S
                self._forget_old()

    def _hear_others(self) -> None:
        with self._database.read() as session:
            changes = session.scalars(
                select(Change).where(Change.sequence > self._heard).order_by(Change.sequence)
            ).all()
        for change in changes:
            self._heard = change.sequence
            if change.process_id != self._lease.process_id:
                self._tell(change.topic, change.subject)

    def _tell(self, topic: str, subject: str) -> None:
        for listener in self._listeners[topic]:
            listener(subject)

    def _forget_old(self) -> None:
        with self._database.write() as session:
            session.execute(delete(Change).where(Change.at < now() - KEPT_S))
