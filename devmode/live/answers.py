"""What this host answers to processes of others about the jobs that run here.

It is what the same question is answered here; what follows something goes on until it is not read
any more, or this process ends.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, assert_never

import gevent

from devmode.errors import JobNotFound
from devmode.jobs.elsewhere import AdmitsNeedles, FollowJobs, SaveNeedle, Terminate
from devmode.jobs.job import Job, JobState
from devmode.jobs.needlefolder import NeedleFolders
from devmode.jobs.registry import Registry
from devmode.jobs.texts import file_of
from devmode.live.questions import (
    EndOfText,
    Excerpt,
    FollowScreen,
    FollowText,
    Grown,
    HoldPicture,
    LatestPicture,
    Result,
    Seen,
    Steps,
    TextNames,
    Thumbnail,
    WholeText,
)
from devmode.live.recorded import Recorded
from devmode.live.screens import Screens
from devmode.live.text import read_cursor
from devmode.live.texts import Texts

Question = (
    FollowJobs | Terminate | FollowScreen | LatestPicture | HoldPicture | FollowText | TextNames
    | EndOfText | Excerpt | WholeText | Steps | Result | Thumbnail | AdmitsNeedles | SaveNeedle
)  # fmt: skip

JOBS_S: Final = 0.25
"""How often to look whether a job has changed."""
SCREEN_S: Final = 0.05
TEXT_S: Final = 0.05
ALIVE_S: Final = 1.0
"""How often to say that the answer goes on."""

STILL_THERE: Final = object()
"""Said in between, where nothing is new."""


class Answers:
    """Answers for the jobs of this host."""

    def __init__(
        self,
        registry: Registry,
        screens: Screens,
        texts: Texts,
        recorded: Recorded,
        needles: NeedleFolders,
        is_ending: Callable[[], bool],
    ) -> None:
        """Answers that go on end when this process does."""
        self._registry = registry
        self._screens = screens
        self._texts = texts
        self._recorded = recorded
        self._needles = needles
        self._is_ending = is_ending

    def __call__(self, question: Question) -> Iterator[Any]:
        """Yield the parts of an answer; raise what the same would raise here."""
        if isinstance(question, FollowJobs):
            return self._follow_jobs()
        job = self._registry.get(question.job_id)
        if not self._registry.is_here(job):
            raise JobNotFound("That job is of another host.")
        match question:
            case FollowScreen():
                return self._follow_screen(job)
            case FollowText():
                return self._follow_text(question)
            case WholeText(job_id, name, sight):
                return iter(self._texts.whole(job_id, name, sight))
            case _:
                return iter([self._answer(job, question)])

    def _answer(self, job: Job, question: Question) -> Any:
        match question:
            case Terminate():
                return job.terminate()
            case LatestPicture() | HoldPicture():
                return self._of_screen(job, question)
            case TextNames() | EndOfText() | Excerpt():
                return self._of_text(question)
            case Steps() | Result() | Thumbnail():
                return self._of_results(question)
            case AdmitsNeedles():
                return self._needles.require(job)
            case SaveNeedle(_job_id, needle, screenshot):
                return self._needles.save(job, needle, screenshot)
            case _:
                assert_never(question)  # type: ignore[arg-type]  # the others go on

    def _of_screen(self, job: Job, question: LatestPicture | HoldPicture) -> Any:
        match question:
            case LatestPicture():
                return self._screens.of(job).picture
            case HoldPicture():
                return self._screens.hold(job)

    def _of_results(self, question: Steps | Result | Thumbnail) -> Any:
        match question:
            case Steps(job_id, module):
                return self._recorded.steps(job_id, module)
            case Result(job_id, name):
                return self._recorded.content(job_id, name)
            case Thumbnail(job_id, name):
                return self._recorded.thumbnail(job_id, name)

    def _of_text(self, question: TextNames | EndOfText | Excerpt) -> Any:
        match question:
            case TextNames(job_id):
                return self._texts.names(job_id)
            case EndOfText(job_id, name, sight):
                return self._texts.glance(job_id, name, sight)
            case Excerpt(job_id, name, sight, at):
                return self._texts.excerpt(job_id, name, sight, at)

    def _follow_jobs(self) -> Iterator[Any]:
        told: dict[int, Job] = {}
        yield self._changed_jobs(told)
        yield from self._ticks(JOBS_S, lambda: self._changed_jobs(told))

    def _changed_jobs(self, told: dict[int, Job]) -> list[Job]:
        """Return the jobs that are not as they were `told`, and note them there."""
        running = {job.id: self._with_picture(job) for job in self._registry.running_here()}
        ended = [self._registry.get(job_id) for job_id in told.keys() - running.keys()]
        changed = [job for job_id, job in running.items() if told.get(job_id) != job]
        told.clear()
        told.update(running)
        return [*changed, *(job for job in ended if job.state is JobState.ENDED)]

    def _with_picture(self, job: Job) -> Job:
        return replace(job, picture=self._screens.version_of(job))

    def _follow_screen(self, job: Job) -> Iterator[Any]:
        seen = Seen(None, None)

        def newly_seen() -> Seen | None:
            nonlocal seen
            screen = self._screens.of(job)
            before, seen = seen, Seen(screen.picture, screen.problem)
            return seen if seen != before else None

        self._screens.look(job)
        try:
            yield from self._ticks(SCREEN_S, newly_seen)
        finally:
            self._screens.leave(job.id)

    def _follow_text(self, question: FollowText) -> Iterator[Any]:
        file_of(question.name)
        reader = self._texts.join(question.job_id, question.name, question.sight, _nothing)
        cursor, version = read_cursor(question.cursor), 0

        def newly_grown() -> Grown | None:
            nonlocal cursor, version
            if reader.text.version == version:
                return None
            grown = reader.text.grown(cursor)
            version = reader.text.version
            cursor = reader.text.end if grown.generation else cursor
            return grown

        try:
            yield from self._ticks(TEXT_S, newly_grown)
        finally:
            self._texts.leave(reader, _nothing)

    def _ticks(self, pause_s: float, look: Callable[[], object]) -> Iterator[Any]:
        """Yield what is new, every second at least that there is nothing, until the end."""
        said_at = time.monotonic()
        while not self._is_ending():
            new = look()
            if new or time.monotonic() - said_at > ALIVE_S:
                said_at = time.monotonic()
                yield new or STILL_THERE
            gevent.sleep(pause_s)


def _nothing() -> None:
    """Who looks again and again need not be told."""
