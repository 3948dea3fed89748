"""How far the uploads of jobs are, told by their openQA workers to whichever process they reach."""

from typing import Any

from sqlalchemy import delete, select, update

from devmode.cluster.database import Database, changed_rows
from devmode.cluster.notices import Notices
from devmode.jobs.models import JobRow, UploadProgress

UPLOADS = "uploads"
"""Topic: a worker told something new about the uploads of this job."""

Progress = dict[str, Any]


class Uploads:
    """What workers told last, read once per process and change."""

    def __init__(self, database: Database, notices: Notices) -> None:
        """Know nothing yet."""
        self._database = database
        self._notices = notices
        self._known: dict[int, Progress | None] = {}
        notices.listen(UPLOADS, lambda job_id: self._forget(int(job_id)))
        notices.when_missed(self._known.clear)

    def of(self, job_id: int) -> Progress | None:
        """Return what the worker of a job told last, None if nothing."""
        if job_id not in self._known:
            query = select(UploadProgress.progress).where(UploadProgress.job_id == job_id)
            with self._database.read() as session:
                self._known[job_id] = session.scalar(query)
        return self._known[job_id]

    def note(self, job_id: int, progress: Progress) -> None:
        """Keep what a worker told, let every process know, and drop what is of no use any more."""
        ended = select(JobRow.id).where(JobRow.ended_at.is_not(None))
        with self._database.write() as session:
            told = update(UploadProgress).where(UploadProgress.job_id == job_id)
            if changed_rows(session, told.values(progress=progress)) == 0:
                session.add(UploadProgress(job_id=job_id, progress=progress))
            session.execute(delete(UploadProgress).where(UploadProgress.job_id.in_(ended)))
            self._notices.publish(session, UPLOADS, job_id)

    def _forget(self, job_id: int) -> None:
        self._known.pop(job_id, None)
