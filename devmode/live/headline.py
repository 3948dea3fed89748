"""The status line: what a job does now, in one title and its detail."""

from dataclasses import dataclass

from devmode.commandserver.execution import ExecutionState, Pause, PauseKind
from devmode.commandserver.link import LinkState
from devmode.jobs.job import Job, JobState
from devmode.jobs.modules import PASSED
from devmode.live.schedule import current_module, modules_ahead

RETRIEVING = "Retrieving the status…"
_LOST = (LinkState.RECONNECTING, LinkState.UNRESPONSIVE, LinkState.CLOSED)
_PAUSES = {
    PauseKind.MISMATCH: " on a screen mismatch",
    PauseKind.NEXT_COMMAND: " before the next command",
    PauseKind.FAILURE: " on a failure",
    PauseKind.FAILED_FUNCTION: " on a failure",
}


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


def headline_of(
    job: Job, execution: ExecutionState, link: LinkState, trouble: str | None
) -> Headline:
    """Return the status line; what comes first wins, as in openQA's running.js (702-742)."""
    if job.state is JobState.ENDED:
        return Headline("ended", "Ended", job.result or "")
    if execution.stopping:
        return Headline("stopping", "About to stop", execution.stopping)
    if job.obstacle:
        return Headline("connecting", "Out of reach", job.obstacle)
    if link in _LOST:
        return Headline("trouble", "Reconnecting", trouble or "")
    if not execution.known:
        return Headline("connecting", "Connecting", trouble or RETRIEVING)
    module = current_module(job, execution)
    if execution.pause is not None:
        return _paused(execution.pause, module, execution.tags)
    doing = " ".join(filter(None, (execution.api_function, execution.api_detail)))
    return Headline("running", _running(job, execution), ", ".join(filter(None, (module, doing))))


def outcome_of(failed: int, result: str) -> str:
    """Tell how an ended job went, `passed` or `failed`; empty where nobody knows.

    `failed` is how many of its modules did, `result` what became of it in words.
    """
    if failed:
        return "failed"
    return PASSED if result == PASSED else ""


def _paused(pause: Pause, module: str | None, tags: tuple[str, ...] | None) -> Headline:
    kind = pause.kind
    if kind is PauseKind.MODULE and module:
        told = "" if pause.reason == f"reached module {module}" else pause.reason
        return Headline("paused", f"Paused at module {module}", told)
    place = f" in {module}" if module else ""
    told = pause.reason.strip()
    if tags is not None:
        told += f"\nThe check of {', '.join(tags)} goes on, and can still fail."
    return Headline("paused", f"Paused{_PAUSES.get(kind, '')}{place}", told)


def _running(job: Job, execution: ExecutionState) -> str:
    chosen = execution.pause_at
    if chosen and any(module.full_name == chosen for module in modules_ahead(job, execution)):
        return f"Will pause at module {chosen}"
    return "Running"
