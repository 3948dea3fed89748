"""Who has which job open is told to those who show it: beside the developer of a session."""

from collections.abc import Iterator
from dataclasses import dataclass

import gevent
import pytest
from sqlalchemy import create_engine

from devmode.cluster.boards import board_of
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.cluster.ownrows import Key
from devmode.jobs.models import JobRow
from devmode.live.presence import Attendance
from devmode.sessions.models import User
from devmode.sessions.store import SESSION, Store
from tests.waiting import until

JOB, OLIVIA = 1, 1


@dataclass
class Process:
    """The parts of a process that count tabs, and the jobs whose sessions it heard of."""

    store: Store
    attendance: Attendance
    heard: list[str]


@pytest.fixture
def process(database_url: str) -> Iterator[Process]:
    engine = create_engine(database_url)
    Base.metadata.create_all(engine)
    database = Database(engine)
    lease = Lease(database, "here")
    lease.take()
    with database.write() as session:
        session.add(User(id=OLIVIA, name="olivia"))
        session.add(
            JobRow(id=JOB, host="here", pool_directory="", token_hash="x", name="x", started_at=1)
        )
    notices = Notices(board_of(database), lease)
    heard: list[str] = []
    notices.listen(SESSION, heard.append)
    attendance = Attendance(database, notices, lease)
    yield Process(Store(database, notices, lease), attendance, heard)
    engine.dispose()


def test_who_opens_a_job_that_nobody_controls_is_no_news(process: Process) -> None:
    process.attendance.enter(JOB, OLIVIA, 1)
    process.attendance.leave(JOB, OLIVIA, 1)
    process.attendance.rows.write()
    assert process.heard == []


def test_tabs_of_the_developer_who_controls_a_job_are_told(process: Process) -> None:
    process.store.reserve(JOB, OLIVIA, "olivia")
    process.heard.clear()
    process.attendance.enter(JOB, OLIVIA, 2)
    process.attendance.rows.write()
    facts = process.store.session_of(JOB)
    assert facts is not None
    assert facts.tabs == 2
    assert process.heard == [str(JOB)]


def test_a_tab_that_closes_while_it_is_written_down_is_not_left_behind(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = process.attendance.rows
    tell = rows._tell
    process.store.reserve(JOB, OLIVIA, "olivia")

    def close(keys: set[Key]) -> None:
        monkeypatch.setattr(rows, "_tell", tell)
        process.attendance.leave(JOB, OLIVIA, 1)
        tell(keys)

    monkeypatch.setattr(rows, "_tell", close)
    process.attendance.enter(JOB, OLIVIA, 1)
    rows.write()
    rows.write()
    facts = process.store.session_of(JOB)
    assert facts is not None
    assert facts.tabs == 0


def test_tabs_that_close_are_told_soon(process: Process) -> None:
    process.store.reserve(JOB, OLIVIA, "olivia")
    process.attendance.enter(JOB, OLIVIA, 1)
    process.attendance.rows.write()
    process.heard.clear()
    running = gevent.spawn(process.attendance.rows.run)
    gevent.sleep(0)
    process.attendance.leave(JOB, OLIVIA, 1)
    until(lambda: process.heard == [str(JOB)], "the news")
    facts = process.store.session_of(JOB)
    assert facts is not None
    assert facts.tabs == 0
    running.kill()


def test_tabs_from_before_a_session_count_in_it(process: Process) -> None:
    process.attendance.enter(JOB, OLIVIA, 2)
    process.attendance.rows.write()
    process.store.reserve(JOB, OLIVIA, "olivia")
    facts = process.store.session_of(JOB)
    assert facts is not None
    assert facts.tabs == 2
