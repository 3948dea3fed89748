"""The keeper: a greenlet that holds one developer session and alone speaks for it.

A thin shell around the lifecycle: feeds it with what the link, the registry and the developers
say, and carries out what it answers.
"""

import logging
from collections.abc import Callable

import gevent
from gevent.event import AsyncResult
from gevent.queue import Queue

from devmode.cluster.leases import Lease
from devmode.commandserver import link as wire
from devmode.commandserver.commands import Command
from devmode.commandserver.conversation import Outcome
from devmode.errors import CommandNotConfirmed, CommandServerUnreachable, OutcomeUnknown
from devmode.jobs.registry import Job
from devmode.sessions import lifecycle as life
from devmode.sessions.links import Links
from devmode.sessions.store import Store

log = logging.getLogger(__name__)


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
        """Set when the session is open; raises what kept it from opening."""
        self._lifecycle = lifecycle
        self._store = store
        self._links = links
        self._lease = lease
        self._mailbox: Queue[life.Event] = Queue()
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
        """What forms made now should carry."""
        return self._lifecycle.revision

    def start(self, ended: Callable[["Keeper"], None]) -> None:
        """Run in a greenlet; call `ended` afterwards, however it ends."""
        link = self._listening.link
        if link.execution.known and link.state is wire.LinkState.CONNECTED:
            self.tell(life.LinkUp(link.execution))
        elif self._lifecycle.phase is life.Phase.OPENING:
            # An adopted session is open already and waits for its link as long as it takes.
            gevent.spawn_later(life.OPENING_S, self.tell, life.OpeningExpired())
        self._greenlet.link(lambda _greenlet: ended(self))
        self._greenlet.link_exception(self._failed)
        self._greenlet.start()

    def tell(self, event: life.Event) -> None:
        """Hand the lifecycle an event; never blocks."""
        self._mailbox.put(event)

    def wait_until_ended(self, *, timeout_s: float) -> None:
        """Wait until the session is over, at most `timeout_s` seconds."""
        self._greenlet.join(timeout_s)

    def abandon(self) -> None:
        """Stop at once and leave the session to whoever keeps it now."""
        self._greenlet.kill(block=False)

    def take_commands(self) -> None:
        """Take what developers left in the database for this keeper."""
        for command, by in self._store.take_commands(self.job.id, self.term):
            self.tell(
                life.Request(command.id, by, command.action, command.arguments, command.revision)
            )

    def _run(self) -> None:
        try:
            self.take_commands()
            while self._lifecycle.phase is not life.Phase.ENDED:
                event = self._mailbox.get()
                for effect in self._lifecycle.receive(event):
                    self._carry_out(effect)
        finally:
            self._listening.stop()

    def _carry_out(self, effect: life.Effect) -> None:
        match effect:
            case life.Say(number, command):
                self._say(number, command)
            case life.Watch(request_id):
                gevent.spawn_later(life.REQUEST_S, self.tell, life.Expired(request_id))
            case life.Settle(request_id, sentence, error):
                code = error.code if error else None
                self._store.answer(request_id, code, error.sentence if error else sentence)
            case life.Record(kind, text, who, turn):
                self._store.record(self.job.id, kind, text, who, turn=turn)
            case life.Opened():
                self._store.opened(self.job.id, self.term)
                self.opened.set(None)
            case life.End(reason, error):
                self._end(reason, error)

    def _say(self, number: int, command: Command) -> None:
        # The receiver knows no fencing token: the lease is checked right before the send.
        if not self._lease.is_held:
            lost = OutcomeUnknown("This process lost its lease; another one keeps the session.")
            self.tell(life.Failed(number, lost))
            return
        self._listening.link.say(command, number)

    def _end(self, reason: str, error: Exception | None) -> None:
        if self._store.remove(self.job.id, self.term) and error is None:
            self._store.record(self.job.id, "ended", reason)
        if error is not None:
            self.opened.set_exception(error)

    def _hear(self, event: wire.LinkEvent) -> None:
        link = self._listening.link
        match event:
            case wire.Heard(broadcast, before, after):
                if broadcast.is_status:
                    self.tell(life.LinkUp(after))
                elif after is not before:
                    self.tell(life.Heard(before, after))
            case wire.Lost(trouble, incompatible):
                self.tell(life.Incompatible(trouble) if incompatible else life.LinkDown(trouble))
            case wire.Answered(reference, outcome) if isinstance(reference, int):
                self.tell(self._fate(reference, outcome, link))
            case wire.ResponsivenessChanged():
                self._responsiveness_changed(link)

    def _fate(self, number: int, outcome: Outcome, link: wire.Link) -> life.Event:
        match outcome:
            case Outcome.CONFIRMED:
                return life.Confirmed(number, link.execution)
            case Outcome.NOT_CONFIRMED:
                silent = "The command server did not confirm. The page shows what it really has."
                return life.Failed(number, CommandNotConfirmed(silent))
            case Outcome.UNSENT:
                down = "The command server can't be reached; nothing was sent."
                return life.Failed(number, CommandServerUnreachable(down))
            case Outcome.ABANDONED:
                lost = "The connection was lost while the command was on its way."
                return life.Failed(number, OutcomeUnknown(lost))

    def _responsiveness_changed(self, link: wire.Link) -> None:
        if link.state is wire.LinkState.UNRESPONSIVE:
            self.tell(life.LinkDown(link.trouble or "The command server does not answer."))
        elif link.state is wire.LinkState.CONNECTED:
            self.tell(life.LinkUp(link.execution))

    def _failed(self, greenlet: "gevent.Greenlet[..., None]") -> None:
        log.error("the keeper of job %s failed", self.job.id, exc_info=greenlet.exc_info)
