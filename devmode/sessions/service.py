"""What developers can do with sessions: start, act, let go, ask, hand over, take over."""

import logging
import time
from collections.abc import Mapping
from enum import Enum
from typing import Any

import gevent
from gevent.event import Event
from sqlalchemy.exc import SQLAlchemyError

from devmode import errors
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.errors import (
    DevmodeError,
    InvalidCommand,
    JobNotRunning,
    NotPermitted,
    NotSessionOwner,
    OutcomeUnknown,
    StateChanged,
)
from devmode.jobs.registry import Job, JobState, Registry
from devmode.sessions import lifecycle as life
from devmode.sessions.actions import setting_command
from devmode.sessions.keeper import Keeper
from devmode.sessions.links import Links
from devmode.sessions.store import ANSWER, COMMAND, SessionFacts, Store
from devmode.sessions.users import Role, Visitor

ROUNDS_S = 1.0
"""How often orphans are looked for and attendance is taken."""
ANSWER_S = life.REQUEST_S + 4.0
"""How long a developer waits at most for the answer to a command."""

log = logging.getLogger(__name__)


class After(Enum):
    """What becomes of the test when its session is let go."""

    CONTINUE = "continue"
    STAY = "stay"
    CANCEL = "cancel"


class Sessions:
    """The developer sessions, for those who are permitted; keeps those of this process."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        links: Links,
        notices: Notices,
        lease: Lease,
        *,
        away_after_s: float,
    ) -> None:
        """Keep nothing yet; `run` takes over what nobody keeps."""
        self._registry = registry
        self._store = store
        self._links = links
        self._lease = lease
        self._away_after_s = away_after_s
        self._keepers: dict[int, Keeper] = {}
        self._answers: dict[int, Event] = {}
        notices.listen(COMMAND, self._command_left)
        notices.listen(ANSWER, self._answer_given)

    def start(self, job_id: int, visitor: Visitor) -> None:
        """Take control of a job; by its owner once more, that is a second tab.

        Returns when the link is up and speaks developer mode. Raises `NotPermitted`,
        `JobNotFound`, `JobNotRunning`, `SessionLocked`, `CommandServerUnreachable`,
        `IncompatibleCommandServer`.
        """
        _require(visitor, Role.OPERATOR, "control a job")
        job = self._running(job_id)
        if self._store.reserve(job_id, visitor.id):
            try:
                self._keep(job, life.Lifecycle(term=1), term=1)
            except JobNotRunning:
                self._store.remove(job_id, 1)
                raise
            self._store.record(job_id, "started", "Took control.", visitor.name)
        keeper = self._keepers.get(job_id)
        if keeper is not None:
            keeper.opened.get(timeout=life.OPENING_S + 5)

    def act(
        self,
        job_id: int,
        visitor: Visitor,
        action: str,
        arguments: Mapping[str, Any],
        revision: str | None,
    ) -> str:
        """Have the keeper perform an action; return the sentence about how it went.

        Raises `NotSessionOwner`, `StateChanged`, `InvalidCommand`, `CommandNotConfirmed`,
        `CommandServerUnreachable`, `OutcomeUnknown`.
        """
        self._running(job_id)
        if action == "settings":
            self._check_settings(job_id, arguments)
        command_id = self._store.ask(job_id, visitor.id, action, dict(arguments), revision)
        return self._await(command_id)

    def release(self, job_id: int, visitor: Visitor, after: After) -> str:
        """Let go of a job; return the sentence about what becomes of the test.

        Raises as `act` does, and `NotPermitted` when isotovideo may not be signalled.
        """
        job = self._running(job_id)
        facts = self._owned(job_id, visitor)
        match after:
            case After.CONTINUE:
                self.act(job_id, visitor, "release", {}, None)
                told = "You let go, the test continues."
            case After.STAY:
                told = "You let go, the job stays as it is."
            case After.CANCEL:
                job.terminate()
                self._store.record(job_id, "cancelled", "Cancelled the job.", visitor.name)
                return "The job is told to end."
        self._store.record(job_id, "released", f"Let go ({after.value}).", visitor.name)
        self._end(facts, f"{facts.developer} let go.")
        return told

    def request_control(self, job_id: int, visitor: Visitor) -> str:
        """Ask the owner for control."""
        _require(visitor, Role.OPERATOR, "ask for control")
        self._running(job_id)
        facts = self._store.session_of(job_id)
        if facts is None:
            raise StateChanged("Nobody controls the job any more. Take control.")
        self._store.request_control(job_id, visitor.id, visitor.name)
        return f"{facts.developer} sees that you ask for control."

    def hand_over(self, job_id: int, visitor: Visitor, to: str) -> str:
        """Give control to the developer who asked for it."""
        facts = self._owned(job_id, visitor)
        asking = self._store.user_named(to)
        if facts.requested_by != to or asking is None:
            raise StateChanged(f"{to} does not ask for control any more.")
        text = f"Handed over to {to}."
        if not self._store.change_owner(
            facts, asking, kind="handed_over", text=text, who=visitor.name
        ):
            raise StateChanged("The session changed meanwhile. See who controls the job now.")
        return f"{to} controls the job now."

    def take_over(self, job_id: int, visitor: Visitor) -> str:
        """Take control from its owner: administrators, or any operator when the owner is away."""
        _require(visitor, Role.OPERATOR, "take over a job")
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
        return f"You took over from {facts.developer}."

    def looks(self, job_id: int, visitor: Visitor) -> None:
        """Note who loads the page of a job: without JavaScript an owner has no other sign of life.

        Costs a transaction only for an owner who would soon be away.
        """
        facts = self._store.session_of(job_id)
        if facts and facts.user_id == visitor.id and facts.unattended_since is not None:
            self._store.note_owner(job_id, visitor.id)

    def is_away(self, facts: SessionFacts) -> bool:
        """Whether the job has waited too long for an owner without a tab."""
        since = facts.unattended_since
        return since is not None and time.time() - since > self._away_after_s

    def revision_of(self, facts: SessionFacts) -> str:
        """Name the state that a form made now answers."""
        keeper = self._keepers.get(facts.job_id)
        if keeper is not None and keeper.term == facts.term:
            return keeper.revision
        return f"{facts.term}.{facts.turn}"

    def job_ended(self, job_id: int) -> None:
        """End the session of a job that runs no more."""
        keeper = self._keepers.get(job_id)
        if keeper is not None:
            keeper.tell(life.JobOver())
        self._links.close(job_id)

    def run(self) -> None:
        """Adopt what nobody keeps and take attendance, every second (run in a greenlet)."""
        while True:
            try:
                self._adopt_orphans()
                self._take_attendance()
            except SQLAlchemyError as error:
                log.warning("the round through the sessions failed: %s", type(error).__name__)
            gevent.sleep(ROUNDS_S)

    def drop_all(self) -> None:
        """Stop keeping, without touching any session: the lease is lost."""
        for keeper in tuple(self._keepers.values()):
            keeper.abandon()

    def _keep(self, job: Job, lifecycle: life.Lifecycle, *, term: int) -> None:
        keeper = Keeper(
            job, lifecycle, term=term, store=self._store, links=self._links, lease=self._lease
        )
        self._keepers[job.id] = keeper
        keeper.start(self._keeper_ended)

    def _keeper_ended(self, keeper: Keeper) -> None:
        if self._keepers.get(keeper.job.id) is keeper:
            del self._keepers[keeper.job.id]

    def _adopt_orphans(self) -> None:
        own = (
            facts
            for facts in self._store.sessions().values()
            if facts.process_id == self._lease.process_id and facts.job_id not in self._keepers
        )
        for facts in (*self._store.orphans(), *own):
            if not self._store.adopt(facts):
                continue
            term = facts.term + 1
            job = self._registry.get(facts.job_id)
            if job.state is JobState.RUNNING:
                self._keep(job, life.Lifecycle(term, life.Phase.RECONNECTING), term=term)
            elif self._store.remove(job.id, term):
                self._store.record(job.id, "ended", "The job has ended.")

    def _take_attendance(self) -> None:
        for facts in self._store.sessions().values():
            keeper = self._keepers.get(facts.job_id)
            if keeper is None:
                continue
            attended = facts.tabs > 0 or not keeper.is_paused
            if attended != (facts.unattended_since is None):
                self._store.note_attendance(facts.job_id, facts.term, attended=attended)

    def _running(self, job_id: int) -> Job:
        job = self._registry.get(job_id)
        if job.state is not JobState.RUNNING:
            raise JobNotRunning("The job has ended. There is nothing left to control.")
        return job

    def _owned(self, job_id: int, visitor: Visitor) -> SessionFacts:
        facts = self._store.session_of(job_id)
        if facts is None or facts.user_id != visitor.id:
            raise NotSessionOwner("You don't control this job. Take control first.")
        return facts

    def _check_settings(self, job_id: int, arguments: Mapping[str, Any]) -> None:
        for name, value in arguments.items():
            setting_command(name, value)
        module = arguments.get("pause_at")
        known = {module.full_name for module in self._registry.get(job_id).modules}
        if module and not known:
            raise StateChanged("The schedule of this job is not known yet. Try again in a second.")
        if module and module not in known:
            raise InvalidCommand(f"This job has no test module “{module}”.")

    def _end(self, facts: SessionFacts, reason: str) -> None:
        keeper = self._keepers.get(facts.job_id)
        if keeper is not None:
            keeper.tell(life.Let(reason))
            keeper.wait_until_ended(timeout_s=ANSWER_S)

    def _await(self, command_id: int) -> str:
        answered = self._answers.setdefault(command_id, Event())
        try:
            outcome = self._store.outcome(command_id)
            if outcome is None:
                answered.wait(ANSWER_S)
                outcome = self._store.outcome(command_id)
        finally:
            del self._answers[command_id]
        if outcome is None:
            raise OutcomeUnknown("No answer came in time. The page shows the state as it is.")
        code, sentence = outcome
        if code is not None:
            raise error_of(code)(sentence)
        return sentence

    def _command_left(self, subject: str) -> None:
        keeper = self._keepers.get(int(subject))
        if keeper is not None:
            keeper.take_commands()

    def _answer_given(self, subject: str) -> None:
        answered = self._answers.get(int(subject))
        if answered is not None:
            answered.set()


def error_of(code: str) -> type[DevmodeError]:
    """Return the class of an error that travelled as its code."""
    return next(
        (
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, DevmodeError) and kind.code == code
        ),
        DevmodeError,
    )


def _require(visitor: Visitor, role: Role, what: str) -> None:
    if visitor.role < role:
        raise NotPermitted(f"You are signed in as {visitor.role.label}, which can't {what}.")
