"""What is kept of jobs that have ended: the next job empties the pool directory.

The schedule with its results is a row; the last picture, the ends of the texts and what the modules
recorded are files in a folder of the job's own.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import gevent
import msgspec
import structlog
from sqlalchemy import Row, delete, select
from sqlalchemy.exc import IntegrityError

from devmode.cluster.database import Database
from devmode.errors import DatabaseAway
from devmode.jobs.files import contents, opened
from devmode.jobs.job import Job, JobState
from devmode.jobs.models import JobRow, KeptJob
from devmode.jobs.modules import Module
from devmode.jobs.results import Results
from devmode.jobs.screenshots import Picture, Place

SWEEP_S = 3600.0
DAY_S = 86400.0
PICTURE = "screen.png"
TEXT = "end-of-"
RESULTS = "results"
TURN = "results.turn"
"""Locked while a process of this host keeps the results; not empty once they are all kept."""
MEGABYTE = 1_000_000
LARGEST = 8 << 20
"""Bytes of what is kept besides the results: of the last picture, or of the end of a text."""

log = structlog.stdlib.get_logger(__name__)


class _KeptModule(msgspec.Struct, array_like=True):
    name: str
    category: str
    result: str
    run_time_s: int | None = None
    """Not told by the rows of older versions."""


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

    def __init__(
        self, database: Database, folder: Path | None, days: float, megabytes: float
    ) -> None:
        """Keep what ends from now on, and of the results of a job as much as `megabytes`."""
        self._database = database
        self._folder = folder
        self._days = days
        self._room = int(megabytes * MEGABYTE)

    def keep(self, job: Job, picture: Picture | None) -> None:
        """Keep a job that has just ended; every process that saw its end does so, alike."""
        is_kept = picture is not None and self._write(job.id, PICTURE, picture.data)
        modules = [
            [module.name, module.category, module.result, module.run_time_s]
            for module in job.modules
        ]
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
            log.warning("a schedule is not kept: the database is away", job=job.id)
        except IntegrityError:
            pass  # another process was faster, with the same

    def kept(self, job_ids: Iterable[int]) -> dict[int, Kept]:
        """Return what is kept of these jobs, by number."""
        query = select(KeptJob).where(KeptJob.job_id.in_(list(job_ids)))
        with self._database.read() as connection:
            return {row.job_id: _kept(row) for row in connection.execute(query)}

    def complete(self, job: Job) -> Job:
        """Return an ended job with its schedule, as far as it is kept, and any other as it is."""
        return self.complete_all([job])[0]

    def complete_all(self, jobs: Sequence[Job]) -> list[Job]:
        """Return several jobs as `complete` does each."""
        bare = [job.id for job in jobs if job.state is JobState.ENDED and not job.modules]
        kept = self.kept(bare) if bare else {}
        return [kept[job.id].restore(job) if job.id in kept else job for job in jobs]

    def has_picture(self, job_id: int) -> bool:
        """Tell whether the last picture of an ended job is kept, without reading it."""
        kept = self.kept([job_id]).get(job_id)
        if kept is None or kept.picture is None or self._folder is None:
            return False
        return (self._folder / str(job_id) / PICTURE).is_file()

    def picture(self, job_id: int) -> Picture | None:
        """Return the last picture of an ended job, if it is kept."""
        kept = self.kept([job_id]).get(job_id)
        if kept is None or kept.picture is None:
            return None
        picture = Picture(self._read(job_id, PICTURE) or b"", kept.picture)
        return picture if picture.is_whole else None

    def keep_text(self, job_id: int, name: str, end: bytes) -> None:
        """Keep the end of a text, masked, in whatever form `text` shall return it."""
        self._write(job_id, TEXT + name, end)

    def text(self, job_id: int, name: str) -> bytes | None:
        """Return the kept end of a text, None if there is none."""
        return self._read(job_id, TEXT + name)

    def texts(self, job_id: int) -> list[str]:
        """Return the names of the texts whose ends are kept."""
        if self._folder is None:
            return []
        files = (self._folder / str(job_id)).glob(f"{TEXT}*")
        return sorted(file.name.removeprefix(TEXT) for file in files if not file.suffix)

    def keep_results(self, job_id: int, files: Iterable[tuple[str, bytes]]) -> bool:
        """Keep what modules recorded, named as there, as far as there is room for one job's.

        One process of this host does so for all. While another one is at it, return False without
        asking for any of `files`: it may die, so try again.
        """
        if self._folder is None:
            return True
        try:
            with _turn(self._folder / str(job_id) / TURN) as turn:
                if not turn.read():
                    self._keep_each(job_id, files)
                    turn.write("all are kept")
        except BlockingIOError:
            return False
        except OSError as error:
            log.warning("results are not kept", job=job_id, trouble=error.strerror)
        return True

    def results(self, job_id: int) -> Results | None:
        """Return what is kept of what modules recorded, None where nothing ever is."""
        if self._folder is None:
            return None
        return Results(partial(opened, self._folder / str(job_id) / RESULTS))

    def run(self) -> None:
        """Forget what is too old, every hour, for ever (run in a greenlet)."""
        while True:
            try:
                self.forget_old()
            except DatabaseAway:
                log.warning("old jobs could not be forgotten: the database is away")
            except OSError as error:
                log.warning("files of old jobs could not be removed", trouble=error.strerror)
            gevent.sleep(SWEEP_S)

    def forget_old(self) -> None:
        """Remove the jobs that ended long enough ago, and their files on this host."""
        until = time.time() - self._days * DAY_S
        with self._database.write() as session:
            # What is kept of a job in the database goes with its row.
            session.execute(delete(JobRow).where(JobRow.ended_at < until))
        if self._folder is not None:
            _remove_older(self._folder, until)

    def _keep_each(self, job_id: int, files: Iterable[tuple[str, bytes]]) -> None:
        room = self._room
        for name, data in files:
            room -= len(data)
            if room < 0 or not self._write(job_id, f"{RESULTS}/{name}", data):
                return

    def _read(self, job_id: int, name: str) -> bytes | None:
        if self._folder is None:
            return None
        try:
            with opened(self._folder / str(job_id)) as folder:
                return contents(folder, name, LARGEST)
        except OSError:
            return None

    def _write(self, job_id: int, name: str, data: bytes) -> bool:
        if self._folder is None:
            return False
        file = self._folder / str(job_id) / name
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            (self._folder / str(job_id)).mkdir(mode=0o700, parents=True, exist_ok=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(data)
            draft.rename(file)
        except OSError as error:
            log.warning("a file is not kept", job=job_id, file=name, trouble=error.strerror)
            # Half of it would fill a full disk for nothing.
            with suppress(OSError):
                draft.unlink()
            return False
        return True


@contextmanager
def _turn(file: Path) -> Iterator[TextIO]:
    """Hold a file against other processes: whichever way this one ends, it lets go of it.

    Raises `BlockingIOError` while another one holds it, `OSError`.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a+") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        turn.seek(0)
        yield turn


def _remove_older(folder: Path, until: float) -> None:
    """Remove the folders of jobs that were kept before a time.

    Their rows don't tell which: a process on another host may have removed those.
    """
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.isdecimal() and entry.stat(follow_symlinks=False).st_mtime < until:
                shutil.rmtree(entry.path, ignore_errors=True)


def _kept(row: Row[Any]) -> Kept:
    modules = msgspec.convert(row.modules, list[_KeptModule])
    place = Place("kept", str(row.job_id), row.picture_at) if row.picture_at else None
    return Kept(tuple(Module(*msgspec.structs.astuple(module)) for module in modules), place)
