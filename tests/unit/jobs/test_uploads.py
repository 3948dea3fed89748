"""How far uploads are: read once by each process, then as it changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event

from devmode.cluster.boards import board_of
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway
from devmode.jobs.models import JobRow
from devmode.jobs.uploads import Uploads

FAR = {"uploading": "serial0.txt"}
FARTHER = {"uploading": "video.ogv"}


class Process:
    """Uploads as one process knows them, and what it asks of the database meanwhile."""

    def __init__(self, file: Path) -> None:
        engine = create_engine(f"sqlite:///{file}")
        self.database = Database(engine)
        self.lease = Lease(self.database, "here")
        self.notices = Notices(board_of(self.database), self.lease)
        self.uploads = Uploads(self.database, self.notices)
        self.asked = 0
        event.listen(engine, "before_cursor_execute", self._count)

    def hears_of(self, job_id: int) -> None:
        with self.database.write() as session:
            self.notices.publish(session, "uploads", job_id)

    def misses_something(self) -> None:
        for listener in self.notices._when_missed:
            listener()

    def _count(self, *arguments: object) -> None:
        self.asked += "upload_progress" in str(arguments[2])


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path / "devmode.sqlite")
    Base.metadata.create_all(process.database.engine)
    process.lease.take()
    with process.database.write() as session:
        for number in (1, 2):
            nowhere = {"host": "", "pool_directory": "", "token_hash": str(number)}
            session.add(JobRow(id=number, name="x", started_at=1, **nowhere))
    yield process
    process.database.engine.dispose()


@pytest.fixture
def other(process: Process, tmp_path: Path) -> Iterator[Process]:
    other = Process(tmp_path / "devmode.sqlite")
    yield other
    other.database.engine.dispose()


def test_what_is_known_of_all_jobs_is_asked_once(process: Process, other: Process) -> None:
    process.uploads.note(1, FAR)
    assert [other.uploads.of(number) for number in (1, 2, 2, 1)] == [FAR, None, None, FAR]
    assert other.asked == 1


def test_only_the_job_of_which_something_is_new_is_asked_for(
    process: Process, other: Process
) -> None:
    assert other.uploads.of(1) is None
    process.uploads.note(1, FARTHER)
    other.hears_of(1)
    assert [other.uploads.of(number) for number in (1, 2, 1)] == [FARTHER, None, FARTHER]
    assert other.asked == 2


def test_what_may_have_been_missed_is_asked_anew(process: Process, other: Process) -> None:
    assert other.uploads.of(1) is None
    process.uploads.note(1, FAR)
    other.misses_something()
    assert other.uploads.of(1) == FAR


@pytest.mark.parametrize("known", [False, True], ids=["all are read", "one is read"])
def test_what_is_told_while_it_is_read_is_asked_anew(
    process: Process, other: Process, *, known: bool
) -> None:
    if known:
        assert other.uploads.of(1) is None
    process.uploads.note(1, FAR)
    other.hears_of(1)

    def tell(*arguments: object) -> None:
        if "upload_progress" in str(arguments[2]) and process.uploads.of(1) == FAR:
            process.uploads.note(1, FARTHER)
            other.hears_of(1)

    event.listen(other.database.engine, "after_cursor_execute", tell)
    other.uploads.of(1)  # what was there when it was read, or what was told since
    assert other.uploads.of(1) == FARTHER


def test_what_could_not_be_read_is_read_when_the_database_is_back(
    process: Process, other: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.uploads.note(1, FAR)

    def away() -> None:
        raise DatabaseAway("gone")

    for hear in (lambda: None, lambda: other.hears_of(1)):
        hear()
        with monkeypatch.context() as patched:
            patched.setattr(other.database, "read", away)
            with pytest.raises(DatabaseAway):
                other.uploads.of(1)
        assert other.uploads.of(1) == FAR
