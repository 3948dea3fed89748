"""The lease of this process: as long as it lasts, what the process keeps is its own.

Renewed every second, lapsing after three by the database's clock. A process that was stopped and
wakes up late must not act on a lease that it lost, so `is_held` asks a clock of its own, counted
from *before* the renewal was sent.

A process that its kernel knows to be dead will not act on its lease any more: whoever renews next
on the same machine ends it, and no successor waits.

A lease that lapsed may be taken up again under the same name, as after an outage of the database:
but what others adopted meanwhile is theirs, and has to be let go before anything is done.
"""

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import gevent
import structlog
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from devmode.beat import is_due, to_beat_s
from devmode.cluster.clock import now
from devmode.cluster.database import Database, changed_rows
from devmode.cluster.incarnations import has_died, is_of_another_machine, own_incarnation
from devmode.cluster.models import Process
from devmode.errors import DatabaseAway

RENEWAL_S = 1.0
LEASE_S = 3.0
MARGIN_S = 0.5
"""The holder stops this long before, the successor starts this long after the lease's end."""
LOOK_S = 2.0
"""How often it is looked which other processes have a lease."""
FORGOTTEN_AFTER_S = 60.0

# Put together once: that takes longer than the database needs to answer.
_RENEW = (
    update(Process)
    .where(Process.id == bindparam("mine"), Process.lease_until > now())
    .values(lease_until=now() + LEASE_S)
    .returning(Process.lease_until)
)
_EVERYBODY = select(
    Process.id,
    Process.host,
    Process.address,
    Process.incarnation,
    (Process.lease_until - now()).label("left_s"),
)

log = structlog.stdlib.get_logger(__name__)


class NameTaken(Exception):
    """Another machine goes by the name of this one; its text is a sentence for who runs devmode."""


@dataclass(frozen=True)
class Holder:
    """A process with a lease, this one or another; for its facts see `models.Process`."""

    process_id: str
    host: str
    address: str | None
    incarnation: str | None


