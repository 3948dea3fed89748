"""The lease of this process: as long as it lasts, what the process keeps is its own.

Renewed every second, lapsing after three by the database's clock. A process that was stopped and
wakes up late must not act on a lease that it lost, so `is_held` asks its own monotonic clock,
counted from *before* the renewal was sent.
"""

import logging
import time
import uuid

import gevent
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import SQLAlchemyError

from devmode.cluster.clock import now
from devmode.cluster.database import Database, changed_rows
from devmode.cluster.models import Process

RENEWAL_S = 1.0
LEASE_S = 3.0
MARGIN_S = 0.5
"""The holder stops this long before, the successor starts this long after the lease's end."""
FORGOTTEN_AFTER_S = 60.0

log = logging.getLogger(__name__)


class Lease:
    """The row of this process in `processes`."""

    def __init__(self, database: Database, host: str) -> None:
        """Prepare a lease that `take` takes."""
        self.process_id = ""
        self._database = database
        self._host = host
        self._held_until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether this process may still act on what it keeps."""
        return time.monotonic() < self._held_until

    def take(self) -> None:
        """Enter this process among the living, under a name that nobody had before."""
        self.process_id = uuid.uuid4().hex
        asked_at = time.monotonic()
        with self._database.write() as session:
            session.execute(
                insert(Process).values(
                    id=self.process_id, host=self._host, lease_until=now() + LEASE_S
                )
            )
        self._held_until = asked_at + LEASE_S - MARGIN_S

    def renew(self) -> bool:
        """Extend the lease; return False when it had lapsed, after which it stays lost."""
        asked_at = time.monotonic()
        with self._database.write() as session:
            renewed = changed_rows(
                session,
                update(Process)
                .where(Process.id == self.process_id, Process.lease_until > now())
                .values(lease_until=now() + LEASE_S),
            )
            session.execute(delete(Process).where(Process.lease_until < now() - FORGOTTEN_AFTER_S))
        if renewed != 1:
            self._held_until = 0.0
            return False
        self._held_until = asked_at + LEASE_S - MARGIN_S
        return True

    def give_back(self) -> None:
        """Leave, so that others need not wait for the lease to lapse."""
        self._held_until = 0.0
        with self._database.write() as session:
            session.execute(delete(Process).where(Process.id == self.process_id))

    def renew_forever(self) -> None:
        """Renew every second; return when the lease was lost (run in a greenlet)."""
        while True:
            gevent.sleep(RENEWAL_S)
            try:
                if not self.renew():
                    log.error("the lease of this process lapsed: it was stopped for too long")
                    return
            except SQLAlchemyError as error:
                log.warning("the lease could not be renewed: %s", type(error).__name__)
