"""How far the uploads of jobs are, told by their openQA workers to whichever process they reach."""

from typing import Any

from sqlalchemy import delete, select, update

from devmode.cluster.database import Database, changed_rows
from devmode.cluster.notices import Notices
from devmode.cluster.turns import Turns
from devmode.jobs.models import JobRow, UploadProgress

UPLOADS = "uploads"
"""Topic: a worker told something new about the uploads of this job."""

MOST_OUTDATED = 1000
"""Of more jobs of which nobody here has asked, everything is forgotten."""

Progress = dict[str, Any]

_EVERY = select(UploadProgress.job_id, UploadProgress.progress)


class Uploads:
    """What workers told last: read once by each process, then job by job as it changes."""

    def __init__(self, database: Database, notices: Notices) -> None:
        """Know nothing yet."""
        self._database = database
        self._notices = notices
        self._known: dict[int, Progress] = {}
        self._outdated: set[int] = set()
        self._all_outdated = True
        self._reading = Turns()
        notices.listen(UPLOADS, lambda job_id: self._outdate(int(job_id)))
        notices.when_missed(self._miss)

    def of(self, job_id: int) -> Progress | None:
        """Return what the worker of a job told last, None if nothing; raise `DatabaseAway`."""
        with self._reading.take(self._database, lambda: self._is_outdated(job_id)):
            if self._all_outdated:
                self._read_all()
            if job_id in self._outdated:
                self._read(job_id)
        return self._known.get(job_id)

    def note(self, job_id: int, progress: Progress) -> None:
        """Keep what a worker told, let every process know, and drop what is of no use any more."""
        ended = select(JobRow.id).where(JobRow.ended_at.is_not(None))
        with self._database.write() as session:
            told = update(UploadProgress).where(UploadProgress.job_id == job_id)
            if changed_rows(session, told.values(progress=progress)) == 0:
                session.add(UploadProgress(job_id=job_id, progress=progress))
            session.execute(delete(UploadProgress).where(UploadProgress.job_id.in_(ended)))
            self._notices.publish(session, UPLOADS, job_id)

    def _is_outdated(self, job_id: int) -> bool:
        return self._all_outdated or job_id in self._outdated

    def _miss(self) -> None:
        self._all_outdated = True
        self._outdated.clear()

    def _outdate(self, job_id: int) -> None:
        if self._all_outdated:
            return
        self._outdated.add(job_id)
        if len(self._outdated) > MOST_OUTDATED:
            self._miss()

    def _read_all(self) -> None:
        # Before the reading, during which something may become so again.
        self._all_outdated = False
        try:
            with self._database.read() as connection:
                rows = connection.execute(_EVERY).all()
        except BaseException:
            self._all_outdated = True
            raise
        self._known = {row.job_id: row.progress for row in rows}

    def _read(self, job_id: int) -> None:
        self._outdated.discard(job_id)
        try:
            with self._database.read() as connection:
                row = connection.execute(_EVERY.where(UploadProgress.job_id == job_id)).first()
        except BaseException:
            self._outdated.add(job_id)
            raise
        self._known.pop(job_id, None)
        if row is not None:
            self._known[job_id] = row.progress
