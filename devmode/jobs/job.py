"""A job: one run of isotovideo, as it was at the last look."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from devmode.commandserver.address import Address
from devmode.errors import JobNotRunning
from devmode.jobs.modules import Module
from devmode.jobs.processes import Process, terminate
from devmode.jobs.remote import OpenqaPart

NOWHERE = Path("/dev/null")
"""The pool directory of a job that has none here: nothing can be below it."""


class JobState(Enum):
    """Whether a job's isotovideo runs."""

    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True)
class Job:
    """One run of isotovideo, as it was at the last look."""

    id: int
    name: str
    state: JobState
    pool_directory: Path
    started_at: float
    ended_at: float | None = None
    result: str | None = None
    modules: tuple[Module, ...] = ()
    current_module: str | None = None
    address: Address | None = None
    vnc: str | None = None
    process: Process | None = None
    openqa_id: int | None = None
    openqa_url: str | None = None
    """The openQA that has told of the job, if one has."""
    openqa: OpenqaPart | None = None
    """What that openQA says while the job runs."""
    worker_id: int | None = None
    """Of the worker in openQA's database."""
    paused: str | None = None
    """The reason of a pause as its pool directory tells it: not that of a pause on failure."""
    no_video: bool = False
    machine_gone: bool = False
    time_limit_s: int | None = None
    host: str = ""
    """Where its pool directory is, if a devmode has looked into that."""
    host_away: bool = False
    """Whether that is another host that can't be reached: all else is what was known last."""
    picture: str | None = None
    """Version of the latest picture, as the other host that it runs on told it."""

    @property
    def page(self) -> str | None:
        """The job's page in openQA, if an openQA has told of it."""
        return f"{self.openqa_url}/tests/{self.openqa_id}" if self.openqa_url else None

    @property
    def is_out_of_sight(self) -> bool:
        """Whether it runs where no devmode does, so that its files can't be looked at."""
        return self.state is JobState.RUNNING and self.pool_directory == NOWHERE

    @property
    def obstacle(self) -> str | None:
        """Why there is no command server to talk to, while the job runs."""
        if self.state is JobState.ENDED or self.address is not None:
            return None
        if self.openqa is not None:
            return self.openqa.obstacle
        if self.host_away:
            return f"The host “{self.host}” can't be reached to tell where the command server is."
        return "The job's pool directory is on another machine, and no openQA tells of it."

    @property
    def deadline(self) -> float | None:
        """When MAX_JOB_TIME is over, in seconds since 1970; None where nothing ends the job."""
        if self.state is JobState.ENDED or self.time_limit_s is None:
            return None
        return self.started_at + self.time_limit_s

    @property
    def failed(self) -> int:
        """How many modules have failed."""
        return sum(module.result == "fail" for module in self.modules)

    def schedules(self, full_name: str) -> bool:
        """Tell whether a test module of this full name is in the schedule."""
        return any(module.full_name == full_name for module in self.modules)

    def terminate(self) -> None:
        """Tell the isotovideo to end; raise `JobNotRunning` or `NotPermitted`."""
        if self.process is None:
            raise JobNotRunning("The job has ended already.")
        terminate(self.pool_directory, self.process)
