"""The connection doctor: why a job can or can't be reached, step by step.

The last steps are those of the job's ordinary link, which keeps to who may speak; so an examination
never says a word that disturbs a session.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

import gevent
from gevent.event import Event
from gevent.lock import RLock

from devmode.commandserver import probe
from devmode.commandserver.link import API_MAJOR, Link, LinkState
from devmode.commandserver.probe import Finding, Outcome, failed, fine
from devmode.jobs.job import NOWHERE, Job, JobState
from devmode.jobs.registry import Registry
from devmode.jobs.remote import OTHER_KEY
from devmode.sessions.links import Links

LINK_S = 6.0
"""How long the link may take to come up and to tell its first status."""
GOOD_FOR_S = 5.0
"""How long an examination is good for: many may ask, the worker is asked once."""
MOST_KEPT = 100
OVER = "Its command server has ended with it."
UPGRADED = fine("Websocket", "The connection was upgraded.")
STEPS = (
    "Name resolution",
    "TCP",
    "HTTP without the token",
    "HTTP with the token",
    "Websocket",
    "First status",
    "Version",
)


@dataclass(frozen=True)
class Examination:
    """What was found, in the order of the way from here to the command server."""

    job: Job
    findings: tuple[Finding, ...]

    @property
    def is_reachable(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.outcome is Outcome.FINE for finding in self.findings)


@dataclass
class _Last:
    """The last examination of a job, and whoever makes the next one."""

    at: float = float("-inf")
    examination: Examination | None = None
    examining: RLock = field(default_factory=RLock)

    def is_good_for(self, job: Job) -> bool:
        examined = self.examination.job if self.examination else None
        is_same = examined and (examined.state, examined.address) == (job.state, job.address)
        return bool(is_same) and time.monotonic() - self.at < GOOD_FOR_S


class Doctor:
    """Examines jobs."""

    def __init__(self, registry: Registry, links: Links) -> None:
        """Examine nothing yet."""
        self._registry = registry
        self._links = links
        self._last: OrderedDict[int, _Last] = OrderedDict()

    def examine(self, job_id: int) -> Examination:
        """Examine a job, or return what was found a moment ago; raise `JobNotFound`."""
        job = self._registry.get(job_id)
        last = self._last.setdefault(job_id, _Last())
        self._last.move_to_end(job_id)
        if len(self._last) > MOST_KEPT:
            self._last.popitem(last=False)
        with last.examining:
            if last.examination is None or not last.is_good_for(job):
                last.examination = Examination(job, tuple(self._findings(job)))
                last.at = time.monotonic()
            return last.examination

    def _findings(self, job: Job) -> list[Finding]:
        findings = [_told(job)]
        if findings[0].outcome is Outcome.FAILED:
            return _completed(findings)
        name = _named_host(job)
        if job.address is None:
            return _completed([*findings, *_hindrances(job, name or "")])
        findings.append(probe.look_up(name or job.address.host, job.address.host))
        for step in (probe.connect, probe.ask_without_token, probe.ask_with_token):
            findings.append(step(job.address))
            if findings[-1].outcome is Outcome.FAILED:
                return _completed(findings)
        return _completed([*findings, *self._link_findings(job)])

    def _link_findings(self, job: Job) -> list[Finding]:
        changed = Event()
        listening = self._links.listen(job, lambda _event: changed.set())
        link = listening.link
        try:
            # False is gevent's way of saying: leave the block without an error.
            with gevent.Timeout(LINK_S, False):  # type: ignore[arg-type]
                while not link.execution.known and link.state is not LinkState.CLOSED:
                    changed.wait()
                    changed.clear()
            return _of_link(link)
        finally:
            listening.stop()


def _told(job: Job) -> Finding:
    """Tell how devmode knows where the command server is."""
    step = "openQA" if job.pool_directory == NOWHERE else "Pool directory"
    if job.state is JobState.ENDED:
        return failed(step, "The job has ended.", OVER)
    if job.address is not None and job.pool_directory != NOWHERE:
        port = job.address.port
        return fine(step, f"{job.pool_directory} is on {job.host}; the port is {port}.")
    facts = job.openqa.facts if job.openqa is not None else None
    if facts is None or facts.named_host is None:
        return failed(
            step,
            job.obstacle or "",
            "If the worker is past preparing its assets, see that it is connected to openQA, and"
            " that isotovideo runs.",
        )
    return fine(step, f"Worker {facts.worker} is at {facts.named_host}; the port is {facts.port}.")


def _hindrances(job: Job, name: str) -> list[Finding]:
    """Tell why no link is opened to a command server that openQA has told of."""
    lookup = probe.look_up(name, None)
    if lookup.outcome is Outcome.FAILED:
        return [lookup]
    advice = (
        f"To let links go there, add it to the setting: DEVMODE_COMMAND_SERVER_HOSTS={name}. If"
        " that is not the worker's machine, correct WORKER_HOSTNAME in its workers.ini."
    )
    if job.obstacle == OTHER_KEY:
        advice = "Give every host of this devmode the same DEVMODE_SECRET_KEY."
    return [lookup, failed("Permission", job.obstacle or "", advice)]


def _named_host(job: Job) -> str | None:
    return job.openqa.facts.named_host if job.openqa is not None else None


def _of_link(link: Link) -> list[Finding]:
    if link.state is LinkState.CLOSED:
        return _of_closed(link)
    if link.state in (LinkState.CONNECTING, LinkState.RECONNECTING):
        return [
            failed(
                "Websocket",
                link.trouble or f"The connection was not upgraded within {LINK_S:.0f} s.",
                "Something between devmode and the worker lets HTTP pass but no websocket: a proxy,"
                " or a firewall that looks into connections.",
            )
        ]
    if not link.execution.known or link.state is LinkState.UNRESPONSIVE:
        return [
            UPGRADED,
            failed(
                "First status",
                f"No status came within {LINK_S:.0f} s.",
                "isotovideo is busy or hangs: see the end of its log. If another process of devmode"
                " keeps the session, it asks for the status; try again in a moment.",
            ),
        ]
    version = link.execution.api_version
    spoken = f"{version[0]}.{version[1]}" if version else "an unknown version"
    return [
        UPGRADED,
        fine("First status", f"It came; the test is in {link.execution.module or 'no module'}."),
        fine("Version", f"It speaks version {spoken} of the developer mode."),
    ]


def _of_closed(link: Link) -> list[Finding]:
    version = link.execution.api_version
    if version is None or version[0] == API_MAJOR:
        return [failed("Websocket", "The job ended meanwhile.", OVER)]
    return [
        UPGRADED,
        fine("First status", "It came."),
        failed(
            "Version",
            link.trouble or "The command server speaks another version.",
            "Update os-autoinst on the worker's machine, or devmode.",
        ),
    ]


def _completed(findings: list[Finding]) -> list[Finding]:
    """Add the steps that were not reached."""
    tried = {finding.step for finding in findings}
    untried = [step for step in STEPS if step not in tried]
    return findings + [Finding(step, Outcome.NOT_TRIED, "") for step in untried]
