"""The live view: one immutable snapshot of everything that the page of a job shows.

Holds nothing personal: the same snapshot serves everyone, and what differs between them differs
by `Audience` alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any

from msgspec import Struct

from devmode.commandserver.execution import ExecutionState, Mismatch, PauseKind
from devmode.commandserver.link import LinkState
from devmode.jobs.job import Job, JobState, Module
from devmode.live.schedule import Schedule, first_ahead, module_of
from devmode.live.screenview import ScreenFacts, ScreenView, screen_view
from devmode.live.timeline import TimelineEntry, entries, moment
from devmode.sessions.actions import shown_setting
from devmode.sessions.store import EventFacts

RETRIEVING = "Retrieving the status…"


class Audience(Enum):
    """Who looks; all of one audience get the same bytes."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    VIEWER = "viewer"
    PROGRAM = "program"
    """Whoever it acts for: it gets JSON."""
    LIVEHANDLER = "livehandler"
    """openQA's own page: it gets what openQA's livehandler would tell."""
    SCREEN = "screen"
    """Gets pictures and nothing else."""


@dataclass(frozen=True)
class Headline:
    """The status line."""

    kind: str
    title: str
    detail: str = ""

    @property
    def is_ailing(self) -> bool:
        """Whether the way to the command server is worth an examination."""
        return self.kind == "trouble" or (self.kind == "connecting" and self.detail != RETRIEVING)


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
    apart: bool = False
    """Whether it decides how a check or a failure ends: it stands where no other button does."""
    query: dict[str, str] = field(default_factory=dict)


OptionGroup = tuple[str, tuple[tuple[str, str], ...]]
"""What stands above some options, and each of these: what it sends and what it shows."""


@dataclass(frozen=True)
class Setting:
    """A pause setting as the command server has it."""

    name: str
    label: str
    help: str
    value: str
    known: bool
    supported: bool = True
    options: tuple[OptionGroup, ...] = ()


@dataclass(frozen=True)
class Settings:
    """The four pause settings."""

    pause_at: Setting
    pause_on_mismatch: Setting
    pause_on_next_command: Setting
    pause_on_failure: Setting


@dataclass(frozen=True)
class Session:
    """Who controls the job."""

    developer: str
    started_at: datetime
    tabs: int
    open: bool
    requested_by: str | None
    away: bool


