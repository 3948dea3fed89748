"""The links of this process: one per job, shared by its keeper and all its viewers."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent
from gevent import Greenlet

from devmode.commandserver.link import Joined, Link, LinkEvent
from devmode.errors import JobNotRunning
from devmode.jobs.job import Job

Hear = Callable[[LinkEvent], None]
Attend = Callable[[int, Link], None]


@dataclass
class _Shared:
    link: Link
    listeners: dict[int, Hear] = field(default_factory=dict)
    closing: "Greenlet[..., None] | None" = None


class Links:
    """Opens a job's link for the first who listens, closes it some seconds after the last."""

    def __init__(self, linger_s: float) -> None:
        """Start with no link."""
        self._linger_s = linger_s
        self._shared: dict[int, _Shared] = {}
        self._numbers = itertools.count()
        self._opened: Attend = _nobody_cares
        self._joined: Attend = _nobody_cares

    def attend(self, *, opened: Attend, joined: Attend) -> None:
        """Have somebody say which links may speak, and ask for what the others need.

        `opened` is called with every new link before it connects, `joined` when one that may not
        speak is connected; neither may block.
        """
        self._opened = opened
        self._joined = joined

    def listen(self, job: Job, hear: Hear) -> "Listening":
        """Let `hear` have every event of the job's link; raise `JobNotRunning`."""
        shared = self._shared.get(job.id) or self._open(job)
        if shared.closing is not None:
            shared.closing.kill(block=False)
            shared.closing = None
        number = next(self._numbers)
        shared.listeners[number] = hear
        return Listening(self, job.id, number, shared.link)

    def of(self, job_id: int) -> Link | None:
        """Return the link of a job, if this process has one."""
        shared = self._shared.get(job_id)
        return shared.link if shared else None

    def every(self) -> list[tuple[int, Link]]:
        """Return the links of this process with their jobs."""
        return [(job_id, shared.link) for job_id, shared in self._shared.items()]

    def answering(self) -> list[int]:
        """Return the jobs whose command server answers this process."""
        return [job_id for job_id, link in self.every() if link.is_up]

    def close(self, job_id: int) -> None:
        """Close the link of a job that has ended."""
        shared = self._shared.pop(job_id, None)
        if shared is not None:
            shared.link.close()

    def leave(self, job_id: int, number: int) -> None:
        """Stop a listening; the last one out closes the door, a little later."""
        shared = self._shared.get(job_id)
        if shared is None or shared.listeners.pop(number, None) is None or shared.listeners:
            return
        shared.closing = gevent.spawn_later(self._linger_s, self._close_unheard, job_id, shared)

    def _open(self, job: Job) -> _Shared:
        if job.address is None:
            raise JobNotRunning(job.obstacle or "There is no command server to talk to any more.")
        shared: _Shared

        def hear(event: LinkEvent) -> None:
            if isinstance(event, Joined):
                self._joined(job.id, shared.link)
            for listener in tuple(shared.listeners.values()):
                listener(event)

        shared = _Shared(Link(job.address, job_id=job.id, hear=hear))
        self._shared[job.id] = shared
        self._opened(job.id, shared.link)
        shared.link.start()
        return shared

    def _close_unheard(self, job_id: int, shared: _Shared) -> None:
        if self._shared.get(job_id) is shared and not shared.listeners:
            self.close(job_id)


def _nobody_cares(_job_id: int, _link: Link) -> None:
    """Let every link speak."""


@dataclass(frozen=True)
class Listening:
    """One listener's hold on a link."""

    links: Links
    job_id: int
    number: int
    link: Link

    def stop(self) -> None:
        """Let go; doing so twice is harmless."""
        self.links.leave(self.job_id, self.number)
