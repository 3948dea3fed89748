"""The keeper: a greenlet that holds one developer session and alone speaks for it.

A thin shell around the lifecycle: feeds it with what the link, the registry and the developers
say, and carries out what it answers.
"""

from collections.abc import Callable
from enum import Enum
from typing import TypeVar

import gevent
import structlog
from gevent.event import AsyncResult
from gevent.queue import Queue

from devmode.cluster.leases import Lease
from devmode.commandserver import link as wire
from devmode.commandserver.conversation import Outcome
from devmode.errors import (
    CommandNotConfirmed,
    CommandServerUnreachable,
    DatabaseAway,
    OutcomeUnknown,
)
from devmode.jobs.job import Job
from devmode.sessions import events
from devmode.sessions import lifecycle as life
from devmode.sessions.links import Links
from devmode.sessions.store import Store

INSIST_S = 0.2
MOST_WAITING = 1000
"""Events beyond this are not queued; what they made of the state is told when there is time."""

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")


class Look(Enum):
    """Says that a request may wait."""

    FOR_REQUESTS = 1


class Abandoned(Exception):
    """Another process keeps the session."""


class Keeper:
    """Keeps one session for one term, until it ends or the lease is lost."""

    def __init__(
        self,
        job: Job,
        lifecycle: life.Lifecycle,
        *,
        term: int,
        store: Store,
        links: Links,
        lease: Lease,
    ) -> None:
        """Prepare; `start` begins."""
        self.job = job
        self.term = term
        self.opened: AsyncResult[None] = AsyncResult()
        """Set when the session is open; raises what kept it from opening, and `Abandoned`."""
        self._log = log.bind(job=job.id, term=term)
        self._lifecycle = lifecycle
        self._store = store
        self._links = links
        self._lease = lease
        self._mailbox: Queue[events.Event | Look] = Queue()
        self._more_wait = False
        """Whether to look for a request when the one before it is settled."""
        self._is_behind = False
        self._seen = 0
        """How many lines of the timeline it has written."""
        self._abandoned = False
        self._listening = links.listen(job, self._hear)
        self._greenlet = gevent.Greenlet(self._run)
        if lifecycle.phase is not life.Phase.OPENING:
            self.opened.set(None)

    @property
    def is_paused(self) -> bool:
        """Whether the test is paused, as far as the keeper knows."""
        return self._lifecycle.state.pause is not None

    @property
    def revision(self) -> str:
        """What forms made now should carry: they show what the link knows already.

        The lifecycle comes to know it before it comes to what such a form asks.
        """
        return f"{self.term}.{self._listening.link.execution.turn}"

    def start(self, ended: Callable[["Keeper"], None]) -> None:
        """Run in a greenlet; call `ended` afterwards, however it ends."""
        link = self._listening.link
        link.speak(lambda: self._lease.is_held)
        link.refresh()
        self._tell_how_it_is(link)
        self._greenlet.link(lambda _greenlet: ended(self))
        self._greenlet.link_exception(self._failed)
        self._greenlet.start()

    def tell(self, event: events.Event) -> None:
        """Hand the lifecycle an event; never blocks."""
        self._mailbox.put(event)

    def look_for_requests(self) -> None:
        """Take what developers left in the database for this keeper; never blocks."""
        self._mailbox.put(Look.FOR_REQUESTS)

    def tell_status(self) -> None:
        """Have the command server tell everyone its state."""
        self._listening.link.refresh()

    def wait_until_ended(self, *, timeout_s: float) -> None:
        """Wait until the session is over, or left to another keeper, at most `timeout_s`."""
        self._greenlet.join(timeout_s)

    def abandon(self) -> None:
        """Stop and leave the session to whoever keeps it now; never blocks."""
        # Not by killing the greenlet: a connection to the database may be in its hands.
        self._abandoned = True
        self._mailbox.put(Look.FOR_REQUESTS)

    def _run(self) -> None:
        try:
            # What was asked before there was anybody to be told of it.
            if self._insist(lambda: self._store.requests.any_waits(self.job.id)):
                self.look_for_requests()
            while self._lifecycle.phase is not life.Phase.ENDED and not self._abandoned:
                self._go_on()
        except Abandoned:
            pass  # there is nothing to tidy up: it is another keeper's now
        finally:
            self._listening.stop()
            if not self.opened.ready():
                self.opened.set_exception(Abandoned())

    def _tell_how_it_is(self, link: wire.Link) -> None:
        phase = self._lifecycle.phase
        if link.is_up:
            self.tell(events.LinkUp(link.execution))
        elif link.state is wire.LinkState.CLOSED:
            # Nothing else leaves a link closed, and only who listened then was told.
            self.tell(events.Incompatible(link.trouble or ""))
        elif phase is life.Phase.OPENING:
            # An adopted session is open already and waits for its link as long as it takes.
            gevent.spawn_later(events.OPENING_S, self.tell, events.OpeningExpired())
        elif phase is life.Phase.ACTIVE or link.state is wire.LinkState.UNRESPONSIVE:
            # It was up when the session was reserved, or tells nothing more until it answers.
            self.tell(events.LinkDown(link.trouble or "The command server does not answer."))

    def _go_on(self) -> None:
        event = self._next()
        if event is not None:
            for effect in self._lifecycle.receive(event):
                self._carry_out(effect)
        if self._more_wait and self._lifecycle.is_ready:
            self._more_wait = False
            # Behind what was heard: a form that is waiting may show that already.
            self.look_for_requests()

    def _next(self) -> events.Event | None:
        if self._is_behind and self._mailbox.empty():
            self._is_behind = False
            return self._as_it_is(self._listening.link)
        event = self._mailbox.get()
        return self._take_request() if isinstance(event, Look) else event

    def _as_it_is(self, link: wire.Link) -> events.LinkUp | events.Heard:
        # What was passed over may have been the first status of a link that is up again.
        return events.LinkUp(link.execution) if link.is_up else events.Heard(link.execution)

    def _take_request(self) -> events.Request | None:
        if not self._lifecycle.is_ready:
            self._more_wait = True
            return None
        take = self._store.requests.take
        request, self._more_wait = self._insist(
            lambda: take(self.job.id, self.term, self._lease.process_id)
        )
        return request

    def _carry_out(self, effect: events.Effect) -> None:
        if self._abandoned:
            raise Abandoned
        match effect:
            case events.Say(number, command):
                self._listening.link.say(command, number)
            case events.Watch(request_id):
                gevent.spawn_later(events.REQUEST_S, self.tell, events.Expired(request_id))
            case events.Record():
                self._seen += 1
                line = (self.job.id, self.term, self._seen, effect)
                self._insist(lambda: self._store.record_seen(*line))
            case _:
                self._insist(lambda: self._write(effect))

    def _write(self, effect: events.Effect) -> None:
        match effect:
            case events.Settle(request, sentence, error):
                code = error.code if error else None
                text = error.sentence if error else sentence
                self._store.requests.answer(request.id, code, text)
                self._log.info("command settled", action=request.action, outcome=code or "done")
            case events.Orphan():
                self._store.orphan(self.job.id, self.term)
            case events.Opened(turn):
                self._store.opened(self.job.id, self.term, turn)
                self.opened.set(None)
            case events.End(reason, error):
                self._store.remove(self.job.id, self.term, reason)
                self._log.info("session ended", reason=reason)
                if error is not None:
                    self.opened.set_exception(error)

    def _insist(self, change: Callable[[], T]) -> T:
        """Do it as soon as the database is there: nothing is lost, nothing gets out of order."""
        while not self._abandoned:
            try:
                return change()
            except DatabaseAway:
                gevent.sleep(INSIST_S)
        raise Abandoned

    def _hear(self, event: wire.LinkEvent) -> None:
        link = self._listening.link
        if isinstance(event, wire.Heard) and self._mailbox.qsize() > MOST_WAITING:
            self._is_behind = True
            return
        match event:
            case wire.Heard(broadcast, before, after):
                if broadcast.is_status:
                    self.tell(events.LinkUp(after))
                elif after is not before and link.is_up:
                    self.tell(events.Heard(after))
            case wire.Lost(trouble, incompatible):
                self.tell(
                    events.Incompatible(trouble) if incompatible else events.LinkDown(trouble)
                )
            case wire.Answered(reference, outcome) if isinstance(reference, int):
                self.tell(self._fate(reference, outcome, link))
            case wire.ResponsivenessChanged():
                self._responsiveness_changed(link)

    def _fate(self, number: int, outcome: Outcome, link: wire.Link) -> events.Event:
        match outcome:
            case Outcome.CONFIRMED:
                return events.Confirmed(number, link.execution)
            case Outcome.NOT_CONFIRMED:
                silent = "The command server did not confirm. The page shows what it really has."
                return events.Failed(number, CommandNotConfirmed(silent))
            case Outcome.UNSENT:
                down = "The command server can't be reached just now; nothing was sent. Try again."
                return events.Failed(number, CommandServerUnreachable(down))
            case Outcome.ABANDONED:
                lost = "The connection was lost while the command was on its way."
                return events.Failed(number, OutcomeUnknown(lost))

    def _responsiveness_changed(self, link: wire.Link) -> None:
        if link.state is wire.LinkState.UNRESPONSIVE:
            self.tell(events.LinkDown(link.trouble or "The command server does not answer."))
        elif link.state is wire.LinkState.CONNECTED:
            self.tell(events.LinkUp(link.execution))

    def _failed(self, greenlet: "gevent.Greenlet[..., None]") -> None:
        self._log.error("a keeper failed", exc_info=greenlet.exc_info)
        self._give_up_opening("The session could not be opened.")

    def _give_up_opening(self, sentence: str) -> None:
        """Tell whoever waits: nobody else would."""
        if not self.opened.ready():
            self.opened.set_exception(OutcomeUnknown(f"{sentence} See who controls the job now."))