class LiveView(Struct, frozen=True, dict=True):
    """Everything that the page of a job shows."""

    job: Job
    execution: ExecutionState
    link: LinkState
    trouble: str | None
    session: Session | None
    revision: str
    events: tuple[EventFacts, ...]
    screen_facts: ScreenFacts
    uploads: dict[str, Any] | None = None
    """How far the worker's uploads are, as it told."""
    rival: str | None = None
    """Who has opened a developer session in openQA itself."""
    remembered: bool = False
    """The database can't be reached: what it holds is shown as it was, and nothing is decided."""

    @property
    def started_at(self) -> datetime:
        """When the job was started."""
        return moment(self.job.started_at)

    @property
    def control(self) -> Session | None:
        """The session by which the job is controlled: one that is only reserved is none yet."""
        return self.session if self.session and self.session.open else None

    @property
    def deadline(self) -> datetime | None:
        """When MAX_JOB_TIME ends the job; None where nothing does."""
        if self.job.state is JobState.ENDED or self.job.time_limit_s is None:
            return None
        return moment(self.job.started_at + self.job.time_limit_s)

    @property
    def screen(self) -> ScreenView:
        """What is said about the screen, besides the picture."""
        return screen_view(self.job, self.screen_facts)

    @cached_property
    def headline(self) -> Headline:
        """The status line; what comes first wins, as in openQA's running.js (702-742)."""
        if self.job.state is JobState.ENDED:
            return Headline("ended", "Ended", self.job.result or "")
        if self.execution.stopping:
            return Headline("stopping", "About to stop", self.execution.stopping)
        if self.job.obstacle:
            return Headline("connecting", "Out of reach", self.job.obstacle)
        if self.link in (LinkState.RECONNECTING, LinkState.UNRESPONSIVE, LinkState.CLOSED):
            return Headline("trouble", "Reconnecting", self.trouble or "")
        if not self.execution.known:
            return Headline("connecting", "Connecting", self.trouble or RETRIEVING)
        if self.execution.pause is not None:
            return self._paused(self.execution.pause.kind, self.execution.pause.reason)
        return Headline("running", self._running_title, self._position)

    @property
    def is_paused(self) -> bool:
        """Whether the test is known to be paused now."""
        return self.headline.kind == "paused"

    def _paused(self, kind: PauseKind, reason: str) -> Headline:
        if kind is PauseKind.MODULE and self.current_module:
            return Headline("paused", f"Paused at module {self.current_module}", reason)
        place = f" in {self.current_module}" if self.current_module else ""
        told = reason.strip()
        if self.execution.tags is not None:
            told += f"\nThe check of {', '.join(self.execution.tags)} goes on, and can still fail."
        return Headline("paused", f"Paused{_PAUSES.get(kind, '')}{place}", told)

    @property
    def _running_title(self) -> str:
        chosen = self.execution.pause_at
        if chosen and any(module.full_name == chosen for module in self._ahead):
            return f"Will pause at module {chosen}"
        return "Running"

    @property
    def _position(self) -> str:
        doing = " ".join(filter(None, (self.execution.api_function, self.execution.api_detail)))
        return ", ".join(filter(None, (self.current_module, doing)))

    @property
    def current_module(self) -> str | None:
        """Full name of the test module that runs, as os-autoinst tells it."""
        return self.execution.module or (None if self.execution.known else self.job.current_module)

    @property
    def scheduled_module(self) -> str | None:
        """Full name of the test module that runs, as the schedule has it."""
        return module_of(self.current_module)

    @property
    def can_steer(self) -> bool:
        """Whether a command sent now would arrive."""
        return (
            self.job.state is JobState.RUNNING
            and self.link is LinkState.CONNECTED
            and self.execution.known
            and not self.execution.stopping
            and not self.remembered
        )

    def actions(self, audience: Audience) -> list[Action]:
        """The buttons about the test for this audience, the likeliest first."""
        if audience is not Audience.OWNER or not self.can_steer:
            return []
        if self.execution.pause is None:
            return list(self._while_running())
        return list(self._while_paused(self.execution.pause.kind))

    def _while_running(self) -> Iterable[Action]:
        yield Action(
            "pause", "Pause now", "Holds the test before its next command."
            " A screen check in progress goes on meanwhile.", "steering.pause", primary=True,
            enabled=self.execution.supports_pausing,
        )  # fmt: skip
        yield _step(enabled=False)
        if self.execution.tags is not None:
            yield Action(
                "skip-timeout", "Skip timeout", "The screen check in progress times out at once.",
                "steering.skip_timeout", apart=True,
            )  # fmt: skip

    def _while_paused(self, kind: PauseKind) -> Iterable[Action]:
        failed = kind in (PauseKind.FAILURE, PauseKind.FAILED_FUNCTION)
        resume = {
            PauseKind.MISMATCH: "Loads the needles anew and tries the screen check again.",
            PauseKind.FAILURE: "The post-fail hook runs, then the next module.",
            PauseKind.FAILED_FUNCTION: "The failure takes its course.",
        }.get(kind, "The test goes on. “Pause on next command” is switched off.")
        yield Action("resume", "Resume", resume, "steering.resume", primary=True)
        yield _step(enabled=True)
        if failed:
            yield Action(
                "ignore-failure", "Ignore failure and resume", "The test goes on as if it had not"
                " failed.", "steering.resume", apart=True, query={"ignore_failure": "1"},
            )  # fmt: skip
        if kind is PauseKind.MISMATCH:
            yield Action(
                "give-up", "Give up the check", "The screen check fails now,"
                " instead of being tried again.", "steering.give_up", apart=True,
            )  # fmt: skip

    def session_actions(self, audience: Audience) -> list[Action]:
        """The buttons about who controls the job."""
        if self.job.state is not JobState.RUNNING or self.remembered or audience is Audience.VIEWER:
            return []
        if self.session is None:
            return [
                Action(
                    "start",
                    "Take control",
                    "You decide where the test pauses. Nobody else can, until you let go.",
                    "steering.start",
                    primary=True,
                )
            ]
        if self.control is None:
            # Who takes it just now is no owner yet, and would be told to ask themselves.
            return []
        if audience is Audience.OWNER:
            return list(self._for_the_owner(self.session))
        return list(self._for_others(self.session, audience))

    def release_actions(self, audience: Audience) -> list[Action]:
        """The ways to let go of the job."""
        if self.job.state is not JobState.RUNNING or self.remembered:
            return []
        if audience is not Audience.OWNER:
            return []
        return [
            Action(f"release-{name}", label, text, "steering.release", query={"then": name})
            for name, label, text in (
                ("continue", "Let go", "Clears every pause setting and lets the test continue."),
                ("stay", "Leave as it is", "Lets go; a paused test stays paused."),
                ("cancel", "Cancel the job", "Ends the test run for good."),
            )
        ]

    def _for_the_owner(self, session: Session) -> Iterable[Action]:
        if session.requested_by:
            yield Action(
                "hand-over", f"Hand over to {session.requested_by}", "They control the job then.",
                "steering.hand_over", primary=True, query={"to": session.requested_by},
            )  # fmt: skip

    def _for_others(self, session: Session, audience: Audience) -> Iterable[Action]:
        if audience is Audience.ADMINISTRATOR or session.away:
            yield Action(
                "take-over", "Take over", f"Takes control from {session.developer}."
                " It is noted in the timeline.", "steering.take_over",
            )  # fmt: skip
        yield Action(
            "request", "Ask for control", f"{session.developer} is shown that you ask.",
            "steering.request_control",
        )  # fmt: skip

    def settings_editable(self, audience: Audience) -> bool:
        """Whether this audience may change the settings now."""
        return audience is Audience.OWNER and self.can_steer

    def schedule(self, audience: Audience) -> Schedule:
        """The schedule as this audience sees it."""
        return Schedule(
            self.job.modules,
            self.scheduled_module,
            self.execution.pause_at,
            self.is_paused,
            self.settings_editable(audience),
        )

    def settings(self, audience: Audience) -> Settings:
        """The pause settings, as the command server has them."""
        return Settings(
            pause_at=self._setting(
                "pause_at", "Pause at module", "The test pauses when it reaches this module.",
                options=self._module_options(audience),
            ),
            pause_on_mismatch=self._setting(
                "pause_on_mismatch", "Pause on screen mismatch",
                "The test pauses instead of failing when no needle matches in time.",
                options=_MISMATCH_OPTIONS,
            ),
            pause_on_next_command=self._setting(
                "pause_on_next_command", "Pause on next command",
                "The test pauses before whatever it does next.",
            ),
            pause_on_failure=self._setting(
                "pause_on_failure", "Pause on failure",
                "The test pauses when a module dies or an API function fails;"
                " a screen mismatch has its own setting.",
                supported=self.execution.supports_pausing or not self.execution.known,
            ),
        )  # fmt: skip

    def _setting(
        self,
        name: str,
        label: str,
        help_text: str,
        *,
        options: tuple[OptionGroup, ...] = (),
        supported: bool = True,
    ) -> Setting:
        value = shown_setting(self.execution, name) if self.execution.known else None
        return Setting(name, label, help_text, value or "", value is not None, supported, options)

    @property
    def _ahead(self) -> tuple[Module, ...]:
        return self.job.modules[first_ahead(self.job.modules, self.scheduled_module) :]

    def _module_options(self, audience: Audience) -> tuple[OptionGroup, ...]:
        """Modules that still come, by category, and the one that is set even if it has passed.

        Who can't choose is shown what is chosen: of a list of all, each module would be news.
        """
        offered = self._ahead if self.settings_editable(audience) else ()
        groups: dict[str, list[tuple[str, str]]] = {}
        for module in offered:
            groups.setdefault(module.category, []).append((module.full_name, module.name))
        options: list[OptionGroup] = [("", (("", "nowhere"),))]
        chosen = self.execution.pause_at
        if isinstance(chosen, str) and chosen not in {module.full_name for module in offered}:
            options.append(("", ((chosen, chosen),)))
        return (*options, *((category, tuple(group)) for category, group in groups.items()))

    def cautions(self, audience: Audience) -> list[str]:
        """What one should know before pressing a button of `actions`."""
        names = {action.name for action in self.actions(audience)}
        sentences = []
        if "skip-timeout" in names:
            # Known from use: the one race that can't be closed from outside of os-autoinst.
            sentences.append(
                "Skip timeout can end the whole job on an os-autoinst from before August 2026, if a"
                " needle matches in the very same moment."
            )
        if "give-up" in names and self.needle_editor is None:
            sentences.append("To go on, make a needle of this screen and resume.")
        return sentences

    @property
    def mismatch(self) -> bool:
        """Whether the test is paused because no needle matched the screen in time."""
        pause = self.execution.pause
        return self.is_paused and pause is not None and pause.kind is PauseKind.MISMATCH

    def can_make_needle(self, audience: Audience) -> bool:
        """Whether this audience is offered to make a needle of the screen."""
        if audience is not Audience.OWNER or self.job.is_out_of_sight:
            return False
        return self.can_steer and self.execution.pause is not None

    @property
    def needle_use(self) -> str:
        """When the test knows of a needle that has just been saved."""
        if self.mismatch:
            return "Resume: the needles are loaded anew and the check is tried again."
        return "The needles are loaded anew when a screen mismatch is resumed."

    @property
    def needle_editor(self) -> str | None:
        """Where openQA makes a needle of the screen that the test is paused at for want of one."""
        return f"{self.job.page}/edit" if self.job.page and self.mismatch else None

    @property
    def warnings(self) -> list[str]:
        """What one should know now."""
        sentences = []
        if self.remembered:
            sentences.append(
                "devmode's database can't be reached. The test is shown as it happens; nothing can"
                " be changed until the database is back, and nobody loses control."
            )
        if self.job.openqa is not None and self.job.openqa.trouble:
            sentences.append(
                f"{self.job.openqa.trouble} Of the schedule is shown what it said last; the test"
                " can be controlled all the same."
            )
        if self.rival is not None and self.job.state is JobState.RUNNING:
            sentences.append(
                f"{self.rival} has opened a developer session in openQA itself. While openQA's"
                " livehandler runs, both that and devmode can steer this test: ask first."
            )
        if self.job.host_away:
            sentences.append(
                f"The host “{self.job.host}”, where this job runs, can't be reached by devmode:"
                " schedule, screen and texts are what was known last. Whatever needs only the"
                " command server goes on."
            )
        if self.execution.pause is not None and self.job.vnc:
            sentences.append(f"Look into the SUT by VNC: vncviewer -Shared {self.job.vnc}")
        if self.session is None and self.job.state is JobState.RUNNING:
            sentences.append("Nobody controls the job, so nobody records its timeline.")
        return sentences

    @cached_property
    def timeline(self) -> list[TimelineEntry]:
        """What happened, newest first."""
        return entries(self.events)

    @property
    def title(self) -> str:
        """The page's title."""
        mark = {"paused": "‖ ", "running": "▶ ", "ended": "■ "}.get(self.headline.kind, "")
        return f"{mark}{self.job.name} · devmode"


def _step(*, enabled: bool) -> Action:
    return Action(
        "step", "Step", "Executes the next command of a paused test and pauses before the one after"
        " it.", "steering.step", enabled=enabled,
    )  # fmt: skip


_PAUSES = {
    PauseKind.MISMATCH: " on a screen mismatch",
    PauseKind.NEXT_COMMAND: " before the next command",
    PauseKind.FAILURE: " on a failure",
    PauseKind.FAILED_FUNCTION: " on a failure",
}

_MISMATCH_OPTIONS = (
    (
        "",
        (
            (Mismatch.OFF.value, "no"),
            (Mismatch.ASSERT_SCREEN.value, "assert_screen"),
            (Mismatch.CHECK_SCREEN.value, "assert_screen and check_screen"),
        ),
    ),
)
