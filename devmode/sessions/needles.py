"""Needles that developers make: saved where the isotovideo of their job loads them anew."""

from devmode.errors import DevmodeError, JobNotFound
from devmode.jobs.elsewhere import AdmitsNeedles, Elsewhere, SaveNeedle
from devmode.jobs.job import Job
from devmode.jobs.needlefolder import NeedleFolders
from devmode.jobs.needles import Needle
from devmode.jobs.registry import Registry
from devmode.sessions.service import Sessions
from devmode.sessions.store import Store
from devmode.sessions.users import Visitor


class Needles:
    """Saves needles for those who control a job, on whatever host it runs."""

    def __init__(
        self,
        sessions: Sessions,
        store: Store,
        registry: Registry,
        elsewhere: Elsewhere,
        folders: NeedleFolders,
    ) -> None:
        """Save into `folders` for the jobs of this host."""
        self._sessions = sessions
        self._store = store
        self._registry = registry
        self._elsewhere = elsewhere
        self._folders = folders

    def obstacle(self, job_id: int, visitor: Visitor) -> str | None:
        """Say why this visitor can't save a needle of a job now; raise `JobNotFound`."""
        try:
            self._require_folder(self._sessions.controlled(job_id, visitor))
        except JobNotFound:
            raise
        except DevmodeError as error:
            return error.sentence
        return None

    def save(self, job_id: int, visitor: Visitor, needle: Needle, screenshot: str) -> str:
        """Save a needle with a screenshot of the job's results; return the sentence about it.

        For the owner of the session alone: a needle steers the test. Raises `JobNotFound`,
        `JobNotRunning`, `NotSessionOwner`, `NotPermitted`, `InvalidCommand`, `TextNotFound`,
        `NeedleNotSaved`, `HostAway`.
        """
        job = self._sessions.controlled(job_id, visitor)
        if self._registry.is_here(job):
            self._folders.save(job, needle, screenshot)
        else:
            self._elsewhere.ask(job, SaveNeedle(job.id, needle, screenshot), type(None))
        self._store.record(job.id, "needle_made", f"Made the needle {needle.name}.", visitor.name)
        return f"Needle {needle.name} saved."

    def _require_folder(self, job: Job) -> None:
        if self._registry.is_here(job):
            self._folders.require(job)
        else:
            self._elsewhere.ask(job, AdmitsNeedles(job.id), type(None))
