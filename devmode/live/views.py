"""Composes live views of what this process sees of a job and what the database says about it."""

from dataclasses import dataclass
from functools import cached_property

from devmode.commandserver.execution import ExecutionState
from devmode.commandserver.link import LinkState
from devmode.jobs.archive import Archive
from devmode.jobs.job import Job, JobState
from devmode.jobs.registry import Registry
from devmode.jobs.uploads import Progress, Uploads
from devmode.live.control import session_of
from devmode.live.screens import Screens
from devmode.live.screenview import ScreenFacts
from devmode.live.timeline import Declined, declined_in
from devmode.live.view import LiveView
from devmode.openqa.developers import Developers
from devmode.sessions.links import Links
from devmode.sessions.service import Sessions
from devmode.sessions.store import EventFacts, SessionFacts, Store


@dataclass(frozen=True)
class Written:
    """What the database says about a job; read anew only after a notice."""

    session: SessionFacts | None = None
    events: tuple[EventFacts, ...] = ()
    uploads: Progress | None = None
    newer: Job | None = None
    """Of a job that has ended: the newest one that followed it in its pool directory."""
    is_old: bool = False
    """The database can't be reached; this is what it said last."""

    @cached_property
    def declined(self) -> Declined | None:
        """The request that was declined lately."""
        return declined_in(self.events)


class Views:
    """Everything that the page of a job shows, as it is known at this moment."""

    def __init__(
        self,
        registry: Registry,
        sessions: Sessions,
        store: Store,
        links: Links,
        screens: Screens,
        archive: Archive,
        uploads: Uploads,
        developers: Developers,
    ) -> None:
        """Ask these."""
        self._registry = registry
        self._sessions = sessions
        self._store = store
        self._links = links
        self._screens = screens
        self._archive = archive
        self._uploads = uploads
        self._developers = developers

    def of(self, job_id: int) -> LiveView:
        """Compose the live view of a job; raise `JobNotFound`."""
        return self.composed(self._registry.get(job_id), self.read(job_id))

    def every(self) -> list[LiveView]:
        """Compose the live view of every job, those that run first.

        Without their timelines and screens, each of which would have to be looked for.
        """
        owners = self._store.sessions()
        jobs = [*self._registry.running(), *self._registry.ended()]
        return [
            self._composed(job, Written(owners.get(job.id)), ScreenFacts())
            for job in self._archive.complete_all(jobs)
        ]

    def read(self, job_id: int) -> Written:
        """Read what the database says about a job; raise `DatabaseAway`."""
        return Written(
            *self._store.recorded_of(job_id),
            self._uploads.of(job_id),
            self._registry.newer_than(job_id),
        )

    def composed(self, job: Job, written: Written) -> LiveView:
        """Compose the live view of a job with what the database has said about it."""
        job = self._archive.complete(job)
        return self._composed(job, written, self._screens.facts_of(job))

    def changes_in_s(self, written: Written) -> float | None:
        """Return in how many seconds the owner becomes away, which changes a view by itself."""
        return self._sessions.away_in_s(written.session) if written.session else None

    def _composed(self, job: Job, written: Written, screen_facts: ScreenFacts) -> LiveView:
        link = self._links.of(job.id)
        no_link = LinkState.CLOSED if job.state is JobState.ENDED else LinkState.CONNECTING
        facts = written.session
        return LiveView(
            job=job,
            execution=link.execution if link else ExecutionState(),
            link=link.state if link else no_link,
            trouble=link.trouble if link else job.obstacle,
            session=session_of(facts, away=self._sessions.is_away(facts)) if facts else None,
            revision=self._sessions.revision_of(facts) if facts else "",
            events=written.events,
            uploads=written.uploads,
            newer=written.newer,
            declined=written.declined,
            rival=self._developers.of(job.openqa_url, job.openqa_id),
            screen_facts=screen_facts,
            remembered=written.is_old,
        )
