"""What is kept of jobs that have ended: the next job empties the pool directory.

The schedule with its results is a row; the last picture and the ends of the texts are files in a
folder of the job's own.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import gevent
import msgspec
from sqlalchemy import delete, select

from devmode.cluster.database import Database
from devmode.errors import DatabaseAway
from devmode.jobs.files import contents, opened
from devmode.jobs.models import KeptJob
from devmode.jobs.registry import Job, JobState, Module
from devmode.jobs.screenshots import LARGEST, Picture, Place

SWEEP_S = 3600.0
DAY_S = 86400.0
PICTURE = "screen.png"
TEXT = "end-of-"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """What is kept of one job."""

    modules: tuple[Module, ...]
    picture: Place | None

    def restore(self, job: Job) -> Job:
        """Return the job with the schedule that it had."""
        return replace(job, modules=self.modules)


class Archive:
    """Keeps ended jobs for some days; without a folder, their schedules only."""

    def __init__(self, database: Database, folder: Path | None, days: float) -> None:
        """Keep what ends from now on."""
        self._database = database
        self._folder = folder
        self._days = days

    def keep(self, job: Job, picture: Picture | None) -> None:
        """Keep a job that has just ended; every process that saw its end does so, alike."""
        is_kept = picture is not None and self._write(job.id, PICTURE, picture.data)
        modules = [[module.name, module.category, module.result] for module in job.modules]
        row = KeptJob(
            job_id=job.id,
            ended_at=job.ended_at or time.time(),
            modules=modules,
            picture_at=picture.place.written_at if picture and is_kept else None,
        )
        try:
            with self._database.write() as session:
                session.merge(row)
        except DatabaseAway:
            log.warning("the schedule of job %d is not kept: the database is away", job.id)

    def kept(self, job_ids: Iterable[int]) -> dict[int, Kept]:
        """Return what is kept of these jobs, by number."""
        query = select(KeptJob).where(KeptJob.job_id.in_(list(job_ids)))
        with self._database.read() as session:
            return {row.job_id: _kept(row) for row in session.scalars(query)}

    def complete(self, job: Job) -> Job:
        """Return an ended job with its schedule, as far as it is kept, and any other as it is."""
        if job.state is not JobState.ENDED or job.modules:
            return job
        kept = self.kept([job.id]).get(job.id)
        return kept.restore(job) if kept else job

    def picture(self, job_id: int) -> Picture | None:
        """Return the last picture of an ended job, if it is kept."""
        kept = self.kept([job_id]).get(job_id)
        if kept is None or kept.picture is None or self._folder is None:
            return None
        try:
            with opened(self._folder / str(job_id)) as folder:
                data = contents(folder, PICTURE, LARGEST)
        except OSError:
            return None
        picture = Picture(data or b"", kept.picture)
        return picture if picture.is_whole else None

    def keep_text(self, job_id: int, name: str, end: bytes) -> None:
        """Keep the end of a text, masked, in whatever form `text` shall return it."""
        self._write(job_id, TEXT + name, end)

    def text(self, job_id: int, name: str) -> bytes | None:
        """Return the kept end of a text, None if there is none."""
        if self._folder is None:
            return None
        try:
            with opened(self._folder / str(job_id)) as folder:
                return contents(folder, TEXT + name, LARGEST)
        except OSError:
            return None

    def texts(self, job_id: int) -> list[str]:
        """Return the names of the texts whose ends are kept."""
        if self._folder is None:
            return []
        files = (self._folder / str(job_id)).glob(f"{TEXT}*")
        return sorted(file.name.removeprefix(TEXT) for file in files if not file.suffix)

    def run(self) -> None:
        """Forget what is too old, every hour, for ever (run in a greenlet)."""
        while True:
            try:
                self.forget_old()
            except DatabaseAway:
                log.warning("old jobs could not be forgotten: the database is away")
            gevent.sleep(SWEEP_S)

    def forget_old(self) -> None:
        """Remove what has been kept for long enough."""
        old = KeptJob.ended_at < time.time() - self._days * DAY_S
        with self._database.write() as session:
            for job_id in session.scalars(select(KeptJob.job_id).where(old)).all():
                if self._folder is not None:
                    shutil.rmtree(self._folder / str(job_id), ignore_errors=True)
            session.execute(delete(KeptJob).where(old))

    def _write(self, job_id: int, name: str, data: bytes) -> bool:
        if self._folder is None:
            return False
        folder = self._folder / str(job_id)
        draft = folder / f"{name}.{os.getpid()}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(data)
            draft.rename(folder / name)
        except OSError as error:
            log.warning("%s of job %d is not kept: %s", name, job_id, error.strerror)
            return False
        return True


def _kept(row: KeptJob) -> Kept:
    modules = msgspec.convert(row.modules, list[tuple[str, str, str]])
    place = Place("kept", str(row.job_id), row.picture_at) if row.picture_at else None
    return Kept(tuple(Module(*module) for module in modules), place)
