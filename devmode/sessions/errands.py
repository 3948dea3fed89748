"""What openQA is asked to do about a job: cancel it, run it again, take a comment.

openQA knows devmode by its API key alone, so who asked, and why, stands in what it is told, and in
the job's timeline.
"""

from devmode.errors import InvalidCommand, OpenqaAway, OpenqaRefused, SessionLocked
from devmode.jobs.job import Job
from devmode.jobs.registry import Registry
from devmode.openqa.api import Api
from devmode.schemas import LONGEST_COMMENT, LONGEST_REASON
from devmode.sessions.store import Store
from devmode.sessions.users import Visitor, require_operator


class Errands:
    """Runs errands to the openQA instances, for those who are permitted."""

    def __init__(self, registry: Registry, store: Store, apis: tuple[Api, ...]) -> None:
        """Know each instance by its URL."""
        self._registry = registry
        self._store = store
        self._apis = {api.url: api for api in apis}

    def can_cancel(self, job: Job) -> bool:
        """Whether the job's openQA would listen."""
        api = self._apis.get(job.openqa_url or "")
        return api is not None and api.has_key

    def cancel(self, job: Job, visitor: Visitor, reason: str) -> str:
        """Have a job cancelled; return the sentence about it.

        Raises `InvalidCommand`, `OpenqaAway`, `OpenqaRefused`.
        """
        said = _reason(reason)
        api, number = self._of(job)
        api.cancel(number, f"cancelled in devmode by {visitor.name}{said}")
        self._store.record(job.id, "cancelled", cancellation(reason), visitor.name)
        return "openQA is told to cancel the job."

    def restart(self, job_id: int, visitor: Visitor, reason: str) -> str:
        """Have a job run again from its beginning, which ends it; return the sentence about it.

        For operators, unless another developer controls the job. Raises `JobNotFound`,
        `NotPermitted`, `SessionLocked`, `InvalidCommand`, `OpenqaAway`, `OpenqaRefused`.
        """
        job = self._permitted(job_id, visitor, "restart a job")
        self._check_free(job, visitor)
        said = _reason(reason)
        api, number = self._of(job)
        clone = api.restart(number)
        text = f"Had openQA run the job again as job {clone}{said}."
        self._store.record(job.id, "restarted", text, visitor.name)
        told = f"openQA runs the job again, as its job {clone}."
        try:
            api.comment(number, f"Restarted as job {clone} in devmode by {visitor.name}{said}.")
        except (OpenqaAway, OpenqaRefused) as error:
            return f"{told} A comment that says who asked could not be left: {error.sentence}"
        return told

    def comment(self, job_id: int, visitor: Visitor, text: str) -> str:
        """Leave a comment at a job in openQA; return the sentence about it.

        For operators. Raises `JobNotFound`, `NotPermitted`, `InvalidCommand`, `OpenqaAway`,
        `OpenqaRefused`.
        """
        job = self._permitted(job_id, visitor, "comment on a job")
        words = text.strip()
        if not 0 < len(words) <= LONGEST_COMMENT:
            raise InvalidCommand(f"A comment has one to {LONGEST_COMMENT} characters.")
        api, number = self._of(job)
        api.comment(number, f"{visitor.name}, in devmode: {words}")
        self._store.record(job.id, "commented", "Left a comment in openQA.", visitor.name)
        return "The comment stands in openQA."

    def _permitted(self, job_id: int, visitor: Visitor, what: str) -> Job:
        job = self._registry.get(job_id)
        require_operator(visitor, what)
        return job

    def _check_free(self, job: Job, visitor: Visitor) -> None:
        facts = self._store.session_of(job.id)
        if facts is not None and facts.user_id != visitor.id:
            raise SessionLocked(f"{facts.developer} controls the job, and a restart would end it.")

    def _of(self, job: Job) -> tuple[Api, int]:
        api = self._apis.get(job.openqa_url or "")
        if api is None or job.openqa_id is None:
            raise InvalidCommand("No openQA that devmode knows has told of this job.")
        return api, job.openqa_id


def cancellation(reason: str) -> str:
    """Return what the timeline says of a job that was cancelled; raise `InvalidCommand`."""
    return f"Cancelled the job{_reason(reason)}."


def _reason(reason: str) -> str:
    """Return a reason as the end of a sentence."""
    words = " ".join(reason.split())
    if len(words) > LONGEST_REASON or not words.isprintable():
        raise InvalidCommand(f"A reason has up to {LONGEST_REASON} printable characters.")
    return f": {words.rstrip('.')}" if words else ""
