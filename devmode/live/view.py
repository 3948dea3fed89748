"""The live view: one immutable snapshot of everything that the page of a job shows.

Holds nothing personal: the same snapshot serves everyone, and what differs between them differs
by `Audience` alone.
"""

from datetime import datetime
from functools import cached_property
from typing import Any

from msgspec import Struct

from devmode.commandserver.execution import ExecutionState, PauseKind
from devmode.commandserver.link import LinkState
from devmode.jobs.job import Job, JobState
from devmode.live import buttons
from devmode.live.audience import Audience
from devmode.live.buttons import Action
from devmode.live.control import Session
from devmode.live.headline import Headline, headline_of, outcome_of
from devmode.live.pausesettings import Settings, settings_of
from devmode.live.schedule import Schedule, current_module, module_of, modules_ahead
from devmode.live.screenview import ScreenFacts, ScreenView, screen_view
from devmode.live.timeline import Declined, TimelineEntry, entries
from devmode.moment import moment
from devmode.sessions.store import EventFacts


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
    newer: Job | None = None
    """Of a job that has ended: the newest one that followed it in its pool directory."""
    declined: Declined | None = None
    """The request for control that was declined lately."""
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
        return None if self.job.deadline is None else moment(self.job.deadline)

    @property
    def screen(self) -> ScreenView:
        """What is said about the screen, besides the picture."""
        return screen_view(self.job, self.screen_facts)

    @cached_property
    def headline(self) -> Headline:
        """The status line."""
        return headline_of(self.job, self.execution, self.link, self.trouble)

    @property
    def outcome(self) -> str:
        """How the job went, `passed` or `failed`; empty while it runs, or where nobody knows."""
        if self.job.state is not JobState.ENDED:
            return ""
        return outcome_of(self.job.failed, self.job.result or "")

    @property
    def is_paused(self) -> bool:
        """Whether the test is known to be paused now."""
        return self.headline.kind == "paused"

    @property
    def pause_number(self) -> int | None:
        """Tells this pause from the next one, which may look the same; None while there is none."""
        return self.execution.turn if self.is_paused else None

    @property
    def current_module(self) -> str | None:
        """Full name of the test module that runs, as os-autoinst tells it."""
        return current_module(self.job, self.execution)

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
        return list(buttons.about_the_test(self.execution))

    def session_actions(self, audience: Audience) -> list[Action]:
        """The buttons about who controls the job."""
        if self.job.state is not JobState.RUNNING or self.remembered or audience is Audience.VIEWER:
            return []
        if self.session is None:
            return [buttons.TAKE_CONTROL]
        if self.control is None:
            # Who takes it just now is no owner yet, and would be told to ask themselves.
            return []
        if audience is Audience.OWNER:
            return list(buttons.for_the_owner(self.session))
        return list(buttons.for_others(self.session, audience))

    def release_actions(self, audience: Audience) -> list[Action]:
        """The ways to let go of the job."""
        if self.job.state is not JobState.RUNNING or self.remembered:
            return []
        if audience is not Audience.OWNER:
            return []
        return list(buttons.LETTING_GO)

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
        """The pause settings, as the command server has them.

        Who can't choose a module is offered none: of a list of all, each would be news.
        """
        can_choose = self.settings_editable(audience)
        offered = modules_ahead(self.job, self.execution) if can_choose else ()
        return settings_of(self.execution, offered)

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
    def viewer_of_vnc(self) -> str | None:
        """The command that opens the SUT in a window; a test that pauses leaves it to people."""
        if self.execution.pause is None or not self.job.vnc:
            return None
        return f"vncviewer -Shared {self.job.vnc}"

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
