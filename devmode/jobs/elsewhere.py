"""Jobs on other hosts: what their registries tell, and what is asked of them.

Files and processes of a job are on its host, and so is whoever reads and signals them. A question
names a job and never a path; those here are some of a closed set, the others are in
`devmode/live/questions.py`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import structlog
from gevent.event import Event

from devmode.background import in_background
from devmode.cluster.peers import Peers
from devmode.commandserver.address import JobToken
from devmode.errors import DevmodeError, HostAway
from devmode.jobs.job import Job
from devmode.jobs.needles import Needle
from devmode.jobs.registry import Registry
from devmode.retries import rest

AGAIN_S: Final = 0.5
"""How long until a host that was lost is asked again, at most."""

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")


class FollowJobs(msgspec.Struct, tag=True, frozen=True):
    """Which jobs run on the host? The answer goes on: all of them, then those that changed."""


class Terminate(msgspec.Struct, tag=True, frozen=True):
    """Tell the isotovideo of this job to end."""

    job_id: int


class AdmitsNeedles(msgspec.Struct, tag=True, frozen=True):
    """Could a needle of this job be saved? Answered by None, or by why not as an error."""

    job_id: int


class SaveNeedle(msgspec.Struct, tag=True, frozen=True):
    """Save a needle for this job, with one of its screenshots."""

    job_id: int
    needle: Needle
    screenshot: str


def encode(value: object) -> bytes:
    """Return what `decode` reads; paths and job tokens are plain text in it."""
    return msgspec.msgpack.encode(value, enc_hook=_plain)


def decode(content: bytes, kind: type[T]) -> T:
    """Return what was encoded; raise `ValueError` if it is no `kind`."""
    return msgspec.msgpack.decode(content, type=kind, dec_hook=lambda kind, value: kind(value))


class Elsewhere:
    """Asks other hosts about their jobs, and keeps the registry informed."""

    def __init__(self, peers: Peers, registry: Registry) -> None:
        """Follow nobody yet; `run` does."""
        self._peers = peers
        self._registry = registry
        self._following: set[str] = set()
        self._due = Event()
        peers.when_changed(self._due.set)

    def run(self) -> None:
        """Follow every other host as long as there is anything of it (run in a greenlet)."""
        while True:
            for host in self._peers.hosts:
                if host not in self._following:
                    self._following.add(host)
                    in_background("a host is no longer followed", self._follow, host, host=host)
            self._due.wait()
            self._due.clear()

    def terminate(self, job: Job) -> None:
        """Tell an isotovideo to end, wherever it runs.

        Raises `JobNotRunning`, `NotPermitted`, `HostAway`.
        """
        if self._registry.is_here(job):
            job.terminate()
        else:
            self.ask(job, Terminate(job.id), type(None))

    def ask(self, job: Job, question: object, kind: type[T]) -> T:
        """Ask the host of a job something that has one answer; raise as `follow` does."""
        for answer in self.follow(job, question, kind):
            return answer
        raise _senseless(job.host)

    def follow(self, job: Job, question: object, kind: type[T]) -> Iterator[T]:
        """Ask the host of a job something and yield the parts of its answer.

        Raises what it raises, and `HostAway`.
        """
        return self._parts(job.host, question, kind)

    def _parts(self, host: str, question: object, kind: type[T]) -> Iterator[T]:
        try:
            for part in self._peers.ask(host, encode(question)):
                yield decode(part, kind)
        except ValueError as error:
            log.warning("a host answered what makes no sense", host=host, trouble=str(error))
            raise _senseless(host) from error

    def _follow(self, host: str) -> None:
        while host in self._peers.hosts or self._registry.heard_from(host):
            try:
                self._hear(host)
            except DevmodeError:
                # Whatever it was, a host that is followed no more would seem to be well.
                for job in self._registry.heard_from(host):
                    self._registry.hear(replace(job, host_away=True))
            rest(AGAIN_S)
        # Names of hosts may be new with each deployment.
        self._following.discard(host)

    def _hear(self, host: str) -> None:
        known = {job.id: job for job in self._registry.heard_from(host)}
        for jobs in self._parts(host, FollowJobs(), list[Job]):
            for job in jobs:
                self._registry.hear(self._reached(job))
            for job_id in known.keys() - {job.id for job in jobs}:
                # It ended while its host could not be heard.
                self._registry.hear(self._registry.as_recorded(known[job_id]))
            known.clear()

    def _reached(self, job: Job) -> Job:
        """Return a job with the address of its command server as it is from here."""
        if job.address is None:
            return job
        place = self._peers.place_of(job.host)
        return replace(job, address=replace(job.address, host=place))


def _plain(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, JobToken):
        return value.reveal()
    raise NotImplementedError(f"{type(value).__name__} does not travel")


def _senseless(host: str) -> HostAway:
    return HostAway(f"The host “{host}” runs another version of devmode.")
