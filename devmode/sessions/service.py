"""What developers can do with sessions: start, act, let go, ask, hand over, take over."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import gevent
import structlog
from gevent.event import Event

from devmode.cluster.notices import Notices
from devmode.errors import (
    CommandServerUnreachable,
    DatabaseAway,
    InvalidCommand,
    JobNotRunning,
    NotPermitted,
    NotSessionOwner,
    OutcomeUnknown,
    StateChanged,
    error_of,
)
from devmode.jobs.elsewhere import Elsewhere
from devmode.jobs.job import Job, JobState
from devmode.jobs.registry import Registry
from devmode.sessions.actions import setting_command
from devmode.sessions.errands import Errands, cancellation
from devmode.sessions.events import OPENING_S
from devmode.sessions.keeper import Abandoned
from devmode.sessions.keeping import Keeping
from devmode.sessions.requests import ANSWER, ANSWER_S, NOT_OWNER
from devmode.sessions.store import DECLINED, EventFacts, SessionFacts, Store
from devmode.sessions.users import Role, Visitor, require_operator

WHOLE_TIMELINE = 10_000
"""More events than any job has."""
LOOK_S = 0.1
"""How often another process is looked at that opens a session."""

log = structlog.stdlib.get_logger(__name__)


class After(Enum):
    """What becomes of the test when its session is let go."""

    CONTINUE = "continue"
    STAY = "stay"
    CANCEL = "cancel"


class Sessions:
    """The developer sessions, for those who are permitted, whichever process keeps them."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        keeping: Keeping,
        notices: Notices,
        elsewhere: Elsewhere,
        errands: Errands,
        *,
        away_after_s: float,
    ) -> None:
        """Let `keeping` keep what is started here, and `errands` cancel what openQA runs."""
        self._errands = errands
        self._registry = registry
        self._store = store
        self._keeping = keeping
        self._elsewhere = elsewhere
        self._away_after_s = away_after_s
        self._answers: dict[int, Event] = {}
        notices.listen(ANSWER, self._answer_given)
        notices.when_missed(self._look_for_answers)

    def start(self, job_id: int, visitor: Visitor) -> None:
        """Take control of a job; by its owner once more, that is a second tab.

        Returns when the link is up and speaks developer mode. Raises `NotPermitted`,
        `JobNotFound`, `JobNotRunning`, `SessionLocked`, `CommandServerUnreachable`,
        `IncompatibleCommandServer`, `OutcomeUnknown`.
        """
        require_operator(visitor, "control a job")
        job = self._running(job_id)
        if job.obstacle:
            raise CommandServerUnreachable(job.obstacle)
        if self._keeping.reserve(job, visitor):
            log.info("session started", job=job_id, term=1)
        slow = CommandServerUnreachable("The session is taking too long to open. Try again.")
        with gevent.Timeout(OPENING_S + 5, slow), _begun():
            self._wait_until_open(job_id)

    def has_let_go(self, job_id: int, visitor: Visitor, *, within_s: float) -> bool:
        """Tell whether this visitor has let go of a job in the last seconds."""
        return self._store.has_let_go(job_id, visitor.name, within_s)

    def act(
        self,
        job_id: int,
        visitor: Visitor,
        action: str,
        arguments: Mapping[str, Any],
        revision: str | None,
    ) -> str:
        """Have the keeper perform an action; return the sentence about how it went.

        Raises `NotPermitted`, `NotSessionOwner`, `StateChanged`, `InvalidCommand`,
        `CommandNotConfirmed`, `CommandServerUnreachable`, `OutcomeUnknown`.
        """
        require_operator(visitor, "control a job")
        self._running(job_id)
        if action == "settings":
            self._check_settings(job_id, arguments)
        return self._await(
            self._store.requests.ask(job_id, visitor.id, action, dict(arguments), revision)
        )

    def release(self, job_id: int, visitor: Visitor, after: After, reason: str = "") -> str:
        """Let go of a job; return the sentence about what becomes of the test.

        A job that is cancelled can be given a `reason`. Raises as `act` does, `NotPermitted` when
        isotovideo may not be signalled, and `OpenqaAway` or `OpenqaRefused`.
        """
        match after:
            case After.CONTINUE:
                return self._let_go(job_id, visitor, "release")
            case After.STAY:
                return self._let_go(job_id, visitor, "leave")
            case After.CANCEL:
                return self._cancel(job_id, visitor, reason)

    def controlled(self, job_id: int, visitor: Visitor) -> Job:
        """Return a running job that this visitor controls.

        Raises `JobNotFound`, `JobNotRunning`, `NotPermitted`, `NotSessionOwner`.
        """
        job = self._running(job_id)
        self._owned(job_id, visitor)
        return job

    def timeline(self, job_id: int) -> tuple[EventFacts, ...]:
        """Return everything that happened in a job, newest first; raise `JobNotFound`."""
        self._registry.get(job_id)
        return self._store.events_of(job_id, WHOLE_TIMELINE)

    def request_control(self, job_id: int, visitor: Visitor) -> str:
        """Ask the owner for control."""
        require_operator(visitor, "ask for control")
        self._running(job_id)
        facts = self._store.session_of(job_id)
        if facts is None:
            raise StateChanged("Nobody controls the job any more. Take control.")
        if not self._store.request_control(job_id, visitor.id, visitor.name):
            raise StateChanged("The session changed meanwhile. See who controls the job now.")
        return f"{facts.developer} sees that you ask for control."

    def withdraw_request(self, job_id: int, visitor: Visitor) -> str:
        """Ask for control no more."""
        require_operator(visitor, "ask for control")
        self._running(job_id)
        facts = self._store.session_of(job_id)
        text = "Withdrew the request for control."
        if facts is None or not self._store.end_request(
            facts, visitor.id, kind="withdrawn", text=text, who=visitor.name
        ):
            raise StateChanged("You don't ask for control, or not any more.")
        return "You don't ask for control any more."

    def decline_request(self, job_id: int, visitor: Visitor, who: str) -> str:
        """Keep control from the developer who asks for it."""
        self._running(job_id)
        facts = self._owned(job_id, visitor)
        asking = self._store.user_named(who)
        text = f"{DECLINED}{who}."
        if asking is None or not self._store.end_request(
            facts, asking, kind="declined", text=text, who=visitor.name
        ):
            raise _asks_no_more(who)
        return f"{who} is told that you keep control."

    def hand_over(self, job_id: int, visitor: Visitor, to: str) -> str:
        """Give control to the developer who asked for it."""
        self._running(job_id)
        facts = self._owned(job_id, visitor)
        asking = self._store.user_named(to)
        if facts.requested_by != to or asking is None:
            raise _asks_no_more(to)
        text = f"Handed over to {to}."
        if not self._store.change_owner(
            facts, asking, kind="handed_over", text=text, who=visitor.name
        ):
            raise StateChanged("The session changed meanwhile. See who controls the job now.")
        log.info("session handed over", job=job_id, term=facts.term)
        return f"{to} controls the job now."

    def take_over(self, job_id: int, visitor: Visitor) -> str:
        """Take control from its owner: administrators, or any operator when the owner is away."""
        require_operator(visitor, "take over a job")
        self._running(job_id)
        facts = self._store.session_of(job_id)
        if facts is None:
            raise StateChanged("Nobody controls the job any more. Take control.")
        if visitor.role is not Role.ADMINISTRATOR and not self.is_away(facts):
            raise NotPermitted(
                f"{facts.developer} is not away. Ask for control, or have an administrator take it."
            )
        text = f"Took over from {facts.developer}."
        if not self._store.change_owner(
            facts, visitor.id, kind="taken_over", text=text, who=visitor.name
        ):
            raise StateChanged("The session changed meanwhile. See who controls the job now.")
        log.info("session taken over", job=job_id, term=facts.term)
        return f"You took over from {facts.developer}."

    def looks(self, job_id: int, visitor: Visitor) -> None:
        """Note who loads the page of a job: without JavaScript an owner has no other sign of life.

        Costs a transaction only for an owner who would soon be away.
        """
        facts = self._store.session_of(job_id)
        if facts and facts.user_id == visitor.id and facts.unattended_s is not None:
            self._store.note_owner(job_id, visitor.id)

    def is_away(self, facts: SessionFacts) -> bool:
        """Whether the job has waited too long for an owner without a tab."""
        return facts.unattended_s is not None and facts.unattended_s > self._away_after_s

    def away_in_s(self, facts: SessionFacts) -> float | None:
        """In how many seconds the owner will be away; None unless they are about to."""
        if facts.unattended_s is None or self.is_away(facts):
            return None
        return self._away_after_s - facts.unattended_s

    def revision_of(self, facts: SessionFacts) -> str:
        """Name the state that a form made now answers."""
        keeper = self._keeping.keeper_of(facts.job_id)
        if keeper is not None and keeper.term == facts.term:
            return keeper.revision
        return f"{facts.term}.{facts.turn}"

    def _wait_until_open(self, job_id: int) -> None:
        keeper = self._keeping.keeper_of(job_id)
        if keeper is not None:
            # Where it is abandoned, another process opens it.
            with contextlib.suppress(Abandoned):
                keeper.opened.get()
                return
        while (facts := self._store.session_of(job_id)) is not None:
            if facts.open:
                return
            gevent.sleep(LOOK_S)
        raise CommandServerUnreachable("The session did not open. The timeline says why.")

    def _let_go(self, job_id: int, visitor: Visitor, action: str) -> str:
        """Whoever controls a job may let go of it, also one who is no operator any more."""
        self._running(job_id)
        return self._await(self._store.requests.ask(job_id, visitor.id, action, {}, None))

    def _cancel(self, job_id: int, visitor: Visitor, reason: str) -> str:
        job = self.controlled(job_id, visitor)
        if self._errands.can_cancel(job) or not job.host:
            return self._errands.cancel(job, visitor, reason)
        # Before: a reason that is refused ends no job.
        text = cancellation(reason)
        self._elsewhere.terminate(job)
        self._store.record(job_id, "cancelled", text, visitor.name)
        return "The job is told to end."

    def _running(self, job_id: int) -> Job:
        job = self._registry.get(job_id)
        if job.state is not JobState.RUNNING:
            raise JobNotRunning("The job has ended. There is nothing left to control.")
        return job

    def _owned(self, job_id: int, visitor: Visitor) -> SessionFacts:
        # The same user may come with a lesser role: by a token, or taken down since.
        require_operator(visitor, "control a job")
        facts = self._store.session_of(job_id)
        if facts is None or facts.user_id != visitor.id:
            raise NotSessionOwner(NOT_OWNER)
        return facts

    def _check_settings(self, job_id: int, arguments: Mapping[str, Any]) -> None:
        for name, value in arguments.items():
            setting_command(name, value)
        module = arguments.get("pause_at")
        if not module:
            return
        job = self._registry.get_scheduling(job_id, module)
        if not job.modules:
            raise StateChanged("The schedule of this job is not known yet. Try again in a second.")
        if not job.schedules(module):
            raise InvalidCommand(f"This job has no test module “{module}”.")

    def _await(self, command_id: int) -> str:
        answered = self._answers.setdefault(command_id, Event())
        try:
            with _begun():
                code, sentence = self._outcome(command_id, answered)
        finally:
            del self._answers[command_id]
        if code is not None:
            raise error_of(code)(sentence)
        return sentence

    def _outcome(self, command_id: int, answered: Event) -> tuple[str | None, str]:
        requests = self._store.requests
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            outcome = requests.outcome(command_id)
            if outcome is not None:
                return outcome
            answered.wait(deadline - time.monotonic())
            answered.clear()
        requests.withdraw(command_id)
        late = "No answer came in time. The page shows the state as it is."
        return requests.outcome(command_id) or (OutcomeUnknown.code, late)

    def _answer_given(self, subject: str) -> None:
        answered = self._answers.get(int(subject))
        if answered is not None:
            answered.set()

    def _look_for_answers(self) -> None:
        for answered in self._answers.values():
            answered.set()


@contextlib.contextmanager
def _begun() -> Iterator[None]:
    """Wait for what others do by now, whether or not the database is there to tell of it."""
    try:
        yield
    except DatabaseAway:
        lost = "The database was lost meanwhile. The page shows the state as it is."
        raise OutcomeUnknown(lost) from None


def _asks_no_more(who: str) -> StateChanged:
    return StateChanged(f"{who} does not ask for control any more.")
