"""Who has which job open is told to those who show it: beside the developer of a session."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import gevent
import pytest
from sqlalchemy import create_engine, update

from app import create_app
from devmode.cluster import ownrows
from devmode.cluster.boards import board_of
from devmode.cluster.clock import now
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import MARGIN_S, Lease
from devmode.cluster.models import Process as ProcessRow
from devmode.cluster.notices import Notices
from devmode.cluster.ownrows import Key
from devmode.config import Settings
from devmode.errors import DatabaseAway
from devmode.jobs.models import JobRow
from devmode.live.presence import Attendance
from devmode.sessions.models import User
from devmode.sessions.store import SESSION, Store
from tests.waiting import until

JOB, OLIVIA = 1, 1


@dataclass
class Process:
    """The parts of a process that count tabs, and the jobs whose sessions it heard of."""

    lease: Lease
    store: Store
    attendance: Attendance
    heard: list[str]


@pytest.fixture
def process(database_url: str) -> Iterator[Process]:
    engine = create_engine(database_url)
    database = Database(engine)
    Base.metadata.create_all(engine)
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
    yield Process(lease, Store(database, notices, lease), attendance, heard)
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


def test_those_who_come_one_after_the_other_are_written_while_others_come(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = process.attendance.rows
    write, written = rows._write, []

    def noted(keys: set[Key]) -> None:
        write(keys)
        written.append(set(keys))
        if len(written) == 1:
            process.attendance.enter(JOB, OLIVIA + 1, 1)

    monkeypatch.setattr(rows, "_write", noted)
    monkeypatch.setattr(ownrows, "AGAIN_S", 60)
    running = gevent.spawn(rows.run)
    process.attendance.enter(JOB, OLIVIA, 1)
    until(lambda: len(written) == 2, "the second to be written")
    assert written == [{(JOB, OLIVIA)}, {(JOB, OLIVIA + 1)}]
    running.kill()


@pytest.mark.parametrize("trouble", [DatabaseAway("gone"), ValueError("odd")])
def test_what_can_not_be_written_is_written_later(
    process: Process, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    rows = process.attendance.rows
    write = rows._write

    def fail_once(_keys: set[Key]) -> None:
        monkeypatch.setattr(rows, "_write", write)
        raise trouble

    process.store.reserve(JOB, OLIVIA, "olivia")
    monkeypatch.setattr(rows, "_write", fail_once)
    process.attendance.enter(JOB, OLIVIA, 1)
    with suppress(ValueError):
        assert not rows.write()
    assert rows.write()
    facts = process.store.session_of(JOB)
    assert facts is not None
    assert facts.tabs == 1


def test_tabs_are_counted_under_the_new_name_of_a_process_that_was_forgotten(
    process: Process,
) -> None:
    process.store.reserve(JOB, OLIVIA, "olivia")
    process.attendance.enter(JOB, OLIVIA, 1)
    process.attendance.rows.write()
    process.lease.give_back()
    process.lease.take()
    process.attendance.rows.write_again()
    facts = process.store.session_of(JOB)
    assert facts is not None
    assert facts.tabs == 1


def test_a_process_that_ends_tells_of_the_tabs_that_close_with_it(
    process: Process, database_url: str
) -> None:
    ending = create_app(
        Settings(database_url=database_url, secret_key="x", start_code="y", host="there")
    ).extensions["devmode"]
    ending.start()
    process.store.reserve(JOB, OLIVIA, "olivia")
    attendance = ending.feed._sources._attendance
    attendance.enter(JOB, OLIVIA, 1)
    attendance.rows.write()
    heard: list[str] = []
    ending.notices.listen(SESSION, heard.append)
    attendance.leave(JOB, OLIVIA, 1)
    ending.stop()
    assert heard == [str(JOB)]


@pytest.mark.parametrize(("ago_s", "tabs"), [(MARGIN_S / 2, 1), (MARGIN_S * 2, 0)])
def test_tabs_of_a_process_count_until_its_successor_may_begin(
    process: Process, ago_s: float, tabs: int
) -> None:
    process.store.reserve(JOB, OLIVIA, "olivia")
    process.attendance.enter(JOB, OLIVIA, 1)
    process.attendance.rows.write()
    with process.attendance._database.write() as session:
        session.execute(update(ProcessRow).values(lease_until=now() - ago_s))
    process.attendance._withdraw_lapsed()
    facts = process.store.session_of(JOB)
    assert facts is not None
    assert facts.tabs == tabs
