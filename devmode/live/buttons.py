"""The buttons of a job's page: about the test, and about who controls it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from devmode.commandserver.execution import ExecutionState, PauseKind
from devmode.live.audience import Audience
from devmode.live.control import Session


@dataclass(frozen=True)
class Action:
    """A button."""

    name: str
    label: str
    help: str
    endpoint: str
    primary: bool = False
    enabled: bool = True
    """One that does not work now keeps its place: who presses it again and again hits no other."""
    form: str = "steer"
    """Which form of the page sends it: those of one go one after the other."""
    apart: bool = False
    """Whether it decides how a check or a failure ends: it stands where no other button does."""
    query: dict[str, str] = field(default_factory=dict)


TAKE_CONTROL = Action(
    "start",
    "Take control",
    "You decide where the test pauses. Nobody else can, until you let go.",
    "steering.start",
    primary=True,
)

LETTING_GO = tuple(
    Action(f"release-{name}", label, text, "steering.release", query={"then": name}, form=form)
    for name, label, text, form in (
        ("continue", "Let go", "Clears every pause setting and lets the test continue.", "steer"),
        ("stay", "Leave as it is", "Lets go; a paused test stays paused.", "steer"),
        ("cancel", "Cancel the job", "Ends the test run for good.", "errands"),
    )
)


def about_the_test(execution: ExecutionState) -> Iterable[Action]:
    """Yield what its owner can have the test do now, the likeliest first."""
    if execution.pause is None:
        return _while_running(execution)
    return _while_paused(execution.pause.kind)


def for_the_owner(session: Session) -> Iterable[Action]:
    """Yield what the owner can do about their control besides letting go."""
    if session.requested_by:
        yield Action(
            "hand-over", "Hand over", f"{session.requested_by} controls the job then.",
            "steering.hand_over", primary=True, query={"to": session.requested_by},
        )  # fmt: skip
        yield Action(
            "decline", "Decline", f"You keep control, and {session.requested_by} is told so.",
            "steering.decline_request", query={"who": session.requested_by},
        )  # fmt: skip


def for_others(session: Session, audience: Audience) -> Iterable[Action]:
    """Yield what somebody else can do about the control of a job."""
    if audience.is_administrator or session.away:
        yield Action(
            "take-over", "Take over", f"Takes control from {session.developer}."
            " It is noted in the timeline.", "steering.take_over",
        )  # fmt: skip
    yield Action(
        "request", "Ask for control", f"{session.developer} is shown that you ask.",
        "steering.request_control", enabled=not audience.awaits_control,
    )  # fmt: skip
    if audience.awaits_control:
        yield Action(
            "withdraw", "Withdraw", "You don't ask for control any more.",
            "steering.withdraw_request",
        )  # fmt: skip


def _while_running(execution: ExecutionState) -> Iterable[Action]:
    yield Action(
        "pause", "Pause now", "Holds the test before its next command."
        " A screen check in progress goes on meanwhile.", "steering.pause", primary=True,
        form="pause", enabled=execution.supports_pausing,
    )  # fmt: skip
    yield _step(enabled=False)
    if execution.tags is not None:
        yield Action(
            "skip-timeout", "Skip timeout", "The screen check in progress times out at once.",
            "steering.skip_timeout", apart=True,
        )  # fmt: skip


def _while_paused(kind: PauseKind) -> Iterable[Action]:
    resume = {
        PauseKind.MISMATCH: "Loads the needles anew and tries the screen check again.",
        PauseKind.FAILURE: "The post-fail hook runs, then the next module.",
        PauseKind.FAILED_FUNCTION: "The failure takes its course.",
    }.get(kind, "The test goes on. “Pause on next command” is switched off.")
    yield Action("resume", "Resume", resume, "steering.resume", primary=True)
    yield _step(enabled=True)
    if kind in (PauseKind.FAILURE, PauseKind.FAILED_FUNCTION):
        yield Action(
            "ignore-failure", "Ignore failure and resume", "The test goes on as if it had not"
            " failed.", "steering.resume", apart=True, query={"ignore_failure": "1"},
        )  # fmt: skip
    if kind is PauseKind.MISMATCH:
        yield Action(
            "give-up", "Give up the check", "The screen check fails now,"
            " instead of being tried again.", "steering.give_up", apart=True,
        )  # fmt: skip


def _step(*, enabled: bool) -> Action:
    return Action(
        "step", "Step", "Executes the next command of a paused test and pauses before the one after"
        " it.", "steering.step", enabled=enabled,
    )  # fmt: skip
