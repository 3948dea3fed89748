"""The list of jobs: a line for each that runs or ended lately, what waits for a person first."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from devmode.commandserver.execution import ExecutionState
from devmode.commandserver.link import LinkState
from devmode.jobs.archive import Archive, Kept
from devmode.jobs.job import Job, JobState
from devmode.jobs.modules import done
from devmode.jobs.registry import Registry
from devmode.live.headline import outcome_of
from devmode.live.schedule import current_module, module_of
from devmode.live.screens import Screens
from devmode.moment import moment
from devmode.sessions.links import Links, Listening
from devmode.sessions.store import SessionFacts, Store

PACE_S = 1.0
"""How often the list is told anew, at most."""
PAGE = 50
"""How many jobs that ended are listed at once."""
_LOST = (LinkState.RECONNECTING, LinkState.UNRESPONSIVE)
_RANKS = {"paused": 0, "trouble": 1, "running": 2}
MINE = "mine"
NOBODY = "nobody"


@dataclass(frozen=True)
class JobLine:
    """One job in the list, all of it that is shown."""

    id: int
    name: str
    kind: str
    """`paused`, `trouble`, `running` or `ended`."""
    module: str | None
    done: int
    failed: int
    total: int
    detail: str
    owner: str | None
    started_at: datetime
    ended_at: datetime | None
    deadline: datetime | None
    picture: str | None
    """Version of the picture that there is."""

    @property
    def state(self) -> str:
        """Whether it runs, `running` or `ended`."""
        return "ended" if self.kind == "ended" else "running"

    @property
    def word(self) -> str:
        """Its kind, or how it went if that is known: `passed` or `failed`."""
        if self.kind != "ended":
            return self.kind
        return outcome_of(self.failed, self.detail) or "ended"

    @property
    def words(self) -> str:
        """What is looked through for words, in lower case."""
        return f"{self.name} {self.module or ''} {self.detail} {self.owner or ''}".lower()


@dataclass(frozen=True)
class Filter:
    """Which lines somebody wants to see."""

    text: str = ""
    kind: str = ""
    owner: str = ""
    """Empty, `mine` or `nobody`."""

    def admits(self, line: JobLine, me: str) -> bool:
        """Tell whether a line is wanted; static/dashboard.js decides by the same rules."""
        words = line.words
        wanted_owner = {"": line.owner, MINE: me, NOBODY: None}.get(self.owner, self.owner)
        return (
            all(word in words for word in self.text.lower().split())
            and self.kind in ("", line.kind)
            and line.owner == wanted_owner
        )


@dataclass(frozen=True)
class Page:
    """Which of the jobs that ended somebody wants to see."""

    before: int | None = None
    """Only those that ended before the job of this number."""
    text: str = ""
    """Only those with these words in their names."""


class Dashboard:
    """Composes the lines, and keeps a link to every running job while somebody watches them."""

    def __init__(
        self, registry: Registry, store: Store, links: Links, screens: Screens, archive: Archive
    ) -> None:
        """Watch nothing yet."""
        self._registry = registry
        self._store = store
        self._links = links
        self._screens = screens
        self._archive = archive
        self._listenings: dict[int, Listening] = {}

    def lines(self) -> list[JobLine]:
        """Return a line for each job: what waits for a person, what is new, what ended last."""
        owners = self._store.sessions()
        lines = [self._running(job, owners.get(job.id)) for job in self._registry.running()]
        lines.sort(key=lambda line: (_RANKS[line.kind], -line.id))
        return lines + self._ended(self._registry.ended())

    def ended(self, page: Page) -> tuple[list[JobLine], Page | None]:
        """Return the lines of jobs that ended, the last one first, and the page of older ones."""
        jobs = self._registry.ended_before(page.before, page.text, PAGE + 1)
        older = replace(page, before=jobs[PAGE - 1].id) if len(jobs) > PAGE else None
        return self._ended(jobs[:PAGE]), older

    def watch(self, touch: Callable[[], None]) -> None:
        """Have `touch` called when anything happens in any job that runs now."""
        running = {job.id: job for job in self._registry.running() if job.address is not None}
        for job_id in self._listenings.keys() - running.keys():
            self._listenings.pop(job_id).stop()
        for job_id in running.keys() - self._listenings.keys():
            self._listenings[job_id] = self._links.listen(running[job_id], lambda _event: touch())

    def unwatch(self) -> None:
        """Let the links go: nobody watches any more."""
        while self._listenings:
            self._listenings.popitem()[1].stop()

    def _ended(self, jobs: list[Job]) -> list[JobLine]:
        kept = self._archive.kept([job.id for job in jobs])
        return [_ended_line(job, kept.get(job.id)) for job in jobs]

    def _running(self, job: Job, facts: SessionFacts | None) -> JobLine:
        link = self._links.of(job.id)
        execution = link.execution if link else ExecutionState()
        module = current_module(job, execution)
        paused = execution.pause.reason if execution.pause else None
        if not execution.known:
            paused = job.paused
        trouble = link.trouble if link and link.state in _LOST else None
        return JobLine(
            id=job.id,
            name=job.name,
            kind="trouble" if trouble else "paused" if paused else "running",
            module=module,
            done=done(job.modules, module_of(module)),
            failed=job.failed,
            total=len(job.modules),
            detail=(trouble or paused or job.obstacle or "").strip(),
            owner=facts.developer if facts and facts.open else None,
            started_at=moment(job.started_at),
            ended_at=None,
            deadline=moment(job.deadline) if job.deadline else None,
            picture=self._screens.version_of(job),
        )


def _ended_line(job: Job, kept: Kept | None) -> JobLine:
    if kept is not None:
        job = kept.restore(job)
    return JobLine(
        id=job.id,
        name=job.name,
        kind=JobState.ENDED.value,
        module=None,
        done=done(job.modules, None),
        failed=job.failed,
        total=len(job.modules),
        detail=job.result or "",
        owner=None,
        started_at=moment(job.started_at),
        ended_at=moment(job.ended_at) if job.ended_at else None,
        deadline=None,
        picture=kept.picture.version if kept and kept.picture else None,
    )
