"""What the modules of a job recorded, as it is shown: steps, screenshots, masked texts."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import gevent
from gevent.queue import JoinableQueue

from devmode.commandserver.address import JobToken
from devmode.errors import DatabaseAway, JobNotFound, TextNotFound
from devmode.jobs.archive import Archive
from devmode.jobs.breath import breathe, in_breaths
from devmode.jobs.elsewhere import Elsewhere
from devmode.jobs.job import Job, JobState
from devmode.jobs.registry import Registry
from devmode.jobs.results import Results, results_in_pool, worth_keeping
from devmode.jobs.steps import Step
from devmode.live.lines import Line, lines_of
from devmode.live.masking import Masker
from devmode.live.questions import Result, Steps, Thumbnail

LONGEST_TEXT: Final = 16 << 10
"""As much of a step's text is shown among the steps; all of it has a page of its own."""
MOST_TEXT: Final = 512 << 10
AT_ONCE: Final = 5
"""How many steps are made ready to be shown before everything else has its turn."""
AGAIN_S: Final = 0.5
"""How long to leave alone a job that can't be kept just now."""
FINISH_S: Final = 1.5
"""How long a process that ends waits for what it is about to keep."""

T = TypeVar("T")
Mask = Callable[[bytes], bytes]


@dataclass(frozen=True)
class ShownStep:
    """A step with what is needed to show it."""

    step: Step
    width: int
    """Of its screenshot, in pixels; 0 where that is not there."""
    height: int
    lines: list[Line]
    is_cut: bool
    """Whether its text goes on."""


class Recorded:
    """Reads what modules recorded, on whatever host, and keeps it when their job has ended.

    Every method that reads raises `JobNotFound`, `HostAway`, and `TextNotFound` where there is no
    such thing.
    """

    def __init__(self, registry: Registry, elsewhere: Elsewhere, archive: Archive) -> None:
        """Read nothing yet."""
        self._registry = registry
        self._elsewhere = elsewhere
        self._archive = archive
        self._ended: JoinableQueue[Job] = JoinableQueue()

    def steps(self, job_id: int, module: str) -> list[ShownStep]:
        """Return the steps of a module, none if it has not told them yet."""
        job = self._registry.get(job_id)
        if not self._registry.is_here(job):
            return self._elsewhere.ask(job, Steps(job_id, module), list[ShownStep])
        return self._read(job, lambda results, mask: _shown_steps(results, mask, module))

    def content(self, job_id: int, name: str) -> bytes:
        """Return a screenshot, or a text with the token masked."""
        job = self._registry.get(job_id)
        if not self._registry.is_here(job):
            return self._elsewhere.ask(job, Result(job_id, name), bytes)
        if name.endswith(".png"):
            return self._read(job, lambda results, _mask: results.picture(name))
        return self._read(job, lambda results, mask: mask(results.text(name)))

    def thumbnail(self, job_id: int, name: str) -> bytes:
        """Return a small picture of a screenshot."""
        job = self._registry.get(job_id)
        if not self._registry.is_here(job):
            return self._elsewhere.ask(job, Thumbnail(job_id, name), bytes)
        return self._read(job, lambda results, _mask: results.thumbnail(name))

    def job_changed(self, job: Job) -> None:
        """Have kept, by `run`, what was recorded in a job that has ended: the next deletes it."""
        if job.state is JobState.ENDED and job.modules and self._registry.is_here(job):
            self._ended.put(job)

    def resume(self) -> None:
        """Have kept, too, what a process that died may have left: call it once, at the start."""
        # What is kept already, or whose pool directory is another's, is passed over by `run`.
        with suppress(DatabaseAway):
            for job in self._registry.ended():
                self.job_changed(self._archive.complete(job))

    def run(self) -> None:
        """Keep what was recorded, of one job after the other, for ever (run in a greenlet)."""
        while True:
            job = self._ended.get()
            try:
                if not self._keep(job):
                    self._ended.put(job)
                    gevent.sleep(AGAIN_S)
            finally:
                self._ended.task_done()

    def finish(self) -> None:
        """Wait, for a moment at most, until `run` has kept what it has to."""
        self._ended.join(FINISH_S)

    def _keep(self, job: Job) -> bool:
        """Keep what was recorded in a job; return False if that has to be tried again."""
        try:
            token = self._registry.token_in_pool(job.id)
            return self._archive.keep_results(job.id, _files_to_keep(job, token))
        except (JobNotFound, TextNotFound):
            return True
        except DatabaseAway:
            return False

    def _read(self, job: Job, read: Callable[[Results, Mask], T]) -> T:
        """Read from the pool directory, or what was kept when that is another job's by now."""
        try:
            token = self._registry.token_in_pool(job.id)
            return read(results_in_pool(job.pool_directory, token), partial(_masked, token))
        except TextNotFound:
            kept = self._archive.results(job.id) if job.state is JobState.ENDED else None
            if kept is None:
                raise
            return read(kept, _masked_before)


def _files_to_keep(job: Job, token: JobToken) -> Iterator[tuple[str, bytes]]:
    results = results_in_pool(job.pool_directory, token)
    for name, data in worth_keeping(results, [module.name for module in job.modules]):
        yield name, data if name.endswith(".png") else _masked(token, data)
        breathe()


def _shown_steps(results: Results, mask: Mask, module: str) -> list[ShownStep]:
    shown: list[ShownStep] = []
    left = MOST_TEXT
    for step in in_breaths(results.steps(module), AT_ONCE):
        text = _beginning(results, step)
        size = results.size(step.screenshot) if step.screenshot else (0, 0)
        part = mask(text)[: min(LONGEST_TEXT, left)]
        left -= len(part)
        shown.append(ShownStep(step, *size, lines_of(part), len(part) < len(text)))
    return shown


def _beginning(results: Results, step: Step) -> bytes:
    """Return as much of a step's text as is ever shown, and a byte more, if there is one."""
    try:
        return results.beginning(step.text, LONGEST_TEXT + 1) if step.text else b""
    except TextNotFound:
        return b"(its text is not there)"


def _masked(token: JobToken, text: bytes) -> bytes:
    masker = Masker(token.reveal().encode())
    return masker.feed(text) + masker.finish()


def _masked_before(text: bytes) -> bytes:
    """Return what was masked when it was kept."""
    return text