class Lease:
    """The row of this process in `processes`."""

    def __init__(self, database: Database, host: str, address: str | None = None) -> None:
        """Prepare a lease that `take` takes."""
        self.process_id = ""
        self.holders: tuple[Holder, ...] = ()
        """Who had a lease when that was looked at last."""
        self._database = database
        self._host = host
        self._address = address
        self._timed = (0.0, 0.0)
        """What the database's clock showed, and when that was by `_clock`."""
        self._held_until = 0.0
        self._asked_at = 0.0
        self._lapsed = False
        self._has_left = False
        self._looked_at = 0.0
        self._when_changed: list[Callable[[], None]] = []

    def when_changed(self, listener: Callable[[], None]) -> None:
        """Call `listener` when others than before have a lease; it must not block."""
        self._when_changed.append(listener)

    @property
    def is_held(self) -> bool:
        """Whether this process may still act on what it keeps."""
        return _clock() < self._held_until

    @property
    def database_time(self) -> float:
        """What the database's clock shows, near enough: it was asked a second ago."""
        shown, when = self._timed
        return shown + _clock() - when

    def take(self) -> None:
        """Enter this process among the living, under an id that nobody had before.

        Raises `NameTaken`: two machines that take each other's jobs for their own end them.
        """
        self._enter()
        if any(map(self._is_namesake, self.holders)):
            self.give_back()
            raise NameTaken(f"Another machine runs devmode under the name “{self._host}”, which is"
                            " this one's, too: give each a DEVMODE_HOST of its own.")  # fmt: skip
        self._hold()

    def renew(self) -> bool:
        """Extend the lease; False when it had lapsed, until `resume` or `take` makes it good."""
        self._asked_at = _clock()
        lease_until = self._database.write_one(_RENEW, {"mine": self.process_id})
        if lease_until is None:
            self._lapsed = True
            self._held_until = 0.0
        else:
            self._timed = lease_until - LEASE_S, self._asked_at
        # It may have been given back while this was under way.
        if not self._lapsed and not self._has_left:
            self._hold()
        return not self._lapsed

    def look(self) -> None:
        """Look which processes have a lease."""
        self._looked_at = _clock()
        self._see(self._holders())

    def end_those_of_the_dead(self) -> None:
        """End the leases of processes of this machine that were killed."""
        dead = [holder for holder in self.holders if has_died(holder.incarnation)]
        if not dead:
            return
        those = Process.id.in_([holder.process_id for holder in dead])
        # Nobody waits out the margin of one who can't say another word.
        end = update(Process).where(those, Process.lease_until > now())
        with self._database.write() as session:
            ended = session.scalars(
                end.values(lease_until=now() - MARGIN_S).returning(Process.id)
            ).all()
        # The others had given theirs back.
        if ended:
            log.warning("processes have died", processes=ended)
        self._see(tuple(holder for holder in self.holders if holder not in dead))

    def resume(self, let_go: Callable[[], None]) -> None:
        """Go on after a lapse, once `let_go` has dropped what others adopted meanwhile.

        `let_go` is called when nobody can adopt any more: adopters look at the lease, which is
        good again, under the lock of its row. A process that was forgotten gets another name.
        """
        self._asked_at = _clock()
        with self._database.write() as session:
            extend = update(Process).where(Process.id == self.process_id)
            known = changed_rows(session, extend.values(lease_until=now() + LEASE_S)) == 1
        if not known:
            self._enter()
        let_go()
        self._hold()

    def give_back(self) -> None:
        """Leave, so that others need not wait for the lease to lapse."""
        self._has_left = True
        self._held_until = 0.0
        with self._database.write() as session:
            session.execute(delete(Process).where(Process.id == self.process_id))

    def run(self, let_go: Callable[[], None]) -> None:
        """Renew every second until `give_back`; after a lapse, `resume` (run in a greenlet)."""
        while not self._has_left:
            gevent.sleep(to_beat_s(RENEWAL_S))
            try:
                if not self.renew() and not self._has_left:
                    log.error("lease lapsed: stopped for too long", process=self.process_id)
                    self.resume(let_go)
                if is_due(_clock() - self._looked_at, LOOK_S, RENEWAL_S):
                    self.look()
                self.end_those_of_the_dead()
            except DatabaseAway:
                continue

    def _enter(self) -> None:
        self.process_id = uuid.uuid4().hex
        self._asked_at = _clock()
        with self._database.write() as session:
            entering = insert(Process).values(
                id=self.process_id,
                host=self._host,
                lease_until=now() + LEASE_S,
                address=self._address,
                incarnation=own_incarnation(),
            )
            lease_until = session.scalars(entering.returning(Process.lease_until)).one()
        self._timed = lease_until - LEASE_S, self._asked_at
        self.look()
        log.info("lease taken", process=self.process_id, pid=os.getpid())

    def _holders(self) -> tuple[Holder, ...]:
        """Return who has a lease, and forget those who have had none for long."""
        with self._database.read() as connection:
            everybody = connection.execute(_EVERYBODY).all()
        if any(row.left_s < -FORGOTTEN_AFTER_S for row in everybody):
            with self._database.write() as session:
                long_ago = Process.lease_until < now() - FORGOTTEN_AFTER_S
                session.execute(delete(Process).where(long_ago))
        return tuple(
            Holder(row.id, row.host, row.address, row.incarnation)
            for row in everybody
            if row.left_s > 0
        )

    def _is_namesake(self, holder: Holder) -> bool:
        return holder.host == self._host and is_of_another_machine(holder.incarnation)

    def _see(self, holders: tuple[Holder, ...]) -> None:
        before, self.holders = self.holders, holders
        if {holder.process_id for holder in before} != {holder.process_id for holder in holders}:
            for listener in self._when_changed:
                listener()

    def _hold(self) -> None:
        self._lapsed = False
        self._held_until = self._asked_at + LEASE_S - MARGIN_S


def is_alive(session: Session, process_id: str) -> bool:
    """Tell whether a process has its lease, and keep it from taking it up again until the commit.

    Judged with the margin that the successor of a process has to wait out.
    """
    alive = select(Process.lease_until + MARGIN_S > now()).where(Process.id == process_id)
    return bool(session.scalar(alive.with_for_update()))


def _clock() -> float:
    """Seconds that go on while this process, or the whole machine, is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
