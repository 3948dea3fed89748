"""Notices between processes: "something about this subject changed, look again".

A notice is published inside the transaction that made the change, so it is heard after the
commit or not at all. Within the process it is heard at once; other processes read it from a board
that they all share, and so does a process itself where the database was lost in the commit. A
notice may be heard twice and says nothing but where to look; who hears it reads the truth.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import gevent
import structlog
from sqlalchemy.orm import Session

from devmode.cluster.database import after_commit, if_unheard
from devmode.cluster.leases import Lease
from devmode.errors import DatabaseAway

AGAIN_S = 0.5

log = structlog.stdlib.get_logger(__name__)

Listener = Callable[[str], None]


@dataclass(frozen=True)
class Notice:
    """What one process lets the others know."""

    process_id: str
    topic: str
    subject: str


class Board(Protocol):
    """Where notices are left and read."""

    def post(self, session: Session, notice: Notice) -> None:
        """Leave a notice for everyone, to be seen once `session` has committed."""

    def watch(self) -> Iterator[Notice | None]:
        """Yield None once it sees everything that comes, then every notice; own ones too.

        Raises `DatabaseAway` when it can't go on; what is posted until it is called anew is missed.
        """


class Notices:
    """Publishes and hears changes, by topic and subject."""

    def __init__(self, board: Board, lease: Lease) -> None:
        """Hear nothing yet; `run` hears the other processes."""
        self._board = board
        self._lease = lease
        self._listeners: dict[str, list[Listener]] = defaultdict(list)
        self._when_missed: list[Callable[[], None]] = []
        self._uncertain: set[tuple[str, str]] = set()
        """Topics and subjects of this process that may be on the board yet."""

    def listen(self, topic: str, listener: Listener) -> None:
        """Call `listener` with the subject of every notice on `topic`; it must not block."""
        self._listeners[topic].append(listener)

    def when_missed(self, listener: Callable[[], None]) -> None:
        """Call `listener` when anything may have changed unheard; it must not block."""
        self._when_missed.append(listener)

    def publish(self, session: Session, topic: str, subject: object) -> None:
        """Let everyone know, once `session` has committed, that `subject` changed."""
        notice = Notice(self._lease.process_id, topic, str(subject))
        self._board.post(session, notice)
        after_commit(session, lambda: self._tell(notice))
        if_unheard(session, lambda: self._doubt(notice))

    def run(self) -> None:
        """Hear what other processes publish, for ever (run in a greenlet)."""
        while True:
            try:
                for notice in self._board.watch():
                    self._hear(notice)
            except DatabaseAway:
                gevent.sleep(AGAIN_S)

    def _hear(self, notice: Notice | None) -> None:
        if notice is None:
            self._uncertain.clear()
            for listener in self._when_missed:
                listener()
        elif notice.process_id != self._lease.process_id or self._was_uncertain(notice):
            self._tell(notice)

    def _doubt(self, notice: Notice) -> None:
        """Tell what may be done by now, and may not: then the board tells."""
        self._uncertain.add((notice.topic, notice.subject))
        self._tell(notice)

    def _was_uncertain(self, notice: Notice) -> bool:
        was = (notice.topic, notice.subject) in self._uncertain
        self._uncertain.discard((notice.topic, notice.subject))
        return was

    def _tell(self, notice: Notice) -> None:
        for listener in self._listeners[notice.topic]:
            # What it tells of is done: neither those behind it nor who did it suffer for it.
            try:
                listener(notice.subject)
            except Exception:
                log.exception("a notice was not taken", topic=notice.topic, subject=notice.subject)
