"""The sessions that this process keeps, the ones it adopts, and who may speak to which job."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable

import structlog
from gevent.event import Event

from devmode import metrics
from devmode.background import in_background
from devmode.beat import to_beat_s
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.commandserver.link import Link, LinkState
from devmode.errors import DatabaseAway, JobNotRunning
from devmode.jobs.job import Job, JobState
from devmode.jobs.registry import Registry
from devmode.sessions import events
from devmode.sessions import lifecycle as life
from devmode.sessions.keeper import Keeper
from devmode.sessions.links import Links
from devmode.sessions.requests import COMMAND
from devmode.sessions.store import NOBODY, ORPHANED, SESSION, STATUS, SessionFacts, Store
from devmode.sessions.users import Visitor

ROUNDS_S = 0.5
"""How often orphans are looked for and attendance is taken: with the lease and its margin, a
session is without a keeper for four seconds at most."""
QUIET_S = 5.0
"""How often it is made sure that there is still no session: the first one is told."""
RETIREMENT_S = 3.0
"""How long a keeper may take to finish what it has begun when the process ends."""
FAILED = "it was not settled whether a link may speak"

log = structlog.stdlib.get_logger(__name__)


class Keeping:
    """The keepers of this process."""

    def __init__(
        self, registry: Registry, store: Store, links: Links, notices: Notices, lease: Lease
    ) -> None:
        """Keep nothing yet; `run` takes over what nobody keeps."""
        self._registry = registry
        self._store = store
        self._links = links
        self._lease = lease
        self._keepers: dict[int, Keeper] = {}
        self._reserving: Counter[int] = Counter()
        """Jobs of which it is being written down that their session is to be kept here."""
        self._lapses = 0
        self._unsettled: set[Link] = set()
        """Of which it is being found out whether they may speak."""
        self._asked: set[int] = set()
        self.is_retiring = False
        self._due = Event()
        self._rounds_over = Event()
        self._rounds_s = ROUNDS_S
        links.attend(opened=self._link_opened, joined=self._link_joined)
        notices.listen(COMMAND, self._of_keeper(Keeper.look_for_requests))
        notices.listen(STATUS, self._of_keeper(Keeper.tell_status))
        notices.listen(SESSION, self._session_changed)
        notices.listen(ORPHANED, lambda _job_id: self._due.set())
        notices.when_missed(self._look_everywhere)
        lease.when_changed(self._due.set)

    def count(self) -> int:
        """Return how many sessions this process keeps."""
        return len(self._keepers)

    def keeper_of(self, job_id: int) -> Keeper | None:
        """Return the keeper of a job's session, if it is of this process."""
        return self._keepers.get(job_id)

    def reserve(self, job: Job, visitor: Visitor) -> bool:
        """Reserve a job and begin to keep its session; False when it is the visitor's already.

        Raises `SessionLocked`, `JobNotRunning`.
        """
        if self.is_retiring:
            return self._store.reserve(job.id, visitor.id, visitor.name, keeper=NOBODY)
        return self._reserve_here(job, visitor)

    def job_changed(self, job: Job) -> None:
        """End the session of a job that runs no more."""
        if job.state is JobState.RUNNING:
            return
        keeper = self._keepers.get(job.id)
        if keeper is not None:
            keeper.tell(events.JobOver())
        self._links.close(job.id)

    def run(self) -> None:
        """Adopt what nobody keeps and take attendance, again and again (run in a greenlet)."""
        try:
            while not self.is_retiring:
                # While the database is away nothing is decided.
                with contextlib.suppress(DatabaseAway):
                    self._round()
                self._due.wait(to_beat_s(self._rounds_s))
                self._due.clear()
        finally:
            self._rounds_over.set()

    def let_go(self) -> None:
        """After a lapse of the lease: stop keeping what others adopted meanwhile."""
        self._lapses += 1
        sessions = self._store.sessions()
        for job_id, keeper in tuple(self._keepers.items()):
            facts = sessions.get(job_id)
            if facts is None or not self._is_mine(facts) or facts.term != keeper.term:
                keeper.abandon()
                # Not only when its greenlet has ended: it may not say another word.
                del self._keepers[job_id]
        for job_id, link in self._links.every():
            self._give_voice(job_id, link, sessions.get(job_id))

    def retire(self) -> None:
        """This process, which has been `run`, ends: leave every session to the others.

        What was asked of it and not begun goes along.
        """
        self.is_retiring = True
        deadline = time.monotonic() + RETIREMENT_S
        # Others that end too leave sessions just now: one that is adopted at this moment is left
        # like those before it.
        self._due.set()
        self._rounds_over.wait(RETIREMENT_S)
        keepers = tuple(self._keepers.values())
        for keeper in keepers:
            keeper.tell(events.Retire())
        for keeper in keepers:
            keeper.wait_until_ended(timeout_s=max(0.0, deadline - time.monotonic()))
        log.info("sessions left to others", count=len(keepers))

    def _reserve_here(self, job: Job, visitor: Visitor) -> bool:
        link = self._links.of(job.id)
        # As for everybody who clicks on the page that shows the job.
        known = link.execution if link is not None and link.is_up else None
        turn = known.turn if known else None
        lapses = self._lapses
        self._reserving[job.id] += 1
        try:
            if not self._store.reserve(job.id, visitor.id, visitor.name, turn=turn):
                return False
            if self.is_retiring:
                # It became so meanwhile, and has left what it kept already.
                self._store.orphan(job.id, term=1)
            elif self._lapses == lapses:
                begun = life.Lifecycle.opened(1, known) if known else life.Lifecycle(term=1)
                self._keep(job.id, begun, term=1)
        except JobNotRunning as error:
            self._store.remove(job.id, 1, error.sentence)
            raise
        finally:
            self._reserving -= Counter([job.id])
            # Meanwhile the link was let speak, whoever was faster.
            self._session_changed(str(job.id))
        return True

    def _keep(self, job_id: int, lifecycle: life.Lifecycle, *, term: int) -> None:
        """Begin to keep a session; raise `JobNotRunning`.

        The job may have ended while the database was waited for.
        """
        job = self._registry.get(job_id)
        if job.state is not JobState.RUNNING:
            raise JobNotRunning("The job has ended.")
        keeper = Keeper(
            job, lifecycle, term=term, store=self._store, links=self._links, lease=self._lease
        )
        self._keepers[job.id] = keeper
        keeper.start(self._keeper_ended)

    def _keeper_ended(self, keeper: Keeper) -> None:
        if self._keepers.get(keeper.job.id) is keeper:
            del self._keepers[keeper.job.id]

    def _round(self) -> None:
        sessions = self._store.sessions()
        self._rounds_s = ROUNDS_S if sessions else QUIET_S
        for facts in sessions.values():
            keeper = self._keepers.get(facts.job_id)
            if keeper is not None:
                self._take_attendance(keeper, facts)
                self.job_changed(self._registry.get(facts.job_id))
        orphans = [facts for facts in sessions.values() if self._is_orphan(facts)]
        # Several processes adopt at the same time: each begins elsewhere, and all get a share.
        random.shuffle(orphans)
        for facts in orphans:
            if self.is_retiring:
                return
            self._adopt(facts)
        asked, self._asked = self._asked, set()
        for job_id, link in self._links.every():
            self._give_voice(job_id, link, sessions.get(job_id))
            if _waits_for_status(link) and job_id not in asked:
                self._store.ask_for_status(job_id)

    def _is_orphan(self, facts: SessionFacts) -> bool:
        """Nobody keeps it, or this process should, but its keeper failed."""
        if not self._is_mine(facts):
            return not facts.is_kept
        return not self._speaks_for(facts.job_id)

    def _is_mine(self, facts: SessionFacts) -> bool:
        return facts.process_id == self._lease.process_id

    def _adopt(self, facts: SessionFacts) -> None:
        job = self._registry.get(facts.job_id)
        out_of_reach = job.state is JobState.RUNNING and job.address is None
        lapses = self._lapses
        if out_of_reach or not self._store.adopt(facts):
            return
        term = facts.term + 1
        metrics.ADOPTIONS.inc()
        log.info("session adopted", job=job.id, term=term, of_process=facts.process_id)
        # What was only reserved has yet to open.
        remembered = self._store.remembered(job.id) if facts.open else None
        if self._lapses != lapses:
            return
        try:
            self._keep(job.id, life.Lifecycle(term, remembered), term=term)
        except JobNotRunning as error:
            self._store.remove(job.id, term, error.sentence)

    def _take_attendance(self, keeper: Keeper, facts: SessionFacts) -> None:
        attended = facts.tabs > 0 or not keeper.is_paused
        if attended != (facts.unattended_s is None):
            self._store.note_attendance(facts.job_id, facts.term, attended=attended)

    # Who speaks

    def _link_opened(self, job_id: int, link: Link) -> None:
        link.hush()
        self._unsettled.add(link)
        in_background(FAILED, self._settle_opened, job_id, link, job=job_id)

    def _link_joined(self, job_id: int, link: Link) -> None:
        if link not in self._unsettled:
            in_background(FAILED, self._ask_keeper, job_id, link, job=job_id)

    def _settle_opened(self, job_id: int, link: Link) -> None:
        try:
            self._settle_voice(job_id, link)
        finally:
            self._unsettled.discard(link)
        if _waits_for_status(link):
            self._ask_keeper(job_id, link)

    def _ask_keeper(self, job_id: int, link: Link) -> None:
        # The next round may come before the answer; the one after it asks again, if there is none.
        self._asked.add(job_id)
        with contextlib.suppress(DatabaseAway):
            if link.is_hushed:
                self._store.ask_for_status(job_id)

    def _session_changed(self, subject: str) -> None:
        if self._rounds_s == QUIET_S:
            self._due.set()
        job_id = int(subject)
        link = self._links.of(job_id)
        if link is not None:
            in_background(FAILED, self._settle_voice, job_id, link, job=job_id)

    def _settle_voice(self, job_id: int, link: Link) -> None:
        """Let a link speak unless another process keeps the session of its job."""
        try:
            facts = None if self._speaks_for(job_id) else self._store.session_of(job_id)
            self._give_voice(job_id, link, facts)
        except DatabaseAway:
            if job_id not in self._keepers:
                link.hush()

    def _give_voice(self, job_id: int, link: Link, facts: SessionFacts | None) -> None:
        if self._speaks_for(job_id):
            link.speak(lambda: self._lease.is_held)
        elif facts is None:
            link.speak()
        elif not link.is_hushed:
            link.hush()

    def _speaks_for(self, job_id: int) -> bool:
        return job_id in self._keepers or self._reserving[job_id] > 0

    # What others ask of the keepers here

    def _of_keeper(self, do: Callable[[Keeper], None]) -> Callable[[str], None]:
        def listener(subject: str) -> None:
            keeper = self._keepers.get(int(subject))
            if keeper is not None:
                do(keeper)

        return listener

    def _look_everywhere(self) -> None:
        for keeper in tuple(self._keepers.values()):
            keeper.look_for_requests()
        self._due.set()


def _waits_for_status(link: Link) -> bool:
    """It listens where another process speaks, and was not told yet what the test does."""
    return link.is_hushed and link.state is LinkState.CONNECTED and not link.is_up
